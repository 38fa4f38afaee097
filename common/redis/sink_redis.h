/*
 * The sink that appends to Redis streams. The only user of hiredis, of which it takes connecting,
 * buffered I/O and the reply parser; the order of requests and replies is kept here.
 *
 * One connection, on which the commands of all publications are pipelined: those of one turn of the
 * loop leave together, the first 64 KiB of many as soon as they are there, and while they are on
 * their way the next batch forms. A deadline, a lost connection or a reply that makes no sense ends
 * the connection: everything in flight is answered ERROR_UNAVAILABLE, and nothing waits for the
 * next connection, which is tried at once and then with growing pauses of at most a second.
 */
#ifndef TICKSTREAM_SINK_REDIS_H
#define TICKSTREAM_SINK_REDIS_H

#include "base/loop.h"
#include "redis/publish.h"
#include "redis/url.h"
#include "stream/sink.h"

/*
 * Starts to connect. url and the texts of keys are copied or borrowed for the sink's life. timeout:
 * milliseconds that a publication, and the making of a connection, may take. NULL: no memory, or
 * TLS is asked for and hiredis was built without it.
 */
Sink *sink_redis_open(Loop *loop, const RedisUrl *url, const RedisKeys *keys, int64_t timeout);

/* Can this build speak TLS to Redis? */
bool sink_redis_has_tls(void);

/*
 * Calls settled(arg) once, when the first attempt to connect has succeeded or failed: who takes
 * requests only from then on refuses none merely because the connection was still being made.
 */
void sink_redis_when_settled(Sink *base, void (*settled)(void *arg), void *arg);

/* Ends the connection; what is in flight is answered ERROR_UNAVAILABLE. Takes NULL; returns NULL.
 */
Sink *sink_redis_close(Sink *base);

#endif
