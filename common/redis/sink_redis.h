/*
 * The sink that appends to Redis streams: partitions, queues, deadlines, retries.
 *
 *   publication --> parts --> sending --> fleet --> lane --> link --> connection
 *        ^        (spread.h)     |      (who owns  (server) (kept    (bytes)
 *        +--------- done --------+       what)               up)
 *
 * publish.h says what is written, and what the replies mean. The commands of all publications are
 * pipelined, on one connection to each server: those of one turn of the loop leave together, the
 * first 64 KiB of many as soon as they are there, and while they are on their way the next batch
 * forms.
 *
 * What becomes of a sending when its replies are there:
 *
 *   stored                     it has ended, or its next step follows
 *   NOSCRIPT                   again, with the script's source
 *   TRYAGAIN, LOADING, BUSY,   again after a pause, if the answer can come in time
 *   NOREPLICAS, CLUSTERDOWN
 *   MOVED                      again to the server that it names, which owns the slot from now on;
 *                              when that is not connected yet, as soon as it is
 *   ASK                        again to the server that it names, for this once, after ASKING
 *   READONLY, MASTERDOWN       refused; the connection ends, and it is asked who is the master
 *   all others                 refused
 *
 * Each step is sent on at most eight times. What was sent and not answered is never sent again: the
 * outcome is unknown, and the sender's repetition will be recognised.
 *
 * A publication whose deadline has passed ends alone: its reply is dropped when it comes. A
 * connection ends when no reply at all has come for that long, when it is lost, or when a reply
 * makes no sense; then everything under way on it ends with ERROR_UNAVAILABLE, nothing waits for
 * the next connection, and that is tried at once and then with growing pauses of at most a second.
 * Deadlines count from the exact time and are judged after what has come was read: a worker that
 * was busy blames itself, not Redis.
 *
 * Nothing is published before it is known that the stream was made with as many partitions
 * (claim.h); and nothing of a body when one of the partitions that it touches is not ready.
 */
#ifndef TICKSTREAM_SINK_REDIS_H
#define TICKSTREAM_SINK_REDIS_H

#include "redis/fleet.h"
#include "stream/partitions.h"
#include "stream/sink.h"

/* All of it is borrowed for the sink's life. */
typedef struct {
    const RedisServers *servers;
    const char *sentinel_user; /* of the sentinels; "" = none */
    const char *sentinel_password;
    TlsContext *tls; /* for a URL with TLS, else NULL */
    const Partitions *partitions;
    Ack ack;
    const Keep *keep;      /* NULL: what is stored is left as it is, and not measured */
    int64_t timeout;       /* milliseconds: of connecting, and what a publication may take */
    bool requires_durable; /* as of a greeting */
} SinkSettings;

/* Starts to connect. NULL: no memory. Ended by sink->close(), after which the loop can only be
 * freed: it still has a hook of the sink. */
Sink *sink_redis_open(Loop *loop, const SinkSettings *settings);

/*
 * Calls settled(arg) once, from the loop: when every partition can be written to, or it is clear
 * that some cannot, or after as long as a publication may take. A worker that accepts only then
 * refuses nobody just because Redis was still connecting.
 */
void sink_redis_when_settled(Sink *base, void (*settled)(void *arg), void *arg);

#endif
