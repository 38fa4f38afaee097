/*
 * Unicode text forms (RFC 3629, RFC 2781).
 */
#ifndef TICKSTREAM_UTF_H
#define TICKSTREAM_UTF_H

#include "base/arena.h"

#include <stdint.h>

#define UTF_REPLACEMENT 0xFFFDu

/* The length (1..4) of the well-formed UTF-8 sequence in the first `room` bytes at s; 0: none. */
size_t utf8_sequence(const char *s, size_t room);

/* The offset of the first byte that is not part of well-formed UTF-8, or the length of s. */
size_t utf8_find_invalid(Str s);

/* true: the whole text is well-formed UTF-8. */
bool utf8_is_valid(Str s);

/* The text with each byte that is not part of well-formed UTF-8 as U+FFFD, or as the Latin-1
 * character that it is (ISO 8859-1); the arena's. Absent: no memory. */
Str utf8_repair(Str s, Arena *arena);
Str latin1_to_utf8(Str s, Arena *arena);

/* Writes a code point (no surrogate, at most 0x10FFFF) to buf, which has room for 4 bytes;
 * returns how many were written. */
size_t utf8_encode(uint32_t code_point, char *buf);

/*
 * A UTF-16 text as UTF-8, the arena's. Little endian unless it starts with the big-endian byte
 * order mark; a mark is dropped; a lone surrogate becomes U+FFFD. ret->ptr == NULL: no memory.
 * false: an odd number of bytes.
 */
bool utf16_to_utf8(Str s, Arena *arena, Str *ret);

#endif
