#include "unit.h"

#include "failing_malloc.h"
#include "redis/greeting.h"

#include <stdio.h>
#include <string.h>

#define ERROR(words)                                                                               \
    {                                                                                              \
        .kind = REPLY_ERROR, .text = STR_INIT(words)                                               \
    }
#define STATUS(words)                                                                              \
    {                                                                                              \
        .kind = REPLY_STATUS, .text = STR_INIT(words)                                              \
    }
#define TEXT(words)                                                                                \
    {                                                                                              \
        .kind = REPLY_TEXT, .text = STR_INIT(words)                                                \
    }

#define NO_SCRIPT "0000000000000000000000000000000000000000"

static const StreamKeys all = {.stream = STR_INIT("s"),
                               .quarantine = STR_INIT("{s}:q"),
                               .events = STR_INIT("ev"),
                               .probe = STR_INIT("{s}:probe"),
                               .window = 60},
                        few = {.stream = STR_INIT("s"),
                               .quarantine = STR_INIT("{s}:q"),
                               .probe = STR_INIT("{s}:probe")};

/* With everything: the questions in their order, and what a good server answers. */
static const struct {
    const char *words;
    Reply good;
} script[] = {
    {"EVALSHA " NO_SCRIPT " 0 ", ERROR("NOSCRIPT No matching script.")},
    {"EVAL return 0 0 ", {.kind = REPLY_INTEGER}},
    {"GET {s}:probe ", {.kind = REPLY_NIL}},
    {"SET {s}:probe 1 PX 1000 ", STATUS("OK")},
    {"XADD s 0-0 f v ", ERROR("ERR The ID specified in XADD must be greater than 0-0")},
    {"XADD {s}:q 0-0 f v ", ERROR("ERR The ID specified in XADD must be greater than 0-0")},
    {"XADD ev 0-0 f v ", ERROR("ERR The ID specified in XADD must be greater than 0-0")},
    {"TYPE s ", STATUS("stream")},
    {"TYPE {s}:q ", STATUS("none")},
    {"TYPE ev ", STATUS("stream")},
    {"INFO memory ", TEXT("# Memory\r\nused_memory:950\r\nmaxmemory:1000\r\n"
                          "maxmemory_policy:noeviction\r\n")},
    {"INFO persistence ", TEXT("aof_enabled:1\r\naof_last_write_status:ok\r\n")},
    {"INFO server ", TEXT("redis_version:7.0.15\r\n")},
};

static void put_words(const Buffer *buffer, char *to)
{
    bool is_size = false;
    *to = '\0';
    for (Str rest = {buffer->ptr, buffer->len}; rest.ptr && rest.len;) {
        const Str line = str_split(&rest, '\n');
        if (!is_size && (line.ptr[0] == '*' || line.ptr[0] == '$')) {
            is_size = line.ptr[0] == '$';
            continue;
        }
        is_size = false;
        to += sprintf(to, "%.*s ", (int)line.len - 1, line.ptr);
    }
}

static void test_questions(void **state)
{
    (void)state;
    char want[1024] = "", got[1024];
    Trial trial;
    Buffer buffer = {0};
    for (size_t i = 0; i < COUNT(script); i++) {
        strcat(want, script[i].words);
    }
    assert_true(trial_write(&trial, &buffer, &all));
    assert_int_equal(trial_left(&trial), COUNT(script));
    put_words(&buffer, got);
    assert_string_equal(got, want);
    buffer_clear(&buffer);
    assert_true(trial_write(&trial, &buffer, &few));
    assert_int_equal(trial_left(&trial), COUNT(script) - 3);
    put_words(&buffer, got);
    assert_null(strstr(got, "GET"));
    assert_null(strstr(got, "ev"));
    buffer_free(&buffer);
}

#define SENSELESS "senseless"

/* One answer is another than that of a good server. */
static const struct {
    size_t question;
    Reply answer;
    const char *error; /* NULL: none */
} answers[] = {
    {0, ERROR("NOSCRIPT"), NULL},
    {0, ERROR("NOPERM no"), "NOPERM no"},
    {0, {.kind = REPLY_INTEGER}, SENSELESS},
    {1, ERROR("NOPERM no"), "NOPERM no"},
    {1, {.kind = REPLY_NIL}, NULL},
    {2, ERROR("NOPERM no"), "NOPERM no"},
    {2, ERROR("WRONGTYPE no"), "WRONGTYPE no"},
    {3, ERROR("OOM no"), "OOM no"},
    {3, TEXT("OK"), SENSELESS},
    {4, ERROR("NOPERM no"), "NOPERM no"},
    {5, ERROR("OOM no"), "OOM no"},
    {6, TEXT("1-0"), SENSELESS},
    {7, STATUS("string"), "WRONGTYPE at the key of the stream"},
    {8, STATUS("hash"), "WRONGTYPE at the key of the quarantine"},
    {9, STATUS("set"), "WRONGTYPE at the key of EVENTS_STREAM"},
    {9, TEXT("stream"), SENSELESS},
    {9, ERROR("NOPERM no"), NULL},
    {9, ERROR("NOAUTH no"), "NOAUTH no"},
    {10, ERROR("NOPERM no"), NULL},
    {11, ERROR("ERR unknown command"), NULL},
    {12, STATUS("OK"), SENSELESS},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        Trial trial;
        Buffer buffer = {0};
        const Reply *error = NULL;
        const char *why = NULL;
        assert_true(trial_write(&trial, &buffer, &all));
        for (size_t j = 0; j < COUNT(script) && !error && !why; j++) {
            const bool is_other = j == answers[i].question;
            why = trial_take(&trial, is_other ? &answers[i].answer : &script[j].good, &error);
        }
        const char *got = why ? SENSELESS : error ? error->text.ptr : "";
        if (strcmp(got, answers[i].error ? answers[i].error : "") != 0) {
            fail_msg("%zu: %s", i, got);
        }
        if (!why && !error) {
            assert_int_equal(trial_left(&trial), 0);
            assert_non_null(trial_take(&trial, &script[0].good, &error));
        }
        buffer_free(&buffer);
    }
}

