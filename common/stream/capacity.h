/*
 * What a rate of statuses takes, and what rate a memory carries. Pure.
 *
 * Redis holds of a stream the entries of the last `keep` seconds, and the digests of two windows:
 * the set that is added to grows for one window, then the other one, as large as it, goes and the
 * two change roles (dedupe.h). A pause can make the older set stay longer than that, but while
 * nothing is added. So at the worst moment both are full, and for dedupe_lease() longer, since a
 * set counts as written until then. Entries go when a caretaker asks, CAPACITY_SLACK later at most.
 *
 * It is what there is while every group keeps up. A group that is away holds its entries beyond
 * `keep`: capacity_away() says for how long that goes well.
 *
 * Numbers are of statuses like Meta's, with conversation and pricing, measured on Redis 7.0.15 and
 * 8.0.2 of Debian. Bytes of a digest are those of the peak, when a set's table has just doubled:
 * MEMORY USAGE tells neither that nor, of a set, what the allocator takes (50 where it is 59 on
 * 7.0, 32 on 8), so the server's version decides.
 */
#ifndef TICKSTREAM_CAPACITY_H
#define TICKSTREAM_CAPACITY_H

#include "base/str.h"
#include "stream/keep.h"

#include <stdint.h>

enum {
    /* Bytes of an entry in the stream. 490 to 577 with stream-node-max-bytes 4096, Redis' default;
       410 to 500 with 16384, as in compose. */
    CAPACITY_ENTRY = 577,

    /* Bytes of a digest: 56 at 2.0 million, 71 just after the table of a set has doubled; from
       Redis 7.2 on, which keeps members without a frame around, 30 and 45. So a member takes 48 or
       22, and 8 for each place of the table, of which there are twice as many as members at most,
       and the table of before as long as members move. */
    CAPACITY_MEMBER = 48,
    CAPACITY_MEMBER_LATER = 22,
    CAPACITY_PLACE = 8,
    CAPACITY_DIGEST = CAPACITY_MEMBER + 3 * CAPACITY_PLACE,

    /* Bytes of a server beside what it holds: itself 1 MiB, its clients, bodies on their way. */
    CAPACITY_SERVER = 8 << 20,

    /* Hundredths of a memory that are left to quarantine, and to events, where they may take any
       number of bytes; and that all such parts are together at most. */
    CAPACITY_OTHERS = 10,
    CAPACITY_OTHERS_MOST = 95,

    /* Seconds that an entry stays after it may go: a caretaker asks every 10, and another one takes
       up a lease of 30 when its worker has gone. */
    CAPACITY_SLACK = 40,

    /* Hundredths of maxmemory that a machine needs: the allocator holds up to 141 of 100 bytes that
       are used (127 of 360 MB), and what is written while the AOF is rewritten is copied: up to
       630 bytes for each status of that time. */
    CAPACITY_MACHINE = 150,

    /* Of the append-only file. An entry that is appended repeats the names of its fields: 360
       bytes more than it takes in the stream, and its digest 20. When it is rewritten, an entry
       takes 33 to 37 hundredths of its memory, and a digest 15 bytes. It is rewritten when it has
       doubled (auto-aof-rewrite-percentage 100), and has this size (auto-aof-rewrite-min-size). */
    CAPACITY_AOF_FRAME = 380,
    CAPACITY_BASE_ENTRY = 40,
    CAPACITY_BASE_DIGEST = 15,
    CAPACITY_REWRITE_LEAST = 64 << 20
};

/* What each status costs for how long. */
typedef struct {
    double window;  /* of dedupe, in whole seconds; 0 = off */
    double keep;    /* of entries, in seconds; INFINITY: none is removed */
    double entry;   /* bytes */
    double digest;  /* bytes */
    double server;  /* bytes of it that are not ours */
    double others;  /* share of a memory that is quarantine's and events' */
    double reserve; /* and bytes */
} Load;

/* Of the settings (milliseconds), with figures that are assumed until others are measured. */
Load capacity_load(int64_t window, const Keep *keep);

/* Leaves room for another kind of streams: capacity_load() has done so for quarantine, not for
 * events, which need not be kept. */
void capacity_leave(Load *load, const KeepMost *most);

/* Bytes of a digest, at the most, in a server of this version ("7.0.15"); "" = not known. */
double capacity_digest(Str version);

/* Bytes that a set of so many digests takes there now, unless it has just grown. */
double capacity_set(Str version, double members);

/* What a rate takes, once a stream has been written to for two windows. All is INFINITY that grows
 * as long as nothing is removed. Bytes, but for the first two. */
typedef struct {
    double entries, digests; /* how many, at most */
    double stream, dedupe;   /* memory of them */
    double others;           /* what is left to quarantine and events */
    double memory;           /* all: what maxmemory must be */
    double machine;          /* of the machine, or the container */
    double aof;              /* that are appended to the file a second */
    double base;             /* the file when it was rewritten, with all that others may have */
    double disk; /* at most: a file that has doubled, and while it is rewritten the next one */
} Need;

/* rate: statuses a second, of one server; more than 0. */
Need capacity_need(const Load *load, double rate);

/* Statuses a second that a memory (maxmemory, in bytes) carries for ever; 0: not one, since nothing
 * is removed or the server alone takes it; INFINITY: nothing is kept. */
double capacity_rate(const Load *load, double memory);

/* After how many seconds a memory is full when an empty stream gets this rate; INFINITY: never. */
double capacity_full(const Load *load, double memory, double rate);

/* For how many seconds a group may read nothing, at a rate that has lasted for two windows, until
 * the memory is full: at least what is kept all the same. 0: the rate is not carried. */
double capacity_away(const Load *load, double memory, double rate);

#endif
