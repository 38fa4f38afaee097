#include "process/pool.h"

#include "base/backoff.h"
#include "base/loop.h"
#include "process/worker.h"
#include "stats/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIVED_LONG = 1000, /* milliseconds; a worker that lived shorter died "at once" */
    FORK_AGAIN = 5000, /* after the system refused a process */
    /* Without a sign of life a worker is stuck: its longest turn is that of a huge body. */
    SILENCE = 20000,
};

/* Before one that died at once is started again. */
static const Backoff deaths = {.first = 100, .most = 5000};

/* One place after the other: NULL gives the first and ends the walk. */
static Child *next_child(Pool *pool, Child *child)
{
    child = child ? child + 1 : pool->children;
    return child < pool->children + LIMIT_WORKERS ? child : NULL;
}

/* The same for those in a state. */
static Child *next_in(Pool *pool, ChildState state, Child *child)
{
    do {
        child = next_child(pool, child);
    } while (child && child->state != state);
    return child;
}

/* The same for those with a process. */
static Child *next_running(Pool *pool, Child *child)
{
    do {
        child = next_child(pool, child);
    } while (child && !child->pid);
    return child;
}

static size_t slot_of(const Pool *pool, const Child *child)
{
    return (size_t)(child - pool->children);
}

size_t pool_room(Pool *pool)
{
    size_t count = 0;
    for (Child *child = NULL; (child = next_in(pool, CHILD_NONE, child));) {
        count++;
    }
    return count;
}

size_t pool_running(Pool *pool, ChildState state)
{
    size_t count = 0;
    for (Child *child = NULL; (child = next_in(pool, state, child));) {
        count += child->pid != 0;
    }
    return count;
}

size_t pool_ready(Pool *pool, ChildState state)
{
    size_t count = 0;
    for (Child *child = NULL; (child = next_in(pool, state, child));) {
        count += child->pid && stats_of(slot_of(pool, child), STAT_ACCEPTING);
    }
    return count;
}

/* Beginning */

static void start_child(Pool *pool, Child *child)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        log_name_process(child->name);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a worker without its master drains */
        exit(getppid() == parent ? worker_run(pool->config, pool->listener, slot_of(pool, child))
                                 : 0);
    }
    child->started = loop_clock_ms();
    child->pid = pid > 0 ? pid : 0;
    child->looks_stuck = false;
    if (pid < 0) {
        log_line(LOG_ERROR, "fork: %s", strerror(errno));
        child->start_at = child->started + FORK_AGAIN;
    }
}

void pool_add(Pool *pool, size_t count)
{
    Child *child = NULL;
    while (count && (child = next_in(pool, CHILD_NONE, child))) {
        *child = (Child){.state = CHILD_WANTED};
        snprintf(child->name, sizeof(child->name), "worker %zu", slot_of(pool, child) + 1);
        start_child(pool, child);
        count--;
    }
}

void pool_start_due(Pool *pool)
{
    int64_t now = loop_clock_ms();
    for (Child *child = NULL; (child = next_in(pool, CHILD_WANTED, child));) {
        if (!child->pid && child->start_at <= now) {
            start_child(pool, child);
        }
    }
}

int64_t pool_next_due(Pool *pool, int64_t latest)
{
    for (Child *child = NULL; (child = next_in(pool, CHILD_WANTED, child));) {
        if (!child->pid && child->start_at < latest) {
            latest = child->start_at;
        }
    }
    return latest;
}

/* Leaving */

/* One without a process has nothing to do before it goes. */
static void change(Child *child, ChildState state)
{
    child->state = child->pid ? state : CHILD_NONE;
}

void pool_retire(Pool *pool)
{
    for (Child *child = NULL; (child = next_in(pool, CHILD_WANTED, child));) {
        change(child, CHILD_OLD);
    }
}

void pool_dismiss(Pool *pool)
{
    for (Child *child = NULL; (child = next_in(pool, CHILD_OLD, child));) {
        kill(child->pid, SIGUSR2);
        change(child, CHILD_LEAVING);
    }
}

void pool_end(Pool *pool)
{
    for (Child *child = NULL; (child = next_child(pool, child));) {
        change(child, CHILD_LEAVING);
        if (child->pid) {
            kill(child->pid, SIGTERM);
        }
    }
}

void pool_kill(Pool *pool)
{
    for (Child *child = NULL; (child = next_running(pool, child));) {
        kill(child->pid, SIGKILL);
    }
}

/* Ending */

static void describe_end(int status, char *buf, size_t size)
{
    if (WIFSIGNALED(status)) {
        snprintf(buf, size, "was killed by signal %d", WTERMSIG(status));
    } else {
        snprintf(buf, size, "exited with status %d", WEXITSTATUS(status));
    }
}

static void child_ended(Pool *pool, Child *child, int status)
{
    char how[64];
    int64_t now = loop_clock_ms();
    bool expected = child->state == CHILD_LEAVING && status == 0;
    describe_end(status, how, sizeof(how));
    log_line(expected ? LOG_INFO : LOG_ERROR, "%s (pid %ld) %s", child->name, (long)child->pid,
             how);
    stats_clear_gauges(slot_of(pool, child));
    child->pid = 0;
    if (child->state != CHILD_WANTED) {
        child->state = CHILD_NONE;
        return;
    }
    child->failures = now - child->started < LIVED_LONG ? child->failures + 1 : 0;
    child->start_at = now + backoff_pause(&deaths, child->failures);
}

void pool_reap(Pool *pool)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        Child *child = NULL;
        while ((child = next_running(pool, child)) && child->pid != pid) {
        }
        if (child) {
            child_ended(pool, child, status);
        }
    }
}

void pool_watch(Pool *pool)
{
    int64_t now = loop_clock_ms();
    for (Child *child = NULL; (child = next_running(pool, child));) {
        int64_t sign = (int64_t)stats_of(slot_of(pool, child), STAT_HEARTBEAT);
        int64_t last = sign > child->started ? sign : child->started;
        bool silent = now - last > SILENCE;
        if (silent && child->looks_stuck) {
            log_line(LOG_ERROR, "%s (pid %ld) has been silent for %d s: killed", child->name,
                     (long)child->pid, SILENCE / 1000);
            kill(child->pid, SIGKILL);
        }
        child->looks_stuck = silent;
    }
}
