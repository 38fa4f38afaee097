/*
 * A worker: one process, one thread, one event loop. It accepts FastCGI connections from the
 * listener that all workers share, serves their requests and publishes through one sink.
 */
#ifndef TICKSTREAM_WORKER_H
#define TICKSTREAM_WORKER_H

#include "config.h"

/*
 * Runs until SIGTERM (SIGINT, SIGQUIT), then drains: what was accepted is answered, within
 * config->drain_timeout.
 * SIGUSR2 does the same more patiently, for a worker whose place another has taken: idle
 * connections are left for nginx to close. listener is a listening, non-blocking socket. slot is
 * the worker's place in the shared counters. Returns the exit status.
 */
int worker_run(const Config *config, int listener, size_t slot);

#endif
