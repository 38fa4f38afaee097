#include "unit.h"

#include "base/limits.h"
#include "process/progress.h"

static void test_stuck(void **state)
{
    (void)state;
    enum { MS = LIMIT_RECEIVE_MS, RATE = LIMIT_RECEIVE_RATE };
    static const struct {
        const char *label;
        Progress progress;
        int64_t now;
        bool want;
    } cases[] = {
        {"has just begun", {100, 100, 0}, 100, false},
        {"silent, nearly long enough", {100, 100, 1}, 100 + MS - 1, false},
        {"silent", {100, 100, 1}, 100 + MS, true},
        {"silent after much", {100, 5000, 100 << 20}, 5000 + MS, true},
        {"slow, but not for long", {0, MS - 1, 1}, MS - 1, false},
        {"slow", {0, MS, 1}, MS, true},
        {"as slow as may be", {0, MS, MS / 1000 * RATE}, MS, false},
        {"a byte slower", {0, MS, MS / 1000 * RATE - 1}, MS, true},
        {"fast, for an hour", {0, 3600000, (size_t)3600 * RATE}, 3600000, false},
        {"slow, for an hour", {0, 3600000, (size_t)3600 * RATE - 1}, 3600000, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (progress_is_stuck(&cases[i].progress, cases[i].now) != cases[i].want) {
            fail_msg("%s", cases[i].label);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stuck)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
