/*
 * The processes of the workers: a table of places, one for each slot of the counters. It starts,
 * buries and watches them; when they begin and leave is the master's to say.
 */
#ifndef TICKSTREAM_POOL_H
#define TICKSTREAM_POOL_H

#include "config.h"

#include <sys/types.h>

typedef enum {
    CHILD_NONE,    /* the place is free */
    CHILD_WANTED,  /* started again when it ends; without a process while it waits for that */
    CHILD_OLD,     /* serves until those that are wanted do; not started again */
    CHILD_LEAVING, /* has been told to leave */
} ChildState;

typedef struct {
    ChildState state;
    pid_t pid;        /* 0 = none */
    bool looks_stuck; /* silent at the last look: killed when it still is at the next */
    int64_t started;
    int64_t start_at;  /* when it is wanted and there is none */
    unsigned failures; /* deaths at once, in a row */
    char name[24];     /* "worker 1", for log lines */
} Child;

typedef struct {
    const Config *config; /* both are what a worker starts with */
    int listener;
    Child children[LIMIT_WORKERS];
} Pool;

/* Places that are free. */
size_t pool_room(Pool *pool);

/* How many of a state have a process, and how many of these take requests and have Redis. */
size_t pool_running(Pool *pool, ChildState state);
size_t pool_ready(Pool *pool, ChildState state);

/* Wants `count` more and starts them. One that cannot be forked is tried again later. */
void pool_add(Pool *pool, size_t count);

/* Those that are wanted become old. */
void pool_retire(Pool *pool);

/* Tells the old ones to leave: without haste, since others have taken over. */
void pool_dismiss(Pool *pool);

/* Tells all to leave. */
void pool_end(Pool *pool);

void pool_kill(Pool *pool);

/* Buries those that have ended, and says when the wanted among them start again. */
void pool_reap(Pool *pool);

/* Starts those whose time has come; when the next one's will, `latest` if there is none. */
void pool_start_due(Pool *pool);
int64_t pool_next_due(Pool *pool, int64_t latest);

/*
 * Kills a worker that gives no sign of life for 20 s. Twice in a row it must have been silent:
 * after a pause of the whole machine all are, until they had their turn.
 */
void pool_watch(Pool *pool);

#endif
