#include "unit.h"

#include "stream/capacity.h"

#include <math.h>

enum { MB = 1 << 20 };

static const double gb = 1024.0 * MB, day = 86400, hour = 3600;

/* A server that is nothing itself, and of which nothing is others'. Entries stay for CAPACITY_SLACK
 * longer than `keep`, each window is a minute longer. */
static Load load_of(double window, double keep)
{
    return (Load){.window = window, .keep = keep, .entry = 500, .digest = 50};
}

static void assert_near(double value, double want)
{
    if (!(value == want || fabs(value - want) < 0.001 * want)) {
        fail_msg("%g instead of %g", value, want);
    }
}

static bool is_endless(double value)
{
    return value > 1e300;
}

static void test_settings(void **state)
{
    (void)state;
    const Keep kept = {.trim = TRIM_ACKED, .keep = 3600000}, all = {.trim = TRIM_OFF, .keep = 1};
    const Load load = capacity_load(86400000, &kept), endless = capacity_load(999, &all);
    assert_near(load.window, day);
    assert_near(load.keep, hour);
    assert_near(load.entry, CAPACITY_ENTRY);
    assert_near(load.digest, CAPACITY_DIGEST);
    assert_near(load.others, 0.1);
    assert_near(load.reserve, 0);
    assert_true(is_endless(endless.keep));
    assert_near(endless.window, 0);
}

/* Quarantine's part, then events'. */
static void test_what_is_left(void **state)
{
    (void)state;
    static const struct {
        KeepMost quarantine, events;
        double others, reserve;
    } cases[] = {
        {{.percent = 20}, {.percent = 5}, 0.25, 0},  {{.bytes = 1000}, {.percent = 5}, 0.05, 1000},
        {{.bytes = 1000}, {.bytes = 1}, 0, 1001},    {{.bytes = 0}, {.bytes = 0}, 0.2, 0},
        {{.percent = 90}, {.percent = 90}, 0.95, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Keep keep = {.quarantine_most = cases[i].quarantine};
        Load load = capacity_load(0, &keep);
        capacity_leave(&load, &cases[i].events);
        assert_near(load.others, cases[i].others);
        assert_near(load.reserve, cases[i].reserve);
        load.keep = 1;
        const double memory = capacity_need(&load, 7).memory;
        assert_near(capacity_need(&load, 7).others, cases[i].others * memory + cases[i].reserve);
        assert_near(capacity_rate(&load, capacity_need(&load, 7).memory), 7);
    }
}

static void test_digest(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        int want;
    } cases[] = {
        {"7.0.15", CAPACITY_DIGEST},     {"6.2.14", CAPACITY_DIGEST},
        {"", CAPACITY_DIGEST},           {"x", CAPACITY_DIGEST},
        {"7", CAPACITY_DIGEST},          {"7.2.4", CAPACITY_DIGEST - 26},
        {"8.0.2", CAPACITY_DIGEST - 26}, {"10.0", CAPACITY_DIGEST - 26},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_near(capacity_digest(str_from(cases[i].version)), cases[i].want);
    }
}

/* Measured were, of 200,113, 59.0 bytes each on 7.0.15 and 32.0 on 8.0.2. */
static void test_set(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        double members, want;
    } cases[] = {
        {"7.0.15", 200113, 58.48 * 200113},
        {"8.0.2", 200113, 32.48 * 200113},
        {"7.0.15", 0, 0},
        {"7.0.15", 1, 56},
        {"7.0.15", 2, 112},
        {"7.0.15", 3, 3 * 48 + 4 * 8},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_near(capacity_set(str_from(cases[i].version), cases[i].members), cases[i].want);
    }
}

/* One status a second. */
static void test_need(void **state)
{
    (void)state;
    static const struct {
        double window, keep, entries, digests;
    } cases[] = {
        {86400, 3600, 3640, 172920}, /* a window is a lease of 60 s longer */
        {640, 0, 40, 1300},          /* a lease of 10 s */
        {10, 5, 45, 22},             /* a lease of 1 s */
        {0, 86400, 86440, 0},
        {86400, INFINITY, INFINITY, 172920},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Load load = load_of(cases[i].window, cases[i].keep);
        const Need need = capacity_need(&load, 1);
        assert_near(need.entries, cases[i].entries);
        assert_near(need.digests, cases[i].digests);
        assert_near(need.stream, 500 * cases[i].entries);
        assert_near(need.dedupe, 50 * cases[i].digests);
        assert_near(need.memory, need.stream + need.dedupe);
    }
}

