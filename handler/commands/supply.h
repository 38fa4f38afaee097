/*
 * The servers that a stream lies on: what memory each has, and what fills it today.
 */
#ifndef TICKSTREAM_SUPPLY_H
#define TICKSTREAM_SUPPLY_H

#include "commands/rounds.h"
#include "redis/standing.h"

typedef struct {
    Address owner;
    size_t partitions; /* that it has */
    Standing standing; /* memory and version; nothing when INFO is not permitted */

    /* Of all these partitions. Bytes are 0 where they are not permitted. */
    double entries, stream; /* how many, bytes */
    double digests, dedupe; /* likewise */
    double quarantine;      /* bytes, with events */
} Supplier;

typedef struct {
    Supplier *servers; /* heap */
    size_t count;
    size_t partitions; /* of all */
} Supply;

/* Asks the owner of each partition. false: that has failed, and has been told. Needs +info +xlen
 * +scard and +memory|usage, and goes on without those that are not permitted. Ends with
 * supply_free() in any case. */
bool supply_ask(Rounds *rounds, Supply *ret);

/* One server that has all partitions, and of which nothing is known but maxmemory, in bytes. false:
 * no memory. */
bool supply_plan(uint64_t memory, Supply *ret);

void supply_free(Supply *supply);

#endif
