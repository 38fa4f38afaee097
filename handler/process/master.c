/*
 * What the master is doing, and what holds meanwhile:
 *
 *   STARTING   no worker has been forked yet, since the system refuses; tried again every 5 s
 *   SERVING    the workers that are wanted have the configuration in force; others are leaving
 *   RELOADING  those are new, not all of them reach Redis yet, and the old ones still serve
 *   STOPPING   all have been told to leave, nobody is started, the listener is closed
 *
 * STARTING -> SERVING: a process exists. It need not accept yet: who connects waits in the queue.
 * SERVING -> RELOADING: SIGHUP, when the configuration can be used and there is room for its
 * workers. RELOADING -> SERVING: the old workers are told to leave, since all new ones reach Redis,
 * or some run and the old ones do not reach it either, or a limit has passed. Any -> STOPPING:
 * SIGTERM and its like.
 *
 * A SIGHUP that comes in another state than SERVING leaves its configuration in `next`, where the
 * last one counts, and its reload begins when SERVING is reached.
 */
#include "process/master.h"

#include "base/loop.h"
#include "process/listener.h"
#include "process/notify.h"
#include "process/pool.h"
#include "process/worker.h"
#include "stats/stats.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds */
enum {
    LOOK = 1000,     /* between looks at the workers' signs of life */
    LOOK_READY = 20, /* the same, whether new ones accept */
    /* That long the old workers serve on when the new ones do not reach Redis. Then what was asked
       for must be in force: the new configuration may have taken a secret away. */
    RELOAD_LIMIT = 10000,
    KILL_AFTER_DRAIN = 3000,
};

typedef enum { STARTING, SERVING, RELOADING, STOPPING } State;

typedef struct {
    State state;
    int64_t deadline;     /* of RELOADING and STOPPING */
    const Config *config; /* in force */
    Config *reloaded;     /* the same, once it is not the first any more */
    Config *next;         /* of a SIGHUP that waits; NULL = none */
    bool next_was_told;   /* that it waits for room */
    Listener listener;
    Pool pool;
    int64_t next_look;
} Master;

/* What is taken, by sigtimedwait() only: all signals have been blocked since the beginning. */
static sigset_t signals_taken(void)
{
    static const int taken[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        sigaddset(&set, taken[i]);
    }
    return set;
}

static void warn(const char *line)
{
    log_line(LOG_WARN, "%s", line);
}

/* Starting */

static void become_ready(Master *master)
{
    master->state = SERVING;
    log_line(LOG_INFO, "ready: %zu workers on %s", pool_running(&master->pool, CHILD_WANTED),
             listener_name(&master->listener, master->config));
    notify("READY=1");
}

/* Reloading */

static void take_next(Master *master)
{
    Error error;
    Config *config = config_load(master->config->path, environ, &error);
    if (!config) {
        log_line(LOG_ERROR, "reload: %s; everything stays as it was", error.text);
        return;
    }
    notify_reloading();
    if (strcmp(config->listen, master->config->listen) != 0) {
        log_line(LOG_WARN, "reload: LISTEN stays as it is until a restart");
    }
    config_free(master->next);
    master->next = config;
    master->next_was_told = false;
}

static void begin_reload(Master *master)
{
    Config *config = master->next;
    if (pool_room(&master->pool) < config->workers) {
        if (!master->next_was_told) {
            log_line(LOG_WARN, "reload: waits until workers of earlier reloads have left");
            master->next_was_told = true;
        }
        return;
    }
    config_free(master->reloaded);
    master->pool.config = master->config = master->reloaded = config;
    master->next = NULL;
    master->state = RELOADING;
    master->deadline = loop_clock_ms() + RELOAD_LIMIT;
    log_setup(config->log_level, config->log_format);
    log_line(LOG_INFO, "reload: starting new workers");
    config_warn(config, warn);
    pool_retire(&master->pool);
    pool_add(&master->pool, config->workers);
}

/* Has the time come for the old workers to leave? */
static bool is_replaced(Master *master)
{
    size_t ready = pool_ready(&master->pool, CHILD_WANTED), wanted = master->config->workers;
    if (ready == wanted) {
        return true;
    }
    if (!pool_running(&master->pool, CHILD_WANTED)) {
        /* The system gives no more processes, or they die at once: the limit begins when one runs.
         */
        master->deadline = loop_clock_ms() + RELOAD_LIMIT;
        return false;
    }
    if (!pool_ready(&master->pool, CHILD_OLD)) {
        return true; /* they do not serve either */
    }
    if (loop_clock_ms() < master->deadline) {
        return false;
    }
    log_line(LOG_WARN, "reload: %zu of %zu new workers reach Redis after %d s; the old ones leave",
             ready, wanted, RELOAD_LIMIT / 1000);
    return true;
}

