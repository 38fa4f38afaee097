#include "redis/dispatch.h"

#include "stats/stats.h"

#include <stdlib.h>

enum {
    TICK = 20,         /* milliseconds between looks at deadlines, while something is under way */
    RETRY_PAUSE = 100, /* before a command is sent again */
    OPEN_PAUSE = 20,   /* before it is looked again whether a server is connected */
    REDIRECTS_MOST = 8
};

struct Dispatch {
    Loop *loop;
    DispatchSettings settings;
    size_t routes;
    Batch *batches; /* of each; leave when the turn ends, or as soon as they are full */
    Fleet *fleet;   /* NULL: it is being closed */
    CallDraft draft;
    Queue waiting; /* for another attempt */
    SendingPool pool;
    Timer *tick;
    bool is_time; /* to look at deadlines in this turn, when its events have been handled */
};

static bool in_cluster(const Dispatch *dispatch)
{
    return dispatch->settings.fleet.topology.servers->kind == SERVERS_CLUSTER;
}

static const StreamKeys *keys_of(const Dispatch *dispatch, const Sending *sending)
{
    return dispatch->settings.fleet.keys[sending->route];
}

void dispatch_look_again(Dispatch *dispatch)
{
    if (!timer_is_running(dispatch->tick)) {
        timer_start(dispatch->tick, TICK, TICK);
    }
}

/* Sending */

static void end(Dispatch *dispatch, Sending *sending, ErrorCode code)
{
    sending_end(sending, &dispatch->pool, code);
}

/* It is looked at again after a pause, unless its deadline comes first. */
static void wait(Dispatch *dispatch, Sending *sending, int64_t pause)
{
    sending->retry_at = loop_clock_ms() + pause;
    queue_push(&dispatch->waiting, sending);
    dispatch_look_again(dispatch);
}

/* To a server that is ready, now or with others as soon as this turn ends. false: no memory. */
static bool send_to(Dispatch *dispatch, Lane *lane, Sending *sending)
{
    const StreamKeys *keys = keys_of(dispatch, sending);
    Batch *batch = &dispatch->batches[sending->route];
    dispatch_look_again(dispatch);
    if (!sending_is_shared(sending, keys)) {
        return lane_send(lane, sending, &dispatch->draft, keys);
    }
    if (!batch_takes(batch, sending) && !lane_send_batch(lane, batch, &dispatch->draft, keys)) {
        return false;
    }
    batch_add(batch, sending);
    return true;
}

static void send_or_end(Dispatch *dispatch, Lane *lane, Sending *sending)
{
    if (!send_to(dispatch, lane, sending)) {
        end(dispatch, sending, ERROR_NO_MEMORY);
    }
}

/* Whoever is not connected yet may be in a moment. */
static void send_or_wait(Dispatch *dispatch, Lane *lane, Sending *sending)
{
    if (lane_is_ready(lane)) {
        send_or_end(dispatch, lane, sending);
    } else if (lane && lane_is_opening(lane)) {
        wait(dispatch, sending, OPEN_PAUSE);
    } else {
        end(dispatch, sending, ERROR_UNAVAILABLE);
    }
}

static void send_on_route(Dispatch *dispatch, Sending *sending)
{
    send_or_wait(dispatch, fleet_lane(dispatch->fleet, sending->route), sending);
}

/* The batch of a route leaves, or waits: the owner may have changed since. */
static void send_batch(Dispatch *dispatch, size_t route)
{
    Batch *batch = &dispatch->batches[route];
    Lane *lane = fleet_lane(dispatch->fleet, route);
    if (lane_is_ready(lane) &&
        lane_send_batch(lane, batch, &dispatch->draft, dispatch->settings.fleet.keys[route])) {
        return;
    }
    const bool is_full = lane_is_ready(lane); /* of memory */
    Queue left = batch->queue;
    *batch = (Batch){0};
    for (Sending *sending; (sending = queue_pop(&left));) {
        if (is_full) {
            end(dispatch, sending, ERROR_NO_MEMORY);
        } else {
            send_on_route(dispatch, sending);
        }
    }
}

