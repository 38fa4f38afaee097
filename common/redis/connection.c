#include "redis/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * States, and what moves a connection to the next one:
 *
 *   RESOLVING   the resolver works on the name            -> its answer
 *   CONNECTING  the socket is not connected yet           -> it is writable
 *   SECURING    TLS shakes hands                          -> it is done
 *   GREETING    questions have left, answers are missing  -> the last answer: ready()
 *   READY       commands and replies
 *   FAILED      why is known, and told at the next turn of the loop
 *
 * From each of them an error leads to end(), which is the only place that calls ended(): functions
 * return why (NULL = go on), and the three entrances from the loop (on_socket, on_timer,
 * on_resolved) act on it. The timer runs in CONNECTING, SECURING and GREETING, each of which has
 * the timeout for itself, and in FAILED to get back to the loop.
 */
typedef enum { RESOLVING, CONNECTING, SECURING, GREETING, READY, FAILED } State;

struct Connection {
    Loop *loop;
    ConnectionTarget target;
    ConnectionEvents events;
    void *arg;

    State state;
    int64_t deadline; /* of CONNECTING, SECURING, GREETING; loop_clock_ms() */
    bool is_late;     /* it has passed; what has come meanwhile is still read */
    bool is_heard;    /* the server has said something */
    const char *why;  /* when FAILED */
    int fd;           /* -1 = none */
    Resolution *resolution;
    Timer *timer;
    Watch *watch;
    Tls *tls;
    ReplyReader *reader;
    Buffer commands;
    size_t sent;           /* of them */
    int read_waits;        /* LOOP_...: what the last read or write that would have blocked waits */
    int write_waits;       /* for; TLS may have to write before it can read, and the reverse */
    char text[LIMIT_TEXT]; /* of a why that is composed */
};

/* The socket, with or without TLS. 0 bytes: it would block, and *waits says what for. */

static const char *system_error(Connection *connection, int error)
{
    snprintf(connection->text, sizeof(connection->text), "%s", strerror(error));
    return connection->text;
}

static const char *tls_outcome(const Connection *connection, TlsState state, int *waits)
{
    switch (state) {
    case TLS_DONE:
        return NULL;
    case TLS_READ:
        *waits = LOOP_READABLE;
        return NULL;
    case TLS_WRITE:
        *waits = LOOP_WRITABLE;
        return NULL;
    case TLS_CLOSED:
        return "the server has closed the connection";
    case TLS_FAILED:
        break;
    }
    return tls_why(connection->tls);
}

/* errno after a system call that may have been told to come again. */
static const char *socket_outcome(Connection *connection, int waiting_for, int *waits)
{
    if (errno != EAGAIN && errno != EINTR) {
        return system_error(connection, errno);
    }
    *waits = waiting_for;
    return NULL;
}

static const char *read_some(Connection *connection, char *to, size_t room, size_t *ret)
{
    int *waits = &connection->read_waits;
    *ret = 0;
    *waits = 0;
    if (connection->tls) {
        return tls_outcome(connection, tls_read(connection->tls, to, room, ret), waits);
    }
    ssize_t n = recv(connection->fd, to, room, 0);
    if (n == 0) {
        return "the server has closed the connection";
    }
    *ret = n < 0 ? 0 : (size_t)n;
    return n < 0 ? socket_outcome(connection, LOOP_READABLE, waits) : NULL;
}

static const char *write_some(Connection *connection, const char *from, size_t len, size_t *ret)
{
    int *waits = &connection->write_waits;
    *ret = 0;
    *waits = 0;
    if (connection->tls) {
        return tls_outcome(connection, tls_write(connection->tls, from, len, ret), waits);
    }
    ssize_t n = send(connection->fd, from, len, MSG_NOSIGNAL);
    *ret = n < 0 ? 0 : (size_t)n;
    return n < 0 ? socket_outcome(connection, LOOP_WRITABLE, waits) : NULL;
}

static const char *watch_for(Connection *connection, int events)
{
    return watch_set(connection->watch, events) ? NULL : "out of memory";
}

/* While commands and replies are on their way. */
static const char *watch_both(Connection *connection)
{
    return watch_for(connection, LOOP_READABLE | connection->read_waits | connection->write_waits);
}

/* Commands */

/* Forgets what has left, so that a buffer that is never quite empty does not grow. */
static void compact(Connection *connection)
{
    Buffer *commands = &connection->commands;
    if (connection->sent == commands->len) {
        buffer_clear(commands);
        connection->sent = 0;
    } else if (connection->sent > LIMIT_BUFFER_KEPT && connection->sent > commands->len / 2) {
        commands->len -= connection->sent;
        memmove(commands->ptr, commands->ptr + connection->sent, commands->len);
        connection->sent = 0;
    }
}

static const char *write_commands(Connection *connection)
{
    while (connection_unsent(connection)) {
        size_t n;
        const char *why = write_some(connection, connection->commands.ptr + connection->sent,
                                     connection_unsent(connection), &n);
        if (why) {
            return why;
        }
        if (n == 0) {
            break;
        }
        connection->sent += n;
    }
    compact(connection);
    return watch_both(connection);
}