static void test_parts(void **state)
{
    (void)state;
    Load load = load_of(day, hour);
    load.server = 8 * MB;
    load.others = 0.2;
    const Need need = capacity_need(&load, 100);
    assert_near(need.memory, (8 * MB + 500 * 364000 + 50 * 17292000.0) / 0.8);
    assert_near(need.others, 0.2 * need.memory);
    assert_near(need.machine, 1.5 * need.memory);
    assert_near(need.aof, 88000);
    assert_near(need.base, 200.0 * 364000 + 15 * 17292000.0 + need.others);
    assert_near(need.disk, 3 * need.base);
    assert_near(capacity_need(&load, 0.001).disk - capacity_need(&load, 0.001).base, 64 * MB);
}

/* What is needed for a rate carries it, and no more; a rate is carried when nothing gets full. */
static void test_rate(void **state)
{
    (void)state;
    static const double windows[] = {0, 2, 900, 86400, 2592000}, keeps[] = {0, 60, 86400},
                        rates[] = {0.5, 100, 20000};
    for (size_t i = 0; i < COUNT(windows) * COUNT(keeps) * COUNT(rates); i++) {
        Load load = load_of(windows[i % 5], keeps[i / 5 % 3]);
        load.server = MB;
        load.others = 0.1;
        const double rate = rates[i / 15], memory = capacity_need(&load, rate).memory;
        assert_near(capacity_rate(&load, memory), rate);
        assert_true(is_endless(capacity_full(&load, memory, 0.99 * rate)));
        assert_false(is_endless(capacity_full(&load, memory, 1.01 * rate)));
        assert_true(capacity_away(&load, memory, 0.99 * rate) >= load.keep);
        assert_near(capacity_away(&load, memory, 1.01 * rate), 0);
    }
}

static void test_rate_of_nothing(void **state)
{
    (void)state;
    Load load = load_of(day, INFINITY);
    assert_near(capacity_rate(&load, gb), 0);
    assert_near(capacity_away(&load, gb, 1), 0);
    load = load_of(day, 0);
    load.server = gb;
    assert_near(capacity_rate(&load, MB), 0);
    assert_near(capacity_full(&load, MB, 1), 0);
}

static void test_full(void **state)
{
    (void)state;
    static const struct {
        double window, keep, memory, want;
    } cases[] = {
        {0, INFINITY, 500000, 1000},            /* entries, at one a second */
        {86400, INFINITY, 550000, 1000},        /* and their digests */
        {86400, 60, 550000, 10000},             /* entries end to grow at 100 s */
        {640, INFINITY, 715000 + 500000, 2300}, /* digests at 1300 s */
        {86400, 60, 50000 + 50 * 172920 + 1, INFINITY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Load load = load_of(cases[i].window, cases[i].keep);
        assert_near(capacity_full(&load, cases[i].memory, 1), cases[i].want);
        assert_near(capacity_full(&load, 10 * cases[i].memory, 10), cases[i].want);
    }
}

/* At 100 a second what is spare holds 50,000 bytes a second. */
static void test_away(void **state)
{
    (void)state;
    const Load load = load_of(0, hour);
    const double needed = capacity_need(&load, 100).memory;
    assert_near(capacity_away(&load, needed + 50000 * 1000, 100), 4600);
    assert_near(capacity_away(&load, 2 * needed, 100), 2 * hour + CAPACITY_SLACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings), cmocka_unit_test(test_what_is_left),
        cmocka_unit_test(test_digest),   cmocka_unit_test(test_set),
        cmocka_unit_test(test_need),     cmocka_unit_test(test_parts),
        cmocka_unit_test(test_rate),     cmocka_unit_test(test_rate_of_nothing),
        cmocka_unit_test(test_full),     cmocka_unit_test(test_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
