/*
 * A server of Redis for unit tests of what waits for its answers: a process of its own, which
 * listens on a unix socket and plays a script to each connection, one after the other.
 */
#ifndef TICKSTREAM_SCRIPTED_REDIS_H
#define TICKSTREAM_SCRIPTED_REDIS_H

#include "redis/url.h"

#include <sys/types.h>

/* What it does: waits until it has heard a word, then says a text. */
typedef struct {
    const char *hears; /* NULL = the end of the script: waits for the client to go */
    const char *says;  /* NULL = hangs up */
} Step;

typedef struct {
    char folder[64];
    RedisUrl url; /* where it listens; shown as HERE */
    int listener;
    pid_t process;
} ScriptedRedis;

/* steps: borrowed for its life. */
void scripted_redis_open(ScriptedRedis *server, const Step *steps);

void scripted_redis_close(ScriptedRedis *server);

#endif
