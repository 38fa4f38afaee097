#include "redis/sink_redis.h"

#include "base/log.h"
#include "base/owner.h"
#include "redis/caretaker.h"
#include "redis/dispatch.h"
#include "redis/slots.h"
#include "redis/spread.h"
#include "stats/stats.h"

#include <stdlib.h>

enum { CLAIM_PAUSE = 250 }; /* milliseconds before the number of partitions is asked for again */

typedef enum { CLAIM_OPEN, CLAIM_ASKED, CLAIM_AGREED } ClaimState;

typedef struct {
    Sink base;
    SinkSettings settings;
    size_t count;  /* of partitions */
    size_t routes; /* of them, and one to {S}:partitions if that is in no partition */
    uint16_t *slots;
    const StreamKeys **keys; /* of each route; of the last one NULL if it is no partition's */
    Dispatch *dispatch;      /* NULL: it is being closed, or not open yet */
    Caretaker *caretaker;
    ClaimState claim;
    int64_t claim_at;           /* the next attempt; loop_clock_ms() */
    size_t probe_turn;          /* of the partitions of a server another one is tried each time */
    size_t ready_count;         /* partitions that take writes */
    void (*settled)(void *arg); /* NULL when it has been called */
    void *settled_arg;
    int64_t settle_by;
} SinkRedis;

static bool in_cluster(const SinkRedis *sink)
{
    return sink->settings.servers->kind == SERVERS_CLUSTER;
}

/* NULL: there is none, and never one while it is being closed. */
static Lane *lane_of(const SinkRedis *sink, size_t route)
{
    return sink->dispatch ? fleet_lane(dispatch_fleet(sink->dispatch), route) : NULL;
}

static Lane *first_lane(const SinkRedis *sink)
{
    return sink->dispatch ? fleet_first(dispatch_fleet(sink->dispatch)) : NULL;
}

static Lane *next_lane(const SinkRedis *sink, const Lane *lane)
{
    return fleet_next(dispatch_fleet(sink->dispatch), lane);
}

/* The claim */

static void on_claimed(Sending *sending, ErrorCode code);

static void claim_if_due(SinkRedis *sink)
{
    const size_t route = sink->routes - 1;
    const bool is_due = sink->claim == CLAIM_OPEN && loop_clock_ms() >= sink->claim_at;
    Sending *sending = is_due && lane_is_ready(lane_of(sink, route))
                           ? dispatch_new(sink->dispatch, SENDING_CLAIM, on_claimed, sink)
                           : NULL;
    if (!sending) {
        return;
    }
    sending->claim = (Claim){.key = sink->settings.partitions->number, .number = sink->count};
    sink->claim = dispatch_send(sink->dispatch, sending, route) ? CLAIM_ASKED : CLAIM_OPEN;
}

/* Of all servers the one whose data lasts least. */
static Link *least_durable(const SinkRedis *sink)
{
    Link *worst = NULL;
    for (Lane *lane = first_lane(sink); lane; lane = next_lane(sink, lane)) {
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
        const Lane *lane = lane_of(sink, i);
        if (!lane || lane_is_opening(lane)) {
            return true;
        }
    }
    return sink->claim == CLAIM_ASKED;
}

