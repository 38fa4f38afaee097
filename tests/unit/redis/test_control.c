#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/control.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 30000, SHORT = 150 };

/* A control to a server that does as it was told, and what it has answered, as text. */
typedef struct {
    Loop *loop;
    FakeRedis fake;
    RedisUrl url;
    Control *control;
    char log[1024];
    size_t answers;
    size_t asks;   /* so many more questions from inside an answer */
    bool closes;   /* from inside an answer */
    bool is_asked; /* the last control_ask() */
} Scene;

static Scene scene; /* too large for a stack */

static const Str ping[] = {STR_INIT("PING")};
static const Str cluster_slots[] = {STR_INIT("CLUSTER"), STR_INIT("SLOTS")};
static const ControlCommand commands[] = {{ping, 1}, {cluster_slots, 2}};

static void ask(size_t count)
{
    assert_true(control_ask(scene.control, commands, count));
    assert_true(control_is_asking(scene.control));
}

static void note(Str text)
{
    size_t used = strlen(scene.log);
    snprintf(scene.log + used, sizeof(scene.log) - used, "%s%.*s", used ? " " : "", STR_ARG(text));
}

static void on_answered(void *arg, const Reply *const *replies, const char *why)
{
    assert_ptr_equal(arg, &scene);
    assert_false(control_is_asking(scene.control));
    assert_true(!replies != !why);
    scene.answers++;
    note(replies ? replies[0]->text : str_from(why));
    if (scene.asks) {
        scene.asks--;
        ask(1);
    }
    if (scene.closes) {
        scene.control = control_close(scene.control);
    }
}

static void open_scene(int64_t timeout)
{
    memset(&scene, 0, sizeof(scene));
    signal(SIGPIPE, SIG_IGN);
    scene.loop = loop_new();
    assert_non_null(scene.loop);
    fake_redis_open(&scene.fake, scene.loop);
    scene.url = scene.fake.url;
    scene.control = control_open(scene.loop, &scene.url, NULL, timeout, on_answered, &scene);
    assert_non_null(scene.control);
}

static void close_scene(void)
{
    scene.control = control_close(scene.control);
    fake_redis_close(&scene.fake);
    scene.loop = loop_free(scene.loop);
}

static bool has_answers(void *arg)
{
    const size_t *count = arg;
    return scene.answers >= *count;
}

static void run_until_answers(size_t count)
{
    run_until(scene.loop, has_answers, &count);
}

/* One connection for all questions. */
static void test_keeps_its_connection(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 3; piece++) {
        open_scene(LONG);
        scene.fake.piece = piece;
        assert_false(control_is_asking(scene.control));
        ask(1);
        assert_string_equal(scene.log, ""); /* nothing from inside */
        scene.asks = 1;
        fake_redis_answer(&scene.fake, "PING", "$1\r\na\r\n");
        run_until_answers(2);
        assert_false(control_is_asking(scene.control));
        fake_redis_answer(&scene.fake, "PING", "$1\r\nb\r\n");
        fake_redis_answer(&scene.fake, "CLUSTER", "*0\r\n");
        ask(2);
        run_until_answers(3);
        run_for(scene.loop, 5); /* nothing follows */
        assert_string_equal(scene.log, "a PONG b");
        assert_int_equal(scene.fake.accepted, 1);
        assert_string_equal(scene.fake.commands, "CLIENT PING PING PING CLUSTER ");
        close_scene();
    }
}

/* What is answered when the server does this to the only question. */
typedef struct {
    const char *label;
    bool is_absent, is_deaf, hangs_up;
    const char *begins;
    const char *command, *answer;
    int64_t timeout;
    const char *log;
} Case;

#define CLOSED "the server has closed the connection"

