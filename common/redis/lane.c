#include "redis/lane.h"

#include "base/log.h"
#include "redis/slots.h"
#include "stats/stats.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    EARLY_FLUSH = 1 << 16, /* bytes of commands that do not wait for the end of the turn */
    BARRIER_PART = 2,      /* a barrier waits for a half of what a publication may take */
    SILENCE = 500,   /* milliseconds: who is silent for so long may not be the owner any more */
    TRY_PAUSE = 250, /* between attempts of a weak lane, */
    TRY_WAIT = 100   /* and how long each waits; milliseconds */
};

struct Lane {
    LaneSettings settings;
    RedisUrl url;
    Address address;
    Link *link;
    Queue in_flight;  /* in the order in which replies will come */
    bool begins;      /* nothing was under way before this turn, and now something is */
    int64_t heard_at; /* the last reply, or the end of the turn that begins something */

    uint16_t redirect_slot; /* of the reply that was read last */
    bool is_redirected;
    Address redirect;

    const StreamKeys *keys; /* of a partition that is there; NULL = there is none */

    /* With ack.kind != ACK_LOCAL */
    Queue stored;      /* in the order in which they were, for the barrier that covers them */
    bool is_uncovered; /* something was sent since the last barrier */
    bool barrier_is_out;
    bool is_weak;
    int64_t doubted_since;     /* 0 = it is not; only with needs_word */
    int64_t try_at;            /* when weak: the next attempt; loop_clock_ms() */
    uint64_t barrier_began;    /* loop_clock_ns() */
    Acknowledged acknowledged; /* by the last barrier */
};

static const Ack *ack_of(const Lane *lane)
{
    return &lane->settings.link.greeting.ack;
}

static bool has_barriers(const Lane *lane)
{
    return ack_of(lane)->kind != ACK_LOCAL;
}

/* Sending */

/* Those from here on have just been written. */
static void note_sent(Lane *lane, Sending *first)
{
    const int64_t now = loop_clock_ms();
    lane->begins = lane->begins || first == lane->in_flight.first;
    for (Sending *sending = first; sending; sending = sending->next) {
        sending->sent_at = now;
        lane->is_uncovered = lane->is_uncovered || sending->kind == SENDING_BODY;
    }
    if (link_unsent(lane->link) >= EARLY_FLUSH) {
        link_flush(lane->link); /* Redis works on it while the rest of the turn is decoded */
    }
}

bool lane_send(Lane *lane, Sending *sending, CallDraft *draft, const StreamKeys *keys)
{
    if (!sending_write(sending, draft, link_commands(lane->link), keys, link_script(lane->link))) {
        return false;
    }
    queue_push(&lane->in_flight, sending);
    note_sent(lane, sending);
    return true;
}

bool lane_send_batch(Lane *lane, Batch *batch, CallDraft *draft, const StreamKeys *keys)
{
    Sending *first = batch->queue.first;
    if (!batch_write(batch, draft, link_commands(lane->link), keys, link_script(lane->link),
                     &lane->in_flight)) {
        return false;
    }
    note_sent(lane, first);
    return true;
}

/* Barriers */

static bool write_barrier(const Lane *lane, Buffer *commands)
{
    const Str try[] = {STR("SET"), lane->keys ? lane->keys->probe : (Str){NULL, 0}, STR("1")};
    const int64_t wait = lane->is_weak ? TRY_WAIT : lane->settings.link.timeout / BARRIER_PART;
    return (!lane->is_weak || resp_command(commands, try, 3)) &&
           ack_write(ack_of(lane), commands, wait);
}

/* false: no memory; the next turn tries again. */
static bool send_barrier(Lane *lane)
{
    Buffer *commands = link_commands(lane->link);
    const size_t start = commands->len;
    Sending *barrier = sending_new(lane->settings.pool);
    if (!barrier || !write_barrier(lane, commands)) {
        commands->len = start;
        if (barrier) {
            sending_free(lane->settings.pool, barrier);
        }
        return false;
    }
    barrier->kind = SENDING_BARRIER;
    barrier->publishing.replies = lane->is_weak ? 2 : 1;
    queue_push(&lane->in_flight, barrier);
    note_sent(lane, barrier);
    lane->is_uncovered = false;
    lane->barrier_is_out = true;
    lane->barrier_began = loop_clock_ns();
    return true;
}