static void end_reload(Master *master)
{
    pool_dismiss(&master->pool);
    master->state = SERVING;
    if (!master->next) {
        notify("READY=1");
    }
}

/* Stopping */

static void stop(Master *master)
{
    if (master->state == STOPPING) {
        return;
    }
    log_line(LOG_INFO, "stopping");
    notify("STOPPING=1");
    master->state = STOPPING;
    master->deadline = loop_clock_ms() + master->config->drain_timeout + KILL_AFTER_DRAIN;
    listener_close(&master->listener);
    pool_end(&master->pool);
}

static void look_at_stop(Master *master)
{
    if (loop_clock_ms() >= master->deadline) {
        log_line(LOG_ERROR, "stopping: workers did not end in time and are killed");
        pool_kill(&master->pool);
        master->deadline = loop_clock_ms() + KILL_AFTER_DRAIN;
    }
}

/* The loop */

static void take_signal(Master *master, int signal_number)
{
    switch (signal_number) {
    case SIGCHLD:
        pool_reap(&master->pool);
        break;
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        stop(master);
        break;
    case SIGHUP:
        if (master->state != STOPPING) {
            take_next(master);
        }
        break;
    default: /* SIGUSR1, which a web server gets when its logs were rotated */
        log_line(LOG_DEBUG, "signal %d: nothing to do", signal_number);
        break;
    }
}

/* One state may lead to the next at once. */
static void move_on(Master *master)
{
    if (master->state == STARTING && pool_running(&master->pool, CHILD_WANTED)) {
        become_ready(master);
    }
    if (master->state == RELOADING && is_replaced(master)) {
        end_reload(master);
    }
    if (master->state == SERVING && master->next) {
        begin_reload(master);
    }
    if (master->state == STOPPING) {
        look_at_stop(master);
    }
}

/* Until when nothing is to be done but to wait for a signal. */
static struct timespec time_to_wait(Master *master)
{
    int64_t now = loop_clock_ms(), due = pool_next_due(&master->pool, master->next_look);
    if (master->state == RELOADING && due > now + LOOK_READY) {
        due = now + LOOK_READY;
    }
    int64_t pause = due > now ? due - now : 0;
    return (struct timespec){.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000};
}

static void turn(Master *master, const sigset_t *signals)
{
    const struct timespec pause = time_to_wait(master);
    int signal_number = sigtimedwait(signals, NULL, &pause);
    if (signal_number > 0) {
        take_signal(master, signal_number);
    }
    pool_start_due(&master->pool);
    if (loop_clock_ms() >= master->next_look) {
        pool_watch(&master->pool);
        notify("WATCHDOG=1");
        master->next_look = loop_clock_ms() + LOOK;
    }
    move_on(master);
}

/* The listener and the memory of the counters; false: the reason has been logged. */
static bool open_shared(const Config *config, Listener *ret)
{
    Error error;
    if (!listener_open(config, ret, &error)) {
        log_line(LOG_ERROR, "%s", error.text);
        return false;
    }
    if (!stats_open(LIMIT_WORKERS)) {
        log_line(LOG_ERROR, "out of memory");
        listener_close(ret);
        return false;
    }
    config_warn(config, warn);
    return true;
}

int master_run(const Config *config)
{
    static Master master; /* too large for a stack */
    const sigset_t signals = signals_taken();
    master = (Master){.config = config};
    signal(SIGPIPE, SIG_IGN);
    if (!open_shared(config, &master.listener)) {
        return 1;
    }
    master.pool.config = config;
    master.pool.listener = master.listener.fd;
    pool_add(&master.pool, config->workers);
    move_on(&master);
    while (master.state != STOPPING || pool_running(&master.pool, CHILD_LEAVING)) {
        turn(&master, &signals);
    }
    log_line(LOG_INFO, "stopped");
    config_free(master.reloaded);
    config_free(master.next);
    return 0;
}

int master_run_one(const Config *config)
{
    Listener listener;
    log_name_process("worker 1");
    if (!open_shared(config, &listener)) {
        return 1;
    }
    log_line(LOG_INFO, "ready: this process alone on %s", listener_name(&listener, config));
    int fd = listener.fd; /* the worker's: it closes it when it drains */
    listener.fd = -1;
    int status = worker_run(config, fd, 0);
    listener_close(&listener);
    return status;
}
