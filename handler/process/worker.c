/*
 * States of a worker, and who moves it.
 *
 *     STARTING  -- the sink has settled -->    ACCEPTING  or, without Redis, when no other has it
 *     ACCEPTING -- SIGTERM (INT, QUIT) -->     DRAINING   it takes what waits in the queue first
 *     ACCEPTING -- SIGUSR2 -->                 DRAINING   the queue is for its successors
 *     DRAINING  -- no connection is left -->   ended
 *     DRAINING  -- DRAIN_TIMEOUT is over -->   ended      what is in flight is answered 503
 *
 * Connections wait in the listener's queue while all are STARTING. A signal may come then too.
 * While DRAINING nothing is accepted, each answer ends its connection, and so does silence: a
 * moment of it after SIGTERM, none after SIGUSR2, when nginx is left to close what it may be about
 * to use.
 */
#include "process/worker.h"

#include "base/log.h"
#include "base/loop.h"
#include "process/peer.h"
#include "process/service.h"
#include "stats/stats.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEARTBEAT = 1000,   /* milliseconds between signs of life for the master */
    ACCEPT_PAUSE = 100, /* after accept() ran out of descriptors, or while others serve */
    DRAIN_LOOK = 50,    /* between looks at idle connections while draining */
    DRAIN_QUIET = 300,  /* a connection that was idle for so long is closed: nginx has turned away
                           by then */
};

typedef struct Worker {
    Service service;
    Loop *loop;
    Peers *peers;
    int listener;
    Watch *accept_watch;
    Timer *accept_pause;
    int signals;
    Watch *signal_watch;
    Timer *heartbeat;
    Timer *drain_timer;
    bool accepting; /* has begun to */
    int64_t drain_began;
    int64_t drain_quiet; /* how long a connection must have been idle to be closed */
} Worker;

/* Accepting */