/* Those of the queue now; whoever is told may send more. */
static const char *finish_stored(Lane *lane)
{
    const char *why = NULL;
    Queue stored = lane->stored;
    lane->stored = (Queue){0};
    for (Sending *sending; (sending = queue_pop(&stored));) {
        const char *reason = lane->settings.events.finished(lane->settings.arg, lane, sending);
        why = why ? why : reason;
    }
    return why;
}

static void tell_ready(Lane *lane)
{
    if (!lane->is_weak && !lane->doubted_since) {
        lane->settings.events.ready(lane->settings.arg, lane);
    }
}

static void tell_strong(const Lane *lane)
{
    static LogSite site;
    log_rarely(&site, LOG_INFO, "redis: %u replicas acknowledge (%s)", lane->acknowledged.replicas,
               lane->url.shown);
}

static void become_strong(Lane *lane)
{
    lane->is_weak = false;
    tell_ready(lane);
}

static void become_weak(Lane *lane)
{
    static LogSite site;
    char wanted[ACK_TEXT];
    lane->is_weak = true;
    lane->try_at = loop_clock_ms() + TRY_PAUSE;
    ack_show(ack_of(lane), wanted);
    log_rarely(&site, LOG_ERROR,
               "redis: %u replicas acknowledge, REDIS_ACK is %s: statuses are refused (%s)",
               lane->acknowledged.replicas, wanted, lane->url.shown);
    queue_fail(&lane->stored, lane->settings.pool);
    lane->settings.events.lost(lane->settings.arg,
                               lane); /* also when it was weak: who owns what? */
}

static const char *finish_barrier(Lane *lane, bool is_enough)
{
    lane->barrier_is_out = false;
    stats_observe(STAT_REDIS_BARRIER_SECONDS, loop_clock_ns() - lane->barrier_began);
    if (!is_enough) {
        stats_add(STAT_REDIS_BARRIERS_SHORT, 1);
        become_weak(lane);
        return NULL;
    }
    if (lane->is_weak) {
        tell_strong(lane);
        become_strong(lane);
    }
    return finish_stored(lane);
}

static const char *end_barrier(Lane *lane, Sending *barrier, const Reply *reply)
{
    const ErrorRule *rule = barrier->publishing.rule;
    lane->acknowledged = (Acknowledged){0};
    if (!rule && !ack_read(ack_of(lane), reply, &lane->acknowledged)) {
        return publish_senseless;
    }
    queue_pop(&lane->in_flight);
    sending_free(lane->settings.pool, barrier);
    if (rule && rule->verdict == VERDICT_RECONNECT) {
        return rule->advice;
    }
    return finish_barrier(lane, !rule && ack_is_enough(ack_of(lane), &lane->acknowledged));
}

/*
 * The reply to SET of a weak lane's attempt comes first. A server that is full, or that has sent
 * this key ahead, refuses it; what counts is who acknowledges. One that will have nothing from us
 * says so to the barrier as well.
 */
static const char *take_barrier(Lane *lane, Sending *barrier, const Reply *reply)
{
    const Reply *error = reply_error(reply);
    const bool is_last = --barrier->publishing.replies == 0;
    if (error && (is_last || error_rule(error->text)->verdict == VERDICT_RECONNECT)) {
        link_report(lane->link, error);
        publishing_failed(&barrier->publishing, error);
    }
    return is_last ? end_barrier(lane, barrier, reply) : NULL;
}

/* Replies */

