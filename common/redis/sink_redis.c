#include "redis/sink_redis.h"

#include "base/log.h"
#include "base/owner.h"
#include "redis/slots.h"
#include "redis/spread.h"
#include "stats/stats.h"

#include <stdlib.h>

enum {
    TICK = 20,         /* milliseconds between looks at deadlines, while something is under way */
    RETRY_PAUSE = 100, /* before a command is sent again */
    OPEN_PAUSE = 20,   /* before it is looked again whether a server is connected */
    CLAIM_PAUSE = 250, /* before the number of partitions is asked for again */
    REDIRECTS_MOST = 8
};

typedef enum { CLAIM_OPEN, CLAIM_ASKED, CLAIM_AGREED } ClaimState;

typedef struct {
    Sink base;
    Loop *loop;
    SinkSettings settings;
    size_t count;  /* of partitions */
    size_t routes; /* of them, and one to {S}:partitions if that is in no partition */
    uint16_t *slots;
    const StreamKeys **keys; /* of each route; of the last one NULL if it is no partition's */
    Batch *batches;          /* of each; leave when the turn ends, or as soon as they are full */
    Fleet *fleet;
    Caretaker *caretaker;
    CallDraft draft;
    Queue waiting; /* for another attempt */
    SendingPool pool;
    ClaimState claim;
    int64_t claim_at;   /* the next attempt; loop_clock_ms() */
    size_t probe_turn;  /* of the partitions of a server another one is tried each time */
    size_t ready_count; /* partitions that take writes */
    Timer *tick;
    bool is_time; /* to look at deadlines in this turn, when its events have been handled */
    void (*settled)(void *arg); /* NULL when it has been called */
    void *settled_arg;
    int64_t settle_by;
} SinkRedis;

static bool in_cluster(const SinkRedis *sink)
{
    return sink->settings.servers->kind == SERVERS_CLUSTER;
}

static void start_ticking(SinkRedis *sink)
{
    if (!timer_is_running(sink->tick)) {
        timer_start(sink->tick, TICK, TICK);
    }
}

/* Sending */

static void end(SinkRedis *sink, Sending *sending, ErrorCode code)
{
    sending_end(sending, &sink->pool, code);
}

/* It is looked at again after a pause, unless its deadline comes first. */
static void wait(SinkRedis *sink, Sending *sending, int64_t pause)
{
    sending->retry_at = loop_clock_ms() + pause;
    queue_push(&sink->waiting, sending);
    start_ticking(sink);
}

/* To a server that is ready, now or with others as soon as this turn ends. false: no memory. */
static bool send_to(SinkRedis *sink, Lane *lane, Sending *sending)
{
    const StreamKeys *keys = sink->keys[sending->route];
    Batch *batch = &sink->batches[sending->route];
    start_ticking(sink);
    if (!sending_is_shared(sending, keys)) {
        return lane_send(lane, sending, &sink->draft, keys);
    }
    if (!batch_takes(batch, sending) && !lane_send_batch(lane, batch, &sink->draft, keys)) {
        return false;
    }
    batch_add(batch, sending);
    return true;
}

static void send_or_end(SinkRedis *sink, Lane *lane, Sending *sending)
{
    if (!send_to(sink, lane, sending)) {
        end(sink, sending, ERROR_NO_MEMORY);
    }
}

/* Whoever is not connected yet may be in a moment. */
static void send_or_wait(SinkRedis *sink, Lane *lane, Sending *sending)
{
    if (lane_is_ready(lane)) {
        send_or_end(sink, lane, sending);
    } else if (lane && lane_is_opening(lane)) {
        wait(sink, sending, OPEN_PAUSE);
    } else {
        end(sink, sending, ERROR_UNAVAILABLE);
    }
}

static void send_on_route(SinkRedis *sink, Sending *sending)
{
    send_or_wait(sink, fleet_lane(sink->fleet, sending->route), sending);
}

