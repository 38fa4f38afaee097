/*
 * The sink that appends to Redis streams: queues, deadlines, retries.
 *
 *   publication --> sending --> link --> connection      publish.h says what is written, and what
 *        ^            |       (server)    (bytes)        the replies mean
 *        +--- done ---+
 *
 * One connection, on which the commands of all publications are pipelined: those of one turn of the
 * loop leave together, the first 64 KiB of many as soon as they are there, and while they are on
 * their way the next batch forms.
 *
 * A publication whose deadline has passed ends alone: its reply is dropped when it comes. The
 * connection ends when no reply at all has come for that long, when it is lost, or when a reply
 * makes no sense; then everything under way ends with ERROR_UNAVAILABLE, nothing waits for the next
 * connection, and that is tried at once and then with growing pauses of at most a second. Deadlines
 * count from the exact time and are judged after what has come was read: a worker that was busy
 * blames itself, not Redis.
 */
#ifndef TICKSTREAM_SINK_REDIS_H
#define TICKSTREAM_SINK_REDIS_H

#include "redis/link.h"
#include "stream/sink.h"

/* Starts to connect. timeout is also what a publication may take. NULL: no memory. Ended by
 * sink->close(), after which the loop can only be freed: it still has a hook of the sink. */
Sink *sink_redis_open(Loop *loop, const LinkSettings *settings);

/*
 * Calls settled(arg) once, from the loop: when the first attempt to connect has succeeded or
 * failed, or has taken as long as a publication may. A worker that accepts only then refuses nobody
 * just because Redis was still connecting.
 */
void sink_redis_when_settled(Sink *base, void (*settled)(void *arg), void *arg);

#endif
