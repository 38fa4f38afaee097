/*
 * What is counted, and how it is reported: one id and one row for each metric.
 *
 * A metric has cells in the slot of every worker (stats.h): a plain one has one, one with a label
 * has one for each value of the label, a histogram one for each bound, one for what lies above all
 * bounds and one for the sum. The id is the first of them. To add a metric, add its id here and
 * its row to metrics.c; nothing else knows which there are. They are reported in the order of ids.
 */
#ifndef TICKSTREAM_METRICS_H
#define TICKSTREAM_METRICS_H

#include "base/str.h"
#include "payload/reason.h"

#include <stdint.h>

/* An id with a cell for each of `count` values, or with those of a histogram of `count` bounds. */
#define STAT_VALUES(id, count) id, id##_LAST = -1 + (id) + (count)
#define STAT_BOUNDS(id, count) STAT_VALUES(id, (count) + 2)

typedef enum {
    /* One metric, whose values have ids of their own. */
    STAT_ANSWERS_200,
    STAT_ANSWERS_400,
    STAT_ANSWERS_401,
    STAT_ANSWERS_403,
    STAT_ANSWERS_404,
    STAT_ANSWERS_405,
    STAT_ANSWERS_413,
    STAT_ANSWERS_415,
    STAT_ANSWERS_503,

    STAT_WEBHOOKS,
    STAT_BODY_BYTES,
    STAT_ACCEPTED,
    STAT_DUPLICATES,
    STAT_DROPPED_MEMBERS,
    STAT_BOUNDS(STAT_WEBHOOK_SECONDS, 12), /* observed in nanoseconds */
    STAT_REDIS_CONNECTS,
    STAT_REDIS_LOST,
    STAT_REDIS_ERRORS,
    STAT_REDIS_RETRIES,
    STAT_VALUES(STAT_REDIS_REDIRECTS, 4), /* + a Redirected */
    STAT_VALUES(STAT_REDIS_LOOKUPS, 2),   /* of who owns what: + 0 it was told, 1 it was not */
    STAT_REDIS_OWNER_CHANGES,
    STAT_BOUNDS(STAT_REDIS_BARRIER_SECONDS, 12), /* observed in nanoseconds */
    STAT_REDIS_BARRIERS_SHORT,
    STAT_TRIMMED,
    STAT_QUARANTINE_CUT,
    STAT_EVENTS_CUT,
    STAT_OVERLOADS,
    STAT_WORKER_STARTS,
    STAT_WORKERS,
    STAT_REDIS_CONNECTED,
    STAT_REDIS_NODES,
    STAT_REDIS_PARTITIONS,
    STAT_REDIS_PARTITIONS_READY,
    STAT_REDIS_DURABLE, /* a Durable */
    STAT_REDIS_MEMORY,  /* of the fullest server that is looked after: bytes */
    STAT_REDIS_FILL,    /* of the same: thousandths of maxmemory */
    STAT_UPKEEP_PARTITIONS,
    STAT_STREAM_ENTRIES,
    STAT_STREAM_BYTES,
    STAT_STREAM_AGE, /* of the oldest entry, in seconds */
    STAT_QUARANTINE_ENTRIES,
    STAT_QUARANTINE_BYTES,
    STAT_EVENTS_ENTRIES,
    STAT_EVENTS_BYTES,
    STAT_DEAD_ENTRIES,
    STAT_DIGESTS,
    STAT_CONNECTIONS,
    STAT_REQUESTS_IN_FLIGHT,
    STAT_BYTES_IN_FLIGHT,
    STAT_LAST_ACCEPTED,                          /* Unix seconds */
    STAT_VALUES(STAT_QUARANTINED, REASON_COUNT), /* + a Reason */
    STAT_VALUES(STAT_IGNORED, 24),               /* by stats_add_value() */
    STAT_HEARTBEAT,                              /* monotonic milliseconds, for the master */
    STAT_ACCEPTING,                              /* 1: takes requests and has Redis; likewise */
    STAT_COUNT
} Stat;

/* Why a command was not executed where it was sent to: a value of STAT_REDIS_REDIRECTS. */
typedef enum {
    REDIRECTED_MOVED,
    REDIRECTED_ASK,
    REDIRECTED_TRYAGAIN,
    REDIRECTED_CLUSTERDOWN
} Redirected;

/* Does what Redis stores last? From the best to the worst; 0 is not set. */
typedef enum { DURABLE_YES = 1, DURABLE_UNKNOWN, DURABLE_NO, DURABLE_STATES } Durable;

typedef enum {
    METRIC_COUNTER,   /* how often, or how much: only grows */
    METRIC_GAUGE,     /* what is now: gone with the worker that has set it; added up */
    METRIC_MAXIMUM,   /* reported as the greatest of all slots; outlives its worker */
    METRIC_PEAK,      /* likewise, but gone with the worker that has set it */
    METRIC_STATE,     /* one of a few: the worst of all slots, as its text; gone with the worker */
    METRIC_HISTOGRAM, /* how many of each size: only grows */
} MetricKind;

typedef struct {
    const char *name; /* NULL: not reported */
    MetricKind kind;
    const char *help;
    size_t count; /* of values or bounds; 0 = a plain metric */

    const char *label; /* of the values */
    const Str *values; /* the last may stand for all others */
    size_t first;      /* values before this one do not occur, and are not reported */

    const char *const *states; /* what is reported for 0, when nobody has set it, 1, 2, ... */

    const uint64_t *bounds; /* of a histogram, growing: a bound belongs to its bucket */
    uint64_t unit;          /* what numbers, bounds and sum are divided by in the report; 0 = 1 */
} Metric;

/* By id; between the id of a metric and the next there is nothing. */
extern const Metric metrics[STAT_COUNT];

/* The cells of a metric, 1 or more. */
static inline size_t metric_cells(const Metric *metric)
{
    size_t plain = metric->count ? metric->count : 1;
    return metric->kind == METRIC_HISTOGRAM ? metric->count + 2 : plain;
}

#endif
