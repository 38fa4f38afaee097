#include "unit.h"

#include "failing_malloc.h"
#include "redis/greeting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of all commands of a buffer: "A b\nC\n"; the script as SCRIPT_SOURCE. */
static char *words_of(const Buffer *buffer)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    Str rest = {buffer->ptr, buffer->len};
    assert_non_null(out);
    while (rest.len) {
        size_t words = strtoul(rest.ptr + 1, NULL, 10);
        for (rest = str_from_offset(rest, str_find(rest, '\n') + 1); words; words--) {
            size_t word_len = strtoul(rest.ptr + 1, NULL, 10);
            rest = str_from_offset(rest, str_find(rest, '\n') + 1);
            Str word = {rest.ptr, word_len};
            word = str_eq(word, publish_script) ? STR("SOURCE") : word;
            fprintf(out, "%.*s%s", STR_ARG(word), words > 1 ? " " : "\n");
            rest = str_from_offset(rest, word_len + 2);
        }
    }
    fclose(out);
    return text;
}

static RedisUrl url_of(const char *text)
{
    RedisServers servers;
    Error error;
    assert_true(redis_servers_parse(str_from(text), &servers, &error));
    return servers.server;
}

#define NAME "CLIENT SETNAME tickstream\n"
#define LOAD "SCRIPT LOAD SOURCE\n"

static void test_questions(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        unsigned window;
        const char *want;
    } cases[] = {
        {"redis://h", 60, NAME "ROLE\n" LOAD},
        {"redis://h", 0, NAME "ROLE\nMULTI\nEXEC\n" LOAD},
        {"redis://h/3", 60, "SELECT 3\n" NAME "ROLE\n" LOAD},
        {"redis://h/1000000", 60, "SELECT 1000000\n" NAME "ROLE\n" LOAD},
        {"redis://:pw@h", 60, "AUTH pw\n" NAME "ROLE\n" LOAD},
        {"redis://me:pw@h/1", 0, "AUTH me pw\nSELECT 1\n" NAME "ROLE\nMULTI\nEXEC\n" LOAD},
        {"redis://me:@h", 60, "AUTH me \n" NAME "ROLE\n" LOAD}, /* who may have none */
        {"redis://:@h", 60, NAME "ROLE\n" LOAD},
        {"redis://me:p%20%0d%0aw@h", 60, "AUTH me p \r\nw\n" NAME "ROLE\n" LOAD},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buffer buffer = {0};
        const StreamKeys keys = {.window = cases[i].window};
        const RedisUrl url = url_of(cases[i].url);
        Greeting greeting = greeting_of(&url, &(GreetingSettings){.keys = &keys});
        for (int time = 0; time < 2; time++) { /* also a second time */
            buffer_clear(&buffer);
            assert_true(greeting_write(&greeting, &buffer));
            char *words = words_of(&buffer);
            assert_string_equal(words, cases[i].want);
            free(words);
        }
        assert_false(greeting_is_done(&greeting));
        buffer_free(&buffer);
    }
}

/* Who publishes nothing asks only who is there. */
static void test_without_keys(void **state)
{
    (void)state;
    static Reply master[] = {{.kind = REPLY_TEXT, .text = STR_INIT("master")}},
                 replica[] = {{.kind = REPLY_TEXT, .text = STR_INIT("slave")}};
    static const Reply ok = {.kind = REPLY_STATUS, .text = STR_INIT("OK")},
                       good = {.kind = REPLY_LIST, .items = master, .count = 1},
                       bad = {.kind = REPLY_LIST, .items = replica, .count = 1};
    Buffer buffer = {0};
    const RedisUrl url = url_of("redis://u:p@h/1");
    Greeting greeting = greeting_of(&url, &(GreetingSettings){.requires_durable = true});
    assert_true(greeting_write(&greeting, &buffer));
    char *words = words_of(&buffer);
    assert_string_equal(words, "AUTH u p\nSELECT 1\n" NAME "ROLE\n");
    free(words);
    for (size_t i = 0; i < 3; i++) {
        assert_null(greeting_take(&greeting, &ok));
        assert_false(greeting_is_done(&greeting));
    }
    Greeting other = greeting;
    assert_null(greeting_take(&greeting, &good));
    assert_true(greeting_is_done(&greeting));
    assert_string_equal(greeting_take(&greeting, &ok), "a reply that nobody asked for");
    assert_non_null(greeting_take(&other, &bad));
    assert_true(other.alert);
    assert_string_equal(other.complaint, "h:6379 is a slave, not a master");
    buffer_free(&buffer);
}

