/*
 * Percent encoding (RFC 3986 section 2.1; for forms and queries WHATWG URL section 5.1).
 */
#ifndef TICKSTREAM_PERCENT_H
#define TICKSTREAM_PERCENT_H

#include "base/str.h"

/* What '+' stands for: a space in forms and queries, itself elsewhere. */
typedef enum { PLUS_IS_PLUS, PLUS_IS_SPACE } Plus;

/*
 * Resolves the escapes of text once. out has room for text.len bytes, which is the most that can
 * come of it, and may be text.ptr. false: '%' without two hex digits.
 */
bool percent_decode(Str text, Plus plus, char *out, size_t *ret_len);

#endif
