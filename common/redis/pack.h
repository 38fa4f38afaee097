/*
 * Values as MessagePack, which Redis's Lua takes apart (cmsgpack): texts of any bytes, numbers that
 * are not negative, nil, true. Source: github.com/msgpack/msgpack/blob/master/spec.md.
 *
 * The functions write to memory that has room (PACK_FRAME bytes for each value beside its own) and
 * return where they end.
 */
#ifndef TICKSTREAM_PACK_H
#define TICKSTREAM_PACK_H

#include "base/str.h"

/* Most bytes of a head, or of a number. */
enum { PACK_FRAME = 5 };

char *pack_text(char *to, Str text);        /* at most 4 GiB; an absent text is an empty one */
char *pack_number(char *to, size_t number); /* less than 2^32 */
char *pack_nil(char *to);
char *pack_true(char *to);

#endif