static bool is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int accept_one(const Worker *worker)
{
    return accept4(worker->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
    int fd = accept_one(worker);
    if (fd >= 0) {
        peers_add(worker->peers, fd);
    } else if (is_out_of_resources(errno)) {
        log_rarely(&site, LOG_ERROR, "accept: %s; %zu connections are open, others wait",
                   strerror(errno), peers_count(worker->peers));
        watch_set(worker->accept_watch, 0);
        timer_start(worker->accept_pause, ACCEPT_PAUSE, 0);
    }
}

/* Would a request be stored? The master waits for this before it sends an older generation away. */
static void tell_accepting(const Worker *worker)
{
    const Sink *sink = worker->service.server.sink;
    stats_set(STAT_ACCEPTING,
              worker->accepting && !worker->service.server.draining && sink->is_connected(sink));
}

/*
 * Without Redis a worker could only refuse: as long as others have it, such as the old ones during
 * a reload, connections are theirs.
 */
static bool is_for_others(const Worker *worker)
{
    const Sink *sink = worker->service.server.sink;
    bool others = false;
    for (size_t slot = 0; slot < LIMIT_WORKERS && !others; slot++) {
        others = stats_of(slot, STAT_ACCEPTING) != 0;
    }
    return others && !sink->is_connected(sink);
}

/* Also at the start, when the sink has settled: requests that come earlier wait in the listener's
 * queue. */
static void start_accepting(void *arg)
{
    Worker *worker = arg;
    if (!worker->accept_watch) {
        return; /* draining */
    }
    if (is_for_others(worker) || !watch_set(worker->accept_watch, LOOP_READABLE)) {
        timer_start(worker->accept_pause, ACCEPT_PAUSE, 0);
        return;
    }
    worker->accepting = true;
    tell_accepting(worker);
}

/* Draining */

static void accept_what_waits(Worker *worker)
{
    for (;;) {
        int fd = accept_one(worker);
        if (fd >= 0) {
            peers_add(worker->peers, fd);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_drain_look(void *arg)
{
    Worker *worker = arg;
    int64_t now = loop_now(worker->loop);
    if (now - worker->drain_began >= worker->drain_quiet) {
        peers_close_idle(worker->peers, now - worker->drain_quiet);
    }
    size_t open = peers_count(worker->peers);
    bool timed_out = now - worker->drain_began >= worker->service.server.config->drain_timeout;
    if (timed_out && open) {
        log_line(LOG_WARN, "drain: %zu connections were still open at the end of the drain timeout",
                 open);
    }
    if (timed_out || !open) {
        loop_stop(worker->loop);
    }
}

static void begin_drain(Worker *worker)
{
    worker->service.server.draining = true;
    worker->drain_began = loop_now(worker->loop);
    worker->accept_watch = watch_close(worker->accept_watch);
    close(worker->listener);
    tell_accepting(worker);
    log_line(LOG_INFO, "drain: %zu connections are open", peers_count(worker->peers));
    timer_start(worker->drain_timer, 0, DRAIN_LOOK);
}

/*
 * Those who wait in the listener's queue are lost with it, so the last generation takes them; but
 * not a worker without a connection to Redis, which could only refuse them.
 */
static void stop(Worker *worker)
{
    const Sink *sink = worker->service.server.sink;
    worker->drain_quiet = DRAIN_QUIET;
    if (!worker->service.server.draining) {
        if (sink->is_connected(sink)) {
            accept_what_waits(worker);
        }
        begin_drain(worker);
    }
}

/* Others have taken over, and serve the listener's queue; idle connections are left to nginx, which
 * would use them without a look. */
static void give_way(Worker *worker)
{
    if (!worker->service.server.draining) {
        worker->drain_quiet = worker->service.server.config->drain_timeout;
        begin_drain(worker);
    }
}

static void on_signal(void *arg, int events)
{
    Worker *worker = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(worker->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR2) {
            give_way(worker);
        } else {
            stop(worker);
        }
    }
}

static void on_heartbeat(void *arg)
{
    const Worker *worker = arg;
    stats_set(STAT_HEARTBEAT, (uint64_t)loop_now(worker->loop) + 1);
    tell_accepting(worker);
}

/* Start and end */

/* No signal interrupts anything: some come through the loop, all others wait for ever. */
static int open_signals(void)
{
    static const int ours[] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR2};
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        sigaddset(&set, ours[i]);
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool no_memory(void)
{
    log_line(LOG_ERROR, "out of memory at the start");
    return false;
}

/* false: the reason has been logged. */
static bool worker_open(Worker *worker, const Config *config)
{
    worker->signals = open_signals();
    worker->loop = loop_new();
    if (worker->signals < 0 || !worker->loop) {
        return no_memory();
    }
    if (!service_open(&worker->service, config, worker->loop)) {
        return false;
    }
    worker->peers = peers_open(worker->loop, &worker->service.server);
    worker->signal_watch =
        loop_watch(worker->loop, worker->signals, LOOP_READABLE, on_signal, worker);
    worker->accept_watch = loop_watch(worker->loop, worker->listener, 0, on_acceptable, worker);
    worker->accept_pause = loop_timer(worker->loop, start_accepting, worker);
    worker->drain_timer = loop_timer(worker->loop, on_drain_look, worker);
    worker->heartbeat = loop_timer(worker->loop, on_heartbeat, worker);
    return (worker->peers && worker->signal_watch && worker->accept_watch && worker->accept_pause &&
            worker->drain_timer && worker->heartbeat) ||
           no_memory();
}

static void worker_close(Worker *worker)
{
    service_close(&worker->service); /* first: it answers what is in flight */
    peers_close(worker->peers);
    loop_free(worker->loop);
    close(worker->signals);
}

int worker_run(const Config *config, int listener, size_t slot)
{
    Worker worker = {.listener = listener};
    /* Big blocks always come from the system and go back to it: no threshold that grows with the
     * first big body. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    stats_use(slot);
    stats_add(STAT_WORKER_STARTS, 1);
    srandom((unsigned)getpid());
    signal(SIGPIPE, SIG_IGN);
    bool ok = worker_open(&worker, config);
    if (ok) {
        stats_set(STAT_WORKERS, 1);
        timer_start(worker.heartbeat, 0, HEARTBEAT);
        sink_redis_when_settled(worker.service.server.sink, start_accepting, &worker);
        loop_run(worker.loop);
    }
    worker_close(&worker);
    return ok ? 0 : 1;
}
