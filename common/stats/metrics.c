#include "stats/metrics.h"

/* The size of an array of values or bounds: that which the id has room for. */
#define VALUES_OF(id) (id##_LAST - (id) + 1)
#define BOUNDS_OF(id) (VALUES_OF(id) - 2)

static const Str codes[] = {
    STR_INIT("200"), STR_INIT("400"), STR_INIT("401"), STR_INIT("403"), STR_INIT("404"),
    STR_INIT("405"), STR_INIT("413"), STR_INIT("415"), STR_INIT("503"),
};

/* The fields of Meta's webhooks that a receiver of statuses is most likely to see. Names come from
 * senders, so only these become labels. */
static const Str fields[VALUES_OF(STAT_IGNORED)] = {
    STR_INIT("messages"),
    STR_INIT("calls"),
    STR_INIT("standby"),
    STR_INIT("history"),
    STR_INIT("smb_message_echoes"),
    STR_INIT("message_echoes"),
    STR_INIT("smb_app_state_sync"),
    STR_INIT("messaging_handovers"),
    STR_INIT("user_preferences"),
    STR_INIT("flows"),
    STR_INIT("automatic_events"),
    STR_INIT("account_update"),
    STR_INIT("account_alerts"),
    STR_INIT("account_review_update"),
    STR_INIT("account_settings_update"),
    STR_INIT("business_capability_update"),
    STR_INIT("phone_number_name_update"),
    STR_INIT("phone_number_quality_update"),
    STR_INIT("security"),
    STR_INIT("message_template_status_update"),
    STR_INIT("message_template_quality_update"),
    STR_INIT("message_template_components_update"),
    STR_INIT("template_category_update"),
    STR_INIT("other"),
};

static const char *const durable_states[DURABLE_STATES] = {
    "-1", [DURABLE_YES] = "1", [DURABLE_UNKNOWN] = "-1", [DURABLE_NO] = "0"};

static const Str redirect_words[VALUES_OF(STAT_REDIS_REDIRECTS)] = {
    [REDIRECTED_MOVED] = STR_INIT("moved"),
    [REDIRECTED_ASK] = STR_INIT("ask"),
    [REDIRECTED_TRYAGAIN] = STR_INIT("tryagain"),
    [REDIRECTED_CLUSTERDOWN] = STR_INIT("clusterdown"),
};

static const Str lookup_words[VALUES_OF(STAT_REDIS_LOOKUPS)] = {STR_INIT("ok"), STR_INIT("failed")};

#define MICROSECONDS UINT64_C(1000)
#define MILLISECONDS UINT64_C(1000000)
#define SECONDS UINT64_C(1000000000)

static const uint64_t webhook_bounds[BOUNDS_OF(STAT_WEBHOOK_SECONDS)] = {
    250 * MICROSECONDS, 500 * MICROSECONDS, 1 * MILLISECONDS,  2500 * MICROSECONDS,
    5 * MILLISECONDS,   10 * MILLISECONDS,  25 * MILLISECONDS, 50 * MILLISECONDS,
    100 * MILLISECONDS, 250 * MILLISECONDS, 1 * SECONDS,       2500 * MILLISECONDS,
};

