/*
 * What the keys of a stream are called. The one home of that fact: whoever writes, reads, trims or
 * probes takes the names from here.
 *
 *   S                 the stream of statuses
 *   {S}:quarantine    what could not be read
 *   {S}:seen:0, 1     dedupe: two sets of digests, one of which is added to
 *   {S}:seen          dedupe: which one, and until when they count as written
 *   {S}:probe         what a probe writes
 *   {S}:upkeep        which worker sees to it that the streams do not fill up
 *   {S}:room          how many bytes of bodies quarantine and events may still keep
 *   {S}:dead          what consumers have given up; a stream that they write
 *
 * The braces keep all keys of a stream in one slot of a cluster (a name S without braces hashes
 * like {S}), so S itself must have none. The events stream is named by the operator.
 */
#ifndef TICKSTREAM_KEYS_H
#define TICKSTREAM_KEYS_H

#include "base/str.h"

typedef struct {
    Str stream;     /* of statuses */
    Str quarantine; /* stream */
    Str events;     /* stream; absent = events are not kept */
    Str seen[2];    /* the sets of dedupe */
    Str seen_state; /* dedupe.h says what stands there */
    Str probe;
    Str upkeep;
    Str room; /* upkeep.lua says what stands there */
    Str dead;
    unsigned window; /* of dedupe, in seconds; 0 = none */

    /* How it is written to. */
    bool by_script; /* several entries by a script also without a window, never in a transaction:
                       what is one command can be sent on to another server */
    bool touches;   /* a call that finds all known writes all the same: whoever waits for replicas
                       then waits for what was stored by another connection, too */
} StreamKeys;

/*
 * The keys of a stream; the texts live as long as the object. events: "" = none. NULL: no memory.
 * Caller frees with stream_keys_free().
 */
StreamKeys *stream_keys_new(const char *stream, const char *events, unsigned window);
/* May a stream be called so? It must have a name, and no braces. */
bool stream_keys_allow(Str stream);

/* Is this, or may this become, the name of a key that is derived from the stream's? */
bool stream_keys_derive(const char *stream, const char *name);

StreamKeys *stream_keys_free(StreamKeys *keys); /* takes NULL; returns NULL */

#endif
