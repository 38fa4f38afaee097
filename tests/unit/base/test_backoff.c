#include "unit.h"

#include "base/backoff.h"

static void test_pause(void **state)
{
    (void)state;
    static const struct {
        Backoff backoff;
        unsigned failures;
        int64_t want;
    } cases[] = {
        {{100, 5000}, 0, 0},
        {{100, 5000}, 1, 100},
        {{100, 5000}, 2, 200},
        {{100, 5000}, 6, 3200},
        {{100, 5000}, 7, 5000},
        {{100, 5000}, 8, 5000},
        {{100, 5000}, UINT32_MAX, 5000},
        {{50, 1000}, 5, 800},
        {{50, 1000}, 6, 1000},
        {{7, 7}, 1, 7},
        {{7, 7}, 9, 7},
        {{1, INT64_MAX / 2}, 63, INT64_MAX / 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(backoff_pause(&cases[i].backoff, cases[i].failures), cases[i].want);
    }
}

/* Between half and whole, both included; and not always the same. */
static void test_jitter(void **state)
{
    (void)state;
    int64_t least = 100, most = 0;
    srandom(1);
    for (int i = 0; i < 1000; i++) {
        int64_t pause = backoff_jitter(10);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_int_equal(least, 5);
    assert_int_equal(most, 10);
    assert_int_equal(backoff_jitter(0), 0);
    assert_in_range(backoff_jitter(1), 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
