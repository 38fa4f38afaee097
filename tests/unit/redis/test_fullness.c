#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/fullness.h"
#include "stats/groups.h"
#include "stats/stats.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PARTITIONS = 3 };

static struct {
    Partitions *partitions;
    Keep keep;
    Fullness *fullness;
    ReplyReader *reader;
} scene;

static void open_scene(Trim trim)
{
    stats_use(0);
    scene.keep = (Keep){.trim = trim};
    scene.partitions = partitions_new("s", PARTITIONS, "", 60);
    scene.fullness = fullness_new(scene.partitions, &scene.keep);
    scene.reader = reply_reader_new();
    assert_non_null(scene.fullness);
}

static void close_scene(void)
{
    assert_null(fullness_free(scene.fullness));
    reply_reader_free(scene.reader);
    partitions_free(scene.partitions);
}

/* What has been told of one of them, and nothing that anybody must know. */
static const Upkept quiet = {.is_ours = true};
static const Upkept theirs = {.is_ours = false};

static void take(size_t partition, Upkept upkept)
{
    fullness_take(scene.fullness, partition, &upkept, PARTITIONS);
}

/* What is logged meanwhile. */
static struct {
    FILE *file;
    int stderr_was;
    char text[4096];
} told;

static void begin_telling(void)
{
    told.file = tmpfile();
    assert_non_null(told.file);
    told.stderr_was = dup(STDERR_FILENO);
    assert_true(dup2(fileno(told.file), STDERR_FILENO) >= 0);
}

static const char *end_telling(void)
{
    assert_true(dup2(told.stderr_was, STDERR_FILENO) >= 0);
    close(told.stderr_was);
    const ssize_t len = pread(fileno(told.file), told.text, sizeof(told.text) - 1, 0);
    assert_true(len >= 0);
    told.text[len] = '\0';
    fclose(told.file);
    return told.text;
}

/* What a memory carries is told beside all else; test_rate() looks at it. */
static void take_out_rate(char *text)
{
    char *at = strstr(text, " carries "), *end = at ? strchr(at, '\n') : NULL;
    while (at && at > text && at[-1] != '\n') {
        at--;
    }
    if (end) {
        memmove(at, end + 1, strlen(end));
    }
}

/* want: NULL = nothing. */
static void assert_told(size_t step, const char *want)
{
    const char *text = end_telling();
    if (!want || !strstr(want, "carries")) {
        take_out_rate(told.text);
    }
    if (want ? !strstr(text, want) : text[0] != '\0') {
        fail_msg("step %zu: %s", step, text);
    }
}

/* Counting */

/* Of all partitions that are ours; another worker tells of the others. */
static void test_sums(void **state)
{
    (void)state;
    static const struct {
        size_t partition;
        Upkept upkept;
        uint64_t entries, bytes, quarantined, digests, dead, ours; /* then */
    } steps[] = {
        {0,
         {.is_ours = true, .length = {70, 8, -1, 6}, .bytes = {7000, 4096, -1, 600}, .digests = 33},
         70,
         7000,
         8,
         33,
         6,
         1},
        {1,
         {.is_ours = true, .length = {30, 2, -1, 0}, .bytes = {-1, 5, 6, 7}, .digests = -1},
         100,
         7000,
         10,
         33,
         6,
         2},
        {2, {.is_ours = false}, 100, 7000, 10, 33, 6, 2},
        {1, {.is_ours = true, .length = {-1, 3, 0, 1}, .digests = 7}, 70, 7000, 11, 40, 7, 2},
        {0, {.is_ours = false}, 0, 0, 3, 7, 1, 1},
    };
    open_scene(TRIM_OFF);
    for (size_t i = 0; i < COUNT(steps); i++) {
        take(steps[i].partition, steps[i].upkept);
        assert_int_equal(stats_of(0, STAT_STREAM_ENTRIES), steps[i].entries);
        assert_int_equal(stats_of(0, STAT_STREAM_BYTES), steps[i].bytes);
        assert_int_equal(stats_of(0, STAT_QUARANTINE_ENTRIES), steps[i].quarantined);
        assert_int_equal(stats_of(0, STAT_DIGESTS), steps[i].digests);
        assert_int_equal(stats_of(0, STAT_DEAD_ENTRIES), steps[i].dead);
        assert_int_equal(stats_of(0, STAT_UPKEEP_PARTITIONS), steps[i].ours);
    }
    close_scene();
}

