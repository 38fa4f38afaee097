#include "unit.h"

#include "failing_malloc.h"
#include "redis/client.h"
#include "scripted_redis.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { LONG = 30000, SHORT = 60 };

#define GREETING                                                                                   \
    {                                                                                              \
        "ROLE", "+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"                                        \
    }

static struct {
    ScriptedRedis server;
    Client *client;
    Error error;
} scene;

static void open_scene(const Step *steps)
{
    memset(&scene, 0, sizeof(scene));
    scripted_redis_open(&scene.server, steps);
}

static void close_scene(void)
{
    scene.client = client_close(scene.client);
    assert_null(scene.client);
    scripted_redis_close(&scene.server);
}

static void connect_within(int64_t timeout)
{
    const ClientTarget target = {.url = &scene.server.url, .timeout = timeout};
    scene.client = client_open(&target, &scene.error);
}

static const Reply *call(const char *word)
{
    const Str words[] = {STR("CMD"), str_from(word)};
    return client_call(scene.client, words, 2, &scene.error);
}

static void assert_told(const char *word, ReplyKind kind, const char *text)
{
    const Reply *reply = call(word);
    if (!reply) {
        fail_msg("%s: %s", word, scene.error.text);
        return;
    }
    assert_int_equal(reply->kind, kind);
    assert_true(str_eq(reply->text, str_from(text)));
}

static void assert_fails(const Reply *reply, const char *why)
{
    assert_null(reply);
    assert_string_equal(scene.error.text, why);
    assert_int_equal(scene.error.code, ERROR_UNAVAILABLE);
}

static void test_calls(void **state)
{
    (void)state;
    static const Step steps[] = {GREETING,
                                 {"one", "$3\r\n1st\r\n"},
                                 {"two", "-ERR no\r\n"},
                                 {"three", "*2\r\n$1\r\na\r\n*1\r\n:7\r\n"},
                                 {"four", "$-1\r\n"},
                                 {NULL, NULL}};
    open_scene(steps);
    connect_within(LONG);
    assert_non_null(scene.client);
    assert_told("one", REPLY_TEXT, "1st");
    assert_told("two", REPLY_ERROR, "ERR no");
    const Reply *list = call("three");
    assert_non_null(list);
    assert_int_equal(list->count, 2);
    assert_true(str_eq(list->items[0].text, STR("a")));
    assert_int_equal(list->items[1].items[0].integer, 7);
    assert_told("four", REPLY_NIL, "");
    close_scene();
    assert_null(client_close(NULL));
}

/* Why nobody is found, or is refused, and what that means for another attempt. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        Step steps[2];
        ErrorCode code;
        const char *why;
    } cases[] = {
        {"a replica",
         {{"ROLE", "+OK\r\n*1\r\n$5\r\nslave\r\n"}},
         ERROR_SETUP,
         "HERE is a slave, not a master"},
        {"a wrong password",
         {{"ROLE", "-WRONGPASS no\r\n"}},
         ERROR_SETUP,
         "WRONGPASS no (user or password in REDIS_URL is wrong)"},
        {"it reads its data",
         {{"ROLE", "+OK\r\n-LOADING soon\r\n"}},
         ERROR_UNAVAILABLE,
         "LOADING soon (Redis reads its data set after a start)"},
        {"a long word",
         {{"ROLE", "-ERR AUTH <password> called without any password configured for the default "
                   "user. Are you sure your configuration is correct?\r\n"}},
         ERROR_SETUP,
         "ERR AUTH <password> called without any password confi ... lt user. Are you sure your "
         "configuration is correct? (REDIS_URL has a password, but Redis wants none)"},
        {"hangs up", {{"ROLE", NULL}}, ERROR_UNAVAILABLE, "the server has closed the connection"},
        {"nonsense",
         {{"ROLE", "hello\r\n"}},
         ERROR_UNAVAILABLE,
         "Protocol error, got \"h\" as reply type byte"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_scene(cases[i].steps);
        connect_within(LONG);
        assert_null(scene.client);
        if (scene.error.code != cases[i].code || strcmp(scene.error.text, cases[i].why) != 0) {
            fail_msg("%s: %d %s", cases[i].label, (int)scene.error.code, scene.error.text);
        }
        close_scene();
    }
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    static const Step steps[] = {{NULL, NULL}};
    open_scene(steps);
    unlink(scene.server.url.host);
    connect_within(LONG);
    assert_null(scene.client);
    assert_string_equal(scene.error.text, "No such file or directory");
    scene.server.url = (RedisUrl){.host = "localhost", .port = 1}; /* each of its addresses */
    connect_within(LONG);
    assert_null(scene.client);
    assert_string_equal(scene.error.text, "Connection refused");
    assert_int_equal(scene.error.code, ERROR_UNAVAILABLE);
    close_scene();
}

