#include "process/worker.h"

#include "payload/codec.h"
#include "base/digest.h"
#include "base/owner.h"
#include "endpoints/endpoint.h"
#include "http/fcgi.h"
#include "base/log.h"
#include "base/loop.h"
#include "redis/sink_redis.h"
#include "stats/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEARTBEAT = 1000,   /* milliseconds between signs of life for the master */
    ACCEPT_PAUSE = 100, /* after accept() ran out of descriptors */
    DRAIN_LOOK = 50,    /* between looks at idle connections while draining */
    DRAIN_QUIET =
        300, /* a connection that was idle for so long is closed: nginx has turned away by then */
    ARENAS_KEPT = 64, /* for the next requests */
    TRIM_AFTER =
        1 << 20 /* a request that needed more gives its memory back to the system at once */
};

typedef struct Connection {
    Exchange exchange;
    struct Worker *worker;
    struct Connection *next;
    struct Connection **link; /* the pointer that points here */
    FcgiConnection *fcgi;
    Watch *watch;
    bool busy;         /* a request waits for its answer */
    int64_t last_used; /* loop time */
} Connection;

typedef struct Worker {
    Server server;
    StreamKeys *keys;
    TlsContext *tls; /* NULL: none is needed */
    Loop *loop;
    int listener;
    Watch *accept_watch;
    Timer *accept_pause;
    int signals;
    Watch *signal_watch;
    Timer *heartbeat;
    Timer *drain_timer;
    int64_t drain_began;
    int64_t drain_quiet; /* how long a connection must have been idle to be closed */
    Connection *connections;
    size_t connection_count;
    Arena *arenas[ARENAS_KEPT];
    size_t arena_count;
} Worker;

/* Arenas */

static Arena *take_arena(Worker *worker)
{
    return worker->arena_count ? worker->arenas[--worker->arena_count] : arena_new();
}

static void return_arena(Worker *worker, Arena *arena)
{
    bool was_large = arena_size(arena) > TRIM_AFTER;
    arena_reset(arena);
    if (worker->arena_count < ARENAS_KEPT) {
        worker->arenas[worker->arena_count++] = arena;
    } else {
        arena_free(arena);
    }
    if (was_large) {
        malloc_trim(0);
    }
}

/* Connections */

static void link_connection(Worker *worker, Connection *connection)
{
    connection->next = worker->connections;
    connection->link = &worker->connections;
    if (connection->next) {
        connection->next->link = &connection->next;
    }
    worker->connections = connection;
    stats_set(STAT_CONNECTIONS, ++worker->connection_count);
}

static void unlink_connection(Worker *worker, Connection *connection)
{
    *connection->link = connection->next;
    if (connection->next) {
        connection->next->link = connection->link;
    }
    stats_set(STAT_CONNECTIONS, --worker->connection_count);
}

static void close_connection(Connection *connection)
{
    Worker *worker = connection->worker;
    unlink_connection(worker, connection);
    connection->watch = watch_close(connection->watch);
    connection->fcgi = fcgi_close(connection->fcgi);
    if (connection->exchange.arena) {
        return_arena(worker, connection->exchange.arena);
    }
    free(connection);
}

/* The exchange is over: the connection waits for its next request, or ends. */
static void send_response(Exchange *exchange)
{
    Connection *connection = OWNER_OF(exchange, Connection, exchange);
    Worker *worker = connection->worker;
    bool kept = fcgi_send(connection->fcgi, exchange->request.request_id, &exchange->response,
                          !worker->server.draining);
    connection->busy = false;
    connection->last_used = loop_now(worker->loop);
    return_arena(worker, exchange->arena);
    exchange->arena = NULL;
    if (!kept || !watch_set(connection->watch, LOOP_READABLE)) {
        close_connection(connection);
    }
}

static bool receive(Connection *connection)
{
    Exchange *exchange = &connection->exchange;
    Worker *worker = connection->worker;
    exchange->arena = take_arena(worker);
    if (!exchange->arena) {
        return false;
    }
    if (!fcgi_receive(connection->fcgi, exchange->arena, worker->server.config->max_body,
                      &exchange->request)) {
        return false;
    }
    exchange->began = loop_clock_ns();
    return true;
}

