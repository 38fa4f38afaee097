/*
 * The sink that appends to Redis streams: partitions, readiness, probes, upkeep.
 *
 *   publication --> parts --> sending --> dispatch.h
 *        ^        (spread.h)     |
 *        +--------- done --------+
 *
 * publish.h says what is written, and what the replies mean; dispatch.h how it gets there.
 *
 * A publication whose deadline has passed ends alone: its reply is dropped when it comes. A
 * connection ends when no reply at all has come for that long, when it is lost, or when a reply
 * makes no sense; then everything under way on it ends with ERROR_UNAVAILABLE, nothing waits for
 * the next connection, and that is tried at once and then with growing pauses of at most a second.
 *
 * Nothing is published before it is known that the stream was made with as many partitions
 * (claim.h); and nothing of a body when one of the partitions that it touches is not ready.
 */
#ifndef TICKSTREAM_SINK_REDIS_H
#define TICKSTREAM_SINK_REDIS_H

#include "base/loop.h"
#include "redis/ack.h"
#include "redis/tls.h"
#include "redis/url.h"
#include "stream/keep.h"
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

/*
 * Why something is not taken, of the first server that takes nothing or has refused something since
 * it last took something; valid until the loop goes on. For a command to tell: a worker's log has
 * it. *ret_passes: it may pass by itself; else somebody must do something.
 */
const char *sink_redis_trouble(const Sink *base, bool *ret_passes);

#endif
