/*
 * A body that was recorded, with what came beside it, and how a line of JSON holds one:
 *
 *     {"content_type":"application/json","signature":"sha256=...","body":"{\"object\":...}"}
 *
 * `body` is the text of the body, byte for byte, or `body_base64` has its bytes. received_at (Unix
 * milliseconds, a number or its digits) and request_id may be there; other members are not looked
 * at. Pure.
 */
#ifndef TICKSTREAM_RECORD_H
#define TICKSTREAM_RECORD_H

#include "base/arena.h"
#include "base/error.h"

/* Absent: there was none. */
typedef struct {
    Str content_type;
    Str signature; /* "sha256=..." */
    Str body;
    Str received_at; /* at most 19 digits */
    Str request_id;  /* [A-Za-z0-9._-]{1,64} */
} Record;

/* Reads a line, from which texts are borrowed, or which are the arena's. false: ERROR_INVALID,
 * ERROR_MALFORMED or ERROR_NO_MEMORY. */
bool record_read(Str line, Arena *arena, Record *ret, Error *reterr);

#endif