/* Replies */

static void become_ready(Connection *connection)
{
    connection->state = READY;
    timer_stop(connection->timer);
    connection->events.ready(connection->arg);
}

static const char *take_reply(Connection *connection, const Reply *reply)
{
    if (connection->state != GREETING) { /* READY, or FAILED by a write between two replies */
        return connection->events.replied(connection->arg, reply);
    }
    const char *why = greeting_take(connection->target.greeting, reply);
    if (!why && greeting_is_done(connection->target.greeting)) {
        become_ready(connection);
    }
    return why;
}

/* Does a server that has been asked in plain text answer with a record of TLS, an alert? */
static bool speaks_tls(const Connection *connection, Str bytes)
{
    return connection->state == GREETING && !connection->tls && bytes.ptr[0] == 0x15;
}

static const char *take_replies(Connection *connection, Str bytes)
{
    if (speaks_tls(connection, bytes)) {
        return "this is a TLS port: use rediss://";
    }
    const char *why = reply_reader_feed(connection->reader, bytes);
    while (!why) {
        const Reply *reply = reply_reader_next(connection->reader, &why);
        if (!reply) {
            break;
        }
        why = take_reply(connection, reply);
    }
    return why;
}

/* A server that hangs up without a word may have expected something else. */
static const char *read_failed(Connection *connection, const char *why)
{
    char text[LIMIT_TEXT];
    if (connection->is_heard || connection->tls || connection->target.url->unix_socket) {
        return why;
    }
    snprintf(text, sizeof(text), "%.100s: does it expect TLS?", why);
    memcpy(connection->text, text, sizeof(text));
    return connection->text;
}

/* Reads until there is nothing more, since inside a TLS session bytes can lie that no event tells
 * of. */
static const char *read_replies(Connection *connection)
{
    static char input[1 << 16]; /* of all connections: used up before this returns */
    size_t n;
    do {
        const char *why = read_some(connection, input, sizeof(input), &n);
        if (why) {
            return read_failed(connection, why);
        }
        connection->is_heard = connection->is_heard || n;
        why = n ? take_replies(connection, (Str){input, n}) : NULL;
        if (why) {
            return why;
        }
    } while (n == sizeof(input) || (connection->tls && n));
    return NULL;
}

/* From the loop, after a write that failed: what the server said before it hung up still counts, be
 * it that something is stored, or why it will not have us. */
static const char *hear_out(Connection *connection, const char *why)
{
    const char *said = read_replies(connection);
    return said ? said : why;
}

/* Connecting */

static void enter(Connection *connection, State state)
{
    connection->state = state;
    connection->is_late = false;
    connection->deadline = loop_clock_ms() + connection->target.timeout;
    timer_start(connection->timer, connection->target.timeout, 0);
}

static const char *greet(Connection *connection)
{
    enter(connection, GREETING);
    if (!greeting_write(connection->target.greeting, &connection->commands)) {
        return "out of memory";
    }
    const char *why = write_commands(connection);
    return why ? hear_out(connection, why) : NULL;
}

static const char *shake_hands(Connection *connection)
{
    switch (tls_handshake(connection->tls)) {
    case TLS_DONE:
        return greet(connection);
    case TLS_READ:
        return watch_for(connection, LOOP_READABLE);
    case TLS_WRITE:
        return watch_for(connection, LOOP_WRITABLE);
    case TLS_CLOSED:
        return "the server has closed the connection: does it expect TLS?";
    case TLS_FAILED:
        break;
    }
    return tls_why(connection->tls);
}

static const char *secure(Connection *connection)
{
    Error error;
    const RedisUrl *url = connection->target.url;
    if (!url->tls) {
        return greet(connection);
    }
    enter(connection, SECURING);
    connection->tls = tls_open(connection->target.tls, connection->fd, url->host, &error);
    if (!connection->tls) {
        snprintf(connection->text, sizeof(connection->text), "%s", error.text);
        return connection->text;
    }
    return shake_hands(connection);
}

static const char *connected(Connection *connection)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        return system_error(connection, error ? error : errno);
    }
    return secure(connection);
}

/* The end */

static void release(Connection *connection)
{
    resolution_forget(connection->resolution);
    watch_close(connection->watch);
    timer_close(connection->timer);
    tls_close(connection->tls);
    if (connection->fd >= 0) {
        close(connection->fd);
    }
    reply_reader_free(connection->reader);
    buffer_free(&connection->commands);
    free(connection);
}

static void end(Connection *connection, const char *why)
{
    connection->state = FAILED;
    connection->events.ended(connection->arg, why);
    release(connection);
}

/* From a function that was called: the loop brings us back. */
static void fail_later(Connection *connection, const char *why)
{
    connection->state = FAILED;
    connection->why = why;
    if (connection->watch) {
        watch_set(connection->watch, 0);
    }
    timer_start(connection->timer, 0, 0);
}

/* Entrances from the loop */

