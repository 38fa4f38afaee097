/*
 * The event loop of a worker: readiness of descriptors, timers, name resolution. The only
 * user of libuv.
 *
 * One thread calls these functions and is called back. Callbacks come from loop_run() only,
 * never from within a function that was called. What is closed is freed when the callback that
 * closed it has returned to the loop: it calls back no more, and its pointer must not be used.
 * Times are milliseconds of a monotonic clock.
 */
#ifndef TICKSTREAM_LOOP_H
#define TICKSTREAM_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef struct Watch Watch;
typedef struct Timer Timer;
typedef struct Resolution Resolution;

enum { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };

/* A new loop, or NULL. Made after the fork of the process that runs it. */
Loop *loop_new(void);

/* Runs until loop_stop(). */
void loop_run(Loop *loop);
void loop_stop(Loop *loop);

/*
 * The time at which this turn of the loop began, and the exact time, in milliseconds since the
 * same moment: loop_clock_ms() - loop_now() is how long the turn has taken, give or take one.
 * The exact time in nanoseconds is for durations.
 */
int64_t loop_now(const Loop *loop);
int64_t loop_clock_ms(void);
uint64_t loop_clock_ns(void);

/*
 * Watches fd and calls ready(arg, events) while one of the wanted events holds; an error
 * or hang-up of the peer is reported as all wanted events, so that the next read or
 * write meets it. The blocking mode of fd stays as it is. NULL on failure. The
 * descriptor stays the caller's.
 */
Watch *loop_watch(Loop *loop, int fd, int events, void (*ready)(void *arg, int events), void *arg);

/* Changes the wanted events; 0 = none. Costs nothing when they are the same. */
bool watch_set(Watch *watch, int events);

/* Ends watching; the descriptor may be closed before or after, in the same callback. Takes
 * NULL; returns NULL. */
Watch *watch_close(Watch *watch);

/* A timer that is not running; NULL on failure. */
Timer *loop_timer(Loop *loop, void (*expired)(void *arg), void *arg);

/* Expires once in `delay` ms, then every `repeat` ms unless 0. */
void timer_start(Timer *timer, int64_t delay, int64_t repeat);
void timer_stop(Timer *timer);
bool timer_is_running(const Timer *timer);
Timer *timer_close(Timer *timer);

/* Calls hook(arg) in every turn of the loop, after the events of the turn: the place for one
 * write of many commands. The hook lasts as long as the loop. false: no memory. */
bool loop_after_events(Loop *loop, void (*hook)(void *arg), void *arg);

/*
 * Resolves a host name without blocking and calls resolved(arg, address): one of its addresses as
 * text, another with each attempt (0, 1, ...), or NULL. What is returned is gone when resolved() is
 * called. NULL = not even begun. A name that takes long holds up no other, unless they are many.
 */
Resolution *loop_resolve(Loop *loop, const char *host, unsigned attempt,
                         void (*resolved)(void *arg, const char *address), void *arg);

/* A look-up that runs cannot be stopped, but its answer is dropped from now on. Takes NULL; returns
 * NULL. */
Resolution *resolution_forget(Resolution *resolution);

/* Closes all that is left and frees the loop; when a look-up is under way, all is left to the end
 * of the process. Takes NULL; returns NULL. */
Loop *loop_free(Loop *loop);

#endif
