#include "redis/caretaker.h"

#include "base/limits.h"
#include "base/log.h"
#include "redis/error_rule.h"
#include "stats/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    PERIOD = 10000, /* milliseconds in which each partition is asked for once */
    AGAIN = 20,     /* milliseconds after which it is asked for again while there is more */
    WHO = 40
};

/* What is known of a partition. */
typedef struct {
    bool is_asked; /* there is no answer yet */
    bool has_more;
    bool is_ours;
    long long entries, quarantined, quarantine_bytes;
    char why[LIMIT_TEXT]; /* nothing goes, as was told last */
    unsigned states;      /* of its groups: the worst that was told */
} Care;

struct Caretaker {
    const Partitions *partitions;
    const Keep *keep;
    bool (*ask)(void *arg, size_t partition);
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
        care->is_asked = caretaker->ask(caretaker->arg, partition);
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
    const UpkeepCaller caller = {.who = str_from(caretaker->who)};
    return upkeep_write(buffer, caretaker->partitions->keys[partition], caretaker->keep, &caller);
}

/* Telling */

static Str name_of(const Caretaker *caretaker, size_t partition)
{
    return caretaker->partitions->keys[partition]->stream;
}

/* Is it another reason than was told last? */
static bool is_news(Care *care, Str why)
{
    char text[LIMIT_TEXT];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(why));
    const bool is_other = strcmp(text, care->why) != 0;
    memcpy(care->why, text, sizeof(text));
    return is_other && text[0];
}

static void tell_why(Caretaker *caretaker, size_t partition, Str why)
{
    static LogSite site;
    Care *care = &caretaker->care[partition];
    if (is_news(care, why)) {
        log_rarely(&site, LOG_WARN, "trim: nothing is removed from %.*s: %s",
                   STR_ARG(name_of(caretaker, partition)), care->why);
    }
}

static void tell_group(const Caretaker *caretaker, size_t partition, const UpkeepGroup *group)
{
    static LogSite idle, dead;
    const Str stream = name_of(caretaker, partition);
    if (group->state == GROUP_IDLE) {
        log_rarely(&idle, LOG_WARN,
                   "trim: the group %.*s of %.*s has not moved for more than half of "
                   "TRIM_DEAD_GROUP; after all of it the stream does not wait for it any more",
                   STR_ARG(group->name), STR_ARG(stream));
    } else {
        log_rarely(&dead, LOG_ERROR,
                   "trim: the group %.*s of %.*s has not moved for TRIM_DEAD_GROUP: the stream "
                   "does not wait for it any more",
                   STR_ARG(group->name), STR_ARG(stream));
    }
}

/* Each time that it is worse than it was. */
static void tell_groups(Caretaker *caretaker, size_t partition, const Upkept *upkept)
{
    Care *care = &caretaker->care[partition];
    unsigned worst = GROUP_MOVES;
    UpkeepGroup group;
    for (size_t i = 0; i < upkept->listed_count; i++) {
        if (upkeep_read_group(upkept, i, &group) && group.state > worst) {
            worst = group.state;
            if (worst > care->states) {
                tell_group(caretaker, partition, &group);
            }
        }
    }
    care->states = worst;
}

static void count(const Caretaker *caretaker)
{
    long long entries = 0, quarantined = 0, bytes = 0;
    for (size_t i = 0; i < caretaker->partitions->count; i++) {
        const Care *care = &caretaker->care[i];
        entries += care->is_ours && care->entries > 0 ? care->entries : 0;
        quarantined += care->is_ours && care->quarantined > 0 ? care->quarantined : 0;
        bytes += care->is_ours && care->quarantine_bytes > 0 ? care->quarantine_bytes : 0;
    }
    stats_set(STAT_STREAM_ENTRIES, (uint64_t)entries);
    stats_set(STAT_QUARANTINE_ENTRIES, (uint64_t)quarantined);
    stats_set(STAT_QUARANTINE_BYTES, (uint64_t)bytes);
}

static void take(Caretaker *caretaker, size_t partition, const Upkept *upkept)
{
    Care *care = &caretaker->care[partition];
    care->is_ours = upkept->is_ours;
    if (!upkept->is_ours) {
        return;
    }
    care->entries = upkept->length[ENTRY_STATUS];
    care->quarantined = upkept->length[ENTRY_QUARANTINED];
    care->quarantine_bytes = upkept->quarantine_bytes;
    care->has_more = upkept->has_more;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        stats_add(STAT_TRIMMED, (uint64_t)upkept->removed[kind]);
    }
    if (caretaker->keep->trim != TRIM_OFF) {
        tell_why(caretaker, partition, upkept->why);
        tell_groups(caretaker, partition, upkept);
    }
}

/* It is told here, once, unless it says where to ask instead, or to ask again. */
static const Reply *take_error(Care *care, const Reply *error)
{
    static LogSite site;
    const ErrorRule *rule = error_rule(error->text);
    const Str text = error_to_show(error->text);
    if (rule->verdict != VERDICT_GIVE_UP) {
        return error;
    }
    if (is_news(care, text)) {
        log_rarely(&site, LOG_WARN, "trim: %.*s (%s)", STR_ARG(text), rule->advice);
    }
    return NULL;
}

const Reply *caretaker_take(Caretaker *caretaker, size_t partition, const Reply *reply,
                            const char **ret_why)
{
    Upkept upkept;
    *ret_why = NULL;
    if (reply->kind == REPLY_ERROR) {
        return take_error(&caretaker->care[partition], reply);
    }
    if (!upkeep_read(reply, &upkept)) {
        *ret_why = "a reply that makes no sense";
        return NULL;
    }
    take(caretaker, partition, &upkept);
    count(caretaker);
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
                          bool (*ask)(void *arg, size_t partition), void *arg)
{
    Caretaker *caretaker =
        calloc(1, sizeof(*caretaker) + partitions->count * sizeof(caretaker->care[0]));
    if (!caretaker) {
        return NULL;
    }
    caretaker->partitions = partitions;
    caretaker->keep = keep;
    caretaker->ask = ask;
    caretaker->arg = arg;
    name_self(caretaker->who);
    caretaker->turn = loop_timer(loop, on_turn, caretaker);
    caretaker->again = loop_timer(loop, on_again, caretaker);
    if (!caretaker->turn || !caretaker->again) {
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
        free(caretaker);
    }
    return NULL;
}
