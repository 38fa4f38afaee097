/*
 * One connection to one server of Redis: resolves, connects, secures, greets, then takes commands
 * and gives replies. It knows bytes and replies, not what they are for.
 *
 * A new one is made for each attempt; there is no reconnecting here. Events come from the loop
 * only, never from inside a function that is called here:
 *
 *   ready     at most once: greeted, commands may be appended
 *   replied   for each reply after the greeting, in order; valid during the call
 *   ended     exactly once, the last event: the connection is gone when it returns
 *
 * Between an error (a write that fails in connection_flush(), say) and ended() commands may still
 * be appended: they go nowhere. connection_close() must not be called from inside an event.
 */
#ifndef TICKSTREAM_CONNECTION_H
#define TICKSTREAM_CONNECTION_H

#include "base/loop.h"
#include "redis/greeting.h"
#include "redis/tls.h"

typedef struct Connection Connection;

typedef struct {
    void (*ready)(void *arg);
    const char *(*replied)(void *arg, const Reply *reply); /* NULL, or why it must end */
    void (*ended)(void *arg, const char *why);             /* why: valid during the call */
} ConnectionEvents;

/* All of it is borrowed for the connection's life. */
typedef struct {
    const RedisUrl *url;
    TlsContext *tls;    /* for a URL with TLS */
    Greeting *greeting; /* of this connection; keeps what it has learnt */
    int64_t timeout;    /* milliseconds for connecting, for TLS, and for greeting. A look-up of the
                           name takes as long as the resolver lets it. */
    unsigned attempt;   /* which of several addresses of a name is tried: 0, 1, ... */
} ConnectionTarget;

/* Begins to connect. NULL: no memory. Every other failure is an event. */
Connection *connection_open(Loop *loop, const ConnectionTarget *target,
                            const ConnectionEvents *events, void *arg);

/*
 * The buffer of commands, to be appended to by whole commands; the next connection_flush() sends
 * them.
 */
Buffer *connection_commands(Connection *connection);

/* Sends what the socket takes; the rest goes by itself when there is room again. */
void connection_flush(Connection *connection);

/* Bytes that have not left yet. */
size_t connection_unsent(const Connection *connection);

/* Ends it at once; no event follows. Takes NULL; returns NULL. */
Connection *connection_close(Connection *connection);

#endif
