/*
 * What somebody has sent, shown on a terminal: as text, with all that would steer it, and all that
 * is no UTF-8, as \xHH; JSON with a line for each member and element.
 */
#ifndef TICKSTREAM_RAW_H
#define TICKSTREAM_RAW_H

#include "base/text.h"

/* The text to be shown, the arena's, with a line end; absent: no memory. JSON is told by its
 * grammar; UTF-16 by its byte order mark. */
Str raw_show(Str raw, Arena *arena);

#endif
