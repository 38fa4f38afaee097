#include "unit.h"

#include "base/loop.h"

static void stop(void *arg)
{
    loop_stop(arg);
}

/* A timer counts from the beginning of the turn that starts it. The time of the turn and the exact
 * time count from the same moment, and the exact one is never behind. */
static void test_clocks(void **state)
{
    (void)state;
    Loop *loop = loop_new();
    assert_non_null(loop);
    Timer *timer = loop_timer(loop, stop, loop);
    assert_non_null(timer);
    int64_t before = loop_now(loop);
    assert_in_range(loop_clock_ms() - before, 0, 10000);
    timer_start(timer, 30, 0);
    loop_run(loop);
    assert_in_range(loop_now(loop) - before, 30, 10000);
    int64_t after = loop_clock_ms();
    assert_in_range(after - loop_now(loop), 0, 10000);
    assert_in_range((int64_t)(loop_clock_ns() / 1000000) - after, 0, 10000);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
