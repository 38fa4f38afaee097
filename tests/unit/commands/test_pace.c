#include "unit.h"

#include "commands/pace.h"

static void test_together(void **state)
{
    (void)state;
    static const struct {
        unsigned rate;
        size_t want;
    } cases[] = {{0, 16}, {1, 1}, {19, 1}, {20, 2}, {159, 15}, {160, 16}, {100000, 16}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Pace pace = {.rate = cases[i].rate};
        assert_int_equal(pace_together(&pace, 16), cases[i].want);
    }
}

/* How long is waited after each, at a time: never more than the rate, but to make up for a second.
 */
static void test_rate(void **state)
{
    (void)state;
    static const struct {
        int64_t now;
        size_t count;
        int64_t want;
    } steps[] = {{5000, 1, 100}, {5100, 1, 100}, {5200, 10, 1000}, {6200, 1, 100}, {6900, 1, 0},
                 {6900, 5, 0},   {6900, 1, 100}, {60000, 9, 0},    {60000, 1, 0},  {60000, 1, 100}};
    Pace pace = {.rate = 10, .due = 5000000, .told_at = 1000000};
    for (size_t i = 0; i < COUNT(steps); i++) {
        print_message("  %zu\n", i);
        assert_int_equal(pace_done(&pace, steps[i].count, steps[i].now), steps[i].want);
    }
    assert_int_equal(pace.done, 31);
    pace = (Pace){.rate = 0, .told_at = 1000000};
    assert_int_equal(pace_done(&pace, 1000, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together),
                                       cmocka_unit_test(test_rate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