static void count_ready(SinkRedis *sink)
{
    size_t lanes = 0, partitions = 0;
    for (const Lane *lane = first_lane(sink); lane; lane = next_lane(sink, lane)) {
        lanes += lane_is_ready(lane);
    }
    for (size_t i = 0; i < sink->count; i++) {
        partitions += lane_is_ready(lane_of(sink, i));
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
        dispatch_look_again(sink->dispatch); /* until it can be asked again */
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
    if (!sink->dispatch) {
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

static void on_changed(void *arg)
{
    look_around(arg);
}

static bool on_look(void *arg, int64_t at)
{
    SinkRedis *sink = arg;
    if (sink->settled && at >= sink->settle_by) {
        settle(sink);
    }
    claim_if_due(sink);
    return sink->settled || (!is_open(sink) && lane_is_ready(lane_of(sink, sink->routes - 1)));
}

/* Publishing */

static bool takes_more(const SinkRedis *sink, size_t route)
{
    return is_open(sink) && lane_takes_more(lane_of(sink, route));
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
    publication->code = ERROR_UNAVAILABLE;
    if (!takes_more(sink, route)) {
        return SINK_DONE;
    }
    Sending *sending = dispatch_new_body(sink->dispatch, keys, publication, &publishing);
    if (!sending || !dispatch_send(sink->dispatch, sending, route)) {
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
    const SinkRedis *sink;
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
    count_durable(round->sink); /* a probe learns about it */
    tell_round(round, code);
    end_round(round);
}

/* The partition whose turn it is, of those that lead there; count: none. */
static size_t partition_to_probe(const SinkRedis *sink, const Lane *lane)
{
    for (size_t i = 0; i < sink->count; i++) {
        const size_t partition = (sink->probe_turn + i) % sink->count;
        if (lane_of(sink, partition) == lane) {
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
    Sending *sending = dispatch_new(sink->dispatch, SENDING_PROBE, on_probed, round);
    if (!sending || !dispatch_send(sink->dispatch, sending, partition)) {
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
    *round = (Round){.sink = sink, .probe = asked};
    sink->probe_turn++;
    for (Lane *lane = first_lane(sink); lane; lane = next_lane(sink, lane)) {
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
        const Lane *lane = lane_of(sink, i);
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

/* What the first server that takes nothing has against it. */
static const char *complaint_of(Lane *lane, bool *ret_passes)
{
    bool is_alert = false;
    const char *why = "nobody knows who owns a partition";
    if (lane) {
        const Link *link = lane_link(lane);
        why = link_is_ready(link) ? lane_state(lane) : link_complaint(link, &is_alert);
        why = why ? why : "no connection in time";
    }
    *ret_passes = !is_alert;
    return why;
}

const char *sink_redis_trouble(const Sink *base, bool *ret_passes)
{
    const SinkRedis *sink = OWNER_OF(base, const SinkRedis, base);
    const char *why = "no answer in time";
    *ret_passes = true;
    for (size_t i = 0; i < sink->count; i++) {
        Lane *lane = lane_of(sink, i);
        if (lane_is_ready(lane) && link_trouble(lane_link(lane))) {
            *ret_passes = false;
            return link_trouble(lane_link(lane));
        }
        if (!lane_is_ready(lane) && *ret_passes) {
            why = complaint_of(lane, ret_passes);
        }
    }
    return why;
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
    Sending *sending = takes_more(sink, partition)
                           ? dispatch_new(sink->dispatch, SENDING_UPKEEP, on_kept, NULL)
                           : NULL;
    if (!sending) {
        return false;
    }
    sending->caretaker = sink->caretaker;
    return dispatch_send(sink->dispatch, sending, partition);
}

static size_t count_beside(void *arg, size_t partition)
{
    const SinkRedis *sink = arg;
    size_t count = 0;
    for (size_t i = 0; i < sink->count; i++) {
        count += lane_of(sink, i) == lane_of(sink, partition);
    }
    return count;
}

/* Begin and end */

static void close_sink(Sink *base)
{
    SinkRedis *sink = OWNER_OF(base, SinkRedis, base);
    Dispatch *dispatch = sink->dispatch;
    sink->claim = CLAIM_OPEN; /* whoever is told may publish again, and ask */
    sink->dispatch = NULL;
    dispatch_close(dispatch);
    caretaker_close(sink->caretaker); /* last of whom is told */
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
    return sink->slots && sink->keys;
}

static bool open_dispatch(SinkRedis *sink, Loop *loop)
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
                          .timeout = settings->timeout}},
        .keys = sink->keys};
    const DispatchSettings dispatch = {
        .fleet = fleet, .events = {on_changed, on_look}, .arg = sink};
    sink->dispatch = dispatch_open(loop, &dispatch);
    return sink->dispatch != NULL;
}

static bool open_caretaker(SinkRedis *sink, Loop *loop)
{
    static const CaretakerEvents events = {ask_for_upkeep, count_beside};
    const SinkSettings *settings = &sink->settings;
    if (!settings->keep) {
        return true;
    }
    sink->caretaker = caretaker_open(loop, settings->partitions, settings->keep, &events, sink);
    return sink->caretaker != NULL;
}

Sink *sink_redis_open(Loop *loop, const SinkSettings *settings)
{
    SinkRedis *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return NULL;
    }
    *sink = (SinkRedis){.base = {publish, probe, is_connected, durability, describe, close_sink},
                        .settings = *settings};
    const bool has_routes = make_routes(sink);
    if (has_routes) {
        plan_routes(sink);
    }
    if (!has_routes || !open_dispatch(sink, loop) || !open_caretaker(sink, loop)) {
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
    dispatch_look_again(sink->dispatch);
}
