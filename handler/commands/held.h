/*
 * What is held in quarantine, for commands: counted, read part by part, removed. However much there
 * is, and however large each is, a part has bounded bytes and takes the server milliseconds.
 *
 * Whatever goes wrong has been told by the rounds when a function returns false.
 */
#ifndef TICKSTREAM_HELD_H
#define TICKSTREAM_HELD_H

#include "commands/rounds.h"

enum {
    HELD_ID = 48,     /* room for an id, "(" in front of it, and a NUL */
    HELD_REASONS = 32 /* that are told apart */
};

/* An entry; absent fields are "". */
typedef struct {
    Str id;
    Str reason, detail, pointer, raw, content_type, received_at, request_id;
    Str entry_id, field, phone_number_id;
    Str raw_sha256; /* of bytes that were not kept: then raw is "" */
    size_t bytes;   /* of raw, which is "" in an outline */
} Held;

/* Which of them. {.from = "-", .to = "+"}: all. */
typedef struct {
    Str reason; /* "" = any */
    char from[HELD_ID], to[HELD_ID];
    size_t first, count; /* partitions */
} HeldRange;

typedef struct {
    struct {
        char reason[NAME_ROOM];
        uint64_t count, bytes;
    } reasons[HELD_REASONS];
    size_t kinds;
    uint64_t count, bytes; /* of all */
    uint64_t of_partition[PARTITIONS_MOST];
    char oldest[HELD_ID]; /* id; "" = there is none */
} HeldTally;

/* Counts them. */
bool held_count(Rounds *rounds, const HeldRange *range, HeldTally *ret);

enum { HELD_PART = 100 };

/* One partition, from the oldest on. */
typedef struct {
    Rounds *rounds;
    const HeldRange *range;
    size_t partition;
    bool is_whole;      /* with raw; else outlines */
    bool is_over;       /* there are no more */
    char from[HELD_ID]; /* where the next part begins */
    Held entries[HELD_PART];
    size_t count; /* of this part, which can be 0 before it is over */
} HeldReader;

/* rounds and range are borrowed for the reader's life. */
HeldReader held_reader(Rounds *rounds, const HeldRange *range, size_t partition, bool is_whole);

/* The next part, of `most` entries at most (1..HELD_PART). Its texts are valid until the server is
 * asked something else. */
bool held_read(HeldReader *reader, size_t most);

/* Removes entries of a partition by their ids, up to HELD_PART, which must not be texts of a reply.
 * *ret_removed: how many there were. */
bool held_remove(Rounds *rounds, size_t partition, const Str *ids, size_t count,
                 uint64_t *ret_removed);

#endif
