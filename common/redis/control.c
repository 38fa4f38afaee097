#include "redis/control.h"

#include "base/arena.h"
#include "redis/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * States of a question, and what moves it to the next one:
 *
 *   NOTHING   nothing is asked                               -> control_ask()
 *   ASKING    the commands wait for a greeting, or have left -> the last reply, or the end of the
 *             connection
 *   ANSWERED  replies or why are known, and told by the next turn of the loop
 *
 * The connection's events only note what has come. The timer tells: in ANSWERED at once, in ASKING
 * when time is over. So answered() is never called from inside an event of the connection, and
 * whoever is told may ask again or close.
 */
typedef enum { NOTHING, ASKING, ANSWERED } State;

struct Control {
    Loop *loop;
    const RedisUrl *url;
    TlsContext *tls;
    int64_t timeout;
    ControlAnswered *answered;
    void *arg;

    State state;
    Timer *timer;
    int64_t deadline; /* of ASKING; loop_clock_ms() */
    bool is_late;     /* it has passed; what has come meanwhile is still read */
    Buffer question;  /* its commands, until they have left */
    Arena *arena;     /* of the replies */
    const Reply *replies[CONTROL_COMMANDS];
    size_t asked, replied;
    char why[3 * LIMIT_TEXT]; /* there is no answer; "" = there is one */

    Connection *connection; /* NULL = none */
    Greeting greeting;      /* of it */
    bool is_ready;          /* greeted */
    unsigned attempt;       /* which address of a name is taken */
};

static void tell_soon(Control *control)
{
    control->state = ANSWERED;
    timer_start(control->timer, 0, 0);
}

static void fail(Control *control, const char *why)
{
    if (control->state == ASKING) {
        snprintf(control->why, sizeof(control->why), "%s", why);
        tell_soon(control);
    }
}

/* false: no memory. */
static bool send_question(Control *control)
{
    Buffer *commands = connection_commands(control->connection), *question = &control->question;
    if (!buffer_reserve(commands, question->len)) {
        return false;
    }
    str_put(commands->ptr + commands->len, (Str){question->ptr, question->len});
    commands->len += question->len;
    connection_flush(control->connection);
    return true;
}

/* Events */

static void on_ready(void *arg)
{
    Control *control = arg;
    control->is_ready = true;
    if (control->state == ASKING && !send_question(control)) {
        fail(control, "out of memory");
    }
}

static const char *on_replied(void *arg, const Reply *reply)
{
    Control *control = arg;
    if (control->state != ASKING) {
        return "a reply that nobody asked for";
    }
    if (control->replied == 0) {
        arena_reset(control->arena);
    }
    const Reply *kept = reply_copy(control->arena, reply);
    if (!kept) {
        return "out of memory";
    }
    control->replies[control->replied++] = kept;
    if (control->replied == control->asked) {
        tell_soon(control);
    }
    return NULL;
}

/* The next attempt takes another address of the name, unless this one was good. */
static void forget_connection(Control *control)
{
    control->attempt += control->is_ready ? 0 : 1;
    control->connection = NULL;
    control->is_ready = false;
}

static void on_ended(void *arg, const char *why)
{
    Control *control = arg;
    forget_connection(control);
    fail(control, control->greeting.complaint[0] ? control->greeting.complaint : why);
}

/* Time is over: an answer that comes later would be taken for that of the next question. */
static void give_up(Control *control)
{
    snprintf(control->why, sizeof(control->why), "%s",
             control->is_ready ? "no answer in time" : "no connection in time");
    connection_close(control->connection);
    forget_connection(control);
}

static void tell(Control *control)
{
    control->state = NOTHING;
    if (control->why[0]) {
        control->answered(control->arg, NULL, control->why);
    } else {
        control->answered(control->arg, control->replies, NULL);
    }
}

/* The deadline is judged one turn later, after what came in time has been read; and the timer was
 * started by the time of the loop, which may be behind. */
static void on_timer(void *arg)
{
    Control *control = arg;
    const int64_t left = control->deadline - loop_clock_ms();
    if (control->state == ASKING && (left > 0 || !control->is_late)) {
        control->is_late = left <= 0;
        timer_start(control->timer, left > 0 ? left : 1, 0);
        return;
    }
    if (control->state == ASKING) {
        give_up(control);
    }
    tell(control);
}

/* Asking */

Control *control_open(Loop *loop, const RedisUrl *url, TlsContext *tls, int64_t timeout,
                      ControlAnswered *answered, void *arg)
{
    Control *control = calloc(1, sizeof(*control));
    if (!control) {
        return NULL;
    }
    *control = (Control){.loop = loop,
                         .url = url,
                         .tls = tls,
                         .timeout = timeout,
                         .answered = answered,
                         .arg = arg,
                         .attempt = (unsigned)random()};
    control->timer = loop_timer(loop, on_timer, control);
    control->arena = arena_new();
    return control->timer && control->arena ? control : control_close(control);
}

static bool begin_connecting(Control *control)
{
    static const ConnectionEvents events = {on_ready, on_replied, on_ended};
    const ConnectionTarget target = {.url = control->url,
                                     .tls = control->tls,
                                     .greeting = &control->greeting,
                                     .timeout = control->timeout,
                                     .attempt = control->attempt};
    control->greeting = greeting_of(control->url, &(GreetingSettings){.any_role = true});
    control->connection = connection_open(control->loop, &target, &events, control);
    return control->connection != NULL;
}

static bool write_question(Control *control, const ControlCommand *commands, size_t count)
{
    buffer_clear(&control->question);
    for (size_t i = 0; i < count; i++) {
        if (!resp_command(&control->question, commands[i].words, commands[i].count)) {
            return false;
        }
    }
    return true;
}

bool control_ask(Control *control, const ControlCommand *commands, size_t count)
{
    if (!write_question(control, commands, count) ||
        (!control->connection && !begin_connecting(control)) ||
        (control->is_ready && !send_question(control))) {
        return false;
    }
    control->state = ASKING;
    control->asked = count;
    control->replied = 0;
    control->why[0] = '\0';
    control->is_late = false;
    control->deadline = loop_clock_ms() + control->timeout;
    timer_start(control->timer, control->timeout, 0);
    return true;
}

bool control_is_asking(const Control *control)
{
    return control->state != NOTHING;
}

Control *control_close(Control *control)
{
    if (control) {
        connection_close(control->connection);
        timer_close(control->timer);
        arena_free(control->arena);
        buffer_free(&control->question);
        free(control);
    }
    return NULL;
}