static void test_counters(void **state)
{
    (void)state;
    open_scene(TRIM_OFF);
    const uint64_t trimmed = stats_of(0, STAT_TRIMMED), cut = stats_of(0, STAT_QUARANTINE_CUT),
                   cut_events = stats_of(0, STAT_EVENTS_CUT);
    Upkept upkept = {.is_ours = true, .removed = {9, 2, 3, 4}, .cut = {0, 5, 6}};
    begin_telling();
    take(0, upkept);
    take(1, upkept);
    upkept.is_ours = false;
    take(2, upkept);
    const char *text = end_telling();
    assert_int_equal(stats_of(0, STAT_TRIMMED), trimmed + 36);
    assert_int_equal(stats_of(0, STAT_QUARANTINE_CUT), cut + 10);
    assert_int_equal(stats_of(0, STAT_EVENTS_CUT), cut_events + 12);
    assert_non_null(strstr(
        text, "level=error process=\"master\" msg=\"quarantine: of 5 that came for s:0 only"));
    assert_non_null(strstr(
        text, "level=error process=\"master\" msg=\"events: of 6 that came for s:0 the bytes"));
    close_scene();
}

/* The oldest entry of all; an id of the future is as old as none. */
static void test_age(void **state)
{
    (void)state;
    char id[32];
    open_scene(TRIM_OFF);
    const long long now = (long long)time(NULL) * 1000;
    for (size_t i = 0; i < PARTITIONS; i++) {
        static const int ages[PARTITIONS] = {100, 5000, -1000};
        Upkept upkept = quiet;
        snprintf(id, sizeof(id), "%lld-7", now - ages[i] * 1000LL);
        upkept.oldest = str_from(id);
        take(i, upkept);
    }
    assert_in_range(stats_of(0, STAT_STREAM_AGE), 5000, 5010);
    take(1, theirs);
    assert_in_range(stats_of(0, STAT_STREAM_AGE), 100, 110);
    close_scene();
}

/* Memory */

#define MB (1LL << 20)

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        size_t partition;
        long long used, most; /* MB; most 0: another worker's */
        const char *told;
        unsigned fill;
    } steps[] = {
        {0, 790, 1000, NULL, 790},
        {1, 100, 1000, NULL, 790},
        {0, 800, 1000,
         "level=warn process=\"master\" msg=\"redis: 80 % of maxmemory are used (800 of 1000 MB, "
         "the "
         "server of s:0)",
         800},
        {0, 949, 1000, NULL, 949},
        {1, 96, 100,
         "level=error process=\"master\" msg=\"redis: 96 % of maxmemory are used (96 of 100 MB, "
         "the "
         "server of s:1)",
         960},
        {1, 93, 100, NULL, 949},
        {1, 96, 100, NULL, 960}, /* it was not over */
        {1, 50, 100, NULL, 949},
        {0, 785, 1000, NULL, 785}, /* no more an error, but not over either */
        {0, 950, 1000, "level=error", 950},
        {0, 700, 1000,
         "level=info process=\"master\" msg=\"redis: no more than 70 % of maxmemory are used now "
         "(700 "
         "of 1000 MB)",
         700},
        {0, 900, 1000, "level=warn", 900},
        {0, 0, 0, "level=info process=\"master\" msg=\"redis: no more than 50 %", 500},
    };
    open_scene(TRIM_OFF);
    for (size_t i = 0; i < COUNT(steps); i++) {
        Upkept upkept = {
            .is_ours = steps[i].most != 0, .used = steps[i].used * MB, .most = steps[i].most * MB};
        begin_telling();
        take(steps[i].partition, upkept);
        assert_told(i, steps[i].told);
        assert_int_equal(stats_of(0, STAT_REDIS_FILL), steps[i].fill);
    }
    close_scene();
}