/* All replies to it are there. */
static const char *finish(Lane *lane, Sending *sending)
{
    const bool waits = has_barriers(lane) && sending->kind == SENDING_BODY &&
                       publish_verdict(&sending->publishing) == VERDICT_STORED;
    if (waits && lane->is_weak) {
        sending_end(sending, lane->settings.pool, ERROR_UNAVAILABLE);
        return NULL;
    }
    if (waits) {
        queue_push(&lane->stored, sending);
        return NULL;
    }
    return lane->settings.events.finished(lane->settings.arg, lane, sending);
}

/* All replies to it, and so to all of its call, are there. */
static const char *finish_call(Lane *lane)
{
    const char *why = NULL;
    for (bool goes_on = true; goes_on;) {
        Sending *sending = queue_pop(&lane->in_flight);
        goes_on = sending->goes_on;
        const char *reason = finish(lane, sending);
        why = why ? why : reason;
    }
    return why;
}

/* A cluster sends commands on all the time while a slot is moved: that is counted, not told. */
static void note_error(Lane *lane, const Reply *error)
{
    static const struct {
        Str code;
        Redirected kind;
    } kinds[] = {{STR_INIT("MOVED "), REDIRECTED_MOVED},
                 {STR_INIT("ASK "), REDIRECTED_ASK},
                 {STR_INIT("TRYAGAIN "), REDIRECTED_TRYAGAIN},
                 {STR_INIT("CLUSTERDOWN "), REDIRECTED_CLUSTERDOWN}};
    bool is_told = true;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_starts_with(error->text, kinds[i].code)) {
            stats_add(STAT_REDIS_REDIRECTS + kinds[i].kind, 1);
            is_told =
                !lane->settings.link.greeting.in_cluster || kinds[i].kind == REDIRECTED_CLUSTERDOWN;
        }
    }
    lane->is_redirected =
        slots_redirect(error->text, &lane->address, &lane->redirect_slot, &lane->redirect);
    if (is_told) {
        link_report(lane->link, error);
    }
}

static const char *on_replied(void *arg, const Reply *reply)
{
    Lane *lane = arg;
    Sending *sending = lane->in_flight.first;
    const Reply *error;
    size_t behind;
    if (!sending) {
        return "a reply that nobody asked for";
    }
    lane->heard_at = loop_clock_ms();
    lane->is_redirected = false;
    if (sending->kind == SENDING_BARRIER) {
        return take_barrier(lane, sending, reply);
    }
    const char *why = sending_take(sending, reply, &error, &behind);
    if (error) {
        note_error(lane, error);
    }
    if (behind) {
        link_report_clock(lane->link, behind);
    }
    return why || sending->publishing.replies ? why : finish_call(lane);
}

/* The link */

/* Until enough have acknowledged something. */
static void begin_weak(Lane *lane)
{
    lane->is_weak = has_barriers(lane) && lane->keys;
    lane->try_at = 0;
}

static void on_ready(void *arg)
{
    Lane *lane = arg;
    begin_weak(lane);
    lane->doubted_since = lane->settings.needs_word ? loop_clock_ms() : 0;
    tell_ready(lane);
}

static size_t fail_all(Lane *lane)
{
    lane->barrier_is_out = lane->is_uncovered = false;
    const size_t failed = queue_fail(&lane->in_flight, lane->settings.pool);
    return failed + queue_fail(&lane->stored, lane->settings.pool);
}

static size_t on_lost(void *arg)
{
    Lane *lane = arg;
    const size_t failed = fail_all(lane);
    lane->doubted_since = 0;
    return failed + lane->settings.events.lost(lane->settings.arg, lane);
}

/* Time */

static void note_beginning(Lane *lane)
{
    if (lane->begins) {
        lane->begins = false;
        lane->heard_at = loop_clock_ms();
    }
}

static bool is_barrier_due(const Lane *lane)
{
    return has_barriers(lane) && link_is_ready(lane->link) && !lane->barrier_is_out &&
           (lane->is_weak ? loop_clock_ms() >= lane->try_at : lane->is_uncovered);
}

