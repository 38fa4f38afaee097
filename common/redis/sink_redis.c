#include "redis/sink_redis.h"

#include "base/owner.h"
#include "redis/sending.h"
#include "stats/stats.h"

#include <stdlib.h>

enum {
    TICK = 20,         /* milliseconds between looks at deadlines, while something is under way */
    RETRY_PAUSE = 100, /* before a command is sent again */
    EARLY_FLUSH = 1 << 16 /* bytes of commands that do not wait for the end of the turn */
};

typedef struct {
    Sink base;
    Loop *loop;
    LinkSettings settings;
    Link *link;
    Batch batch; /* leaves when the turn ends, or as soon as it is full */
    CallDraft draft;
    Queue in_flight; /* in the order in which replies will come */
    Queue waiting;   /* for another attempt */
    SendingPool pool;
    bool begins;      /* nothing was under way before this turn, and now something is */
    int64_t heard_at; /* the last reply, or the end of the turn that begins something */
    Timer *tick;
    bool is_time; /* to look at deadlines in this turn, when its events have been handled */
    void (*settled)(void *arg); /* NULL when it has been called */
    void *settled_arg;
    int64_t settle_by;
} SinkRedis;

/* Sending */

static void start_ticking(SinkRedis *sink)
{
    if (!timer_is_running(sink->tick)) {
        timer_start(sink->tick, TICK, TICK);
    }
}

/* Those from here on have just been written. */
static void note_sent(SinkRedis *sink, Sending *first)
{
    const int64_t now = loop_clock_ms();
    sink->begins = sink->begins || first == sink->in_flight.first;
    for (Sending *sending = first; sending; sending = sending->next) {
        sending->sent_at = now;
    }
}

/* false: no memory. */
static bool send_batch(SinkRedis *sink)
{
    Sending *first = sink->batch.queue.first;
    if (!batch_write(&sink->batch, &sink->draft, link_commands(sink->link), sink->settings.keys,
                     link_script(sink->link), &sink->in_flight)) {
        return false;
    }
    note_sent(sink, first);
    return true;
}

/* There is no memory for it. */
static void end_batch(SinkRedis *sink)
{
    Queue ended = sink->batch.queue;
    sink->batch = (Batch){0};
    for (Sending *sending; (sending = queue_pop(&ended));) {
        sending_end(sending, &sink->pool, ERROR_NO_MEMORY);
    }
}

/* Now, or with others as soon as this turn ends. false: no memory. */
static bool send_commands(SinkRedis *sink, Sending *sending)
{
    const StreamKeys *keys = sink->settings.keys;
    start_ticking(sink);
    if (sending_is_shared(sending, keys)) {
        if (!batch_takes(&sink->batch, sending) && !send_batch(sink)) {
            return false;
        }
        batch_add(&sink->batch, sending);
        return true;
    }
    if (!sending_write(sending, &sink->draft, link_commands(sink->link), keys,
                       link_script(sink->link))) {
        return false;
    }
    queue_push(&sink->in_flight, sending);
    note_sent(sink, sending);
    return true;
}

static void send_or_end(SinkRedis *sink, Sending *sending)
{
    if (!send_commands(sink, sending)) {
        sending_end(sending, &sink->pool, ERROR_NO_MEMORY);
    }
}

/* Replies */

/* Is there time for another attempt after a pause, if it takes as long as this one? */
static bool fits(const Sending *sending, int64_t pause)
{
    const int64_t round_trip = loop_clock_ms() - sending->sent_at;
    return sending_is_awaited(sending) && loop_clock_ms() + pause + round_trip < sending->deadline;
}

/* All of it is stored, or a step: then comes the next one. NULL, or why the connection must end. */
static const char *go_on(SinkRedis *sink, Sending *sending)
{
    const char *why = sending->is_probe ? link_heed(sink->link, &sending->trial.standing) : NULL;
    ErrorCode code = why ? ERROR_UNAVAILABLE : ERROR_NONE;
    link_recovered(sink->link);
    if (sending_next(sending, sink->settings.keys, sink->settings.timeout, &code)) {
        send_or_end(sink, sending);
    } else {
        sending_end(sending, &sink->pool, code);
    }
    return why;
}