#define OK                                                                                         \
    {                                                                                              \
        .kind = REPLY_STATUS, .text = STR_INIT("OK")                                               \
    }
#define ERROR(words)                                                                               \
    {                                                                                              \
        .kind = REPLY_ERROR, .text = STR_INIT(words)                                               \
    }
#define TEXT(words)                                                                                \
    {                                                                                              \
        .kind = REPLY_TEXT, .text = STR_INIT(words)                                                \
    }
#define LIST(...)                                                                                  \
    {                                                                                              \
        .kind = REPLY_LIST, .items = (Reply[]){__VA_ARGS__},                                       \
        .count = sizeof((Reply[]){__VA_ARGS__}) / sizeof(Reply)                                    \
    }
#define EMPTY                                                                                      \
    {                                                                                              \
        .kind = REPLY_LIST                                                                         \
    }
#define MASTER LIST(TEXT("master"), {.kind = REPLY_INTEGER}, EMPTY)
#define SHA "0123456789abcdef0123456789abcdef01234567"
#define LATER "refused at the greeting"

enum { ANSWERS = 7 };

/* Of redis://u:p@h/1: AUTH, SELECT, CLIENT, ROLE, without a window MULTI and EXEC, SCRIPT. */
static const struct {
    const char *label;
    unsigned window;
    Reply answers[ANSWERS];
    size_t taken;          /* answers until it is decided */
    const char *complaint; /* NULL: done */
    bool alert;
} conversations[] = {
    {"all is well", 60, {OK, OK, OK, MASTER, TEXT(SHA)}, 5, NULL, false},
    {"all is well with a transaction",
     0,
     {OK, OK, OK, MASTER, OK, EMPTY, TEXT(SHA)},
     7,
     NULL,
     false},
    {"no right to a name", 60, {OK, OK, ERROR("NOPERM no"), MASTER, TEXT(SHA)}, 5, NULL, false},
    {"no such command", 60, {OK, OK, ERROR("ERR unknown"), MASTER, TEXT(SHA)}, 5, NULL, false},
    {"no right to the role", 60, {OK, OK, OK, ERROR("NOPERM no"), TEXT(SHA)}, 5, NULL, false},

    {"wrong password",
     60,
     {ERROR("WRONGPASS invalid")},
     1,
     "WRONGPASS invalid (user or password in REDIS_URL is wrong)",
     true},
    {"no password there",
     60,
     {ERROR("ERR AUTH <password> called without any password configured for the default user.")},
     1,
     "ERR AUTH <password> called without any password configured for the default user. (REDIS_URL "
     "has a password, but Redis wants none)",
     true},
    {"no such database",
     60,
     {OK, ERROR("ERR DB index is out of range")},
     2,
     "ERR DB index is out of range (REDIS_URL names a database that this Redis has not)",
     true},
    {"no room",
     60,
     {OK, OK, ERROR("ERR max number of clients reached")},
     3,
     "ERR max number of clients reached (raise maxclients)",
     true},
    {"a password is missing",
     60,
     {OK, OK, ERROR("NOAUTH no")},
     3,
     "NOAUTH no (a password is needed in REDIS_URL)",
     true},
    {"loading",
     60,
     {OK, OK, OK, MASTER, ERROR("LOADING Redis is loading")},
     5,
     "LOADING Redis is loading (Redis reads its data set after a start)",
     false},
    {"busy",
     60,
     {OK, OK, OK, ERROR("BUSY a script")},
     4,
     "BUSY a script (a script of somebody runs too long)",
     false},
    {"a replica",
     60,
     {OK, OK, OK, LIST(TEXT("slave"), TEXT("10.0.0.1"))},
     4,
     "h:6379 is a slave, not a master",
     true},
    {"a sentinel",
     60,
     {OK, OK, OK, LIST(TEXT("sentinel"), EMPTY)},
     4,
     "h:6379 is a sentinel, not a master",
     true},
    {"a long word",
     60,
     {OK, OK, OK, LIST(TEXT("0123456789012345678901234567890123456789more"))},
     4,
     "h:6379 is a 0123456789012345678901234567890123456789, not a master",
     true},
    {"no role",
     60,
     {OK, OK, OK, EMPTY},
     4,
     "h:6379 is a server of no known role, not a master",
     true},
    {"a role of another form",
     60,
     {OK, OK, OK, OK},
     4,
     "h:6379 is a server of no known role, not a master",
     true},
    {"a role that is a number",
     60,
     {OK, OK, OK, LIST({.kind = REPLY_INTEGER})},
     4,
     "h:6379 is a server of no known role, not a master",
     true},
    {"no right to a transaction",
     0,
     {OK, OK, OK, MASTER, ERROR("NOPERM no")},
     5,
     "NOPERM no (the ACL user lacks a command or a key pattern)",
     true},
    {"no right to its end",
     0,
     {OK, OK, OK, MASTER, OK, ERROR("NOPERM no")},
     6,
     "NOPERM no (the ACL user lacks a command or a key pattern)",
     true},
    {"a transaction that is none", 0, {OK, OK, OK, MASTER, OK, OK}, 6, "", false},
    {"no name for the script", 60, {OK, OK, OK, MASTER, OK}, 5, "", false},
    {"a short name", 60, {OK, OK, OK, MASTER, TEXT("0123")}, 5, "", false},
    {"a long name", 60, {OK, OK, OK, MASTER, TEXT(SHA "8")}, 5, "", false},
    {"a text for a status", 60, {TEXT("OK")}, 1, "", false},
};