/* What it carries, once for each size: of all servers, as if they had as much. */
static void test_rate(void **state)
{
    (void)state;
    static const struct {
        Trim trim;
        int64_t keep;   /* seconds */
        long long most; /* MB */
        const char *version;
        size_t beside;
        const char *told;
    } steps[] = {
        {TRIM_ACKED, 3600, 512, "7.0.15", 3,
         "carries about 225 statuses/s while all groups keep up (`tick"},
        {TRIM_ACKED, 3600, 512, "7.0.15", 1, "carries about 675 statuses/s"},
        {TRIM_ACKED, 3600, 512, "8.0.2", 3, "carries about 225 statuses/s"},
        {TRIM_ACKED, 86400, 512, "7.0.15", 3,
         "redis: maxmemory of 512 MB carries about 10 statuses/s"},
        {TRIM_ACKED, 86400, 9, "7.0.15", 3,
         "redis: maxmemory of 9 MB carries no rate for ever (`tick"},
        {TRIM_OFF, 3600, 512, "7.0.15", 3,
         "carries no rate for ever, since nothing is removed (TRIM=off) (`tick"},
        {TRIM_OFF, 3600, 0, "7.0.15", 3, NULL},
    };
    for (size_t i = 0; i < COUNT(steps); i++) {
        open_scene(steps[i].trim);
        scene.keep.keep = steps[i].keep * 1000;
        scene.keep.quarantine_most.percent = 10;
        const Upkept upkept = {.is_ours = true,
                               .used = 1,
                               .most = steps[i].most * MB,
                               .version = str_from(steps[i].version)};
        for (size_t again = 0; again < 2; again++) {
            begin_telling();
            fullness_take(scene.fullness, 0, &upkept, steps[i].beside);
            assert_told(i, again ? NULL : steps[i].told);
        }
        close_scene();
    }
}

/* Without a limit, or when it is not known, there is nothing to warn of. */
static void test_no_limit(void **state)
{
    (void)state;
    static const long long memories[][2] = {{5 * MB, 0}, {5 * MB, -1}, {-1, 5 * MB}, {-1, -1}};
    for (size_t i = 0; i < COUNT(memories); i++) {
        Upkept upkept = {.is_ours = true, .used = memories[i][0], .most = memories[i][1]};
        open_scene(TRIM_OFF);
        begin_telling();
        take(0, upkept);
        assert_told(i, NULL);
        assert_int_equal(stats_of(0, STAT_REDIS_FILL), 0);
        close_scene();
    }
}

/* Why nothing goes */

/* Each reason once, until there is another one. A place in the code speaks once a second. */
static void test_why(void **state)
{
    (void)state;
    static const struct {
        const char *why, *told;
    } steps[] = {
        {"no group", "trim: nothing is removed from s:0: no group\"\n"},
        {"no group", NULL},
        {"", NULL},
        {"no group crm", "trim: nothing is removed from s:0: no group crm\"\n"},
    };
    open_scene(TRIM_ACKED);
    for (size_t i = 0; i < COUNT(steps); i++) {
        Upkept upkept = quiet;
        upkept.why = str_from(steps[i].why);
        stall(steps[i].told && i ? 1000 : 0);
        begin_telling();
        take(0, upkept);
        assert_told(i, steps[i].told);
    }
    close_scene();
}

static void test_refusals(void **state)
{
    (void)state;
    open_scene(TRIM_OFF);
    for (size_t i = 0; i < 2; i++) {
        begin_telling();
        fullness_take_refusal(scene.fullness, 1, STR("NOPERM no"), "see `tickstream acl`");
        assert_told(
            i, i ? NULL
                 : "level=warn process=\"master\" msg=\"trim: NOPERM no (see `tickstream acl`)\"");
    }
    close_scene();
}

/* Groups */

#define GROUP(name, pending, lag, oldest, state)                                                   \
    "*8\r\n$1\r\n" name "\r\n:" pending "\r\n:" lag "\r\n$3\r\n" oldest                            \
    "\r\n$3\r\n0-0\r\n:0\r\n:" state "\r\n:0\r\n"
#define MOVING(name) GROUP(name, "0", "0", "1-0", "0")
#define IDLE(name) GROUP(name, "0", "0", "1-0", "1")
#define DEAD(name) GROUP(name, "0", "0", "1-0", "2")

