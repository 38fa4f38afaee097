#include "unit.h"

#include "base/loop.h"

static void stop(void *arg)
{
    loop_stop(arg);
}

/* Time in a turn and exact time count from the same moment; a coarse clock may lag by two ticks. */
static void test_clocks(void **state)
{
    (void)state;
    Loop *loop = loop_new();
    assert_non_null(loop);
    Timer *timer = loop_timer(loop, stop, loop);
    assert_non_null(timer);
    int64_t before = loop_clock_ms();
    timer_start(timer, 30, 0);
    loop_run(loop);
    int64_t after = loop_clock_ms();
    assert_in_range(after - before, 28, 10000);
    assert_in_range(loop_now(loop), before + 20, after + 1);
    assert_in_range((int64_t)(loop_clock_ns() / 1000000) - after, 0, 10000);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
