#include "unit.h"

#include "base/text.h"
#include "commands/doctor.h"
#include "commands/doctor_survey.h"
#include "redis/rights.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* All that is looked at: whoever takes a row away, or adds one, says so here. */
static const struct {
    const char *name;
    Needs needs;
} wanted[] = {
    {"settings", NEEDS_NOTHING}, {"secrets", NEEDS_NOTHING},  {"files", NEEDS_NOTHING},
    {"nginx", NEEDS_NOTHING},    {"workers", NEEDS_NOTHING},  {"redis", NEEDS_REDIS},
    {"version", NEEDS_REDIS},    {"partitions", NEEDS_REDIS}, {"posts", NEEDS_REDIS},
    {"rights", NEEDS_REDIS},     {"durability", NEEDS_REDIS}, {"fsync", NEEDS_REDIS},
    {"memory", NEEDS_REDIS},     {"rate", NEEDS_REDIS},       {"replicas", NEEDS_REDIS},
    {"clock", NEEDS_REDIS},      {"moving", NEEDS_REDIS},     {"groups", NEEDS_REDIS},
    {"quarantine", NEEDS_REDIS}, {"host", NEEDS_REDIS},       {"name", NEEDS_URL},
    {"certificate", NEEDS_URL},  {"handshake", NEEDS_URL},    {"signature", NEEDS_URL},
    {"unsigned", NEEDS_URL},     {"body", NEEDS_URL},         {"latency", NEEDS_URL},
    {"time", NEEDS_URL},
};

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(doctor_row_count, COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_string_equal(doctor_rows[i].name, wanted[i].name);
        assert_int_equal(doctor_rows[i].needs, wanted[i].needs);
        for (size_t k = 0; k < i; k++) {
            assert_true(doctor_rows[i].look != doctor_rows[k].look);
        }
    }
}

static void test_what_is_the_same_elsewhere_is_told_once(void **state)
{
    (void)state;
    Doctor doctor = {.arena = arena_new(), .check = "posts"};
    const Finding well = found(GRADE_OK, "", "well"), ill = found(GRADE_FAIL, "mend", "ill\033[1m");
    doctor_tell(&doctor, "s:0", &well);
    doctor_tell(&doctor, "s:1", &ill);
    doctor_tell(&doctor, "s:2", &well);
    doctor_tell(&doctor, "s:3", &well);
    doctor.check = "rights";
    doctor_tell(&doctor, "here", &well);
    assert_int_equal(doctor.count, 3);
    assert_int_equal(doctor.told[0].more, 2);
    assert_string_equal(doctor.told[0].where, "s:0");
    assert_int_equal(doctor.told[1].more, 0);
    assert_string_equal(doctor.told[1].finding.what, "ill?[1m");
    assert_string_equal(doctor.told[1].finding.remedy, "mend");
    assert_string_equal(doctor.told[2].check, "rights");
    arena_free(doctor.arena);
}

/* "+xlen" of XLEN, "+xinfo|stream" of XINFO STREAM. */
static bool is_right_of(const char *right, const Str *words)
{
    char one[64], two[64];
    snprintf(one, sizeof(one), "+%.*s", STR_ARG(words[0]));
    snprintf(two, sizeof(two), "+%.*s|%.*s", STR_ARG(words[0]), STR_ARG(words[1]));
    return strcasecmp(right, one) == 0 || strcasecmp(right, two) == 0;
}

/* By the table, by a trial, or by whoever has connected and found the server before. */
static bool is_tried(const char *right, const Config *config, const StreamKeys *keys)
{
    static const char *const before[] = {"+select", "+cluster|slots"};
    Trial trial;
    Str words[TRIAL_WORDS];
    for (size_t i = 0; i < right_try_count; i++) {
        if (strcmp(right_tries[i].right, right) == 0) {
            assert_true(is_right_of(right, right_tries[i].words));
            if (!right_tries[i].is_due || right_tries[i].is_due(config)) {
                return true;
            }
        }
    }
    trial_begin(&trial, keys, false);
    /* A trial takes no notice of an INFO that is refused. */
    while (trial_words(&trial, words) &&
           (!is_right_of(right, words) || str_eq(words[0], STR("INFO")))) {
        trial.asked &= trial.asked - 1;
    }
    return trial_left(&trial) || strcmp(right, before[0]) == 0 || strcmp(right, before[1]) == 0;
}

/* Of the first line: the second is of sentinels. */
static void try_all(const char *line, const Config *config, const StreamKeys *keys)
{
    char right[64];
    size_t count = 0;
    for (const char *at = line; (at = strchr(at, '+')) != NULL; at++) {
        assert_int_equal(sscanf(at, "%63[^ \n]", right), 1);
        if (!is_tried(right, config, keys)) {
            fail_msg("%s is not tried", right);
        }
        count++;
    }
    assert_in_range(count, 18, 40);
}

static void test_every_right_is_tried(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"redis://h", "24h", "local"},
                                           {"redis://h/3", "0", "local"},
                                           {"redis+cluster://h", "0", "replicas:1"},
                                           {"redis+cluster://h", "24h", "fsync:1,1"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char url[64], window[64], ack[64];
        Error error;
        snprintf(url, sizeof(url), "TICKSTREAM_REDIS_URL=%s", cases[i][0]);
        snprintf(window, sizeof(window), "TICKSTREAM_DEDUPE_WINDOW=%s", cases[i][1]);
        snprintf(ack, sizeof(ack), "TICKSTREAM_REDIS_ACK=%s", cases[i][2]);
        char *environment[] = {(char[]){"TICKSTREAM_ALLOW_UNSIGNED=true"}, url, window, ack, NULL};
        Config *config = config_load(NULL, environment, &error);
        assert_non_null(config);
        Partitions *partitions = config_partitions(config);
        Arena *arena = arena_new();
        Text text = text_begin(arena);
        rights_describe(&text, &(RightsSettings){.servers = &config->redis,
                                                 .sentinel_user = "",
                                                 .stream = config->stream,
                                                 .partitions = partitions,
                                                 .ack = config->redis_ack});
        text_add(&text, (Str){"", 1});
        try_all(text_finish(&text).ptr, config, partitions->keys[0]);
        arena_free(arena);
        partitions_free(partitions);
        config_free(config);
    }
}

static void test_replicas(void **state)
{
    (void)state;
    static const struct {
        const char *info;
        int want;
    } cases[] = {
        {"", -1},
        {"# Memory\r\nused_memory:1\r\n", -1},
        {"role:master\r\nconnected_slaves:0\r\nmaster_replid:1\r\n", 0},
        {"connected_slaves:2\r\nslave0:ip=h,port=1,state=online,offset=1,lag=0\r\n"
         "slave1:ip=h,port=2,state=wait_bgsave,offset=0,lag=0\r\n",
         1},
        {"connected_slaves:2\r\nslave0:ip=h,port=1,state=online,offset=1,lag=0\r\n"
         "slave1:ip=h,port=2,state=online,offset=0,lag=0\r\nslave_expires:1\r\n",
         2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(survey_replicas(str_from(cases[i].info)), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_is_the_same_elsewhere_is_told_once),
        cmocka_unit_test(test_every_right_is_tried),
        cmocka_unit_test(test_replicas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
