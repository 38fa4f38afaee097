/*
 * Publications as Redis commands (RESP2), ready to be written.
 *
 * With a dedupe window a publication is one call of the script publish.lua; without one it is an
 * XADD, some in a MULTI/EXEC, or, when they are many, the script. Pure: bytes go into a buffer,
 * nothing is sent.
 */
#ifndef TICKSTREAM_PUBLISH_H
#define TICKSTREAM_PUBLISH_H

#include "base/buffer.h"
#include "stream/sink.h"

typedef struct {
    Str stream;      /* of statuses; the keys below start with {stream} to share its cluster slot */
    Str quarantine;  /* stream */
    Str events;      /* stream; absent = events are not kept */
    Str seen_prefix; /* of dedupe keys */
    Str probe;       /* key that probes write */
    unsigned window; /* seconds; 0 = no dedupe */
    char script_sha[41]; /* of the script, as the server has told; "" = not known */
} RedisKeys;

/* The source of publish.lua. */
extern const Str publish_script;

/*
 * Appends the commands of a publication and returns how many replies they will have; 0: no memory.
 * A publication with nothing to store has no commands: do not ask. sink.seen must be set where
 * keys->window is not 0; sink.with_source sends the script itself instead of its name.
 */
size_t command_publish(Buffer *buffer, const RedisKeys *keys, const Publication *publication);

/*
 * Is a publication a call of the script, which replies with what it added? Else the replies hold
 * the ids of its entries.
 */
bool command_is_script(const RedisKeys *keys, const Payload *payload);

/* Appends a write that stores nothing lasting; one reply. */
size_t command_probe(Buffer *buffer, const RedisKeys *keys);

/* Appends one command; one reply. */
size_t command_simple(Buffer *buffer, const Str *words, size_t count);

/* How many entries a publication would append. */
size_t command_entries(const RedisKeys *keys, const Payload *payload);

#endif
