#include "unit.h"

#include "stats/stats.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS = 3 };

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return arena && stats_open(SLOTS) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

/* The metrics as a terminated text. */
static const char *rendered(void)
{
    Text text = text_begin(arena);
    stats_render(&text);
    text_add(&text, (Str){"", 1});
    Str all = text_finish(&text);
    assert_non_null(all.ptr);
    return all.ptr;
}

static void assert_line(const char *line)
{
    char with_ends[256];
    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    if (!strstr(rendered(), with_ends)) {
        fail_msg("not there: %s", line);
    }
}

static void test_sums(void **state)
{
    (void)state;
    stats_use(0);
    stats_add(STAT_ACCEPTED, 3);
    stats_add(STAT_ANSWERS_200, 1);
    stats_set(STAT_CONNECTIONS, 5);
    stats_set(STAT_LAST_ACCEPTED, 100);
    stats_use(2);
    stats_add(STAT_ACCEPTED, 4);
    stats_set(STAT_CONNECTIONS, 6);
    stats_set(STAT_LAST_ACCEPTED, 90);
    stats_add(STAT_QUARANTINED + REASON_MISSING_ID, 2);
    assert_int_equal(stats_of(0, STAT_ACCEPTED), 3);
    assert_int_equal(stats_of(1, STAT_ACCEPTED), 0);
    assert_line("tickstream_statuses_accepted_total 7");
    assert_line("tickstream_responses_total{code=\"200\"} 1");
    assert_line("tickstream_responses_total{code=\"503\"} 0");
    assert_line("tickstream_fastcgi_connections 11");
    assert_line("tickstream_last_accepted_timestamp_seconds 100"); /* the greatest */
    assert_line("tickstream_quarantined_total{reason=\"missing_id\"} 2");
}

/* A worker that takes a dead one's place goes on with its counters, but not with its gauges. */
static void test_replaced_worker(void **state)
{
    (void)state;
    stats_use(1);
    stats_add(STAT_WEBHOOKS, 2);
    stats_set(STAT_REQUESTS_IN_FLIGHT, 9);
    stats_set(STAT_LAST_ACCEPTED, 7);
    stats_use(1);
    assert_int_equal(stats_of(1, STAT_WEBHOOKS), 2);
    assert_int_equal(stats_of(1, STAT_REQUESTS_IN_FLIGHT), 0);
    assert_int_equal(stats_of(1, STAT_LAST_ACCEPTED), 7);
}

static void test_ignored(void **state)
{
    (void)state;
    stats_use(0);
    stats_add_ignored(STR("messages"));
    stats_add_ignored(STR("calls"));
    stats_add_ignored(STR("calls"));
    stats_add_ignored(STR("a field that somebody made up"));
    stats_add_ignored((Str){NULL, 0});
    stats_add_ignored(STR("\"}\n"));
    assert_line("tickstream_ignored_total{field=\"messages\"} 1");
    assert_line("tickstream_ignored_total{field=\"calls\"} 2");
    assert_line("tickstream_ignored_total{field=\"other\"} 3");
    assert_null(strstr(rendered(), "somebody")); /* strangers make no labels */
}

static void test_histogram(void **state)
{
    (void)state;
    stats_use(0);
    stats_add_duration(250000); /* a bound belongs to its bucket */
    stats_add_duration(250001);
    stats_add_duration(3000000000);
    assert_line("tickstream_webhook_seconds_bucket{le=\"0.00025\"} 1");
    assert_line("tickstream_webhook_seconds_bucket{le=\"0.0005\"} 2");
    assert_line("tickstream_webhook_seconds_bucket{le=\"2.5\"} 2");
    assert_line("tickstream_webhook_seconds_bucket{le=\"+Inf\"} 3");
    assert_line("tickstream_webhook_seconds_sum 3.000500001");
    assert_line("tickstream_webhook_seconds_count 3");
}

/* Every line is a comment, or a name, perhaps with one label, and a number; a metric's HELP and
 * TYPE stand once, before its values. */
static void test_format(void **state)
{
    (void)state;
    char current[128] = "";
    char seen[8192] = " ";
    stats_use(0);
    for (Str rest = str_from(rendered()); rest.ptr;) {
        Str line = str_split(&rest, '\n');
        char name[128], number[32];
        char text[256];
        snprintf(text, sizeof(text), "%.*s", STR_ARG(line));
        if (str_is_empty(line)) {
            assert_null(rest.ptr); /* only at the end */
        } else if (sscanf(text, "# HELP %127s", name) == 1) {
            char word[160];
            snprintf(word, sizeof(word), " %s ", name);
            assert_null(strstr(seen, word));
            strcat(seen, word + 1);
            strcpy(current, name);
        } else if (sscanf(text, "# TYPE %127s %31s", name, number) == 2) {
            assert_string_equal(name, current);
        } else {
            assert_memory_equal(text, current, strlen(current));
            assert_int_equal(sscanf(strrchr(text, ' '), " %31[0-9.]", number), 1);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sums),      TEST(test_replaced_worker), TEST(test_ignored),
        TEST(test_histogram), TEST(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