static void test_tls_set_up_wrongly(void **state)
{
    (void)state;
    static const Step steps[] = {{NULL, NULL}};
    open_scene(steps);
    scene.server.url.tls = true;
    const ClientTarget target = {.url = &scene.server.url,
                                 .tls = {.ca = "/nonexistent", .cert = "", .key = "", .name = ""},
                                 .timeout = LONG};
    assert_null(client_open(&target, &scene.error));
    assert_int_equal(scene.error.code, ERROR_SETUP);
    assert_non_null(strstr(scene.error.text, "/nonexistent"));
    close_scene();
}

/* No answer in time: the connection is of no use any more, since the answer could still come. */
static void test_silence(void **state)
{
    (void)state;
    static const Step dumb[] = {{NULL, NULL}};
    open_scene(dumb);
    connect_within(SHORT);
    assert_null(scene.client);
    assert_string_equal(scene.error.text, "no answer to the greeting in time");
    close_scene();

    static const Step steps[] = {GREETING, {"one", "+a\r\n"}, {NULL, NULL}};
    open_scene(steps);
    connect_within(SHORT * 10);
    assert_non_null(scene.client);
    assert_told("one", REPLY_STATUS, "a");
    assert_fails(call("two"), "no answer in time");
    assert_fails(call("three"), "no answer in time");
    close_scene();
}

/* The pause between two calls is none of their time. */
static void test_a_pause(void **state)
{
    (void)state;
    static const Step steps[] = {GREETING, {"one", "+a\r\n"}, {"two", "+b\r\n"}, {NULL, NULL}};
    open_scene(steps);
    connect_within(SHORT * 10);
    assert_non_null(scene.client);
    assert_told("one", REPLY_STATUS, "a");
    poll(NULL, 0, SHORT * 11);
    assert_told("two", REPLY_STATUS, "b");
    close_scene();
}

static void test_hangs_up(void **state)
{
    (void)state;
    static const Step steps[] = {GREETING, {"one", NULL}};
    open_scene(steps);
    connect_within(LONG);
    assert_fails(call("one"), "the server has closed the connection");
    assert_fails(call("two"), "the server has closed the connection");
    close_scene();

    static const Step more[] = {GREETING, {"one", "+a\r\n+b\r\n"}, {NULL, NULL}};
    open_scene(more);
    connect_within(LONG);
    assert_told("one", REPLY_STATUS, "a");
    assert_fails(call("two"), "a reply that nobody asked for");
    close_scene();
}

/* A reply or an error, and no leak, whatever is missing. */
static void test_failing_malloc(void **state)
{
    (void)state;
    static const Step steps[] = {GREETING, {"one", "*2\r\n$1\r\na\r\n:1\r\n"}, {NULL, NULL}};
    open_scene(steps);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        const Reply *reply = NULL;
        scene.error = (Error){0};
        failing_malloc_begin(n, FAIL_ONCE);
        connect_within(LONG);
        if (scene.client) {
            reply = call("one");
        }
        failed = failing_malloc_end();
        assert_true(reply || failed); /* another attempt to connect may do without */
        assert_int_equal(scene.error.text[0] == '\0', reply != NULL);
        scene.client = client_close(scene.client);
    }
    close_scene();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nobody_is_there), cmocka_unit_test(test_tls_set_up_wrongly),
        cmocka_unit_test(test_silence),         cmocka_unit_test(test_a_pause),
        cmocka_unit_test(test_hangs_up),        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
