/*
 * Dedupe digests: by what a status is recognised when it is delivered again.
 *
 * A digest is the first 112 bits of SHA-256 over all fields of the entry but received_at and
 * request_id, each with its length, and over the ordinal of the element among the equal ones of its
 * body. So two statuses that differ in anything are two; equal ones of one body are all kept; and a
 * body that is repeated, alone or among others, adds nothing. A quarantined element is recognised
 * by its bytes, its place without indexes, and the entry, field and phone number that it came with;
 * a whole body by its bytes; an event by all its fields. What a digest covers is never changed:
 * after an upgrade all is known that was known before.
 *
 * 14 bytes, because with its head and end a text of 14 bytes is 16 in Redis: the next size class
 * costs 8 to 16 bytes more. That one of 10^9 new statuses meets one of 10^9 remembered ones by
 * accident has a chance of 2 in 10^16.
 */
#ifndef TICKSTREAM_DEDUPE_H
#define TICKSTREAM_DEDUPE_H

#include "stream/entry.h"

#include <stdint.h>

enum {
    DEDUPE_DIGEST = 14, /* bytes */

    /* See dedupe_lease(). */
    DEDUPE_LEASE_PART = 64,
    DEDUPE_LEASE_MOST = 60, /* seconds */

    /* What an element costs while its digest is made: the digest, and two slots of a table that
       finds equal ones. */
    DEDUPE_BYTES_OF_ELEMENT = 128
};

typedef struct {
    char bytes[DEDUPE_DIGEST]; /* any */
} Digest;

/*
 * A set of digests counts as written for so many seconds after it was, so that this need not be
 * noted with each entry: a part of the window, from 1 s to DEDUPE_LEASE_MOST. publish.lua, which
 * meets leases of earlier windows, names these numbers once more; a test holds it to them.
 */
unsigned dedupe_lease(unsigned window);

/*
 * The digests of all statuses, then of all quarantined elements, then of all events; the arena's.
 * false: no memory.
 */
bool dedupe_digests(const Payload *payload, Arena *arena, const Digest **ret);

/* What is kept beside the two sets, as publish.lua says. Times are Unix seconds of Redis' clock. */
typedef struct {
    unsigned current;  /* 0 or 1: the set that is added to; the other one is only looked into */
    bool is_kept;      /* the other one was kept longer once, for a pause or a jump of the clock */
    int64_t last[2];   /* until when each counts as written: its last write, or a lease later */
    int64_t window[2]; /* the largest, in seconds, under which it was written since it was empty */
} DedupeState;

/* Reads the text "C K L W L W": C the current set, K is_kept, then of the current and of the other
 * set L in ten digits and W in seven, with one blank between. false: it is anything else, and *ret
 * is untouched. */
bool dedupe_read_state(Str text, DedupeState *ret);

#endif