/* The batch of a route leaves, or waits: the owner may have changed since. */
static void send_batch(SinkRedis *sink, size_t route)
{
    Batch *batch = &sink->batches[route];
    Lane *lane = fleet_lane(sink->fleet, route);
    if (lane_is_ready(lane) && lane_send_batch(lane, batch, &sink->draft, sink->keys[route])) {
        return;
    }
    const bool is_full = lane_is_ready(lane); /* of memory */
    Queue left = batch->queue;
    *batch = (Batch){0};
    for (Sending *sending; (sending = queue_pop(&left));) {
        if (is_full) {
            end(sink, sending, ERROR_NO_MEMORY);
        } else {
            send_on_route(sink, sending);
        }
    }
}

static void send_batches(SinkRedis *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        if (sink->batches[i].queue.first) {
            send_batch(sink, i);
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

/* Of all servers the one whose data lasts least. */
static Link *least_durable(const SinkRedis *sink)
{
    Link *worst = NULL;
    for (Lane *lane = fleet_first(sink->fleet); lane; lane = fleet_next(sink->fleet, lane)) {
        Link *link = lane_link(lane);
        worst = !worst || link_durable(link) > link_durable(worst) ? link : worst;
    }
    return worst;
}

static void count_durable(const SinkRedis *sink)
{
    const Link *worst = least_durable(sink);
    stats_set(STAT_REDIS_DURABLE, worst ? link_durable(worst) : 0);
}

/* What a probe has learnt. NULL, or why the connection must end. */
static const char *heed(SinkRedis *sink, Lane *lane, const Sending *sending)
{
    const char *why = link_heed(lane_link(lane), &sending->trial.standing);
    if (sending->trial.is_elsewhere) {
        fleet_suspect(sink->fleet);
    }
    count_durable(sink);
    return why;
}

/* All of it is stored, or a step: then comes the next one. NULL, or why the connection must end. */
static const char *go_on(SinkRedis *sink, Lane *lane, Sending *sending)
{
    const char *why = sending->kind == SENDING_PROBE ? heed(sink, lane, sending) : NULL;
    ErrorCode code = why ? ERROR_UNAVAILABLE : ERROR_NONE;
    if (sending->kind == SENDING_BODY || sending->kind == SENDING_PROBE) {
        link_recovered(lane_link(lane));
    }
    sending->redirects = 0;
    if (sending_next(sending, sink->keys[sending->route], sink->settings.timeout, &code)) {
        send_on_route(sink, sending);
    } else {
        end(sink, sending, code);
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
static void follow(SinkRedis *sink, const Lane *lane, Sending *sending, bool for_ever)
{
    uint16_t slot;
    const Address *to = lane_redirect(lane, &slot);
    if (!in_cluster(sink) || !to || slot != sink->slots[sending->route] ||
        ++sending->redirects > REDIRECTS_MOST || !fits(sending, 0)) {
        end(sink, sending, ERROR_UNAVAILABLE);
        return;
    }
    Lane *other = for_ever ? fleet_moved(sink->fleet, sending->route, to)
                           : fleet_other(sink->fleet, sending->route, to);
    sending->asks = !for_ever;
    const int64_t pause = pause_of(lane, other, sending);
    stats_add(STAT_REDIS_RETRIES, 1);
    if (pause) {
        sending->asks = false; /* its owner may answer otherwise by then */
        wait(sink, sending, pause);
    } else {
        send_or_wait(sink, other, sending);
    }
}

static void try_again_later(SinkRedis *sink, Sending *sending)
{
    if (fits(sending, RETRY_PAUSE)) {
        stats_add(STAT_REDIS_RETRIES, 1);
        wait(sink, sending, RETRY_PAUSE);
    } else {
        end(sink, sending, ERROR_UNAVAILABLE);
    }
}

static const char *act(SinkRedis *sink, Lane *lane, Sending *sending, Verdict verdict)
{
    switch (verdict) {
    case VERDICT_STORED:
        return go_on(sink, lane, sending);
    case VERDICT_SEND_SOURCE:
        if (!fits(sending, 0)) {
            break;
        }
        sending->publishing.with_source = true;
        stats_add(STAT_REDIS_RETRIES, 1);
        send_or_end(sink, lane, sending);
        return NULL;
    case VERDICT_LOOK_UP:
        fleet_suspect(sink->fleet);
        try_again_later(sink, sending);
        return NULL;
    case VERDICT_RETRY:
        try_again_later(sink, sending);
        return NULL;
    case VERDICT_MOVED:
        follow(sink, lane, sending, true);
        return NULL;
    case VERDICT_ASK:
        if (!in_cluster(sink)) {
            try_again_later(sink, sending);
        } else {
            follow(sink, lane, sending, false);
        }
        return NULL;
    case VERDICT_GIVE_UP:
    case VERDICT_RECONNECT:
        break;
    }
    const ErrorRule *rule = sending->publishing.rule;
    end(sink, sending, ERROR_UNAVAILABLE);
    return verdict == VERDICT_RECONNECT ? rule->advice : NULL;
}

static const char *on_finished(void *arg, Lane *lane, Sending *sending)
{
    return act(arg, lane, sending, publish_verdict(&sending->publishing));
}

/* The claim */

static void on_claimed(Sending *sending, ErrorCode code);

static void claim(SinkRedis *sink)
{
    const size_t route = sink->routes - 1;
    Lane *lane = fleet_lane(sink->fleet, route);
    Sending *sending = lane_is_ready(lane) ? sending_new(&sink->pool) : NULL;
    if (!sending) {
        return;
    }
    sending->kind = SENDING_CLAIM;
    sending->told = on_claimed;
    sending->arg = sink;
    sending->route = route;
    sending->claim = (Claim){.key = sink->settings.partitions->number, .number = sink->count};
    sink->claim = CLAIM_ASKED;
    sending_begin(sending, sink->settings.timeout);
    send_or_end(sink, lane, sending);
}

static void claim_if_due(SinkRedis *sink)
{
    if (sink->claim == CLAIM_OPEN && loop_clock_ms() >= sink->claim_at) {
        claim(sink);
    }
}

/* Readiness */

static bool is_open(const SinkRedis *sink)
{
    return sink->claim == CLAIM_AGREED;
}

static void settle(SinkRedis *sink)
{
    void (*settled)(void *arg) = sink->settled;
    sink->settled = NULL;
    if (settled) {
        settled(sink->settled_arg);
    }
}

/* Does a route still lead to a server that may become ready in a moment, or to one that is not
 * known? */
static bool is_opening(const SinkRedis *sink)
{
    for (size_t i = 0; i < sink->routes; i++) {
        const Lane *lane = fleet_lane(sink->fleet, i);
        if (!lane || lane_is_opening(lane)) {
            return true;
        }
    }
    return sink->claim == CLAIM_ASKED;
}

static void count_ready(SinkRedis *sink)
{
    size_t lanes = 0, partitions = 0;
    for (const Lane *lane = fleet_first(sink->fleet); lane; lane = fleet_next(sink->fleet, lane)) {
        lanes += lane_is_ready(lane);
    }
    for (size_t i = 0; i < sink->count; i++) {
        partitions += lane_is_ready(fleet_lane(sink->fleet, i));
    }
    sink->ready_count = is_open(sink) ? partitions : 0;
    stats_set(STAT_REDIS_NODES, lanes);
    stats_set(STAT_REDIS_CONNECTED, lanes > 0);
    stats_set(STAT_REDIS_PARTITIONS, sink->count);
    stats_set(STAT_REDIS_PARTITIONS_READY, sink->ready_count);
    count_durable(sink);
}

/* Something has changed. */
static void look_around(SinkRedis *sink)
{
    claim_if_due(sink);
    count_ready(sink);
    if (!is_open(sink)) {
        start_ticking(sink); /* until it can be asked again */
    }
    if (sink->settled && (sink->ready_count == sink->count || !is_opening(sink))) {
        settle(sink);
    }
}

static void on_claimed(Sending *sending, ErrorCode code)
{
    static LogSite site;
    SinkRedis *sink = sending->arg;
    const Claim *claim = &sending->claim;
    const ErrorRule *rule = sending->publishing.rule;
    const bool is_refused = rule && rule->verdict == VERDICT_GIVE_UP,
               is_ours = code == ERROR_NONE && claim->is_told && !claim->differs,
               is_untold = is_refused || (code == ERROR_NONE && !claim->is_told);
    /* One partition is what everybody has who says nothing. */
    sink->claim = is_ours || (is_untold && sink->count == 1) ? CLAIM_AGREED : CLAIM_OPEN;
    sink->claim_at = loop_clock_ms() + CLAIM_PAUSE;
    if (!sink->fleet) {
        return; /* closing */
    }
    if (claim->differs) {
        log_rarely(&site, LOG_ERROR,
                   "redis: the stream was made with %s partitions, STREAM_PARTITIONS is %zu: "
                   "nothing is stored (%.*s)",
                   claim->found, sink->count, STR_ARG(claim->key));
        settle(sink);
    }
    look_around(sink);
}

static void on_ready(void *arg, Lane *lane)
{
    (void)lane;
    look_around(arg);
}

static void on_changed(void *arg)
{
    look_around(arg);
    start_ticking(arg);
}

/* Of what waits for the end of the turn, those that were to go there. */
static size_t fail_batches(SinkRedis *sink, const Lane *lane)
{
    size_t failed = 0;
    for (size_t i = 0; i < sink->count; i++) {
        if (fleet_lane(sink->fleet, i) == lane) {
            Queue queue = sink->batches[i].queue;
            sink->batches[i] = (Batch){0};
            failed += queue_fail(&queue, &sink->pool);
        }
    }
    return failed;
}

/* Of what waits for another attempt, those that were to go there. */
static size_t fail_waiting(SinkRedis *sink, const Lane *lane)
{
    Queue all = sink->waiting, lost = {0};
    sink->waiting = (Queue){0};
    for (Sending *sending; (sending = queue_pop(&all));) {
        const bool is_lost = fleet_lane(sink->fleet, sending->route) == lane;
        queue_push(is_lost ? &lost : &sink->waiting, sending);
    }
    return queue_fail(&lost, &sink->pool);
}

static size_t on_lost(void *arg, Lane *lane)
{
    SinkRedis *sink = arg;
    fleet_suspect(sink->fleet);
    count_ready(sink);
    if (sink->settled && !is_opening(sink)) {
        settle(sink);
    }
    const size_t failed = fail_batches(sink, lane);
    return failed + fail_waiting(sink, lane);
}

/* Time */

/* What has waited long enough is sent again, or has waited too long. */
static void look_at_waiting(SinkRedis *sink, int64_t at)
{
    Queue due = queue_take_due(&sink->waiting, at);
    for (Sending *sending; (sending = queue_pop(&due));) {
        if (sending->deadline > at) {
            send_on_route(sink, sending);
        } else {
            end(sink, sending, ERROR_UNAVAILABLE);
        }
    }
}

static bool has_batches(const SinkRedis *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        if (sink->batches[i].queue.first) {
            return true;
        }
    }
    return false;
}

static bool is_busy(const SinkRedis *sink)
{
    return sink->waiting.first || sink->settled || has_batches(sink) ||
           fleet_is_busy(sink->fleet) ||
           (!is_open(sink) && lane_is_ready(fleet_lane(sink->fleet, sink->routes - 1)));
}

/* What had come when this turn began has been read; what came later may still lie in the socket. So
 * it is judged as of then. */
static void look_at_time(SinkRedis *sink)
{
    const int64_t at = loop_now(sink->loop);
    if (sink->settled && at >= sink->settle_by) {
        settle(sink);
    }
    claim_if_due(sink);
    fleet_look(sink->fleet, at);
    look_at_waiting(sink, at);
    if (!is_busy(sink)) {
        timer_stop(sink->tick);
    }
}

static void on_tick(void *arg)
{
    SinkRedis *sink = arg;
    sink->is_time = true; /* not now: what has come is read first */
}

/* After the events of a turn. */
static void after_events(void *arg)
{
    SinkRedis *sink = arg;
    if (sink->is_time) {
        sink->is_time = false;
        look_at_time(sink);
    }
    send_batches(sink);
    fleet_after_events(sink->fleet);
    if (fleet_is_busy(sink->fleet)) {
        start_ticking(sink); /* for a lane's own barrier, which nobody has published */
    }
}

/* Publishing */

static bool takes_more(const SinkRedis *sink, size_t route)
{
    return is_open(sink) && lane_takes_more(fleet_lane(sink->fleet, route));
}

/* Sends it for the first time. SINK_DONE: it has ended, and was not told. */
static SinkAnswer start(SinkRedis *sink, size_t route, Publication *publication)
{
    const StreamKeys *keys = sink->keys[route];
    const Publishing publishing = publishing_of(keys, publication->payload);
    publication->code = ERROR_NONE;
    publication->result = (PublishResult){0};
    if (publishing_is_empty(&publishing)) {
        return SINK_DONE;
    }
    Sending *sending =
        takes_more(sink, route) ? sending_of(&sink->pool, keys, publication, &publishing) : NULL;
    if (!sending) {
        publication->code = takes_more(sink, route) ? ERROR_NO_MEMORY : ERROR_UNAVAILABLE;
        return SINK_DONE;
    }
    sending->route = route;
    sending_begin(sending, sink->settings.timeout);
    if (!send_to(sink, fleet_lane(sink->fleet, route), sending)) {
        sending_free(&sink->pool, sending);
        publication->code = ERROR_NO_MEMORY;
        return SINK_DONE;
    }
    return SINK_LATER;
}

/* Are all partitions ready that it touches? If not, nothing of it is stored: a repetition has less
 * to tell apart. */
static bool takes_all(const SinkRedis *sink, const Spread *spread)
{
    for (size_t i = 0; i < spread->count; i++) {
        if (!takes_more(sink, spread->parts[i].partition)) {
            return false;
        }
    }
    return true;
}

static SinkAnswer start_parts(SinkRedis *sink, Spread *spread)
{
    bool has_ended = false;
    for (size_t i = 0; i < spread->count; i++) {
        Part *part = &spread->parts[i];
        if (start(sink, part->partition, &part->publication) == SINK_DONE) {
            has_ended = spread_end(spread, part);
        }
    }
    return has_ended ? SINK_DONE : SINK_LATER;
}

static SinkAnswer publish_spread(SinkRedis *sink, Publication *publication)
{
    publication->code = ERROR_NONE;
    publication->result = (PublishResult){0};
    Spread *spread = spread_new(publication, sink->count);
    if (spread && spread->count == 0) {
        return SINK_DONE;
    }
    if (!spread || !takes_all(sink, spread)) {
        publication->code = spread ? ERROR_UNAVAILABLE : ERROR_NO_MEMORY;
        return SINK_DONE;
    }
    return start_parts(sink, spread);
}

static SinkAnswer publish(Sink *base, Publication *publication)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    return sink->count == 1 ? start(sink, 0, publication) : publish_spread(sink, publication);
}

/* Probing: of each server one partition of those that it owns. */

typedef struct {
    Probe *probe;   /* NULL: it has been told */
    size_t open;    /* sendings; the last one frees this */
    bool has_begun; /* all have been sent: who asks may be told */
} Round;

static void end_round(Round *round)
{
    if (!round->open && round->has_begun) {
        free(round);
    }
}

/* One server that takes writes is enough. */
static void tell_round(Round *round, ErrorCode code)
{
    Probe *probe = round->probe;
    if (probe && round->has_begun && (code == ERROR_NONE || !round->open)) {
        round->probe = NULL;
        probe->code = code;
        probe->done(probe);
    }
}

static void on_probed(Sending *sending, ErrorCode code)
{
    Round *round = sending->arg;
    round->open--;
    tell_round(round, code);
    end_round(round);
}

/* The partition whose turn it is, of those that lead there; count: none. */
static size_t partition_to_probe(const SinkRedis *sink, const Lane *lane)
{
    for (size_t i = 0; i < sink->count; i++) {
        const size_t partition = (sink->probe_turn + i) % sink->count;
        if (fleet_lane(sink->fleet, partition) == lane) {
            return partition;
        }
    }
    return sink->count;
}

static ErrorCode probe_lane(SinkRedis *sink, Lane *lane, Round *round)
{
    const size_t partition = partition_to_probe(sink, lane);
    if (partition == sink->count || !lane_takes_more(lane)) {
        return ERROR_UNAVAILABLE;
    }
    Sending *sending = sending_new(&sink->pool);
    if (!sending) {
        return ERROR_NO_MEMORY;
    }
    sending->kind = SENDING_PROBE;
    sending->told = on_probed;
    sending->arg = round;
    sending->route = partition;
    sending->trial.in_cluster = in_cluster(sink);
    sending_begin(sending, sink->settings.timeout);
    if (!send_to(sink, lane, sending)) {
        sending_free(&sink->pool, sending);
        return ERROR_NO_MEMORY;
    }
    round->open++;
    return ERROR_NONE;
}

static SinkAnswer probe(Sink *base, Probe *asked)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    Round *round = is_open(sink) ? calloc(1, sizeof(*round)) : NULL;
    asked->code = is_open(sink) && !round ? ERROR_NO_MEMORY : ERROR_UNAVAILABLE;
    if (!round) {
        return SINK_DONE;
    }
    *round = (Round){.probe = asked};
    sink->probe_turn++;
    for (Lane *lane = fleet_first(sink->fleet); lane; lane = fleet_next(sink->fleet, lane)) {
        const ErrorCode code = probe_lane(sink, lane, round);
        asked->code = code == ERROR_NO_MEMORY ? code : asked->code;
    }
    round->has_begun = true;
    const bool is_asked = round->open > 0;
    end_round(round);
    return is_asked ? SINK_LATER : SINK_DONE;
}

/* What is asked of it */

static bool is_connected(const Sink *base)
{
    return OWNER_OF(base, const SinkRedis, base)->ready_count > 0;
}

static const char *durability(const Sink *base)
{
    const Link *worst = least_durable(OWNER_OF(base, const SinkRedis, base));
    return worst ? link_durability(worst) : "not known";
}

static void describe(const Sink *base, Text *to)
{
    const SinkRedis *sink = OWNER_OF(base, const SinkRedis, base);
    for (size_t i = 0; i < sink->count; i++) {
        const Lane *lane = fleet_lane(sink->fleet, i);
        text_add_format(to, "partition %zu: ", i);
        if (in_cluster(sink)) {
            text_add_format(to, "slot %u, ", sink->slots[i]);
        }
        text_add_format(to, "%s, %s\n", lane ? lane_shown(lane) : "no server",
                        !lane           ? "not ready: nobody knows who owns it"
                        : is_open(sink) ? lane_state(lane)
                                        : "not ready: the number of partitions is not agreed");
    }
}

/* Upkeep */

static void on_kept(Sending *sending, ErrorCode code)
{
    (void)code; /* whatever it is, it is asked for again */
    caretaker_done(sending->caretaker, sending->route);
}

static bool ask_for_upkeep(void *arg, size_t partition)
{
    SinkRedis *sink = arg;
    Lane *lane = fleet_lane(sink->fleet, partition);
    Sending *sending = takes_more(sink, partition) ? sending_new(&sink->pool) : NULL;
    if (!sending) {
        return false;
    }
    sending->kind = SENDING_UPKEEP;
    sending->told = on_kept;
    sending->caretaker = sink->caretaker;
    sending->route = partition;
    sending_begin(sending, sink->settings.timeout);
    if (!send_to(sink, lane, sending)) {
        sending_free(&sink->pool, sending);
        return false;
    }
    return true;
}

/* Begin and end */

static void close_sink(Sink *base)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    sink->claim = CLAIM_OPEN; /* whoever is told may publish again */
    Fleet *fleet = sink->fleet;
    sink->fleet = NULL;
    fleet_close(fleet);
    for (size_t i = 0; sink->batches && i < sink->count; i++) {
        queue_fail(&sink->batches[i].queue, &sink->pool);
    }
    queue_fail(&sink->waiting, &sink->pool);
    caretaker_close(sink->caretaker); /* last of whom is told */
    timer_close(sink->tick);
    sending_pool_close(&sink->pool);
    call_draft_free(&sink->draft);
    free(sink->batches);
    free(sink->keys);
    free(sink->slots);
    free(sink);
}