static void test_answers(void **state)
{
    (void)state;
    const RedisUrl url = url_of("redis://u:p@h/1");
    for (size_t i = 0; i < COUNT(conversations); i++) {
        const StreamKeys keys = {.window = conversations[i].window};
        Greeting greeting = greeting_of(&url, &(GreetingSettings){.keys = &keys});
        Buffer buffer = {0};
        const char *why = NULL;
        size_t taken = 0;
        assert_true(greeting_write(&greeting, &buffer));
        while (!why && !greeting_is_done(&greeting) && taken < ANSWERS) {
            why = greeting_take(&greeting, &conversations[i].answers[taken++]);
        }
        const char *complaint = conversations[i].complaint;
        bool ok = taken == conversations[i].taken && greeting_is_done(&greeting) == !complaint &&
                  (complaint ? why && strcmp(why, LATER) == 0 : !why) &&
                  strcmp(greeting.complaint, complaint ? complaint : "") == 0 &&
                  greeting.alert == conversations[i].alert;
        if (!ok) {
            fail_msg("%s: %zu taken, %s, '%s'", conversations[i].label, taken, why ? why : "done",
                     greeting.complaint);
        }
        if (!complaint) {
            assert_string_equal(greeting.script_sha, SHA);
            assert_string_equal(greeting_take(&greeting, &conversations[i].answers[0]),
                                "a reply that nobody asked for");
        }
        buffer_free(&buffer);
    }
}

/* What is quoted of an answer is cut, and the command that some quote is left out. */
static void test_complaints_are_short(void **state)
{
    (void)state;
    static char text[4000] = "ERR unknown command, with args beginning with: 'hunter2'";
    const StreamKeys keys = {.window = 60};
    Reply answer = {.kind = REPLY_ERROR, .text = str_from(text)};
    const RedisUrl url = url_of("redis://u:p@h/1");
    Buffer buffer = {0};
    Greeting greeting = greeting_of(&url, &(GreetingSettings){.keys = &keys});
    assert_true(greeting_write(&greeting, &buffer));
    assert_non_null(greeting_take(&greeting, &answer));
    assert_null(strstr(greeting.complaint, "hunter2"));
    memset(text, 'x', sizeof(text));
    answer.text = (Str){text, sizeof(text)};
    assert_non_null(greeting_take(&greeting, &answer));
    assert_in_range(strlen(greeting.complaint), LIMIT_TEXT, sizeof(greeting.complaint) - 1);
    buffer_free(&buffer);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    const StreamKeys keys = {.window = 0};
    const RedisUrl url = url_of("redis://u:p@h/1");
    Greeting greeting = greeting_of(&url, &(GreetingSettings){.keys = &keys});
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        Buffer buffer = {0};
        failing_malloc_begin(n, FAIL_ONCE);
        bool ok = greeting_write(&greeting, &buffer);
        failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        buffer_free(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions),      cmocka_unit_test(test_without_keys),
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_complaints_are_short),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
