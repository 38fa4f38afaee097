/*
 * Pauses that double: how long something that failed must wait before it is tried again.
 *
 *     static const Backoff reconnect = {.first = 50, .most = 1000};
 *     timer_start(timer, backoff_jitter(backoff_pause(&reconnect, failures)), 0);
 *
 * Both functions are arithmetic: they wait for nothing and keep nothing.
 */
#ifndef TICKSTREAM_BACKOFF_H
#define TICKSTREAM_BACKOFF_H

#include <stdint.h>
#include <stdlib.h>

/* Milliseconds, 0 < first <= most <= INT64_MAX / 2. */
typedef struct {
    int64_t first; /* after the first failure */
    int64_t most;  /* what doubling stops at */
} Backoff;

/* The pause after so many failures in a row: 0 after none, then first, 2 * first, ... most. */
static inline int64_t backoff_pause(const Backoff *backoff, unsigned failures)
{
    int64_t pause = failures ? backoff->first : 0;
    for (unsigned i = 1; i < failures && pause < backoff->most; i++) {
        pause *= 2;
    }
    return pause < backoff->most ? pause : backoff->most;
}

/* A random time from half of the pause to all of it, so that those which failed together do not
 * come back together. pause is not negative. By random(), which each process seeds for itself. */
static inline int64_t backoff_jitter(int64_t pause)
{
    return pause / 2 + random() % (pause / 2 + 1);
}

#endif