static void on_readable(void *arg, int events)
{
    Connection *connection = arg;
    (void)events;
    if (connection->busy) {
        /* Only a peer that gives up makes a busy connection readable; the answer will find that
         * out. */
        watch_set(connection->watch, 0);
        return;
    }
    if (!receive(connection)) {
        close_connection(connection);
        return;
    }
    connection->busy = true;
    if (endpoint_serve(&connection->exchange) == ANSWERED) {
        send_response(&connection->exchange);
    }
}

static void open_connection(Worker *worker, int fd)
{
    const int on = 1;
    Connection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); /* fails on unix sockets, where it is not needed */
    connection->exchange.server = &worker->server;
    connection->worker = worker;
    connection->last_used = loop_now(worker->loop);
    connection->fcgi = fcgi_open(fd);
    connection->watch = connection->fcgi
                            ? loop_watch(worker->loop, fd, LOOP_READABLE, on_readable, connection)
                            : NULL;
    link_connection(worker, connection);
    if (!connection->watch) {
        close_connection(connection);
    }
}

/* Accepting */

static bool is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * One connection a turn: all workers are woken for each, and taking no more than one leaves the
 * next to a worker that has less to do.
 */
static void on_acceptable(void *arg, int events)
{
    static LogSite site;
    Worker *worker = arg;
    (void)events;
    int fd = accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        open_connection(worker, fd);
    } else if (is_out_of_resources(errno)) {
        log_rarely(&site, LOG_ERROR, "accept: %s; %zu connections are open, others wait",
                   strerror(errno), worker->connection_count);
        watch_set(worker->accept_watch, 0);
        timer_start(worker->accept_pause, ACCEPT_PAUSE, 0);
    }
}

/* Also at the start, when the sink has settled: requests that come earlier wait in the listener's
 * queue. */
static void start_accepting(void *arg)
{
    Worker *worker = arg;
    if (worker->accept_watch && !watch_set(worker->accept_watch, LOOP_READABLE)) {
        timer_start(worker->accept_pause, ACCEPT_PAUSE, 0);
    }
}

/* Draining */