const Metric metrics[STAT_COUNT] = {
    [STAT_ANSWERS_200] = {"tickstream_responses_total", METRIC_COUNTER, "Answers by HTTP status.",
                          sizeof(codes) / sizeof(codes[0]), .label = "code", .values = codes},
    [STAT_WEBHOOKS] = {"tickstream_webhooks_total", METRIC_COUNTER,
                       .help = "POSTs with an accepted signature."},
    [STAT_BODY_BYTES] = {"tickstream_body_bytes_total", METRIC_COUNTER,
                         .help = "Bytes of their bodies."},
    [STAT_ACCEPTED] = {"tickstream_statuses_accepted_total", METRIC_COUNTER,
                       .help = "Statuses that became stream entries."},
    [STAT_DUPLICATES] = {"tickstream_duplicates_total", METRIC_COUNTER,
                         .help = "Statuses and elements that were known."},
    [STAT_DROPPED_MEMBERS] = {"tickstream_dropped_members_total", METRIC_COUNTER,
                              .help = "Unknown members of XML and forms, over the limits of what "
                                      "is kept."},
    [STAT_WEBHOOK_SECONDS] = {"tickstream_webhook_seconds", METRIC_HISTOGRAM,
                              "From request read to answer, with Redis.",
                              BOUNDS_OF(STAT_WEBHOOK_SECONDS), .bounds = webhook_bounds,
                              .unit = SECONDS},
    [STAT_REDIS_CONNECTS] = {"tickstream_redis_connects_total", METRIC_COUNTER,
                             .help = "Connections to Redis made."},
    [STAT_REDIS_LOST] = {"tickstream_redis_connections_lost_total", METRIC_COUNTER,
                         .help = "Connections to Redis lost."},
    [STAT_REDIS_ERRORS] = {"tickstream_redis_errors_total", METRIC_COUNTER,
                           .help = "Error replies of Redis."},
    [STAT_REDIS_RETRIES] = {"tickstream_redis_retries_total", METRIC_COUNTER,
                            .help = "Commands sent again inside the deadline."},
    [STAT_REDIS_REDIRECTS] = {"tickstream_redis_redirects_total", METRIC_COUNTER,
                              "Commands that a cluster node has not executed, by reason.",
                              VALUES_OF(STAT_REDIS_REDIRECTS), .label = "kind",
                              .values = redirect_words},
    [STAT_REDIS_LOOKUPS] = {"tickstream_redis_topology_refreshes_total", METRIC_COUNTER,
                            "Questions to a cluster or to sentinels who owns what.",
                            VALUES_OF(STAT_REDIS_LOOKUPS), .label = "result",
                            .values = lookup_words},
    [STAT_REDIS_OWNER_CHANGES] = {"tickstream_redis_master_changes_total", METRIC_COUNTER,
                                  .help = "Partitions that another server has taken over."},
    [STAT_REDIS_BARRIER_SECONDS] = {"tickstream_redis_barrier_seconds", METRIC_HISTOGRAM,
                                    "How long replicas took to acknowledge (REDIS_ACK).",
                                    BOUNDS_OF(STAT_REDIS_BARRIER_SECONDS), .bounds = webhook_bounds,
                                    .unit = SECONDS},
    [STAT_REDIS_BARRIERS_SHORT] = {"tickstream_redis_barriers_short_total", METRIC_COUNTER,
                                   .help = "Acknowledgements by fewer than REDIS_ACK wants."},
    [STAT_TRIMMED] = {"tickstream_trimmed_total", METRIC_COUNTER,
                      .help = "Entries removed from streams, as they are kept no longer."},
    [STAT_OVERLOADS] = {"tickstream_overloads_total", METRIC_COUNTER,
                        .help = "Requests refused since too much was in flight."},
    [STAT_WORKER_STARTS] = {"tickstream_worker_starts_total", METRIC_COUNTER,
                            .help = "Workers started, also in place of others."},
    [STAT_WORKERS] = {"tickstream_workers", METRIC_GAUGE, .help = "Workers that run."},
    [STAT_REDIS_CONNECTED] = {"tickstream_redis_connected", METRIC_GAUGE,
                              .help = "Workers with a usable Redis connection."},
    [STAT_REDIS_NODES] = {"tickstream_redis_nodes_connected", METRIC_GAUGE,
                          .help = "Usable connections to Redis of all workers."},
    [STAT_REDIS_PARTITIONS] = {"tickstream_redis_partitions", METRIC_GAUGE,
                               .help = "Partitions of the stream, of all workers together."},
    [STAT_REDIS_PARTITIONS_READY] = {"tickstream_redis_partitions_ready", METRIC_GAUGE,
                                     .help = "Those that take writes now."},
    [STAT_REDIS_DURABLE] = {"tickstream_redis_durable", METRIC_STATE,
                            "1: Redis neither evicts nor forgets; 0: it does; -1: not known.",
                            .states = durable_states},
    [STAT_STREAM_ENTRIES] = {"tickstream_stream_entries", METRIC_GAUGE,
                             .help = "Entries of all partitions of the stream."},
    [STAT_QUARANTINE_ENTRIES] = {"tickstream_quarantine_entries", METRIC_GAUGE,
                                 .help = "Entries of quarantine, of all partitions."},
    [STAT_QUARANTINE_BYTES] = {"tickstream_quarantine_bytes", METRIC_GAUGE,
                               .help = "Memory of Redis that quarantine takes."},
    [STAT_CONNECTIONS] = {"tickstream_fastcgi_connections", METRIC_GAUGE,
                          .help = "Open FastCGI connections, idle ones too."},
    [STAT_REQUESTS_IN_FLIGHT] = {"tickstream_requests_in_flight", METRIC_GAUGE,
                                 .help = "Requests that wait for Redis."},
    [STAT_BYTES_IN_FLIGHT] = {"tickstream_bytes_in_flight", METRIC_GAUGE,
                              .help = "Memory that they hold."},
    [STAT_LAST_ACCEPTED] = {"tickstream_last_accepted_timestamp_seconds", METRIC_MAXIMUM,
                            .help = "When a status was last stored; 0 = never."},
    [STAT_QUARANTINED] = {"tickstream_quarantined_total", METRIC_COUNTER,
                          "Bodies and elements kept in quarantine, by reason.",
                          VALUES_OF(STAT_QUARANTINED), .label = "reason", .values = reason_words,
                          .first = REASON_NONE + 1},
    [STAT_IGNORED] = {"tickstream_ignored_total", METRIC_COUNTER,
                      "Changes without statuses, entries without changes, by field.",
                      VALUES_OF(STAT_IGNORED), .label = "field", .values = fields},
    [STAT_HEARTBEAT] = {NULL, METRIC_GAUGE, .help = NULL},
    [STAT_ACCEPTING] = {NULL, METRIC_GAUGE, .help = NULL},
};
