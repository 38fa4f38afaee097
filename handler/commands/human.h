/*
 * Numbers, spans, times and texts of others as a person reads them. Each function returns the
 * buffer that it writes to.
 */
#ifndef TICKSTREAM_HUMAN_H
#define TICKSTREAM_HUMAN_H

#include "base/str.h"

#include <stdint.h>

enum { HUMAN_ROOM = 48 };

/* "1,234,567" */
const char *human_count(uint64_t count, char to[HUMAN_ROOM]);

/* "812 bytes", "65.9 MiB" */
const char *human_bytes(uint64_t bytes, char to[HUMAN_ROOM]);

/* The two largest units: "45 s", "12 min 5 s", "24 h", "7 d 3 h". Not negative. */
const char *human_span(int64_t seconds, char to[HUMAN_ROOM]);

/* Unix seconds as local time: "2025-12-31 23:59:59 +0100". */
const char *human_time(int64_t seconds, char to[HUMAN_ROOM]);

/* A text of others without what steers a terminal, cut; room: bytes with the end. */
const char *human_plain(Str text, char *to, size_t room);

#endif
