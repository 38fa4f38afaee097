/*
 * Base64 with the alphabet of RFC 4648 section 4, padded.
 */
#ifndef TICKSTREAM_BASE64_H
#define TICKSTREAM_BASE64_H

#include "base/arena.h"

/* The bytes as text, the arena's. Absent: no memory. */
Str base64_encode(Str bytes, Arena *arena);

/* Writes the bytes as text, without a NUL, where there is room for (len + 2) / 3 * 4 bytes; returns
 * the end of it. */
char *base64_put(char *to, Str bytes);

/* What a text stands for, the arena's; ret->ptr == NULL: no memory. The padding may be missing, and
 * what is left over of the last character's bits is not looked at. false: it is no base64. */
bool base64_decode(Str text, Arena *arena, Str *ret);

#endif
