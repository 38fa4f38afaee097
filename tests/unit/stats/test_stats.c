/*
 * The mechanism, with a table of its own in place of the program's: whatever is a row there is
 * counted and reported like the first of its kind.
 */
#include "unit.h"

#include "stats/stats.h"

enum { SLOTS = 3 };

/* Ids, as many cells apart as their rows need. */
#define RUNS ((Stat)0)
#define HIDDEN ((Stat)1)
#define STATE ((Stat)2)
#define LEVELS ((Stat)3)
#define NEWEST ((Stat)5)
#define TASTES ((Stat)6)
#define COLORS ((Stat)10)
#define TIMES ((Stat)12)
#define SIZES ((Stat)16)
#define MOOD ((Stat)21)

static const Str levels[] = {STR_INIT("low"), STR_INIT("high")};
static const Str tastes[] = {STR_INIT("none"), STR_INIT("sweet"), STR_INIT("sour"),
                             STR_INIT("other")};
static const Str colors[] = {STR_INIT("red"), STR_INIT("other")};
static const uint64_t times[] = {500, 1000};
static const uint64_t sizes[] = {1, 10, 100};

static const char *const moods[] = {"none", "good", "bad"};

const Metric metrics[STAT_COUNT] = {
    [RUNS] = {"runs_total", METRIC_COUNTER, "Runs."},
    [HIDDEN] = {NULL, METRIC_GAUGE, NULL},
    [STATE] = {"state", METRIC_GAUGE, "State."},
    [LEVELS] = {"level", METRIC_GAUGE, "Levels.", 2, .label = "of", .values = levels},
    [NEWEST] = {"newest", METRIC_MAXIMUM, "Newest."},
    [TASTES] = {"tastes_total", METRIC_COUNTER, "Tastes.", 4, .label = "taste", .values = tastes,
                .first = 1},
    [COLORS] = {"colors_total", METRIC_COUNTER, "Colors.", 2, .label = "color", .values = colors},
    [TIMES] = {"time_seconds", METRIC_HISTOGRAM, "Times.", 2, .bounds = times, .unit = 1000},
    [SIZES] = {"size_bytes", METRIC_HISTOGRAM, "Sizes.", 3, .bounds = sizes, .unit = 1},
    [MOOD] = {"mood", METRIC_STATE, "Mood.", .states = moods},
};

static int set_up(void **state)
{
    (void)state;
    return stats_open(SLOTS) ? 0 : -1;
}

static void assert_report(const char *want)
{
    Arena *arena = arena_new();
    assert_non_null(arena);
    Text text = text_begin(arena);
    stats_render(&text);
    text_add(&text, (Str){"", 1});
    Str all = text_finish(&text);
    assert_non_null(all.ptr);
    assert_string_equal(all.ptr, want);
    arena_free(arena);
}

static void test_report(void **state)
{
    (void)state;
    for (size_t slot = 0; slot < SLOTS; slot++) {
        stats_use(slot);
        stats_add(RUNS, 10 + slot);
        stats_set(HIDDEN, 1);
        stats_set(STATE, slot);
        stats_set(LEVELS, 5);
        stats_set((Stat)(LEVELS + 1), slot);
        stats_set(NEWEST, 7 - slot);
        stats_set(MOOD, slot == 1 ? 2 : slot); /* the worst: of one that is not the last */
        stats_add_value(TASTES, STR("sour"));
        stats_add_value(TASTES, STR("none")); /* cannot occur, so it is not known */
        stats_add_value(TASTES, (Str){NULL, 0});
        stats_add_value(COLORS, STR("blue"));
    }
    /* Each histogram has numbers, bounds and a unit of its own. */
    stats_observe(TIMES, 500);
    stats_observe(TIMES, 501);
    stats_observe(SIZES, 0);
    stats_observe(SIZES, 1);
    stats_observe(SIZES, 50);
    stats_observe(SIZES, 101);
    stats_observe(SIZES, 102);
    assert_report("# HELP runs_total Runs.\n# TYPE runs_total counter\nruns_total 33\n"
                  "# HELP state State.\n# TYPE state gauge\nstate 3\n"
                  "# HELP level Levels.\n# TYPE level gauge\n"
                  "level{of=\"low\"} 15\nlevel{of=\"high\"} 3\n"
                  "# HELP newest Newest.\n# TYPE newest gauge\nnewest 7\n"
                  "# HELP tastes_total Tastes.\n# TYPE tastes_total counter\n"
                  "tastes_total{taste=\"sweet\"} 0\ntastes_total{taste=\"sour\"} 3\n"
                  "tastes_total{taste=\"other\"} 6\n"
                  "# HELP colors_total Colors.\n# TYPE colors_total counter\n"
                  "colors_total{color=\"red\"} 0\ncolors_total{color=\"other\"} 3\n"
                  "# HELP time_seconds Times.\n# TYPE time_seconds histogram\n"
                  "time_seconds_bucket{le=\"0.5\"} 1\ntime_seconds_bucket{le=\"1\"} 2\n"
                  "time_seconds_bucket{le=\"+Inf\"} 2\ntime_seconds_sum 1.001000000\n"
                  "time_seconds_count 2\n"
                  "# HELP size_bytes Sizes.\n# TYPE size_bytes histogram\n"
                  "size_bytes_bucket{le=\"1\"} 2\nsize_bytes_bucket{le=\"10\"} 2\n"
                  "size_bytes_bucket{le=\"100\"} 3\nsize_bytes_bucket{le=\"+Inf\"} 5\n"
                  "size_bytes_sum 254\nsize_bytes_count 5\n"
                  "# HELP mood Mood.\n# TYPE mood gauge\nmood bad\n");
}

/* A worker that takes a dead one's place goes on with all but the gauges, labelled ones too. */
static void test_replaced_worker(void **state)
{
    (void)state;
    stats_use(1);
    stats_add(RUNS, 2);
    stats_set(HIDDEN, 3);
    stats_set(STATE, 4);
    stats_set((Stat)(LEVELS + 1), 5);
    stats_set(NEWEST, 6);
    stats_set(MOOD, 2);
    stats_add_value(TASTES, STR("sweet"));
    stats_observe(SIZES, 7);
    stats_use(2);
    stats_set(STATE, 8);
    stats_use(1);
    assert_int_equal(stats_of(1, RUNS), 2);
    assert_int_equal(stats_of(1, HIDDEN), 0);
    assert_int_equal(stats_of(1, STATE), 0);
    assert_int_equal(stats_of(1, (Stat)(LEVELS + 1)), 0);
    assert_int_equal(stats_of(1, NEWEST), 6);
    assert_int_equal(stats_of(1, MOOD), 0);
    assert_int_equal(stats_of(1, (Stat)(TASTES + 1)), 1);
    assert_int_equal(stats_of(1, (Stat)(SIZES + 1)), 1);
    assert_int_equal(stats_of(1, (Stat)(SIZES + 4)), 7);
    assert_int_equal(stats_of(2, STATE), 8); /* another's gauges stay */
}

/* Before a slot is used, numbers go nowhere. */
static void test_nowhere(void **state)
{
    (void)state;
    stats_add(RUNS, 1);
    stats_set(STATE, 1);
    stats_observe(SIZES, 1);
    assert_int_equal(stats_open(1), true);
    assert_int_equal(stats_of(0, RUNS), 0);
    assert_int_equal(stats_of(0, STATE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nowhere, NULL),
        cmocka_unit_test_setup(test_report, set_up),
        cmocka_unit_test_setup(test_replaced_worker, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
