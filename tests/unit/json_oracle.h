/*
 * A second opinion on JSON: jansson, which has read it for longer than our scanner.
 *
 * Both must accept the same texts and find equal values in them, but for these, where the scanner
 * is lenient or strict on purpose.
 */
#ifndef TICKSTREAM_JSON_ORACLE_H
#define TICKSTREAM_JSON_ORACLE_H

#include "base/str.h"

enum {
    DIFFER_LONE_SURROGATE = 1, /* an escape like \ud800 alone: U+FFFD here, an error there */
    DIFFER_NUL_IN_NAME = 2,    /* \u0000 in a member's name: data here, an error there */
    DIFFER_HUGE_REAL = 4,      /* 1e999, or a thousand digits: kept as text here, an error there */
    DIFFER_DEPTH = 8,     /* nested over LIMIT_DEPTH: an error here, accepted up to 2048 there */
    DIFFER_NUL_BYTE = 16, /* a NUL byte behind a number or word: an error here, overlooked there */
};

typedef struct {
    bool accepted;     /* by the scanner */
    unsigned differ;   /* why jansson's verdict does not count, or is the opposite one */
    const char *wrong; /* NULL, or what neither agrees nor is listed above */
} Opinion;

/*
 * Asks both about a text. A text that the scanner accepts with one of the first three leniencies
 * must be refused by jansson; but for the last two they must agree otherwise. Aborts when memory
 * runs out.
 */
Opinion json_oracle(Str text);

#endif