void lane_use(Lane *lane, const StreamKeys *keys)
{
    const bool had_none = !lane->keys;
    lane->keys = keys;
    if (!keys) {
        return;
    }
    link_use(lane->link, keys);
    if (had_none) {
        begin_weak(lane);
    }
}

void lane_after_events(Lane *lane)
{
    const bool is_due = is_barrier_due(lane);
    if (is_due && lane->is_weak && !lane->keys) {
        become_strong(lane); /* what comes next shows whether it is */
    } else if (is_due) {
        send_barrier(lane);
    }
    note_beginning(lane);
    link_flush(lane->link);
}

void lane_look(Lane *lane, int64_t at)
{
    note_beginning(lane);
    if (lane->in_flight.first && at - lane->heard_at >= lane->settings.link.timeout) {
        link_drop(lane->link, "no reply in time");
    }
    queue_expire(&lane->in_flight, at);
    queue_expire(&lane->stored, at);
}

bool lane_is_silent(const Lane *lane, int64_t at)
{
    return lane->in_flight.first && at - lane->heard_at >= SILENCE;
}

bool lane_is_busy(const Lane *lane)
{
    return lane->in_flight.first || lane->stored.first ||
           (lane->is_weak && link_is_ready(lane->link));
}

/* What it is */

const Address *lane_address(const Lane *lane)
{
    return &lane->address;
}

const char *lane_shown(const Lane *lane)
{
    return lane->url.shown;
}

bool lane_is_ready(const Lane *lane)
{
    return lane && link_is_ready(lane->link) && !lane->is_weak && !lane->doubted_since;
}

int64_t lane_doubted_since(const Lane *lane)
{
    return lane->doubted_since;
}

void lane_confirm(Lane *lane)
{
    lane->doubted_since = 0;
    tell_ready(lane);
}

bool lane_is_opening(const Lane *lane)
{
    return !lane_is_ready(lane) && !link_has_failed(lane->link) && !(lane->is_weak && lane->try_at);
}

bool lane_takes_more(const Lane *lane)
{
    return lane_is_ready(lane) && link_unsent(lane->link) < LIMIT_UNSENT;
}

const Address *lane_redirect(const Lane *lane, uint16_t *ret_slot)
{
    *ret_slot = lane->redirect_slot;
    return lane->is_redirected ? &lane->redirect : NULL;
}

Link *lane_link(Lane *lane)
{
    return lane->link;
}

const char *lane_state(const Lane *lane)
{
    static char text[LIMIT_TEXT];
    if (!link_is_ready(lane->link)) {
        return "not ready: no connection";
    }
    if (lane->doubted_since) {
        return "not ready: the sentinels are asked whether it is the master";
    }
    if (link_trouble(lane->link)) {
        snprintf(text, sizeof(text), "not ready: %s", link_trouble(lane->link));
        return text;
    }
    if (!has_barriers(lane)) {
        return "ok";
    }
    snprintf(text, sizeof(text), "%s%u replicas acknowledge",
             lane->is_weak ? "not ready: " : "ok, ", lane->acknowledged.replicas);
    return text;
}

Lane *lane_open(Loop *loop, const LaneSettings *settings, const Address *address,
                const StreamKeys *keys)
{
    static const LinkEvents events = {.ready = on_ready, .replied = on_replied, .lost = on_lost};
    Lane *lane = calloc(1, sizeof(*lane));
    if (!lane) {
        return NULL;
    }
    *lane = (Lane){.settings = *settings, .address = *address};
    redis_url_at(settings->link.url, address, &lane->url);
    lane->settings.link.url = &lane->url;
    lane->settings.link.greeting.keys = keys;
    lane->link = link_open(loop, &lane->settings.link, &events, lane);
    return lane->link ? lane : lane_close(lane);
}

Lane *lane_close(Lane *lane)
{
    if (lane) {
        lane->link = link_close(lane->link); /* first: whoever is told may publish again */
        fail_all(lane);
        free(lane);
    }
    return NULL;
}
