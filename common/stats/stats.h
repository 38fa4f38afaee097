/*
 * Counters of the whole pool, in memory that master and workers share: every worker counts in a
 * slot of its own, and any of them can tell the sums. A slot outlives its worker, so counters never
 * go back. To add a metric, add an id here and a row to the table in stats.c.
 */
#ifndef TICKSTREAM_STATS_H
#define TICKSTREAM_STATS_H

#include "payload/reason.h"
#include "base/text.h"

#include <stdint.h>

enum { STATS_FIELDS = 24, STATS_BUCKETS = 12 };

typedef enum {
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
    STAT_QUARANTINED, /* one for each Reason */
    STAT_IGNORED =
        STAT_QUARANTINED + REASON_COUNT, /* one for each known field, the last for all others */
    STAT_PUBLISH_BUCKET =
        STAT_IGNORED + STATS_FIELDS, /* histogram of webhook durations, and one for +Inf */
    STAT_PUBLISH_NANOSECONDS = STAT_PUBLISH_BUCKET + STATS_BUCKETS + 1,
    STAT_REDIS_CONNECTS,
    STAT_REDIS_LOST,
    STAT_REDIS_ERRORS,
    STAT_REDIS_RETRIES,
    STAT_OVERLOADS,
    STAT_WORKER_STARTS,
    /* gauges: what is, not what was; a new worker starts them at 0 */
    STAT_WORKERS,
    STAT_REDIS_CONNECTED,
    STAT_CONNECTIONS,
    STAT_REQUESTS_IN_FLIGHT,
    STAT_BYTES_IN_FLIGHT,
    STAT_LAST_ACCEPTED, /* Unix seconds; the greatest of all slots is told */
    STAT_HEARTBEAT,     /* monotonic milliseconds; for the master, not told */
    STAT_COUNT
} Stat;

/* Makes the shared memory for some workers, before the first fork. false: no memory. */
bool stats_open(size_t workers);

/* This process counts in that slot from now on; before, counts go nowhere. */
void stats_use(size_t slot);

void stats_add(Stat stat, uint64_t n);
void stats_set(Stat gauge, uint64_t value);

/* The value of one slot. */
uint64_t stats_of(size_t slot, Stat stat);

/* What a dead worker cannot take back: its gauges become 0. */
void stats_clear_gauges(size_t slot);

/* Counts a change without statuses under its field. */
void stats_add_ignored(Str field);

/* Counts a webhook that was answered after this many nanoseconds. */
void stats_add_duration(uint64_t nanoseconds);

/* All slots together in Prometheus' text format 0.0.4. */
void stats_render(Text *text);

#endif
