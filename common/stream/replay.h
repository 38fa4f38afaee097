/*
 * From an entry of the quarantine stream back to a payload, by the decoders of today: what a
 * mended rule reads now. Pure.
 *
 * A whole body (pointer "") is decoded as it came; the entry has its media type with its charset,
 * so UTF-16 is read with and without a byte order mark. An element is put where it stood in an
 * envelope of JSON, with what the entry records of its surroundings: entry_id, field,
 * phone_number_id. What it does not record, display_phone_number, messaging_product and object, is
 * "" in the statuses that come of it. So their digests are not those of the same statuses in a
 * whole body, which are recognised as what was posted before.
 */
#ifndef TICKSTREAM_REPLAY_H
#define TICKSTREAM_REPLAY_H

#include "stream/intake.h"

/* Fields of the entry, borrowed. */
typedef struct {
    Str pointer, raw, content_type, entry_id, field, phone_number_id;
} ReplayItem;

typedef enum {
    REPLAY_READY,     /* the payload is to be published, as that of a new body: elements of it may
                         be for quarantine */
    REPLAY_FAILS,     /* it cannot be read, as a whole; *ret_reason says why */
    REPLAY_NOTHING,   /* it can, or is of a place without statuses: nothing would be stored of it */
    REPLAY_LOST,      /* its bytes were not kept: raw is "" */
    REPLAY_FOREIGN,   /* its media type is none of ours */
    REPLAY_NO_MEMORY, /* ours, not its */
    REPLAY_OUTCOMES
} ReplayOutcome;

/* What will become of it, unless it is ready, in a word or some: "its bytes were not kept". Of what
 * fails it is "". */
Str replay_words(ReplayOutcome outcome);

/*
 * keeps_events: events are stored, and so are something. The payload is the arena's and borrows
 * from the item; it is only filled with REPLAY_READY. *ret_reason is only set with REPLAY_FAILS.
 */
ReplayOutcome replay_decode(const ReplayItem *item, bool keeps_events, Arena *arena, Payload *ret,
                            Reason *ret_reason);

#endif
