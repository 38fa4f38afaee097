/*
 * `tickstream tail`: what it has read of each partition; the first lines (tail_first.c), and how it
 * goes on (tail_follow.c).
 */
#ifndef TICKSTREAM_TAIL_H
#define TICKSTREAM_TAIL_H

#include "commands/rounds.h"
#include "commands/tail_keep.h"
#include "commands/tail_line.h"

enum { TAIL_SLICE = 500 }; /* entries that are asked for at a time, at most */

/* Of one partition. */
typedef struct {
    EntryId at;      /* the last entry that was shown or passed: what follows is to come */
    size_t slice;    /* entries to ask for; fewer after what was too large, or came too late */
    bool is_lost;    /* its server does not answer, or is no longer the one */
    bool is_told;    /* and this was said */
    Address server;  /* that was lost */
    size_t failures; /* in a row */
    int64_t due;     /* loop_clock_ms(): not to be asked before */
} TailPlace;

typedef struct {
    Rounds rounds;
    TailStyle style;
    const char *group; /* NULL = none */
    bool has_group;    /* some partition has it */
    bool follows;
    Arena *arena;  /* of a line */
    TailKeep keep; /* of the first lines */
    TailPlace places[PARTITIONS_MOST];
} Tail;

/* Reads the first lines into keep, and the place of each partition. false: not, as has been told.
 */
bool tail_read_first(Tail *tail);

/* Shows what comes after each place, until somebody ends it or there is an error that does not
 * pass, of which has been told. A server that is away is waited for. */
void tail_follow(Tail *tail);

/* The next entries of a reply to XRANGE or XREVRANGE. false: it makes no sense. */
bool tail_read_entry(const Reply *reply, size_t i, EntryId *ret_id, TailEntry *ret);

/* The line of an entry, valid until the next one. Absent: no memory, and so it was told. */
Str tail_make_line(Tail *tail, size_t partition, const TailEntry *entry);

/*
 * Writes what was printed. false: it cannot be written, and so it was told. Does not return when
 * nobody reads it any more, or SIGINT or SIGTERM came meanwhile: the program ends well. Between
 * tail_begin_printing() and this such a signal waits, so that no line is cut; else it ends the
 * program at once.
 */
void tail_begin_printing(void);
bool tail_end_printing(Tail *tail);

#endif
