#include "unit.h"

#include "failing_malloc.h"
#include "redis/greeting.h"

#include <stdio.h>
#include <string.h>

/* Versions of clang-format disagree about bodies that are only braces. */
/* clang-format off */
#define ERROR(words) {.kind = REPLY_ERROR, .text = STR_INIT(words)}
#define STATUS(words) {.kind = REPLY_STATUS, .text = STR_INIT(words)}
#define TEXT(words) {.kind = REPLY_TEXT, .text = STR_INIT(words)}
#define NUMBER(n) {.kind = REPLY_INTEGER, .integer = (n)}
#define LIST(...) {.kind = REPLY_LIST, .items = (Reply[]){__VA_ARGS__}, \
                   .count = sizeof((Reply[]){__VA_ARGS__}) / sizeof(Reply)}
/* clang-format on */

#define NO_SCRIPT "0000000000000000000000000000000000000000"

#define NAMES                                                                                      \
    .stream = STR_INIT("s"), .quarantine = STR_INIT("{s}:q"), .probe = STR_INIT("{s}:probe"),      \
    .seen = {STR_INIT("{s}:seen:0"), STR_INIT("{s}:seen:1")}, .seen_state = STR_INIT("{s}:seen")

static const StreamKeys all = {NAMES, .events = STR_INIT("ev"), .window = 60}, few = {NAMES};

typedef enum {
    EVALSHA,
    EVAL,
    SET,
    GET,
    TIME,
    LOOK_0,
    LOOK_1,
    ADD_0,
    ADD_1,
    UNLINK,
    XADD_STREAM,
    XADD_QUARANTINE,
    XADD_EVENTS,
    TYPE_STREAM,
    TYPE_QUARANTINE,
    TYPE_EVENTS,
    MEMORY,
    PERSISTENCE,
    SERVER,
    QUESTIONS,
    NONE = QUESTIONS
} Question;

#define TOO_SMALL ERROR("ERR The ID specified in XADD must be greater than 0-0")