static void send_batches(Dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->routes; i++) {
        if (dispatch->batches[i].queue.first) {
            send_batch(dispatch, i);
        }
    }
}

/* What became of it */

/* Is there time for another attempt after a pause, if it takes as long as this one? */
static bool fits(const Sending *sending, int64_t pause)
{
    const int64_t round_trip = loop_clock_ms() - sending->sent_at;
    return sending_is_awaited(sending) && loop_clock_ms() + pause + round_trip < sending->deadline;
}

/* What a probe has learnt. NULL, or why the connection must end. */
static const char *heed(Dispatch *dispatch, Lane *lane, const Sending *sending)
{
    if (sending->trial.is_elsewhere) {
        fleet_suspect(dispatch->fleet);
    }
    return link_heed(lane_link(lane), &sending->trial.standing);
}

/* All of it is stored, or a step: then comes the next one. NULL, or why the connection must end. */
static const char *go_on(Dispatch *dispatch, Lane *lane, Sending *sending)
{
    const char *why = sending->kind == SENDING_PROBE ? heed(dispatch, lane, sending) : NULL;
    ErrorCode code = why ? ERROR_UNAVAILABLE : ERROR_NONE;
    if (sending->kind == SENDING_BODY || sending->kind == SENDING_PROBE) {
        link_recovered(lane_link(lane));
    }
    sending->redirects = 0;
    if (sending_next(sending, keys_of(dispatch, sending),
                     dispatch->settings.fleet.lane.link.timeout, &code)) {
        send_on_route(dispatch, sending);
    } else {
        end(dispatch, sending, code);
    }
    return why;
}

/* How long to wait before it goes to the server that was named. Servers that do not agree, or do
 * not know yet what they say, need some time. */
static int64_t pause_of(const Lane *lane, const Lane *other, const Sending *sending)
{
    enum { AT_ONCE = 2 };
    const bool is_unready = sending->asks && !lane_is_ready(other);
    return is_unready || other == lane || sending->redirects > AT_ONCE ? RETRY_PAUSE : 0;
}

/* The server has sent it on: for ever, or to be asked for this once. */
static void follow(Dispatch *dispatch, const Lane *lane, Sending *sending, bool for_ever)
{
    uint16_t slot;
    const Address *to = lane_redirect(lane, &slot);
    if (!in_cluster(dispatch) || !to ||
        slot != dispatch->settings.fleet.topology.slots[sending->route] ||
        ++sending->redirects > REDIRECTS_MOST || !fits(sending, 0)) {
        end(dispatch, sending, ERROR_UNAVAILABLE);
        return;
    }
    Lane *other = for_ever ? fleet_moved(dispatch->fleet, sending->route, to)
                           : fleet_other(dispatch->fleet, sending->route, to);
    sending->asks = !for_ever;
    const int64_t pause = pause_of(lane, other, sending);
    stats_add(STAT_REDIS_RETRIES, 1);
    if (pause) {
        sending->asks = false; /* its owner may answer otherwise by then */
        wait(dispatch, sending, pause);
    } else {
        send_or_wait(dispatch, other, sending);
    }
}

static void try_again_later(Dispatch *dispatch, Sending *sending)
{
    if (fits(sending, RETRY_PAUSE)) {
        stats_add(STAT_REDIS_RETRIES, 1);
        wait(dispatch, sending, RETRY_PAUSE);
    } else {
        end(dispatch, sending, ERROR_UNAVAILABLE);
    }
}

