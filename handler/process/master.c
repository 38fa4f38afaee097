#include "process/master.h"

#include "process/listener.h"
#include "process/notify.h"
#include "stats/stats.h"
#include "process/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK = 1000,         /* milliseconds between looks at the workers' signs of life */
    LIVED_LONG = 1000,   /* a worker that lived shorter died "at once" */
    BACKOFF_FIRST = 100, /* before one that died at once is replaced; doubles */
    BACKOFF_MOST = 5000,
    SILENCE = 20000, /* without a sign of life a worker is stuck: its longest turn is that of a huge
                        body */
    KILL_AFTER_DRAIN = 3000,
    SHOWN_NAME = 24
};

typedef struct {
    pid_t pid;        /* 0 = the slot is free, unless it is to be started */
    bool wanted;      /* to be replaced when it dies */
    bool looks_stuck; /* silent at the last look: killed when it still is at the next */
    int64_t started;
    int64_t start_at;  /* when pid is 0 and it is wanted */
    unsigned failures; /* deaths at once, in a row */
    char name[SHOWN_NAME];
} Child;

typedef struct {
    const Config *config; /* what is in force */
    Config *reloaded;     /* the same, once it is not the first any more */
    Listener listener;
    Child children[LIMIT_WORKERS];
    bool stopping;
    int64_t stop_deadline;
    int64_t next_look;
} Master;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

/* Children */

static void start_child(Master *master, Child *child)
{
    size_t slot = (size_t)(child - master->children);
    pid_t parent = getpid();
    snprintf(child->name, sizeof(child->name), "worker %zu", slot + 1);
    pid_t pid = fork();
    if (pid == 0) {
        log_name_process(child->name);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a worker without its master drains */
        int status =
            getppid() == parent ? worker_run(master->config, master->listener.fd, slot) : 0;
        config_free(master->reloaded);
        exit(status);
    }
    child->started = now_ms();
    child->pid = pid > 0 ? pid : 0;
    child->looks_stuck = false;
    if (pid < 0) {
        log_line(LOG_ERROR, "fork: %s", strerror(errno));
        child->start_at = child->started + BACKOFF_MOST;
    }
}

static Child *find_child(Master *master, pid_t pid)
{
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        if (master->children[i].pid == pid) {
            return &master->children[i];
        }
    }
    return NULL;
}

/* Wants one more worker in a slot where none runs. */
static void want_child(Master *master)
{
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        Child *child = &master->children[i];
        if (!child->pid && !child->wanted) {
            *child = (Child){.wanted = true};
            start_child(master, child);
            return;
        }
    }
}

static void start_workers(Master *master)
{
    for (size_t i = 0; i < master->config->workers; i++) {
        want_child(master);
    }
}

static int64_t backoff(unsigned failures)
{
    int64_t pause = failures ? BACKOFF_FIRST : 0;
    for (unsigned i = 1; i < failures && pause < BACKOFF_MOST; i++) {
        pause *= 2;
    }
    return pause < BACKOFF_MOST ? pause : BACKOFF_MOST;
}

static void describe_end(int status, char *buf, size_t size)
{
    if (WIFSIGNALED(status)) {
        snprintf(buf, size, "was killed by signal %d", WTERMSIG(status));
    } else {
        snprintf(buf, size, "exited with status %d", WEXITSTATUS(status));
    }
}

static void child_ended(Master *master, Child *child, int status)
{
    char how[64];
    int64_t now = now_ms();
    bool expected = !child->wanted && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    describe_end(status, how, sizeof(how));
    log_line(expected ? LOG_INFO : LOG_ERROR, "%s (pid %ld) %s", child->name, (long)child->pid,
             how);
    stats_clear_gauges((size_t)(child - master->children));
    child->pid = 0;
    if (child->wanted) {
        child->failures = now - child->started < LIVED_LONG ? child->failures + 1 : 0;
        child->start_at = now + backoff(child->failures);
    }
}

static void reap_children(Master *master)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        Child *child = find_child(master, pid);
        if (child) {
            child_ended(master, child, status);
        }
    }
}

static void start_those_due(Master *master)
{
    int64_t now = now_ms();
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        Child *child = &master->children[i];
        if (child->wanted && !child->pid && child->start_at <= now) {
            start_child(master, child);
        }
    }
}

static void signal_children(const Master *master, int signal_number)
{
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        if (master->children[i].pid) {
            kill(master->children[i].pid, signal_number);
        }
    }
}

static bool has_children(const Master *master)
{
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        if (master->children[i].pid) {
            return true;
        }
    }
    return false;
}

/*
 * Kills a worker that gives no sign of life. Twice in a row it must have been silent: after a pause
 * of the whole machine all are, until they had their turn.
 */
