#include "redis/caretaker.h"

#include "redis/error_rule.h"
#include "redis/fullness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    PERIOD = 10000, /* milliseconds in which each partition is asked for once */
    AGAIN = 20,     /* milliseconds after which it is asked for again while there is more */
    WHO = 40
};

typedef struct {
    bool is_asked; /* there is no answer yet */
    bool has_more;
} Care;

struct Caretaker {
    const Partitions *partitions;
    const Keep *keep;
    Fullness *fullness;
    CaretakerEvents events;
    void *arg;
    Timer *turn, *again;
    size_t next;
    char who[WHO];
    Care care[];
};

static void ask_for(Caretaker *caretaker, size_t partition)
{
    Care *care = &caretaker->care[partition];
    if (!care->is_asked) {
        care->has_more = false;
        care->is_asked = caretaker->events.ask(caretaker->arg, partition);
    }
}

static void on_turn(void *arg)
{
    Caretaker *caretaker = arg;
    const size_t partition = caretaker->next;
    caretaker->next = (partition + 1) % caretaker->partitions->count;
    ask_for(caretaker, partition);
}

static void on_again(void *arg)
{
    Caretaker *caretaker = arg;
    for (size_t i = 0; i < caretaker->partitions->count; i++) {
        if (caretaker->care[i].has_more) {
            ask_for(caretaker, i);
        }
    }
}

bool caretaker_write(Caretaker *caretaker, size_t partition, Buffer *buffer)
{
    const UpkeepCaller caller = {.who = str_from(caretaker->who),
                                 .partitions =
                                     caretaker->events.count_beside(caretaker->arg, partition)};
    return upkeep_write(buffer, caretaker->partitions->keys[partition], caretaker->keep, &caller);
}

/* It is told here, once, unless it says where to ask instead, or to ask again. */
static const Reply *take_error(Caretaker *caretaker, size_t partition, const Reply *error)
{
    const ErrorRule *rule = error_rule(error->text);
    if (rule->verdict != VERDICT_GIVE_UP) {
        return error;
    }
    fullness_take_refusal(caretaker->fullness, partition, error_to_show(error->text), rule->advice);
    return NULL;
}

const Reply *caretaker_take(Caretaker *caretaker, size_t partition, const Reply *reply,
                            const char **ret_why)
{
    Upkept upkept;
    *ret_why = NULL;
    if (reply->kind == REPLY_ERROR) {
        return take_error(caretaker, partition, reply);
    }
    if (!upkeep_read(reply, &upkept)) {
        *ret_why = "a reply that makes no sense";
        return NULL;
    }
    caretaker->care[partition].has_more = upkept.is_ours && upkept.has_more;
    fullness_take(caretaker->fullness, partition, &upkept,
                  caretaker->events.count_beside(caretaker->arg, partition));
    return NULL;
}

void caretaker_done(Caretaker *caretaker, size_t partition)
{
    Care *care = &caretaker->care[partition];
    care->is_asked = false;
    if (care->has_more && !timer_is_running(caretaker->again)) {
        timer_start(caretaker->again, AGAIN, 0);
    }
}

/* By what the lease tells it from all others, on whatever host. */
static void name_self(char who[WHO])
{
    unsigned long long parts[2] = {0, 0};
    if (getrandom(parts, sizeof(parts), 0) != sizeof(parts)) {
        parts[0] = loop_clock_ns();
    }
    snprintf(who, WHO, "%016llx%016llx", parts[0], parts[1]);
}

Caretaker *caretaker_open(Loop *loop, const Partitions *partitions, const Keep *keep,
                          const CaretakerEvents *events, void *arg)
{
    Caretaker *caretaker =
        calloc(1, sizeof(*caretaker) + partitions->count * sizeof(caretaker->care[0]));
    if (!caretaker) {
        return NULL;
    }
    caretaker->partitions = partitions;
    caretaker->keep = keep;
    caretaker->events = *events;
    caretaker->arg = arg;
    name_self(caretaker->who);
    caretaker->turn = loop_timer(loop, on_turn, caretaker);
    caretaker->again = loop_timer(loop, on_again, caretaker);
    caretaker->fullness = fullness_new(partitions, keep);
    if (!caretaker->turn || !caretaker->again || !caretaker->fullness) {
        return caretaker_close(caretaker);
    }
    timer_start(caretaker->turn, random() % 1000, PERIOD / (int64_t)partitions->count);
    return caretaker;
}

Caretaker *caretaker_close(Caretaker *caretaker)
{
    if (caretaker) {
        timer_close(caretaker->turn);
        timer_close(caretaker->again);
        fullness_free(caretaker->fullness);
        free(caretaker);
    }
    return NULL;
}