static const Case cases[] = {
    {"nobody is there", .is_absent = true, .timeout = LONG, .log = "Connection refused"},
    {"hangs up at once", .hangs_up = true, .timeout = LONG, .log = CLOSED},
    {"hangs up when it is asked", .command = "PING", .timeout = LONG, .log = CLOSED},
    {"does not hear", .is_deaf = true, .timeout = SHORT, .log = "in time"}, /* who noticed first? */
    {"does not answer", .command = "PING", .answer = "", .timeout = SHORT,
     .log = "no answer in time"},
    {"answers half", .command = "PING", .answer = "$5\r\nhal", .timeout = SHORT,
     .log = "no answer in time"},
    {"answers with an error", .command = "PING", .answer = "-ERR no\r\n", .timeout = LONG,
     .log = "ERR no"},
    {"has nothing to say", .command = "PING", .answer = "$-1\r\n", .timeout = LONG, .log = ""},
    {"has no room", .begins = "-ERR max number of clients reached\r\n", .hangs_up = true,
     .timeout = LONG, .log = "ERR max number of clients reached (raise maxclients)"},
    {"talks nonsense", .command = "PING", .answer = "hello\r\n", .timeout = LONG,
     .log = "Protocol error, got \"h\" as reply type byte"},
    {"speaks TLS", .begins = "\x15\x03\x03", .timeout = LONG,
     .log = "this is a TLS port: use rediss://"},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Case *c = &cases[i];
        open_scene(c->timeout);
        scene.fake.deaf = c->is_deaf;
        scene.fake.begins = c->begins;
        scene.fake.hangs_up = c->hangs_up;
        if (c->is_absent) {
            fake_redis_stop_listening(&scene.fake);
        }
        if (c->command) {
            fake_redis_answer(&scene.fake, c->command, c->answer);
        }
        ask(1);
        run_until_answers(1);
        run_for(scene.loop, 5); /* nothing follows */
        if (c->is_deaf ? !strstr(scene.log, c->log) : strcmp(scene.log, c->log) != 0) {
            fail_msg("%s: %s", c->label, scene.log);
        }
        assert_int_equal(scene.answers, 1);
        close_scene();
    }
}

/* One of two commands is answered: there is no answer. */
static void test_half_an_answer(void **state)
{
    (void)state;
    open_scene(SHORT);
    fake_redis_answer(&scene.fake, "CLUSTER", "");
    ask(2);
    run_until_answers(1);
    assert_string_equal(scene.log, "no answer in time");
    close_scene();
}

/* Time is for all together: the greeting and the answer take half of it each, and a little more. */
static void test_time_is_for_all(void **state)
{
    (void)state;
    enum { TIME = 3 * SHORT };
    open_scene(TIME);
    fake_redis_answer(&scene.fake, "CLIENT", "");
    fake_redis_answer(&scene.fake, "PING", "");
    ask(1);
    const int64_t began = loop_clock_ms();
    run_for(scene.loop, TIME / 2);
    fake_redis_say(&scene.fake, "+OK\r\n");
    run_until_answers(1);
    assert_in_range(loop_clock_ms() - began, TIME - 1, TIME * 3 / 2);
    assert_string_equal(scene.log, "no answer in time");
    close_scene();
}

/* An answer that comes too late is not taken for that of the next question. */
static void test_late_answer(void **state)
{
    (void)state;
    open_scene(SHORT);
    fake_redis_answer(&scene.fake, "PING", "");
    ask(1);
    run_until_answers(1);
    fake_redis_say(&scene.fake, "+LATE\r\n");
    ask(1);
    run_until_answers(2);
    assert_string_equal(scene.log, "no answer in time PONG");
    assert_int_equal(scene.fake.accepted, 2);
    close_scene();
}

/* What has come in time counts, when it was us who were late. */
static void test_late_ourselves(void **state)
{
    (void)state;
    open_scene(SHORT);
    fake_redis_answer(&scene.fake, "PING", "");
    ask(1);
    while (!strstr(scene.fake.commands, "PING")) {
        run_for(scene.loop, 1);
    }
    fake_redis_say(&scene.fake, "+PONG\r\n");
    stall(2 * SHORT);
    run_until_answers(1);
    assert_string_equal(scene.log, "PONG");
    close_scene();
}