static void look_at_children(Master *master)
{
    int64_t now = now_ms();
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        Child *child = &master->children[i];
        int64_t sign = (int64_t)stats_of(i, STAT_HEARTBEAT);
        int64_t last = sign > child->started ? sign : child->started;
        bool silent = child->pid && now - last > SILENCE;
        if (silent && child->looks_stuck) {
            log_line(LOG_ERROR, "%s (pid %ld) has been silent for %d s: killed", child->name,
                     (long)child->pid, SILENCE / 1000);
            kill(child->pid, SIGKILL);
        }
        child->looks_stuck = silent;
    }
}

/* Signals */

static void stop(Master *master)
{
    if (master->stopping) {
        return;
    }
    log_line(LOG_INFO, "stopping");
    notify("STOPPING=1");
    master->stopping = true;
    master->stop_deadline = now_ms() + master->config->drain_timeout + KILL_AFTER_DRAIN;
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        master->children[i].wanted = false;
    }
    listener_close(&master->listener);
    signal_children(master, SIGTERM);
}

static size_t count_free_slots(const Master *master)
{
    size_t count = 0;
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        count += master->children[i].pid == 0;
    }
    return count;
}

static void warn_of(const Config *config)
{
    if (!config->app_secrets.count) {
        log_line(LOG_WARN,
                 "ALLOW_UNSIGNED: everybody who reaches this service can write to the stream");
    }
}

/* Is there any worker that was not among the old? A machine that cannot fork keeps those. */
static bool has_new_child(const Master *master, const pid_t *old)
{
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        if (master->children[i].pid && master->children[i].pid != old[i]) {
            return true;
        }
    }
    return false;
}

/* Starts as many new workers as are wanted; when there is one, the old ones are told to leave. */
static void replace_workers(Master *master)
{
    pid_t old[LIMIT_WORKERS];
    bool was_wanted[LIMIT_WORKERS];
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        old[i] = master->children[i].pid;
        was_wanted[i] = master->children[i].wanted;
        master->children[i].wanted = false;
    }
    start_workers(master);
    bool replaced = has_new_child(master, old);
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        if (!replaced) {
            master->children[i].wanted = was_wanted[i];
        } else if (old[i]) {
            kill(old[i], SIGUSR2);
        }
    }
}

static void reload(Master *master)
{
    Error error;
    if (master->stopping) {
        return;
    }
    Config *config = config_load(master->config->path, environ, &error);
    if (!config) {
        log_line(LOG_ERROR, "reload: %s; everything stays as it was", error.text);
        return;
    }
    if (count_free_slots(master) < config->workers) {
        log_line(LOG_ERROR, "reload: workers of earlier reloads still drain; try again later");
        config_free(config);
        return;
    }
    notify_reloading();
    if (strcmp(config->listen, master->config->listen) != 0) {
        log_line(LOG_WARN, "reload: LISTEN stays as it is until a restart");
    }
    config_free(master->reloaded);
    master->config = master->reloaded = config;
    log_setup(config->log_level, config->log_format);
    log_line(LOG_INFO, "reload: starting new workers");
    warn_of(config);
    replace_workers(master);
    notify("READY=1");
}

static void take_signal(Master *master, int signal_number)
{
    switch (signal_number) {
    case SIGCHLD:
        reap_children(master);
        break;
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        stop(master);
        break;
    case SIGHUP:
        reload(master);
        break;
    default: /* SIGUSR1, which a web server gets when its logs were rotated */
        log_line(LOG_DEBUG, "signal %d: nothing to do", signal_number);
        break;
    }
}

/* Until when nothing is to be done but to wait for a signal. */
static int64_t next_due(const Master *master)
{
    int64_t due = master->next_look;
    for (size_t i = 0; i < LIMIT_WORKERS; i++) {
        const Child *child = &master->children[i];
        if (child->wanted && !child->pid && child->start_at < due) {
            due = child->start_at;
        }
    }
    return due;
}

static void wait_for_signal(Master *master, const sigset_t *signals)
{
    int64_t pause = next_due(master) - now_ms();
    pause = pause > 0 ? pause : 0;
    const struct timespec timeout = {.tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000};
    int signal_number = sigtimedwait(signals, NULL, &timeout);
    if (signal_number > 0) {
        take_signal(master, signal_number);
    }
    start_those_due(master);
    if (now_ms() >= master->next_look) {
        look_at_children(master);
        notify("WATCHDOG=1");
        master->next_look = now_ms() + LOOK;
    }
    if (master->stopping && now_ms() >= master->stop_deadline) {
        log_line(LOG_ERROR, "stopping: workers did not end in time and are killed");
        signal_children(master, SIGKILL);
        master->stop_deadline = now_ms() + KILL_AFTER_DRAIN;
    }
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
    warn_of(config);
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
    start_workers(&master);
    log_line(LOG_INFO, "ready: %zu workers on %s", config->workers,
             listener_name(&master.listener, config));
    notify("READY=1");
    while (!master.stopping || has_children(&master)) {
        wait_for_signal(&master, &signals);
    }
    log_line(LOG_INFO, "stopped");
    config_free(master.reloaded);
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