/* All replies to it are there. NULL, or why the connection must end. */
static const char *finish(SinkRedis *sink, Sending *sending)
{
    const Verdict verdict = publish_verdict(&sending->publishing);
    const char *why = verdict == VERDICT_RECONNECT ? sending->publishing.rule->advice : NULL;
    if (verdict == VERDICT_STORED) {
        why = go_on(sink, sending);
    } else if (verdict == VERDICT_SEND_SOURCE && fits(sending, 0)) {
        sending->publishing.with_source = true;
        stats_add(STAT_REDIS_RETRIES, 1);
        send_or_end(sink, sending);
    } else if (verdict == VERDICT_RETRY && fits(sending, RETRY_PAUSE)) {
        sending->retry_at = loop_clock_ms() + RETRY_PAUSE;
        queue_push(&sink->waiting, sending);
    } else {
        sending_end(sending, &sink->pool, ERROR_UNAVAILABLE);
    }
    return why;
}

/* All replies to it, and so to all of its call, are there. */
static const char *finish_call(SinkRedis *sink)
{
    const char *why = NULL;
    for (bool goes_on = true; goes_on;) {
        Sending *sending = queue_pop(&sink->in_flight);
        goes_on = sending->goes_on;
        const char *reason = finish(sink, sending);
        why = why ? why : reason;
    }
    return why;
}

static const char *on_replied(void *arg, const Reply *reply)
{
    SinkRedis *sink = arg;
    Sending *sending = sink->in_flight.first;
    const Reply *error;
    size_t behind;
    if (!sending) {
        return "a reply that nobody asked for";
    }
    sink->heard_at = loop_clock_ms();
    const char *why = sending_take(sending, reply, &error, &behind);
    if (error) {
        link_report(sink->link, error);
    }
    if (behind) {
        link_report_clock(sink->link, behind);
    }
    return why || sending->publishing.replies ? why : finish_call(sink);
}

/* The link */

static void settle(void *arg)
{
    SinkRedis *sink = arg;
    void (*settled)(void *arg) = sink->settled;
    sink->settled = NULL;
    if (settled) {
        settled(sink->settled_arg);
    }
}

static size_t fail_all(SinkRedis *sink)
{
    Queue *batch = &sink->batch.queue;
    size_t failed = queue_fail(&sink->in_flight, &sink->pool);
    sink->batch.elements = sink->batch.bytes = 0;
    failed += queue_fail(batch, &sink->pool);
    return failed + queue_fail(&sink->waiting, &sink->pool);
}

static size_t on_lost(void *arg)
{
    settle(arg);
    return fail_all(arg);
}

/* Time */

/* What has waited long enough is sent again, or has waited too long. */
static void look_at_waiting(SinkRedis *sink, int64_t at)
{
    Queue due = queue_take_due(&sink->waiting, at);
    for (Sending *sending; (sending = queue_pop(&due));) {
        if (sending->deadline > at) {
            stats_add(STAT_REDIS_RETRIES, 1);
            send_or_end(sink, sending);
        } else {
            sending_end(sending, &sink->pool, ERROR_UNAVAILABLE);
        }
    }
}

/* What had come when this turn began has been read; what came later may still lie in the socket. So
 * it is judged as of then. */
static void look_at_time(SinkRedis *sink)
{
    const int64_t at = loop_now(sink->loop);
    if (sink->settled && at >= sink->settle_by) {
        settle(sink);
    }
    if (sink->in_flight.first && at - sink->heard_at >= sink->settings.timeout) {
        link_drop(sink->link, "no reply in time");
    }
    queue_expire(&sink->in_flight, at);
    look_at_waiting(sink, at);
    if (!sink->in_flight.first && !sink->batch.queue.first && !sink->waiting.first &&
        !sink->settled) {
        timer_stop(sink->tick);
    }
}

