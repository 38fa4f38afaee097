#include "unit.h"

#include "commands/latency.h"

static void test_percentiles(void **state)
{
    (void)state;
    static const uint64_t scales[] = {1, 7, 1000, 123457};
    for (size_t s = 0; s < COUNT(scales); s++) {
        static Latency latency;
        latency = (Latency){0};
        for (uint64_t i = 1; i <= 1000; i++) {
            latency_add(&latency, i * scales[s]);
        }
        static const struct {
            double share;
            uint64_t want;
        } cases[] = {{0.5, 500}, {0.95, 950}, {0.99, 990}, {1, 1000}, {0, 1}};
        for (size_t i = 0; i < COUNT(cases); i++) {
            const uint64_t want = cases[i].want * scales[s];
            /* the end of its bucket: never below, and at most two parts in 64 above */
            assert_in_range(latency_at(&latency, cases[i].share), want, want + want / 31 + 1);
        }
        assert_int_equal(latency.worst, 1000 * scales[s]);
        assert_int_equal(latency_at(&latency, 1), latency.worst);
    }
}

static void test_edges(void **state)
{
    (void)state;
    static Latency latency;
    assert_int_equal(latency_at(&latency, 0.5), 0);
    assert_true(latency_share_over(&latency, 0) == 0);
    latency_add(&latency, 0);
    latency_add(&latency, UINT64_C(1) << 62);
    assert_int_equal(latency_at(&latency, 0.5), 0);
    assert_int_equal(latency.worst, UINT64_C(1) << 62);
    assert_true(latency_share_over(&latency, 1000000) == 0.5);
}

static void test_share_over(void **state)
{
    (void)state;
    static Latency latency;
    for (uint64_t i = 1; i <= 100; i++) {
        latency_add(&latency, i * 20000);
    }
    assert_true(latency_share_over(&latency, 1000000) >= 0.48);
    assert_true(latency_share_over(&latency, 1000000) <= 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_percentiles),
                                       cmocka_unit_test(test_edges),
                                       cmocka_unit_test(test_share_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
