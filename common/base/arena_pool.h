/*
 * Arenas that wait for their next request.
 *
 * A pool belongs to one thread. An arena is either in the pool or with the one that took it, who
 * gives it back exactly once or frees it with arena_free(). A new pool is {0}.
 */
#ifndef TICKSTREAM_ARENA_POOL_H
#define TICKSTREAM_ARENA_POOL_H

#include "base/arena.h"

/* Arenas that a pool keeps, each with at most LIMIT_ARENA_KEPT bytes: 4 MiB. More are freed. */
enum { ARENA_POOL_KEPT = 64 };

typedef struct {
    Arena *arenas[ARENA_POOL_KEPT];
    size_t count;
} ArenaPool;

/* An empty arena, now the caller's; NULL: no memory. */
Arena *arena_pool_take(ArenaPool *pool);

/*
 * Takes an arena back with all that it holds; takes NULL. After a large request memory is
 * returned to the system at once: else a few of them, one after the other, would leave the
 * process that big.
 */
void arena_pool_give(ArenaPool *pool, Arena *arena);

/* Frees the arenas that are in the pool; those that were taken stay with their takers. The pool
 * is empty then, and can be used again. */
void arena_pool_close(ArenaPool *pool);

#endif