static void on_tick(void *arg)
{
    SinkRedis *sink = arg;
    sink->is_time = true; /* not now: what has come is read first */
}

static void note_beginning(SinkRedis *sink)
{
    if (sink->begins) {
        sink->begins = false;
        sink->heard_at = loop_clock_ms();
    }
}

/* After the events of a turn. */
static void after_events(void *arg)
{
    SinkRedis *sink = arg;
    note_beginning(sink);
    if (sink->is_time) {
        sink->is_time = false;
        look_at_time(sink);
    }
    if (sink->batch.queue.first && !send_batch(sink)) {
        end_batch(sink);
    }
    note_beginning(sink);
    link_flush(sink->link);
}

static bool takes_more(const SinkRedis *sink)
{
    return link_is_ready(sink->link) && link_unsent(sink->link) < LIMIT_UNSENT;
}

/* Sends it for the first time; what cannot be sent is given back. */
static ErrorCode start(SinkRedis *sink, Sending *sending)
{
    sending_begin(sending, sink->settings.timeout);
    if (!send_commands(sink, sending)) {
        sending_free(&sink->pool, sending);
        return ERROR_NO_MEMORY;
    }
    if (link_unsent(sink->link) >= EARLY_FLUSH) {
        link_flush(sink->link); /* Redis works on it while the rest of the turn is decoded */
    }
    return ERROR_NONE;
}

static SinkAnswer publish(Sink *base, Publication *publication)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    const StreamKeys *keys = sink->settings.keys;
    const Publishing publishing = publishing_of(keys, publication->payload);
    publication->code = ERROR_NONE;
    publication->result = (PublishResult){0};
    if (publishing_is_empty(&publishing)) {
        return SINK_DONE;
    }
    publication->code = ERROR_UNAVAILABLE;
    if (takes_more(sink)) {
        Sending *sending = sending_of(&sink->pool, keys, publication, &publishing);
        publication->code = sending ? start(sink, sending) : ERROR_NO_MEMORY;
    }
    return publication->code == ERROR_NONE ? SINK_LATER : SINK_DONE;
}

static SinkAnswer probe(Sink *base, Probe *asked)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    asked->code = ERROR_UNAVAILABLE;
    if (!takes_more(sink)) {
        return SINK_DONE;
    }
    Sending *sending = sending_of_probe(&sink->pool, asked);
    asked->code = sending ? start(sink, sending) : ERROR_NO_MEMORY;
    return asked->code == ERROR_NONE ? SINK_LATER : SINK_DONE;
}

static bool is_connected(const Sink *base)
{
    return link_is_ready(OWNER_OF(base, const SinkRedis, base)->link);
}

static const char *durability(const Sink *base)
{
    return link_durability(OWNER_OF(base, const SinkRedis, base)->link);
}

static void close_sink(Sink *base)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    sink->link = link_close(sink->link); /* first: whoever is told may publish again */
    fail_all(sink);
    timer_close(sink->tick);
    sending_pool_close(&sink->pool);
    call_draft_free(&sink->draft);
    free(sink);
}

Sink *sink_redis_open(Loop *loop, const LinkSettings *settings)
{
    static const LinkEvents events = {.ready = settle, .replied = on_replied, .lost = on_lost};
    SinkRedis *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return NULL;
    }
    *sink = (SinkRedis){.base = {publish, probe, is_connected, durability, close_sink},
                        .loop = loop,
                        .settings = *settings};
    sink->tick = loop_timer(loop, on_tick, sink);
    sink->link = link_open(loop, settings, &events, sink);
    if (!sink->tick || !sink->link || !loop_after_events(loop, after_events, sink)) {
        close_sink(&sink->base);
        return NULL;
    }
    return &sink->base;
}

void sink_redis_when_settled(Sink *base, void (*settled)(void *arg), void *arg)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    sink->settled = settled;
    sink->settled_arg = arg;
    sink->settle_by = loop_clock_ms() + sink->settings.timeout;
    start_ticking(sink);
}
