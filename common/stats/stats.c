#include "stats/stats.h"

#include <stdio.h>
#include <sys/mman.h>

typedef enum { COUNTER, GAUGE, MAXIMUM, HISTOGRAM, HIDDEN } Kind;

typedef struct {
    const char *name; /* NULL: belongs to the metric of the row before */
    Kind kind;
    const char *label; /* `name="value"`, or NULL */
    const char *help;
} Metric;

/* The fields of Meta's webhooks that a receiver of statuses is most likely to see; the last stands
 * for the rest. */
static const char *const fields[STATS_FIELDS] = {
    "messages",
    "calls",
    "standby",
    "history",
    "smb_message_echoes",
    "message_echoes",
    "smb_app_state_sync",
    "messaging_handovers",
    "user_preferences",
    "flows",
    "automatic_events",
    "account_update",
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "business_capability_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "other",
};

/* Upper bounds of the histogram, in microseconds. */
static const unsigned bounds[STATS_BUCKETS] = {250,   500,   1000,   2500,   5000,    10000,
                                               25000, 50000, 100000, 250000, 1000000, 2500000};

static const Metric metrics[STAT_COUNT] = {
    [STAT_ANSWERS_200] = {"tickstream_responses_total", COUNTER, "code=\"200\"",
                          "Answers by HTTP status."},
    [STAT_ANSWERS_400] = {NULL, COUNTER, "code=\"400\"", NULL},
    [STAT_ANSWERS_401] = {NULL, COUNTER, "code=\"401\"", NULL},
    [STAT_ANSWERS_403] = {NULL, COUNTER, "code=\"403\"", NULL},
    [STAT_ANSWERS_404] = {NULL, COUNTER, "code=\"404\"", NULL},
    [STAT_ANSWERS_405] = {NULL, COUNTER, "code=\"405\"", NULL},
    [STAT_ANSWERS_413] = {NULL, COUNTER, "code=\"413\"", NULL},
    [STAT_ANSWERS_415] = {NULL, COUNTER, "code=\"415\"", NULL},
    [STAT_ANSWERS_503] = {NULL, COUNTER, "code=\"503\"", NULL},
    [STAT_WEBHOOKS] = {"tickstream_webhooks_total", COUNTER, NULL,
                       "POSTs with an accepted signature."},
    [STAT_BODY_BYTES] = {"tickstream_body_bytes_total", COUNTER, NULL, "Bytes of their bodies."},
    [STAT_ACCEPTED] = {"tickstream_statuses_accepted_total", COUNTER, NULL,
                       "Statuses that became stream entries."},
    [STAT_DUPLICATES] = {"tickstream_duplicates_total", COUNTER, NULL,
                         "Statuses and elements that were known."},
    [STAT_PUBLISH_BUCKET] = {"tickstream_webhook_seconds", HISTOGRAM, NULL,
                             "From request read to answer, with Redis."},
    [STAT_REDIS_CONNECTS] = {"tickstream_redis_connects_total", COUNTER, NULL,
                             "Connections to Redis made."},
    [STAT_REDIS_LOST] = {"tickstream_redis_connections_lost_total", COUNTER, NULL,
                         "Connections to Redis lost."},
    [STAT_REDIS_ERRORS] = {"tickstream_redis_errors_total", COUNTER, NULL,
                           "Error replies of Redis."},
    [STAT_REDIS_RETRIES] = {"tickstream_redis_retries_total", COUNTER, NULL,
                            "Commands sent again inside the deadline."},
    [STAT_OVERLOADS] = {"tickstream_overloads_total", COUNTER, NULL,
                        "Requests refused since too much was in flight."},
    [STAT_WORKER_STARTS] = {"tickstream_worker_starts_total", COUNTER, NULL,
                            "Workers started, also in place of others."},
    [STAT_WORKERS] = {"tickstream_workers", GAUGE, NULL, "Workers that run."},
    [STAT_REDIS_CONNECTED] = {"tickstream_redis_connected", GAUGE, NULL,
                              "Workers with a usable Redis connection."},
    [STAT_CONNECTIONS] = {"tickstream_fastcgi_connections", GAUGE, NULL,
                          "Open FastCGI connections, idle ones too."},
    [STAT_REQUESTS_IN_FLIGHT] = {"tickstream_requests_in_flight", GAUGE, NULL,
                                 "Requests that wait for Redis."},
    [STAT_BYTES_IN_FLIGHT] = {"tickstream_bytes_in_flight", GAUGE, NULL, "Memory that they hold."},
    [STAT_LAST_ACCEPTED] = {"tickstream_last_accepted_timestamp_seconds", MAXIMUM, NULL,
                            "When a status was last stored; 0 = never."},
    [STAT_HEARTBEAT] = {NULL, HIDDEN, NULL, NULL},
};

static uint64_t (*slots)[STAT_COUNT]; /* shared */
static size_t slot_count;
static uint64_t nowhere[STAT_COUNT];
static uint64_t *mine = nowhere;

