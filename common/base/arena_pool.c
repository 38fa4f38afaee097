#include "base/arena_pool.h"

#include <malloc.h>

/* Bytes of an arena after which it is worth the system calls to give memory back. */
enum { LARGE = 1 << 20 };

Arena *arena_pool_take(ArenaPool *pool)
{
    return pool->count ? pool->arenas[--pool->count] : arena_new();
}

void arena_pool_give(ArenaPool *pool, Arena *arena)
{
    if (!arena) {
        return;
    }
    bool was_large = arena_size(arena) > LARGE;
    arena_reset(arena);
    if (pool->count < ARENA_POOL_KEPT) {
        pool->arenas[pool->count++] = arena;
    } else {
        arena_free(arena);
    }
    if (was_large) {
        malloc_trim(0);
    }
}

void arena_pool_close(ArenaPool *pool)
{
    while (pool->count) {
        arena_free(pool->arenas[--pool->count]);
    }
}