static void test_connects_anew(void **state)
{
    (void)state;
    open_scene(LONG); /* it has hung up meanwhile */
    ask(1);
    run_until_answers(1);
    fake_redis_hang_up(&scene.fake);
    run_for(scene.loop, 5);
    ask(1);
    run_until_answers(2);
    assert_string_equal(scene.log, "PONG PONG");
    assert_int_equal(scene.fake.accepted, 2);

    fake_redis_say(&scene.fake, "+MORE\r\n"); /* it says what nobody asked for */
    run_for(scene.loop, 5);
    ask(1);
    run_until_answers(3);
    assert_string_equal(scene.log, "PONG PONG PONG");
    assert_int_equal(scene.fake.accepted, 3);

    fake_redis_hang_up(&scene.fake); /* it hangs up, and we write before we see it */
    ask(1);
    run_until_answers(4);
    ask(1);
    run_until_answers(5);
    assert_int_equal(scene.fake.accepted, 4);
    close_scene();
}

static void test_closed(void **state)
{
    (void)state;
    open_scene(LONG); /* before anything */
    close_scene();

    open_scene(LONG); /* while it connects */
    ask(1);
    close_scene();

    open_scene(LONG); /* while it waits */
    fake_redis_answer(&scene.fake, "PING", "");
    ask(1);
    run_for(scene.loop, 5);
    scene.control = control_close(scene.control);
    run_for(scene.loop, 5);
    assert_string_equal(scene.log, "");
    close_scene();

    open_scene(LONG); /* from inside an answer */
    scene.closes = true;
    ask(1);
    run_until_answers(1);
    run_for(scene.loop, 5);
    close_scene();

    open_scene(SHORT); /* from inside of none, with another question */
    scene.fake.deaf = true;
    scene.closes = true;
    scene.asks = 1;
    ask(1);
    run_until_answers(1);
    run_for(scene.loop, 5);
    assert_int_equal(scene.answers, 1);
    close_scene();

    assert_null(control_close(NULL));
}

/* Whatever allocation fails: it is not opened, or not asked, or not answered, or answered; and the
 * next question is answered. */

static size_t allocations; /* that succeed */

static void ask_without_memory(void *arg)
{
    (void)arg;
    failing_malloc_begin(allocations, FAIL_ONCE);
    scene.control = control_open(scene.loop, &scene.url, NULL, LONG, on_answered, &scene);
    scene.is_asked = scene.control && control_ask(scene.control, commands, 1);
}

static bool is_decided(void *arg)
{
    (void)arg;
    return scene.answers || !scene.is_asked;
}

static void test_failing_malloc(void **state)
{
    (void)state;
    size_t unopened = 0, unasked = 0, unanswered = 0;
    bool failed = true;
    for (allocations = 0; failed; allocations++) {
        open_scene(LONG);
        scene.control = control_close(scene.control);
        scene.is_asked = true;
        Timer *timer = loop_timer(scene.loop, ask_without_memory, NULL);
        timer_start(timer, 0, 0);
        run_until(scene.loop, is_decided, NULL);
        failed = failing_malloc_end();
        unopened += !scene.control;
        unasked += scene.control && !scene.is_asked;
        unanswered += scene.answers && strcmp(scene.log, "PONG") != 0;
        assert_true(failed || strcmp(scene.log, "PONG") == 0);
        if (scene.control) {
            const size_t before = scene.answers;
            ask(1);
            run_until_answers(before + 1);
            assert_string_equal(scene.log + strlen(scene.log) - 4, "PONG");
        }
        close_scene();
    }
    assert_true(unopened >= 3 && unasked >= 2 && unanswered >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_its_connection), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_half_an_answer),       cmocka_unit_test(test_time_is_for_all),
        cmocka_unit_test(test_late_answer),          cmocka_unit_test(test_late_ourselves),
        cmocka_unit_test(test_connects_anew),        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
