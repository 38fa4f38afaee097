/*
 * Ids of stream entries: milliseconds and a sequence, "1764321722112-3", which grow within a
 * stream.
 */
#ifndef TICKSTREAM_ENTRY_ID_H
#define TICKSTREAM_ENTRY_ID_H

#include "base/str.h"

#include <stdint.h>

/* {0} comes before all entries. */
typedef struct {
    uint64_t ms, sequence;
} EntryId;

enum { ENTRY_ID_ROOM = 48 }; /* of its text with a '(' and a NUL */

/* false: the text is no id, and *ret is untouched. */
bool entry_id_read(Str text, EntryId *ret);

/* The milliseconds of an id, which may stand without its sequence; 0: there are none. */
int64_t entry_id_ms(Str text);

/* Negative, 0 or positive, as a is before, at or after b. */
int entry_id_compare(EntryId a, EntryId b);

/* The text, after a '(' when what is asked for begins or ends beside it, as XRANGE wants it. */
Str entry_id_write(EntryId id, bool is_beside, char to[ENTRY_ID_ROOM]);

#endif