bool stats_open(size_t workers)
{
    void *shared = mmap(NULL, workers * sizeof(*slots), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return false;
    }
    slots = shared;
    slot_count = workers;
    return true;
}

void stats_use(size_t slot)
{
    mine = slots[slot];
    stats_clear_gauges(slot);
}

/* One writer a slot: an atomic store is enough, so that a reader never sees half a number. */
void stats_add(Stat stat, uint64_t n)
{
    __atomic_store_n(&mine[stat], mine[stat] + n, __ATOMIC_RELAXED);
}

void stats_set(Stat gauge, uint64_t value)
{
    __atomic_store_n(&mine[gauge], value, __ATOMIC_RELAXED);
}

uint64_t stats_of(size_t slot, Stat stat)
{
    return __atomic_load_n(&slots[slot][stat], __ATOMIC_RELAXED);
}

void stats_clear_gauges(size_t slot)
{
    for (size_t stat = STAT_WORKERS; stat < STAT_COUNT; stat++) {
        if (stat != STAT_LAST_ACCEPTED) {
            __atomic_store_n(&slots[slot][stat], 0, __ATOMIC_RELAXED);
        }
    }
}

void stats_add_ignored(Str field)
{
    size_t i = 0;
    while (i < STATS_FIELDS - 1 && !str_eq(field, str_from(fields[i]))) {
        i++;
    }
    stats_add((Stat)(STAT_IGNORED + i), 1);
}

void stats_add_duration(uint64_t nanoseconds)
{
    size_t i = 0;
    while (i < STATS_BUCKETS && nanoseconds > (uint64_t)bounds[i] * 1000) {
        i++;
    }
    stats_add((Stat)(STAT_PUBLISH_BUCKET + i), 1);
    stats_add(STAT_PUBLISH_NANOSECONDS, nanoseconds);
}

static uint64_t total(Stat stat, Kind kind)
{
    uint64_t result = 0;
    for (size_t slot = 0; slot < slot_count; slot++) {
        uint64_t value = stats_of(slot, stat);
        result = kind == MAXIMUM ? (value > result ? value : result) : result + value;
    }
    return result;
}

static void render_head(Text *text, const char *name, const char *type, const char *help)
{
    text_add_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_histogram(Text *text, const Metric *metric)
{
    uint64_t sum = 0;
    render_head(text, metric->name, "histogram", metric->help);
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        sum += total((Stat)(STAT_PUBLISH_BUCKET + i), COUNTER);
        text_add_format(text, "%s_bucket{le=\"%g\"} %llu\n", metric->name, bounds[i] / 1e6,
                        (unsigned long long)sum);
    }
    sum += total((Stat)(STAT_PUBLISH_BUCKET + STATS_BUCKETS), COUNTER);
    text_add_format(text, "%s_bucket{le=\"+Inf\"} %llu\n", metric->name, (unsigned long long)sum);
    text_add_format(text, "%s_sum %.9f\n", metric->name,
                    (double)total(STAT_PUBLISH_NANOSECONDS, COUNTER) / 1e9);
    text_add_format(text, "%s_count %llu\n", metric->name, (unsigned long long)sum);
}

static void render_by_label(Text *text, const char *name, const char *label, Stat first,
                            size_t count, const char *(*value)(size_t i))
{
    for (size_t i = 0; i < count; i++) {
        text_add_format(text, "%s{%s=\"%s\"} %llu\n", name, label, value(i),
                        (unsigned long long)total((Stat)(first + i), COUNTER));
    }
}

static const char *reason_name(size_t i)
{
    return reason_word((Reason)(i + 1))
        .ptr; /* the words are literals, so terminated; REASON_NONE is left out */
}

static const char *field_name(size_t i)
{
    return fields[i];
}

void stats_render(Text *text)
{
    const char *name = NULL;
    for (size_t stat = 0; stat < STAT_COUNT; stat++) {
        const Metric *metric = &metrics[stat];
        if (metric->kind == HISTOGRAM) {
            render_histogram(text, metric);
            continue;
        }
        if (metric->name) {
            name = metric->name;
            render_head(text, name, metric->kind == COUNTER ? "counter" : "gauge", metric->help);
        }
        if (metric->name || metric->label) {
            text_add_format(text, metric->label ? "%s{%s} %llu\n" : "%s%.0s %llu\n", name,
                            metric->label ? metric->label : "",
                            (unsigned long long)total((Stat)stat, metric->kind));
        }
    }
    render_head(text, "tickstream_quarantined_total", "counter",
                "Bodies and elements kept in quarantine, by reason.");
    render_by_label(text, "tickstream_quarantined_total", "reason", (Stat)(STAT_QUARANTINED + 1),
                    REASON_COUNT - 1, reason_name);
    render_head(text, "tickstream_ignored_total", "counter", "Changes without statuses, by field.");
    render_by_label(text, "tickstream_ignored_total", "field", STAT_IGNORED, STATS_FIELDS,
                    field_name);
}
