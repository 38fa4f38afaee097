/*
 * How full the streams of partitions and their servers are, as upkeep tells it: counted (stats/),
 * and told in the log before it hurts, and when it is over; and once what rate maxmemory carries.
 *
 * Of a partition that another worker looks after nothing is known here; what was is forgotten.
 */
#ifndef TICKSTREAM_FULLNESS_H
#define TICKSTREAM_FULLNESS_H

#include "redis/upkeep.h"
#include "stream/partitions.h"

/* Percent of maxmemory: from FULL_WARN on it is a warning, from FULL_ALARM on an error; so much
 * below each it is over. */
enum { FULL_WARN = 80, FULL_ALARM = 95, FULL_SLACK = 3 };

typedef struct Fullness Fullness;

/* All of it is borrowed for its life. NULL: no memory. */
Fullness *fullness_new(const Partitions *partitions, const Keep *keep);

/* What upkeep has told of a partition, whose server has so many of them. */
void fullness_take(Fullness *fullness, size_t partition, const Upkept *upkept, size_t beside);

/* It could not be done, for this reason: told once, until there is another one. advice may be "".
 */
void fullness_take_refusal(Fullness *fullness, size_t partition, Str why, const char *advice);

/* Takes NULL; returns NULL. */
Fullness *fullness_free(Fullness *fullness);

#endif
