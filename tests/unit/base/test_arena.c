#include "unit.h"

#include "base/arena.h"
#include "failing_malloc.h"
#include "base/limits.h"

#include <string.h>

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return arena ? -1 : 0;
}

static void test_alloc(void **state)
{
    (void)state;
    char *before = NULL;
    for (size_t size = 0; size < 2000; size++) {
        char *ptr = arena_alloc(arena, size);
        assert_non_null(ptr); /* also of no bytes, also from an empty arena */
        assert_ptr_not_equal(ptr, before);
        assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
        memset(ptr, 'x', size);
        before = ptr;
    }
}

/* No two blocks overlap, whatever their sizes and whichever of them grow. */
static void test_no_overlap(void **state)
{
    (void)state;
    enum { BLOCKS = 64 };
    char *blocks[BLOCKS] = {NULL};
    size_t sizes[BLOCKS] = {0};
    uint32_t random = 1;
    for (size_t round = 0; round < 4000; round++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % BLOCKS, more = (random >> 16) % 300;
        blocks[i] = arena_grow(arena, blocks[i], sizes[i], sizes[i] + more);
        assert_non_null(blocks[i]);
        memset(blocks[i] + sizes[i], (int)i, more);
        sizes[i] += more;
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(blocks[i][k], i);
        }
    }
}

static void test_grow(void **state)
{
    (void)state;
    char *ptr = arena_grow(arena, NULL, 0, 10);
    assert_non_null(ptr);
    memcpy(ptr, "0123456789", 10);
    assert_ptr_equal(arena_grow(arena, ptr, 10, 1000), ptr); /* the newest grows in place */
    assert_non_null(arena_alloc(arena, 1));
    char *moved = arena_grow(arena, ptr, 1000, 2000); /* an older one is copied */
    assert_ptr_not_equal(moved, ptr);
    assert_memory_equal(moved, "0123456789", 10);

    char *empty = arena_alloc(arena, 0), *next = arena_alloc(arena, 16);
    memset(next, 'n', 16);
    char *grown = arena_grow(arena, empty, 0, 32);
    memset(grown, 'g', 32);
    assert_memory_equal(next, "nnnnnnnnnnnnnnnn", 16);
}

/* A list keeps its items and its place in a failure. */
static void test_list(void **state)
{
    (void)state;
    size_t *list = NULL, room = 0;
    for (size_t i = 0; i < 1000; i++) {
        size_t *grown = arena_list_grow(arena, list, i, &room, sizeof(*list));
        assert_non_null(grown);
        assert_true(room > i);
        list = grown;
        list[i] = i;
        assert_true(i % 7 || arena_alloc(arena, 16)); /* so that the list must move to grow */
    }
    size_t before = room;
    failing_malloc_begin(0, FAIL_FOREVER);
    for (void *more = list; more;) {
        more = arena_alloc(arena, 64); /* what room is left */
    }
    void *none = arena_list_double(arena, list, &room, sizeof(*list));
    failing_malloc_end();
    assert_null(none);
    assert_int_equal(room, before);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(list[i], i);
    }
}

static void test_copy(void **state)
{
    (void)state;
    Str copy = arena_copy(arena, STR("a\0b"));
    assert_true(str_eq(copy, STR("a\0b")));
    copy = arena_copy(arena, STR(""));
    assert_non_null(copy.ptr);
    assert_int_equal(copy.len, 0);
}

static void test_reset(void **state)
{
    (void)state;
    assert_int_equal(arena_size(arena), 0);
    assert_non_null(arena_alloc(arena, 10));
    assert_non_null(arena_alloc(arena, 10 << 20));
    assert_true(arena_size(arena) > 10 << 20);
    arena_reset(arena);
    assert_in_range(arena_size(arena), 1, LIMIT_ARENA_KEPT);
    size_t kept = arena_size(arena);
    failing_malloc_begin(0, FAIL_FOREVER); /* the next small request needs nothing new */
    void *ptr = arena_alloc(arena, 1000);
    failing_malloc_end();
    assert_non_null(ptr);
    assert_int_equal(arena_size(arena), kept);
}

static void test_limit(void **state)
{
    (void)state;
    assert_null(arena_alloc(arena, (size_t)LIMIT_ARENA + 1));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 15));
    size_t got = 0;
    while (arena_alloc(arena, 1 << 20)) {
        got++;
        assert_true(arena_size(arena) <= LIMIT_ARENA);
    }
    assert_in_range(got, 90, 96);
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 1 << 20));
}

static void test_no_memory(void **state)
{
    (void)state;
    char *ptr = arena_alloc(arena, 8);
    memcpy(ptr, "kept", 5);
    failing_malloc_begin(0, FAIL_FOREVER);
    void *large = arena_alloc(arena, 1 << 20), *grown = arena_grow(arena, ptr, 8, 1 << 20);
    Str copy = arena_copy(arena, (Str){ptr, 8});
    failing_malloc_end();
    assert_null(large);
    assert_null(grown);
    assert_non_null(copy.ptr); /* there was still room */
    assert_string_equal(ptr, "kept");

    failing_malloc_begin(0, FAIL_ONCE);
    Arena *none = arena_new();
    failing_malloc_end();
    assert_null(none);
    assert_null(arena_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_alloc), TEST(test_no_overlap), TEST(test_grow),  TEST(test_list),
        TEST(test_copy),  TEST(test_reset),      TEST(test_limit), TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
