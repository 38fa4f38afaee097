/*
 * What a server has told about itself by INFO, and whether what it stores lasts: it must neither
 * evict what was acknowledged nor forget it at a restart. Pure.
 */
#ifndef TICKSTREAM_STANDING_H
#define TICKSTREAM_STANDING_H

#include "base/limits.h"
#include "stats/metrics.h"
#include "stream/keys.h"

/* A part that was not told is "" or 0. */
typedef struct {
    char version[16];
    char policy[20];       /* maxmemory-policy */
    char aof[4];           /* aof_enabled: "1" */
    char write_status[8];  /* aof_last_write_status: "ok" */
    uint64_t memory, most; /* used_memory; maxmemory, 0 = none */
} Standing;

/* Takes what a section of INFO tells. */
void standing_take(Standing *standing, Str info);

/* The state of STAT_REDIS_DURABLE, and why, with the remedy, where it is not DURABLE_YES. */
Durable standing_judge(const Standing *standing, const StreamKeys *keys, char why[2 * LIMIT_TEXT]);

#endif
