#include "unit.h"

#include "stats/groups.h"
#include "stats/stats.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 2 };

static int set_up(void **state)
{
    (void)state;
    return stats_open(SLOTS) ? 0 : -1;
}

static GroupFigures figures(const char *name, int64_t pending, int64_t lag, int64_t oldest)
{
    return group_figures(str_from(name), pending, lag, oldest);
}

/* Names are as others have chosen them, and stand in a line of text between quotes. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want;
    } rows[] = {
        {"billing", "billing"},
        {"", ""},
        {"a \"quoted\" \\ one\n", "a ?quoted? ? one?"},
        {"\xc3\xa4\x7f", "???"},
        {"12345678901234567890123456789012345678901234567890",
         "12345678901234567890123456789012345678901234567"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(figures(rows[i].name, 0, 0, 0).name, rows[i].want);
    }
}

static void test_adding(void **state)
{
    (void)state;
    GroupFigures to[STATS_GROUPS];
    size_t count = 0;
    const GroupFigures some[] = {figures("a", 1, 2, 300), figures("b", 5, -1, 0),
                                 figures("a", 10, 20, 200), figures("b", 6, 1, 900),
                                 figures("a", 100, 200, 0)};
    for (size_t i = 0; i < COUNT(some); i++) {
        count = groups_add(to, count, &some[i]);
    }
    assert_int_equal(count, 2);
    assert_int_equal(to[0].pending, 111);
    assert_int_equal(to[0].lag, 222);
    assert_int_equal(to[0].oldest, 200);
    assert_int_equal(to[1].lag, -1);
    assert_int_equal(to[1].oldest, 900);
}

static void test_too_many(void **state)
{
    (void)state;
    GroupFigures to[STATS_GROUPS];
    size_t count = 0;
    char name[] = "g.";
    for (size_t i = 0; i < STATS_GROUPS + 5; i++) {
        name[1] = (char)('0' + i);
        const GroupFigures group = figures(name, 1, 1, 1);
        count = groups_add(to, count, &group);
    }
    assert_int_equal(count, STATS_GROUPS);
}

/* Each worker writes its own, and all are told; those of one that is gone are not. */
static void test_slots(void **state)
{
    (void)state;
    GroupFigures all[STATS_GROUPS];
    for (size_t slot = 0; slot < SLOTS; slot++) {
        const pid_t worker = fork();
        if (worker == 0) {
            const GroupFigures mine[] = {figures("both", 3, 4, 5),
                                         figures(slot ? "b" : "a", 1, 1, 1)};
            stats_use(slot);
            stats_set_groups(mine, 2);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(worker, &status, 0), worker);
    }
    assert_int_equal(stats_groups(all), 3);
    assert_string_equal(all[0].name, "both");
    assert_int_equal(all[0].pending, 6);
    stats_clear_gauges(0);
    assert_int_equal(stats_groups(all), 2);
    assert_int_equal(all[0].pending, 3);
    stats_clear_gauges(1);
    assert_int_equal(stats_groups(all), 0);
}

static void test_report(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Text text = text_begin(arena);
    const GroupFigures mine[] = {figures("a", 3, 4, 0),
                                 figures("b", 1, -1, ((int64_t)time(NULL) - 90) * 1000)};
    stats_use(0);
    groups_render(&text);
    assert_int_equal(text_finish(&text).len, 0); /* no group: no metric */
    stats_set_groups(mine, 2);
    text = text_begin(arena);
    groups_render(&text);
    text_add(&text, (Str){"", 1});
    const char *all = text_finish(&text).ptr;
    assert_non_null(strstr(all, "tickstream_group_pending{group=\"a\"} 3\n"
                                "tickstream_group_pending{group=\"b\"} 1\n"));
    assert_non_null(strstr(all, "tickstream_group_lag{group=\"a\"} 4\n# HELP"));
    assert_non_null(strstr(all, "tickstream_group_oldest_pending_seconds{group=\"a\"} 0\n"
                                "tickstream_group_oldest_pending_seconds{group=\"b\"} 9"));
    arena_free(arena);
    stats_clear_gauges(0);
}

/* Whoever reads while one is written never sees a half of it. */
static void test_no_halves(void **state)
{
    (void)state;
    const pid_t worker = fork();
    if (worker == 0) {
        GroupFigures mine[STATS_GROUPS];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        stats_use(0);
        for (int64_t n = 0;; n++) {
            for (size_t i = 0; i < STATS_GROUPS; i++) {
                const char name[] = {(char)('a' + n % 26), (char)('0' + i), '\0'};
                mine[i] = figures(name, n, n, n);
            }
            stats_set_groups(mine, STATS_GROUPS);
            nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
        }
    }
    GroupFigures all[STATS_GROUPS];
    size_t seen = 0;
    while (seen < 20000 * STATS_GROUPS) {
        const size_t count = stats_groups(all);
        seen += count;
        for (size_t k = 1; k < count; k++) {
            assert_int_equal(all[k].pending, all[0].pending);
            assert_int_equal(all[k].name[0], 'a' + all[0].pending % 26);
        }
    }
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
    /* One that has died half-way is no hindrance. */
    stats_clear_gauges(0);
    stats_use(0);
    const GroupFigures mine = figures("a", 1, 1, 1);
    stats_set_groups(&mine, 1);
    assert_int_equal(stats_groups(all), 1);
    stats_clear_gauges(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_adding),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_slots),
        cmocka_unit_test(test_report),   cmocka_unit_test(test_no_halves),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
