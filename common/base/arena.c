#include "base/arena.h"

#include "base/limits.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

/* Items of a list that has just begun. */
enum { LIST_FIRST = 8 };

typedef struct Block {
    struct Block *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
} Block;

struct Arena {
    Block *blocks; /* newest first */
    char *pos;     /* free space of the newest block */
    char *end;
    char *last; /* the newest allocation, which can grow in place */
    size_t total;
};

static size_t align_up(size_t n)
{
    return (n + (alignof(max_align_t) - 1)) & ~(alignof(max_align_t) - 1);
}

Arena *arena_new(void)
{
    return calloc(1, sizeof(Arena));
}

static void use_block(Arena *arena, Block *block)
{
    arena->blocks = block;
    arena->pos = block->data;
    arena->end = block->data + block->size;
    arena->last = NULL;
}

static bool add_block(Arena *arena, size_t size)
{
    if (size > LIMIT_ARENA || arena->total > LIMIT_ARENA - size) {
        return false;
    }
    Block *block = malloc(sizeof(Block) + size);
    if (!block) {
        return false;
    }
    *block = (Block){.next = arena->blocks, .size = size};
    arena->total += size;
    use_block(arena, block);
    return true;
}

void *arena_alloc(Arena *arena, size_t size)
{
    if (size > LIMIT_ARENA) {
        return NULL;
    }
    size = align_up(size ? size : 1); /* no two allocations share an address */
    if ((size_t)(arena->end - arena->pos) < size) {
        size_t wanted = LIMIT_ARENA_KEPT / 2;
        if (!add_block(arena, size > wanted / 2 ? size + wanted / 2 : wanted)) {
            return NULL;
        }
    }
    arena->last = arena->pos;
    arena->pos += size;
    return arena->last;
}

void *arena_grow(Arena *arena, void *ptr, size_t old_size, size_t new_size)
{
    if (ptr && ptr == arena->last && new_size <= (size_t)(arena->end - arena->last)) {
        arena->pos = arena->last + align_up(new_size);
        if (arena->pos > arena->end) {
            arena->pos = arena->end;
        }
        return ptr;
    }
    void *grown = arena_alloc(arena, new_size);
    if (grown && ptr) {
        memcpy(grown, ptr, old_size);
    }
    return grown;
}

void *arena_list_double(Arena *arena, void *list, size_t *room, size_t item_size)
{
    size_t wanted = *room ? 2 * *room : LIST_FIRST;
    void *grown = arena_grow(arena, list, *room * item_size, wanted * item_size);
    if (grown) {
        *room = wanted;
    }
    return grown;
}

Str arena_copy(Arena *arena, Str text)
{
    char *copy = arena_alloc(arena, text.len ? text.len : 1);
    if (!copy) {
        return (Str){NULL, 0};
    }
    if (text.len) {
        memcpy(copy, text.ptr, text.len);
    }
    return (Str){copy, text.len};
}

size_t arena_size(const Arena *arena)
{
    return arena->total;
}

void arena_reset(Arena *arena)
{
    Block *kept = NULL;
    for (Block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        if (!kept && block->size <= LIMIT_ARENA_KEPT) {
            kept = block;
        } else {
            free(block);
        }
    }
    *arena = (Arena){0};
    if (kept) {
        kept->next = NULL;
        arena->total = kept->size;
        use_block(arena, kept);
    }
}

Arena *arena_free(Arena *arena)
{
    if (arena) {
        for (Block *block = arena->blocks, *next; block; block = next) {
            next = block->next;
            free(block);
        }
        free(arena);
    }
    return NULL;
}
