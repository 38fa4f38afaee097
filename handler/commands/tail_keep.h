/*
 * Of lines that come in any order, those of the newest or of the oldest so many entries. What is
 * held is bounded: twice as many lines as are kept.
 */
#ifndef TICKSTREAM_TAIL_KEEP_H
#define TICKSTREAM_TAIL_KEEP_H

#include "base/str.h"
#include "stream/entry_id.h"

typedef struct {
    EntryId id;
    size_t partition; /* decides between equal ids */
    char *line;       /* heap; len bytes */
    size_t len;
} KeptLine;

typedef struct {
    size_t most;
    bool is_newest; /* the newest are kept, else the oldest */
    KeptLine *lines;
    size_t count, room;
} TailKeep;

/* Would the line of this entry be kept? Those that come after one that is not wanted (before it,
 * when the newest are kept) are not wanted either. */
bool tail_keep_wants(const TailKeep *keep, EntryId id);

/* Takes a copy of the line. false: no memory. */
bool tail_keep_add(TailKeep *keep, EntryId id, size_t partition, Str line);

/* Sorts what is kept, the oldest first: lines[0] to lines[count - 1]. */
void tail_keep_finish(TailKeep *keep);

/* Gives all memory back. */
void tail_keep_free(TailKeep *keep);

#endif
