/*
 * Arenas that run out at a chosen byte, so that each single allocation of a request can be the one
 * that fails: with failing_malloc_begin(0, FAIL_FOREVER) there is no more than what is left.
 *
 *     for (size_t left = 0;; left += SMALL_ARENA_STEP) {
 *         Arena *arena = small_arena(left);
 *         ... work that ends with ERROR_NO_MEMORY, until it succeeds: then break
 *     }
 */
#ifndef TICKSTREAM_SMALL_ARENA_H
#define TICKSTREAM_SMALL_ARENA_H

#include "base/arena.h"

enum { SMALL_ARENA_STEP = 16, SMALL_ARENA_MOST = 16000 };

/* A new arena that can give this many bytes before it needs memory from the system. */
Arena *small_arena(size_t left);

#endif