static const char *act(Dispatch *dispatch, Lane *lane, Sending *sending, Verdict verdict)
{
    switch (verdict) {
    case VERDICT_STORED:
        return go_on(dispatch, lane, sending);
    case VERDICT_SEND_SOURCE:
        if (!fits(sending, 0)) {
            break;
        }
        sending->publishing.with_source = true;
        stats_add(STAT_REDIS_RETRIES, 1);
        send_or_end(dispatch, lane, sending);
        return NULL;
    case VERDICT_LOOK_UP:
        fleet_suspect(dispatch->fleet);
        try_again_later(dispatch, sending);
        return NULL;
    case VERDICT_RETRY:
        try_again_later(dispatch, sending);
        return NULL;
    case VERDICT_MOVED:
        follow(dispatch, lane, sending, true);
        return NULL;
    case VERDICT_ASK:
        if (!in_cluster(dispatch)) {
            try_again_later(dispatch, sending);
        } else {
            follow(dispatch, lane, sending, false);
        }
        return NULL;
    case VERDICT_GIVE_UP:
    case VERDICT_RECONNECT:
        break;
    }
    const ErrorRule *rule = sending->publishing.rule;
    end(dispatch, sending, ERROR_UNAVAILABLE);
    return verdict == VERDICT_RECONNECT ? rule->advice : NULL;
}

static const char *on_finished(void *arg, Lane *lane, Sending *sending)
{
    return act(arg, lane, sending, publish_verdict(&sending->publishing));
}

/* The lanes */

static void tell_change(Dispatch *dispatch)
{
    dispatch->settings.events.changed(dispatch->settings.arg);
}

static void on_ready(void *arg, Lane *lane)
{
    (void)lane;
    tell_change(arg);
}

static void on_changed(void *arg)
{
    tell_change(arg);
    dispatch_look_again(arg);
}

/* Of what waits for the end of the turn, those that were to go there. */
static size_t fail_batches(Dispatch *dispatch, const Lane *lane)
{
    size_t failed = 0;
    for (size_t i = 0; i < dispatch->routes; i++) {
        if (fleet_lane(dispatch->fleet, i) == lane) {
            Queue queue = dispatch->batches[i].queue;
            dispatch->batches[i] = (Batch){0};
            failed += queue_fail(&queue, &dispatch->pool);
        }
    }
    return failed;
}

/* Of what waits for another attempt, those that were to go there. */
static size_t fail_waiting(Dispatch *dispatch, const Lane *lane)
{
    Queue all = dispatch->waiting, lost = {0};
    dispatch->waiting = (Queue){0};
    for (Sending *sending; (sending = queue_pop(&all));) {
        const bool is_lost = fleet_lane(dispatch->fleet, sending->route) == lane;
        queue_push(is_lost ? &lost : &dispatch->waiting, sending);
    }
    return queue_fail(&lost, &dispatch->pool);
}

static size_t on_lost(void *arg, Lane *lane)
{
    Dispatch *dispatch = arg;
    fleet_suspect(dispatch->fleet);
    tell_change(dispatch);
    const size_t failed = fail_batches(dispatch, lane);
    return failed + fail_waiting(dispatch, lane);
}

/* Time */

/* What has waited long enough is sent again, or has waited too long. */
static void look_at_waiting(Dispatch *dispatch, int64_t at)
{
    Queue due = queue_take_due(&dispatch->waiting, at);
    for (Sending *sending; (sending = queue_pop(&due));) {
        if (sending->deadline > at) {
            send_on_route(dispatch, sending);
        } else {
            end(dispatch, sending, ERROR_UNAVAILABLE);
        }
    }
}

static bool has_batches(const Dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->routes; i++) {
        if (dispatch->batches[i].queue.first) {
            return true;
        }
    }
    return false;
}

/* What had come when this turn began has been read; what came later may still lie in the socket. So
 * it is judged as of then. */