/* With everything: the questions in their order, and what a good server answers. */
static const struct {
    const char *words;
    Reply good;
} script[QUESTIONS] = {
    [EVALSHA] = {"EVALSHA " NO_SCRIPT " 0 ", ERROR("NOSCRIPT No matching script.")},
    [EVAL] = {"EVAL return cmsgpack and 0 or redis.error_reply('ERR no cmsgpack') 0 ", NUMBER(0)},
    [SET] = {"SET {s}:probe 1 PX 1000 ", STATUS("OK")},
    [GET] = {"GET {s}:seen ", {.kind = REPLY_NIL}},
    [TIME] = {"TIME ", LIST(TEXT("1700000000"), TEXT("7"))},
    [LOOK_0] = {"SMISMEMBER {s}:seen:0 - ", LIST(NUMBER(1))},
    [LOOK_1] = {"SMISMEMBER {s}:seen:1 - ", LIST(NUMBER(0))},
    [ADD_0] = {"SADD {s}:seen:0 - ", NUMBER(0)},
    [ADD_1] = {"SADD {s}:seen:1 - ", NUMBER(1)},
    [UNLINK] = {"UNLINK {s}:probe ", NUMBER(1)},
    [XADD_STREAM] = {"XADD s 0-0 f v ", TOO_SMALL},
    [XADD_QUARANTINE] = {"XADD {s}:q 0-0 f v ", TOO_SMALL},
    [XADD_EVENTS] = {"XADD ev 0-0 f v ", TOO_SMALL},
    [TYPE_STREAM] = {"TYPE s ", STATUS("stream")},
    [TYPE_QUARANTINE] = {"TYPE {s}:q ", STATUS("none")},
    [TYPE_EVENTS] = {"TYPE ev ", STATUS("stream")},
    [MEMORY] = {"INFO memory ", TEXT("# Memory\r\nused_memory:950\r\nmaxmemory:1000\r\n"
                                     "maxmemory_policy:noeviction\r\n")},
    [PERSISTENCE] = {"INFO persistence ", TEXT("aof_enabled:1\r\naof_last_write_status:ok\r\n")},
    [SERVER] = {"INFO server ", TEXT("redis_version:7.0.15\r\n")},
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

static void assert_questions(const StreamKeys *keys, bool (*is_asked)(Question question))
{
    char want[1024] = "", got[1024];
    size_t count = 0;
    Trial trial;
    Buffer buffer = {0};
    for (Question question = 0; question < QUESTIONS; question++) {
        if (is_asked(question)) {
            strcat(want, script[question].words);
            count++;
        }
    }
    assert_true(trial_write(&trial, &buffer, keys, false));
    assert_int_equal(trial_left(&trial), count);
    put_words(&buffer, got);
    assert_string_equal(got, want);
    buffer_free(&buffer);
}

static bool always(Question question)
{
    (void)question;
    return true;
}

static bool without_dedupe(Question question)
{
    return question < GET || question > UNLINK;
}

static bool without_events(Question question)
{
    return question != XADD_EVENTS && question != TYPE_EVENTS;
}

static bool without_both(Question question)
{
    return without_dedupe(question) && without_events(question);
}

/* Without a window nothing is looked up, without events there is no stream for them. */
static void test_questions(void **state)
{
    (void)state;
    const StreamKeys no_events = {NAMES, .window = 60},
                     no_window = {NAMES, .events = STR_INIT("ev")};
    assert_questions(&all, always);
    assert_questions(&no_events, without_events);
    assert_questions(&no_window, without_dedupe);
    assert_questions(&few, without_both);
}

#define SENSELESS "senseless"

/* One answer is another than that of a good server. */
static const struct {
    Question question;
    Reply answer;
    const char *error; /* NULL: none */
} answers[] = {
    {NONE, NUMBER(0), NULL},
    {EVALSHA, ERROR("NOSCRIPT"), NULL},
    {EVALSHA, ERROR("NOPERM no"), "NOPERM no"},
    {EVALSHA, NUMBER(0), SENSELESS},
    {EVAL, ERROR("NOPERM no"), "NOPERM no"},
    {EVAL, ERROR("ERR no cmsgpack"), "ERR no cmsgpack"},
    {EVAL, {.kind = REPLY_NIL}, NULL},
    {SET, ERROR("OOM no"), "OOM no"},
    {SET, TEXT("OK"), SENSELESS},
    {GET, ERROR("NOPERM no"), "NOPERM no"},
    {GET, ERROR("WRONGTYPE no"), "WRONGTYPE no"},
    {GET, TEXT("0 0 1700000000 0086400 1700000000 0086400"), NULL},
    {TIME, ERROR("NOPERM no"), "NOPERM no"},
    {LOOK_0, ERROR("WRONGTYPE no"), "WRONGTYPE no"},
    {LOOK_1, ERROR("ERR unknown command 'SMISMEMBER'"), "ERR unknown command 'SMISMEMBER'"},
    {ADD_0, ERROR("OOM no"), "OOM no"},
    {ADD_1, ERROR("NOPERM no"), "NOPERM no"},
    {UNLINK, ERROR("NOPERM no"), "NOPERM no"},
    {XADD_STREAM, ERROR("NOPERM no"), "NOPERM no"},
    {XADD_QUARANTINE, ERROR("OOM no"), "OOM no"},
    {XADD_EVENTS, TEXT("1-0"), SENSELESS},
    {TYPE_STREAM, STATUS("string"), "WRONGTYPE at the key of the stream"},
    {TYPE_QUARANTINE, STATUS("hash"), "WRONGTYPE at the key of the quarantine"},
    {TYPE_EVENTS, STATUS("set"), "WRONGTYPE at the key of EVENTS_STREAM"},
    {TYPE_EVENTS, TEXT("stream"), SENSELESS},
    {TYPE_EVENTS, ERROR("NOPERM no"), NULL},
    {TYPE_EVENTS, ERROR("NOAUTH no"), "NOAUTH no"},
    {MEMORY, ERROR("NOPERM no"), NULL},
    {PERSISTENCE, ERROR("ERR unknown command"), NULL},
    {SERVER, STATUS("OK"), SENSELESS},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        Trial trial;
        Buffer buffer = {0};
        const Reply *error = NULL;
        const char *why = NULL;
        assert_true(trial_write(&trial, &buffer, &all, false));
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
        Question question;
        Reply answer;
        bool required, refused;
        Durable durable;
        const char *complaint;
    } cases[] = {
        {NONE, NUMBER(0), true, false, DURABLE_YES, ""},
        {XADD_STREAM, ERROR("NOPERM no"), false, true, 0, "NOPERM no (the ACL user lacks"},
        {EVAL, ERROR("ERR no cmsgpack"), false, true, 0, "ERR no cmsgpack (the Lua of this server"},
        {LOOK_0, ERROR("ERR unknown command 'SMISMEMBER'"), false, true, 0,
         "ERR unknown command 'SMISMEMBER' (dedupe needs Redis 6.2"},
        {ADD_0, ERROR("WRONGTYPE no"), false, true, 0, "WRONGTYPE no (a key of ours"},
        {TYPE_QUARANTINE, STATUS("hash"), false, true, 0,
         "WRONGTYPE at the key of the quarantine (a key"},
        {XADD_STREAM, ERROR("OOM no"), false, false, DURABLE_YES, "OOM no (maxmemory is reached"},
        {ADD_1, ERROR("OOM no"), false, false, DURABLE_YES, "OOM no (maxmemory is reached"},
        {SET, ERROR("MISCONF no"), false, false, DURABLE_YES, "MISCONF no (Redis cannot persist"},
        {SET, ERROR("NOREPLICAS no"), true, false, DURABLE_YES, "NOREPLICAS no (fewer good"},
        {MEMORY, ERROR("NOPERM no"), true, false, DURABLE_UNKNOWN, ""},
        {PERSISTENCE, TEXT("aof_enabled:0\r\n"), false, false, DURABLE_NO, ""},
        {PERSISTENCE, TEXT("aof_enabled:0\r\n"), true, true, DURABLE_NO,
         "refused for TICKSTREAM_REQUIRE_DURABLE: appendonly is no"},
        {SERVER, STATUS("OK"), false, true, 0, ""},
    };
    const RedisUrl url = {.shown = "h"};
    static const Reply ok = STATUS("OK"), none = ERROR("NOPERM"),
                       sha = TEXT("0123456789abcdef0123456789abcdef01234567");
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buffer buffer = {0};
        Greeting greeting = greeting_of(&url, &(GreetingSettings){.keys = &all, .requires_durable = cases[i].required});
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
        uint64_t memory, most;
    } cases[] = {
        {"", &all, DURABLE_UNKNOWN, "INFO does not tell", 0, 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\n", &all, DURABLE_YES, "", 0, 0},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", &all, DURABLE_NO, "volatile-ttl", 0, 0},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", &few, DURABLE_YES, "", 0, 0},
        {"maxmemory_policy:allkeys-lfu\r\naof_enabled:1\r\n", &few, DURABLE_NO, "noeviction", 0, 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:0\r\n", &few, DURABLE_NO, "appendonly", 0, 0},
        {"aof_enabled:0\r\n", &few, DURABLE_NO, "appendonly", 0, 0},
        {"maxmemory_policy:noeviction\r\n", &few, DURABLE_UNKNOWN, "maxmemory-policy", 0, 0},
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\n", &few,
         DURABLE_NO, "last write", 0, 0},
        {"maxmemory_policy:allkeys-random-and-more-than-there-is-room-for\naof_enabled:0", &all,
         DURABLE_NO, "; appendonly", 0, 0},
        {"used_memory:905\r\nmaxmemory:1000\r\nxmaxmemory:1\r\nmaxmemory", &all, DURABLE_UNKNOWN,
         "INFO", 905, 1000},
        {"used_memory:99999999999999999999999999999999999\r\nmaxmemory:0\r\n", &all,
         DURABLE_UNKNOWN, "INFO", UINT64_MAX, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Standing standing = {0};
        char why[2 * LIMIT_TEXT];
        standing_take(&standing, str_from(cases[i].info));
        const Durable got = standing_judge(&standing, cases[i].keys, why);
        if (got != cases[i].want || !strstr(why, cases[i].why) || !why[0] != (got == DURABLE_YES) ||
            standing.memory != cases[i].memory || standing.most != cases[i].most) {
            fail_msg("%zu: %d '%s' %llu", i, (int)got, why, (unsigned long long)standing.memory);
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
        bool ok = trial_write(&trial, &buffer, &all, false);
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