static void accept_what_waits(Worker *worker)
{
    for (;;) {
        int fd = accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            open_connection(worker, fd);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* A request that has just arrived must not be lost with the connection. */
static bool has_input(const Connection *connection)
{
    char byte;
    return recv(fcgi_fd(connection->fcgi), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void on_drain_look(void *arg)
{
    Worker *worker = arg;
    int64_t now = loop_now(worker->loop);
    for (Connection *connection = worker->connections, *next; connection; connection = next) {
        int64_t since = connection->last_used > worker->drain_began ? connection->last_used
                                                                    : worker->drain_began;
        next = connection->next;
        if (!connection->busy && now - since >= worker->drain_quiet && !has_input(connection)) {
            close_connection(connection);
        }
    }
    bool timed_out = now - worker->drain_began >= worker->server.config->drain_timeout;
    if (timed_out && worker->connection_count) {
        log_line(LOG_WARN, "drain: %zu connections were still open at the end of the drain timeout",
                 worker->connection_count);
    }
    if (timed_out || !worker->connection_count) {
        loop_stop(worker->loop);
    }
}

static void begin_drain(Worker *worker, int64_t quiet)
{
    worker->drain_quiet = quiet;
    if (worker->server.draining) {
        return;
    }
    worker->server.draining = true;
    worker->drain_began = loop_now(worker->loop);
    accept_what_waits(worker);
    worker->accept_watch = watch_close(worker->accept_watch);
    close(worker->listener);
    log_line(LOG_INFO, "drain: %zu connections are open", worker->connection_count);
    timer_start(worker->drain_timer, 0, DRAIN_LOOK);
}

static void on_signal(void *arg, int events)
{
    Worker *worker = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(worker->signals, &info, sizeof(info)) == sizeof(info)) {
        /* Others have taken over: idle connections are left to nginx, which would use them without
         * a look. */
        begin_drain(worker,
                    info.ssi_signo == SIGUSR2 ? worker->server.config->drain_timeout : DRAIN_QUIET);
    }
}

static void on_heartbeat(void *arg)
{
    const Worker *worker = arg;
    stats_set(STAT_HEARTBEAT, (uint64_t)loop_now(worker->loop) + 1);
}

/* Start and end */

/* All signals wait for the loop, so that none interrupts a read of libfcgi; all but the one of its
 * guard. */
static int open_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT); /* these two only when it runs without a master */
    sigaddset(&ours, SIGQUIT);
    sigaddset(&ours, SIGUSR2);
    return signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
}

static Sink *open_sink(Worker *worker)
{
    const Config *config = worker->server.config;
    worker->keys = stream_keys_new(config->stream, config->events_stream,
                                   (unsigned)(config->dedupe_window / 1000));
    const LinkSettings settings = {.url = &config->redis,
                                   .keys = worker->keys,
                                   .tls = worker->tls,
                                   .timeout = config->redis_timeout};
    return worker->keys ? sink_redis_open(worker->loop, &settings) : NULL;
}

/* Once a process: certificates are read here, so that a reload takes new ones. */
static bool open_tls(Worker *worker)
{
    const Config *config = worker->server.config;
    const TlsSettings settings = {.ca = "", .cert = "", .key = "", .name = ""};
    Error error;
    if (!config->redis.tls) {
        return true;
    }
    worker->tls = tls_context_new(&settings, &error);
    if (!worker->tls) {
        log_line(LOG_ERROR, "redis: %s", error.text);
    }
    return worker->tls != NULL;
}

static bool worker_open(Worker *worker)
{
    const Config *config = worker->server.config;
    worker->loop = loop_new();
    if (!worker->loop) {
        return false;
    }
    worker->server.sink = open_tls(worker) ? open_sink(worker) : NULL;
    if (config->app_secrets.count) {
        worker->server.verifier =
            verifier_new(config->app_secrets.texts, config->app_secrets.count);
    }
    worker->signal_watch =
        loop_watch(worker->loop, worker->signals, LOOP_READABLE, on_signal, worker);
    worker->accept_watch = loop_watch(worker->loop, worker->listener, 0, on_acceptable, worker);
    worker->accept_pause = loop_timer(worker->loop, start_accepting, worker);
    worker->drain_timer = loop_timer(worker->loop, on_drain_look, worker);
    worker->heartbeat = loop_timer(worker->loop, on_heartbeat, worker);
    return worker->server.sink && (worker->server.verifier || !config->app_secrets.count) &&
           worker->signal_watch && worker->accept_watch && worker->accept_pause &&
           worker->drain_timer && worker->heartbeat;
}

static void worker_close(Worker *worker)
{
    if (worker->server.sink) {
        worker->server.sink->close(worker->server.sink); /* first: it answers what is in flight */
    }
    while (worker->connections) {
        close_connection(worker->connections); /* unlinks it. NOLINT(clang-analyzer-unix.Malloc) */
    }
    while (worker->arena_count) {
        arena_free(worker->arenas[--worker->arena_count]);
    }
    verifier_free(worker->server.verifier);
    loop_free(worker->loop);
    tls_context_free(worker->tls);
    stream_keys_free(worker->keys);
    close(worker->signals);
    codec_shutdown();
    digest_shutdown();
}

int worker_run(const Config *config, int listener, size_t slot)
{
    Worker worker = {.server = {.config = config, .answered = send_response}, .listener = listener};
    /* Big blocks always come from the system and go back to it: no threshold that grows with the
     * first big body. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    /* libfcgi frees 24 KiB after each request, and each time malloc would tidy up its fast bins. */
    mallopt(M_MXFAST, 0);
    stats_use(slot);
    stats_add(STAT_WORKER_STARTS, 1);
    srandom((unsigned)getpid());
    if (!fcgi_init()) {
        log_line(LOG_ERROR, "libfcgi cannot be initialised");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    worker.signals = open_signals();
    bool ok = worker.signals >= 0 && worker_open(&worker);
    if (ok) {
        stats_set(STAT_WORKERS, 1);
        timer_start(worker.heartbeat, 0, HEARTBEAT);
        sink_redis_when_settled(worker.server.sink, start_accepting, &worker);
        loop_run(worker.loop);
    } else {
        log_line(LOG_ERROR, "out of memory at the start");
    }
    worker_close(&worker);
    return ok ? 0 : 1;
}
