#include "unit.h"

#include "base/arena_pool.h"
#include "base/limits.h"
#include "failing_malloc.h"

/* What was given last is taken first, and empty. */
static void test_take_and_give(void **state)
{
    (void)state;
    ArenaPool pool = {0};
    Arena *first = arena_pool_take(&pool), *second = arena_pool_take(&pool);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_non_null(arena_alloc(second, 4 << 20));
    arena_pool_give(&pool, first);
    arena_pool_give(&pool, second);
    arena_pool_give(&pool, NULL);
    assert_int_equal(pool.count, 2);
    Arena *again = arena_pool_take(&pool);
    assert_ptr_equal(again, second);
    assert_true(arena_size(again) <= LIMIT_ARENA_KEPT);
    arena_free(again);
    arena_pool_close(&pool);
    assert_int_equal(pool.count, 0);
}

/* More than the pool keeps are freed. */
static void test_full(void **state)
{
    (void)state;
    enum { TAKEN = ARENA_POOL_KEPT + 3 };
    ArenaPool pool = {0};
    Arena *taken[TAKEN];
    for (size_t i = 0; i < TAKEN; i++) {
        taken[i] = arena_pool_take(&pool);
        assert_non_null(taken[i]);
    }
    for (size_t i = 0; i < TAKEN; i++) {
        arena_pool_give(&pool, taken[i]);
    }
    assert_int_equal(pool.count, ARENA_POOL_KEPT);
    arena_pool_close(&pool);
}

static void test_no_memory(void **state)
{
    (void)state;
    ArenaPool pool = {0};
    failing_malloc_begin(0, FAIL_ONCE);
    Arena *none = arena_pool_take(&pool);
    failing_malloc_end();
    assert_null(none);
    arena_pool_give(&pool, none);
    arena_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_and_give),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
