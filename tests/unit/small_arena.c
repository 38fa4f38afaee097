#include "unit.h"

#include "small_arena.h"

#include "base/limits.h"

Arena *small_arena(size_t left)
{
    Arena *arena = arena_new();
    assert_non_null(arena);
    assert_true(left <= SMALL_ARENA_MOST);
    assert_non_null(arena_alloc(arena, LIMIT_ARENA_KEPT));
    /* A large block has room beyond what it was made for: all of it is taken but what shall be
     * left. */
    size_t size = arena_size(arena), room = size - LIMIT_ARENA_KEPT;
    assert_true(room > left);
    assert_non_null(arena_alloc(arena, room - left));
    assert_int_equal(arena_size(arena), size);
    return arena;
}