static void take_groups(size_t partition, const char *two)
{
    const char *why;
    char text[512];
    snprintf(text, sizeof(text), "*2\r\n%s", two);
    assert_null(reply_reader_feed(scene.reader, str_from(text)));
    const Reply *reply = reply_reader_next(scene.reader, &why);
    assert_non_null(reply);
    Upkept upkept = quiet;
    upkept.listed = reply->items;
    upkept.listed_count = reply->count;
    take(partition, upkept);
}

/* Each time that the worst of them is worse. */
static void test_states(void **state)
{
    (void)state;
    static const char *const steps[][2] = {
        {MOVING("a") MOVING("b"), NULL},
        {MOVING("a") IDLE("b"), "the group b of s:0 has not moved for more"},
        {MOVING("a") IDLE("b"), NULL},
        {MOVING("a") DEAD("b"), "b of s:0 has not moved for TRIM_DEAD_GROUP"},
        {IDLE("a") DEAD("b"), NULL},
        {MOVING("a") "*0\r\n", NULL}, /* it makes no sense */
    };
    open_scene(TRIM_ACKED);
    for (size_t i = 0; i < COUNT(steps); i++) {
        begin_telling();
        take_groups(0, steps[i][0]);
        assert_told(i, steps[i][1]);
    }
    close_scene();
}

/* A group is one whatever partitions it reads. */
static void test_figures(void **state)
{
    (void)state;
    GroupFigures groups[STATS_GROUPS];
    open_scene(TRIM_ACKED);
    take_groups(0, GROUP("a", "5", "10", "9-0", "0") GROUP("b", "1", "2", "8-0", "0"));
    take_groups(2, GROUP("b", "3", "-1", "7-0", "0") GROUP("a", "1", "1", "0-0", "0"));
    assert_int_equal(stats_groups(groups), 2);
    assert_string_equal(groups[0].name, "a");
    assert_int_equal(groups[0].pending, 6);
    assert_int_equal(groups[0].lag, 11);
    assert_int_equal(groups[0].oldest, 9);
    assert_string_equal(groups[1].name, "b");
    assert_int_equal(groups[1].pending, 4);
    assert_int_equal(groups[1].lag, -1);
    assert_int_equal(groups[1].oldest, 7);
    take(0, theirs);
    assert_int_equal(stats_groups(groups), 2);
    assert_int_equal(groups[0].pending + groups[1].pending, 4);
    take(2, theirs);
    assert_int_equal(stats_groups(groups), 0);
    close_scene();
}

/* Who wants nothing removed need not know why nothing would be. */
static void test_off(void **state)
{
    (void)state;
    open_scene(TRIM_OFF);
    Upkept upkept = quiet;
    upkept.why = STR("no group");
    begin_telling();
    take(0, upkept);
    take_groups(1, IDLE("a") DEAD("b"));
    assert_told(0, NULL);
    close_scene();
}

/* No memory */

static void test_failing_malloc(void **state)
{
    (void)state;
    GroupFigures groups[STATS_GROUPS];
    open_scene(TRIM_OFF);
    failing_malloc_begin(0, FAIL_ONCE);
    Fullness *fullness = fullness_new(scene.partitions, &scene.keep);
    assert_true(failing_malloc_end());
    assert_null(fullness);
    assert_null(fullness_free(NULL));
    close_scene();
    /* Without memory for groups there are none, until there is some. */
    open_scene(TRIM_OFF);
    Upkept upkept = quiet;
    failing_malloc_begin(0, FAIL_ONCE);
    take(0, upkept);
    assert_true(failing_malloc_end());
    assert_int_equal(stats_groups(groups), 0);
    take_groups(0, MOVING("a") MOVING("b"));
    assert_int_equal(stats_groups(groups), 2);
    close_scene();
}

static int open_stats(void **state)
{
    (void)state;
    return stats_open(1) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),   cmocka_unit_test(test_counters),
        cmocka_unit_test(test_age),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_rate),   cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_why),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_states), cmocka_unit_test(test_figures),
        cmocka_unit_test(test_off),    cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, open_stats, NULL);
}
