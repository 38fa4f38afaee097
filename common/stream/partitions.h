/*
 * A stream of N partitions: N streams, each with keys of its own, to which statuses are spread by
 * what they are about.
 *
 *   N = 1    S, and {S}:... beside it (keys.h)
 *   N > 1    S:0 to S:N-1, and {S:0}:... to {S:N-1}:... beside them
 *
 * partition = crc32(id) % N, with the CRC-32 of zlib. So all statuses of a message are in one
 * partition, in the order in which they were stored, and one that comes again meets its digest
 * there. Of an element in quarantine it is crc32 of its bytes, of an event of its entry's id.
 *
 * N is chosen once: another number would put what comes later elsewhere, behind what is still to be
 * read and beside its digest. {S}:partitions holds the number that the stream was made with.
 *
 * The name of EVENTS_STREAM must begin with "{S}:" when N > 1, or in a cluster; of "{S}:events"
 * partition 3 has {S:3}:events.
 */
#ifndef TICKSTREAM_PARTITIONS_H
#define TICKSTREAM_PARTITIONS_H

#include "payload/payload.h"
#include "stream/entry.h"
#include "stream/keys.h"

enum { PARTITIONS_MOST = 256 };

typedef struct {
    size_t count;      /* 1 or more */
    StreamKeys **keys; /* of each */
    Str number;        /* the key {S}:partitions */
} Partitions;

/* May an events stream ("" = none) be called so, if there is more than one partition or a cluster?
 */
bool partitions_allow_events(const char *stream, const char *events);

/* As stream_keys_new(). NULL: no memory. Caller frees with partitions_free(). */
Partitions *partitions_new(const char *stream, size_t count, const char *events, unsigned window);
Partitions *partitions_free(Partitions *partitions); /* takes NULL; returns NULL */

/* Which one an element belongs to. */
size_t partition_of(EntryKind kind, const Payload *payload, size_t i, size_t count);

/* What of a payload belongs to one partition, in the order of the payload. */
typedef struct {
    size_t partition;
    Payload payload; /* its lists are the arena's, what they point to is the payload's */
} Share;

/* Divides a payload; the shares that are not empty, by their partitions. false: no memory. */
bool partitions_divide(const Payload *payload, size_t count, Arena *arena, const Share **ret,
                       size_t *ret_count);

#endif