static const char *on_event(Connection *connection, int events)
{
    switch (connection->state) {
    case CONNECTING:
        return connected(connection);
    case SECURING:
        return shake_hands(connection);
    case GREETING:
    case READY:
        break;
    case RESOLVING:
    case FAILED:
        return NULL;
    }
    const char *why = read_replies(connection);
    if (!why && connection->state == FAILED) { /* by a flush from within an event */
        return hear_out(connection, connection->why);
    }
    if (!why && connection->write_waits & events) {
        why = write_commands(connection);
        return why ? hear_out(connection, why) : NULL;
    }
    return why ? why : watch_both(connection);
}

static void on_socket(void *arg, int events)
{
    Connection *connection = arg;
    const char *why = on_event(connection, events);
    if (why) {
        end(connection, why);
    }
}

static const char *what_is_late(const Connection *connection)
{
    return connection->state == GREETING   ? "no answer to the greeting in time"
           : connection->state == SECURING ? "no TLS handshake in time: is this a TLS port?"
                                           : "no connection in time";
}

/* The deadline is judged one turn later, after what came in time has been read: it may have been us
 * who were late. So may have been the loop's time, by which the timer was started. */
static void on_timer(void *arg)
{
    Connection *connection = arg;
    const int64_t left = connection->deadline - loop_clock_ms();
    if (connection->state == FAILED) {
        /* only one that was ready has a watch: others have not been heard of */
        end(connection,
            connection->watch ? hear_out(connection, connection->why) : connection->why);
    } else if (left > 0) {
        timer_start(connection->timer, left, 0);
    } else if (!connection->is_late) {
        connection->is_late = true;
        timer_start(connection->timer, 1, 0);
    } else {
        end(connection, what_is_late(connection));
    }
}

static const char *use_socket(Connection *connection, const struct sockaddr *address, socklen_t len)
{
    const int on = 1;
    connection->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        return system_error(connection, errno);
    }
    if (address->sa_family != AF_UNIX) {
        setsockopt(connection->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    /* A unix socket whose queue is full says EAGAIN and will not go on by itself. */
    if (connect(connection->fd, address, len) != 0 && errno != EINPROGRESS) {
        return system_error(connection, errno);
    }
    enter(connection, CONNECTING);
    connection->watch =
        loop_watch(connection->loop, connection->fd, LOOP_WRITABLE, on_socket, connection);
    return connection->watch ? NULL : "out of memory";
}

static const char *connect_tcp(Connection *connection, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    v4.sin_port = v6.sin6_port = htons((uint16_t)connection->target.url->port);
    return inet_pton(AF_INET, address, &v4.sin_addr) == 1
               ? use_socket(connection, (const struct sockaddr *)&v4, sizeof(v4))
           : inet_pton(AF_INET6, address, &v6.sin6_addr) == 1
               ? use_socket(connection, (const struct sockaddr *)&v6, sizeof(v6))
               : "the host name cannot be resolved";
}

static const char *connect_unix(Connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", LIMIT_UNIX_PATH - 1,
             connection->target.url->host);
    return use_socket(connection, (const struct sockaddr *)&address, sizeof(address));
}

static void on_resolved(void *arg, const char *address)
{
    Connection *connection = arg;
    connection->resolution = NULL;
    const char *why =
        address ? connect_tcp(connection, address) : "the host name cannot be resolved";
    if (why) {
        end(connection, why);
    }
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static const char *resolve(Connection *connection)
{
    connection->resolution = loop_resolve(connection->loop, connection->target.url->host,
                                          connection->target.attempt, on_resolved, connection);
    return connection->resolution ? NULL : "the host name cannot be looked up";
}

Connection *connection_open(Loop *loop, const ConnectionTarget *target,
                            const ConnectionEvents *events, void *arg)
{
    const RedisUrl *url = target->url;
    Connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        return NULL;
    }
    *connection =
        (Connection){.loop = loop, .target = *target, .events = *events, .arg = arg, .fd = -1};
    connection->reader = reply_reader_new();
    connection->timer = loop_timer(loop, on_timer, connection);
    if (!connection->reader || !connection->timer) {
        release(connection);
        return NULL;
    }
    const char *why = url->unix_socket        ? connect_unix(connection)
                      : is_address(url->host) ? connect_tcp(connection, url->host)
                                              : resolve(connection);
    if (why) {
        fail_later(connection, why);
    }
    return connection;
}

Buffer *connection_commands(Connection *connection)
{
    return &connection->commands;
}

size_t connection_unsent(const Connection *connection)
{
    return connection->commands.len - connection->sent;
}

/* While some of it waits for the socket, the socket tells when it takes more. */
void connection_flush(Connection *connection)
{
    if (connection->state != READY || connection->write_waits || !connection_unsent(connection)) {
        return;
    }
    const char *why = write_commands(connection);
    if (why) {
        fail_later(connection, why);
    }
}

Connection *connection_close(Connection *connection)
{
    if (connection) {
        release(connection);
    }
    return NULL;
}