/* What a greeting makes of it. */
static void test_greeting(void **state)
{
    (void)state;
    static const struct {
        size_t question;
        Reply answer;
        bool required, refused;
        Durable durable;
        const char *complaint;
    } cases[] = {
        {99, {0}, true, false, DURABLE_YES, ""},
        {4, ERROR("NOPERM no"), false, true, 0, "NOPERM no (the ACL user lacks"},
        {8, STATUS("hash"), false, true, 0, "WRONGTYPE at the key of the quarantine (a key"},
        {4, ERROR("OOM no"), false, false, DURABLE_YES, "OOM no (maxmemory is reached"},
        {3, ERROR("MISCONF no"), false, false, DURABLE_YES, "MISCONF no (Redis cannot persist"},
        {3, ERROR("NOREPLICAS no"), true, false, DURABLE_YES, "NOREPLICAS no (fewer good"},
        {10, ERROR("NOPERM no"), true, false, DURABLE_UNKNOWN, ""},
        {11, TEXT("aof_enabled:0\r\n"), false, false, DURABLE_NO, ""},
        {11, TEXT("aof_enabled:0\r\n"), true, true, DURABLE_NO,
         "refused for TICKSTREAM_REQUIRE_DURABLE: appendonly is no"},
        {12, STATUS("OK"), false, true, 0, ""},
    };
    const RedisUrl url = {.shown = "h"};
    static const Reply ok = STATUS("OK"), none = ERROR("NOPERM"),
                       sha = TEXT("0123456789abcdef0123456789abcdef01234567");
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buffer buffer = {0};
        Greeting greeting = greeting_of(&url, &all, cases[i].required);
        assert_true(greeting_write(&greeting, &buffer));
        assert_null(greeting_take(&greeting, &ok));   /* CLIENT SETNAME */
        assert_null(greeting_take(&greeting, &none)); /* ROLE */
        assert_null(greeting_take(&greeting, &sha));
        const char *why = NULL;
        for (size_t j = 0; j < COUNT(script) && !why; j++) {
            assert_false(greeting_is_done(&greeting));
            const bool is_other = j == cases[i].question;
            why = greeting_take(&greeting, is_other ? &cases[i].answer : &script[j].good);
        }
        const char *complaint = cases[i].complaint;
        if (!why != !cases[i].refused || greeting.durable != cases[i].durable ||
            strncmp(greeting.complaint, complaint, complaint[0] ? strlen(complaint) : 1) != 0) {
            fail_msg("%zu: %s, '%s', %d", i, why, greeting.complaint, (int)greeting.durable);
        }
        buffer_free(&buffer);
    }
}

static void test_standing(void **state)
{
    (void)state;
    static const struct {
        const char *info;
        const StreamKeys *keys;
        Durable want;
        const char *why; /* a part of it */
        unsigned percent;
    } cases[] = {
        {"", &all, DURABLE_UNKNOWN, "INFO does not tell", 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\n", &all, DURABLE_YES, "", 0},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", &all, DURABLE_NO, "volatile-ttl", 0},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", &few, DURABLE_YES, "", 0},
        {"maxmemory_policy:allkeys-lfu\r\naof_enabled:1\r\n", &few, DURABLE_NO, "noeviction", 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:0\r\n", &few, DURABLE_NO, "appendonly", 0},
        {"aof_enabled:0\r\n", &few, DURABLE_NO, "appendonly", 0},
        {"maxmemory_policy:noeviction\r\n", &few, DURABLE_UNKNOWN, "maxmemory-policy", 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\n", &few,
         DURABLE_NO, "last write", 0},
        {"maxmemory_policy:allkeys-random-and-more-than-there-is-room-for\naof_enabled:0", &all,
         DURABLE_NO, "; appendonly", 0},
        {"used_memory:905\r\nmaxmemory:1000\r\nxmaxmemory:1\r\nmaxmemory", &all, DURABLE_UNKNOWN,
         "INFO", 90},
        {"used_memory:99999999999999999999999999999999999\r\nmaxmemory:0\r\n", &all,
         DURABLE_UNKNOWN, "INFO", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Standing standing = {0};
        char why[2 * LIMIT_TEXT];
        standing_take(&standing, str_from(cases[i].info));
        const Durable got = standing_judge(&standing, cases[i].keys, why);
        if (got != cases[i].want || !strstr(why, cases[i].why) || !why[0] != (got == DURABLE_YES) ||
            standing_filled(&standing) != cases[i].percent) {
            fail_msg("%zu: %d '%s' %u", i, (int)got, why, standing_filled(&standing));
        }
    }
}

static void test_failing_malloc(void **state)
{
    (void)state;
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        Trial trial;
        Buffer buffer = {0};
        failing_malloc_begin(n, FAIL_ONCE);
        bool ok = trial_write(&trial, &buffer, &all);
        failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        assert_int_equal(buffer.len > 0, ok);
        buffer_free(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions),      cmocka_unit_test(test_answers),
        cmocka_unit_test(test_greeting),       cmocka_unit_test(test_standing),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
