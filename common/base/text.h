/*
 * A text that grows in an arena.
 *
 * Appending reports no failure: it is remembered until text_finish(), so that a row of appends
 * needs one check.
 */
#ifndef TICKSTREAM_TEXT_H
#define TICKSTREAM_TEXT_H

#include "base/arena.h"

typedef struct {
    Arena *arena;
    char *ptr;
    size_t len, room;
    bool failed;
} Text;

/* An empty text in the arena. */
static inline Text text_begin(Arena *arena)
{
    return (Text){.arena = arena};
}

void text_add(Text *text, Str part);
void text_add_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The part as a JSON string with its quotes (RFC 8259 section 7). It must be UTF-8;
 * NUL is data. */
void text_add_json(Text *text, Str part);

/* The part as XML character data: & < > " escaped; what XML 1.0 cannot hold becomes U+FFFD. */
void text_add_xml(Text *text, Str part);

/* The text, the arena's; absent when memory ran out on the way. More may be added afterwards. */
Str text_finish(const Text *text);

#endif