/* Where {S}:partitions is: beside the only partition, or where the stream itself would be. */
static void plan_routes(SinkRedis *sink)
{
    const Partitions *partitions = sink->settings.partitions;
    for (size_t i = 0; i < sink->count; i++) {
        sink->keys[i] = partitions->keys[i];
        sink->slots[i] = slot_of(partitions->keys[i]->stream);
    }
    sink->slots[sink->routes - 1] = slot_of(partitions->number);
}

static bool make_routes(SinkRedis *sink)
{
    sink->count = sink->settings.partitions->count;
    sink->routes = sink->count == 1 ? 1 : sink->count + 1;
    sink->slots = calloc(sink->routes, sizeof(*sink->slots));
    sink->keys = calloc(sink->routes, sizeof(*sink->keys));
    sink->batches = calloc(sink->routes, sizeof(*sink->batches));
    return sink->slots && sink->keys && sink->batches;
}

static bool open_fleet(SinkRedis *sink)
{
    const SinkSettings *settings = &sink->settings;
    const FleetSettings fleet = {
        .topology = {.servers = settings->servers,
                     .tls = settings->tls,
                     .sentinel_user = settings->sentinel_user,
                     .sentinel_password = settings->sentinel_password,
                     .slots = sink->slots,
                     .count = sink->routes},
        .lane = {.link = {.greeting = {.requires_durable = settings->requires_durable,
                                       .in_cluster = in_cluster(sink),
                                       .ack = settings->ack},
                          .tls = settings->tls,
                          .timeout = settings->timeout},
                 .pool = &sink->pool,
                 .events = {on_ready, on_finished, on_lost},
                 .arg = sink},
        .keys = sink->keys,
        .changed = on_changed};
    sink->fleet = fleet_open(sink->loop, &fleet);
    return sink->fleet != NULL;
}

static bool open_caretaker(SinkRedis *sink)
{
    if (!sink->settings.keep) {
        return true;
    }
    sink->caretaker = caretaker_open(sink->loop, sink->settings.partitions, sink->settings.keep,
                                     ask_for_upkeep, sink);
    return sink->caretaker != NULL;
}

Sink *sink_redis_open(Loop *loop, const SinkSettings *settings)
{
    SinkRedis *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return NULL;
    }
    *sink = (SinkRedis){.base = {publish, probe, is_connected, durability, describe, close_sink},
                        .loop = loop,
                        .settings = *settings};
    sink->tick = make_routes(sink) ? loop_timer(loop, on_tick, sink) : NULL;
    if (sink->tick) {
        plan_routes(sink);
    }
    if (!sink->tick || !open_fleet(sink) || !open_caretaker(sink) ||
        !loop_after_events(loop, after_events, sink)) {
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
