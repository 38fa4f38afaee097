/*
 * Memory with the lifetime of one request.
 *
 * Everything that a request needs is carved off one arena and given back at once by
 * arena_reset(), so that no path through the decoders has anything to free. A small block stays
 * for the next request; blocks that a big body needed go back to the system.
 */
#ifndef TICKSTREAM_ARENA_H
#define TICKSTREAM_ARENA_H

#include "base/str.h"

typedef struct Arena Arena;

/* A new, empty arena, or NULL. Freed with arena_free(). */
Arena *arena_new(void);

/* size bytes, aligned for any object, not cleared; NULL when memory or LIMIT_ARENA is exhausted.
 * size may be 0. */
void *arena_alloc(Arena *arena, size_t size);

/*
 * Makes a block of the arena longer: the old_size bytes at ptr are kept. In place when
 * the block is the newest, else by a copy. ptr may be NULL. NULL on failure; the old
 * block stays valid.
 */
void *arena_grow(Arena *arena, void *ptr, size_t old_size, size_t new_size);

/* The list, moved to where it has twice the room; see arena_list_grow(). */
void *arena_list_double(Arena *arena, void *list, size_t *room, size_t item_size);

/*
 * Makes room for one more item in a list of the arena that has `count` of them and room for
 * *room. The list, perhaps moved, or NULL: no memory, and nothing has changed. A new list is
 * NULL with room 0.
 */
static inline void *arena_list_grow(Arena *arena, void *list, size_t count, size_t *room,
                                    size_t item_size)
{
    return count < *room ? list : arena_list_double(arena, list, room, item_size);
}

/* A copy of text, the arena's; absent (ptr == NULL) on failure. */
Str arena_copy(Arena *arena, Str text);

/* Bytes that the arena has taken from the system. */
size_t arena_size(const Arena *arena);

/* Forgets all blocks; keeps at most LIMIT_ARENA_KEPT bytes. */
void arena_reset(Arena *arena);

/* Frees the arena and all it holds; takes NULL; returns NULL. */
Arena *arena_free(Arena *arena);

#endif