static void look_at_time(Dispatch *dispatch)
{
    const int64_t at = loop_now(dispatch->loop);
    const bool goes_on = dispatch->settings.events.look(dispatch->settings.arg, at);
    fleet_look(dispatch->fleet, at);
    look_at_waiting(dispatch, at);
    if (!goes_on && !dispatch->waiting.first && !has_batches(dispatch) &&
        !fleet_is_busy(dispatch->fleet)) {
        timer_stop(dispatch->tick);
    }
}

static void on_tick(void *arg)
{
    Dispatch *dispatch = arg;
    dispatch->is_time = true; /* not now: what has come is read first */
}

/* After the events of a turn. */
static void after_events(void *arg)
{
    Dispatch *dispatch = arg;
    if (dispatch->is_time) {
        dispatch->is_time = false;
        look_at_time(dispatch);
    }
    send_batches(dispatch);
    fleet_after_events(dispatch->fleet);
    if (fleet_is_busy(dispatch->fleet)) {
        dispatch_look_again(dispatch); /* for a lane's own barrier, which nobody has published */
    }
}

/* From outside */

Fleet *dispatch_fleet(const Dispatch *dispatch)
{
    return dispatch->fleet;
}

Sending *dispatch_new(Dispatch *dispatch, SendingKind kind,
                      void (*told)(Sending *sending, ErrorCode code), void *arg)
{
    Sending *sending = sending_new(&dispatch->pool);
    if (sending) {
        sending->kind = kind;
        sending->told = told;
        sending->arg = arg;
        sending->trial.in_cluster = in_cluster(dispatch);
    }
    return sending;
}

Sending *dispatch_new_body(Dispatch *dispatch, const StreamKeys *keys, Publication *publication,
                           const Publishing *publishing)
{
    return sending_of(&dispatch->pool, keys, publication, publishing);
}

bool dispatch_send(Dispatch *dispatch, Sending *sending, size_t route)
{
    sending->route = route;
    sending_begin(sending, dispatch->settings.fleet.lane.link.timeout);
    if (!send_to(dispatch, fleet_lane(dispatch->fleet, route), sending)) {
        sending_free(&dispatch->pool, sending);
        return false;
    }
    return true;
}

static bool open_fleet(Dispatch *dispatch)
{
    static const LaneEvents events = {on_ready, on_finished, on_lost};
    FleetSettings settings = dispatch->settings.fleet;
    settings.lane.pool = &dispatch->pool;
    settings.lane.events = events;
    settings.lane.arg = dispatch;
    settings.changed = on_changed;
    dispatch->fleet = fleet_open(dispatch->loop, &settings);
    return dispatch->fleet != NULL;
}

Dispatch *dispatch_open(Loop *loop, const DispatchSettings *settings)
{
    Dispatch *dispatch = calloc(1, sizeof(*dispatch));
    if (!dispatch) {
        return NULL;
    }
    *dispatch =
        (Dispatch){.loop = loop, .settings = *settings, .routes = settings->fleet.topology.count};
    dispatch->batches = calloc(dispatch->routes, sizeof(*dispatch->batches));
    dispatch->tick = loop_timer(loop, on_tick, dispatch);
    bool ok = dispatch->batches && dispatch->tick && open_fleet(dispatch) &&
              loop_after_events(loop, after_events, dispatch);
    return ok ? dispatch : dispatch_close(dispatch);
}

Dispatch *dispatch_close(Dispatch *dispatch)
{
    if (dispatch) {
        Fleet *fleet = dispatch->fleet;
        dispatch->fleet = NULL; /* whoever is told may ask */
        fleet_close(fleet);
        for (size_t i = 0; dispatch->batches && i < dispatch->routes; i++) {
            queue_fail(&dispatch->batches[i].queue, &dispatch->pool);
        }
        queue_fail(&dispatch->waiting, &dispatch->pool);
        timer_close(dispatch->tick);
        sending_pool_close(&dispatch->pool);
        call_draft_free(&dispatch->draft);
        free(dispatch->batches);
        free(dispatch);
    }
    return NULL;
}
