/*
 * For how long what is stored is kept.
 *
 * Of a stream goes what every group of consumers has acknowledged and is older than `keep`, and
 * nothing else: without a group nothing goes. Quarantine and events go by their age. Who reads
 * without a group, or makes one later, sees what is left.
 */
#ifndef TICKSTREAM_KEEP_H
#define TICKSTREAM_KEEP_H

#include "base/str.h"

#include <stdint.h>

typedef enum { TRIM_OFF, TRIM_ACKED, TRIMS } Trim;

extern const char *const trim_names[TRIMS];

/* How many bytes of a server's memory a kind of streams may take. */
typedef struct {
    int64_t bytes;    /* 0 = any number, if percent says no more */
    unsigned percent; /* of maxmemory; 0 = bytes says it */
} KeepMost;

/* Times are milliseconds. */
typedef struct {
    Trim trim;
    int64_t keep;
    Str groups; /* that must exist, or nothing goes: names with commas between; "" = none */
    int64_t
        dead_group; /* one that has not moved for so long holds nothing; 0 = each does for ever */
    int64_t quarantine; /* 0 = for ever; what consumers gave up, too */
    int64_t events;     /* likewise */
    /* Bodies for which there is no room are not kept; what came, and why it could not be read, is.
     */
    KeepMost quarantine_most, events_most;
} Keep;

enum { KEEP_GROUPS = 32 }; /* names, at most */

/* Takes the next name off a list; absent: there is none. */
Str keep_next_group(Str *groups);

#endif
