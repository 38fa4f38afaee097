#include "unit.h"

#include "base/clock.h"

#include <time.h>

static void test_unix_ms(void **state)
{
    (void)state;
    const int64_t before = (int64_t)time(NULL) - 1, now = clock_unix_ms();
    assert_true(now >= before * 1000 && now < (before + 60) * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unix_ms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
