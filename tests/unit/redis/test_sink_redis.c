#include "unit.h"

#include "failing_malloc.h"
#include "sink_scene.h"

/* With a window those that are looked up leave when the turn ends, and so behind a probe. */
static void test_stored(void **state)
{
    (void)state;
    static const struct {
        unsigned window;
        const char *log;
    } cases[] = {
        {0, "0=stored probe=stored 1=stored"},
        {60, "probe=stored 0=stored 1=stored"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_scene(cases[i].window, LONG);
        publish(0);
        ask();
        publish(1);
        assert_string_equal(scene.log, ""); /* not before publish() has returned */
        run_until_told(3);
        assert_log(cases[i].log);
        assert_int_equal(scene.requests[0].publication.result.accepted, 1);
        close_scene();
    }
}

static void test_nothing_to_store(void **state)
{
    (void)state;
    const Payload nothing = {.status_count = 0};
    ready_scene(0, LONG);
    publish_payload(0, &nothing);
    assert_string_equal(scene.log, "0=stored");
    close_scene();
}

static void test_not_connected(void **state)
{
    (void)state;
    open_scene(0);
    assert_true(connect_within(LONG));
    publish(0);
    ask();
    assert_string_equal(scene.log, "0=refused probe=refused");
    close_scene();
}

/* Each error to what becomes of the request, and whether the connection stays. */
static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *log;
        size_t connections;
    } cases[] = {
        {"-OOM command not allowed\r\n", "0=refused 1=stored", 1},
        {"-MOVED 1 127.0.0.1:7001\r\n", "0=refused 1=stored", 1},
        {"-READONLY You can't write\r\n", "0=refused 1=refused", 2},
        {"-NOAUTH Authentication required.\r\n", "0=refused 1=refused", 2},
        {"$-1\r\n", "0=refused 1=refused", 2},
        {"+OK\r\n", "0=refused 1=refused", 2},
        {"hello\r\n", "0=refused 1=refused", 2},
        {NULL, "0=refused 1=refused", 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_scene(0, LONG);
        fake_redis_answer(&scene.fake, "XADD", cases[i].answer);
        publish(0);
        publish(1);
        run_until_told(2);
        run_until(scene.loop, is_connected, NULL);
        assert_int_equal(scene.fake.accepted, cases[i].connections);
        assert_log(cases[i].log);
        publish(2); /* and it goes on */
        run_until_told(3);
        assert_true(strstr(scene.log, "2=stored"));
        close_scene();
    }
}

/* What a command says when something was not taken, and whether it may pass by itself. */
static void test_trouble(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *why;
        bool passes;
    } cases[] = {
        {"-OOM command not allowed\r\n", "maxmemory is reached: ", false},
        {"-NOPERM no\r\n", "the ACL user lacks a command", false},
        {"-READONLY You can't write\r\n", "this server is a replica", true},
        {"hello\r\n", "Protocol error", true},
        {NULL, "", true},
    };
    bool passes;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_scene(0, LONG);
        assert_string_equal(sink_redis_trouble(scene.sink, &passes), "no answer in time");
        fake_redis_answer(&scene.fake, "XADD", cases[i].answer);
        publish(0);
        run_until_told(1);
        const char *why = sink_redis_trouble(scene.sink, &passes);
        print_message("  %s\n", why);
        assert_true(strstr(why, cases[i].why) == why);
        assert_int_equal(passes, cases[i].passes);
        close_scene();
    }
    open_scene(0);
    assert_true(connect_within(LONG));
    assert_string_equal(sink_redis_trouble(scene.sink, &passes), "no connection in time");
    assert_true(passes);
    close_scene();
}

/* A reply too many would be taken for that of the next. */
static void test_a_reply_too_many(void **state)
{
    (void)state;
    ready_scene(0, LONG);
    fake_redis_answer(&scene.fake, "XADD", "$3\r\n1-0\r\n$3\r\n2-0\r\n");
    publish(0);
    run_until_told(1);
    run_for(scene.loop, 5);
    publish(1); /* on no connection, or on another one */
    run_until_told(2);
    assert_log("0=stored 1=refused");
    run_until(scene.loop, is_connected, NULL);
    assert_int_equal(scene.fake.accepted, 2);
    close_scene();
}

/* A server that has forgotten the script gets its source, once. */
static void test_script_source(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "-NOSCRIPT No matching script.\r\n");
    publish(0);
    run_until_told(1);
    assert_log("0=stored");
    assert_non_null(strstr(scene.fake.commands, "EVALSHA EVAL "));
    fake_redis_answer(&scene.fake, "EVALSHA", "-NOSCRIPT No matching script.\r\n");
    fake_redis_answer(&scene.fake, "EVAL", "-NOSCRIPT No matching script.\r\n");
    publish(1);
    run_until_told(2);
    assert_log("0=stored 1=refused");
    close_scene();
}

/* What passes by itself is tried again after a pause, as long as the reply may still come in time.
 */
static void test_retries(void **state)
{
    (void)state;
    ready_scene(0, LONG);
    fake_redis_answer(&scene.fake, "XADD", "-LOADING Redis is loading\r\n");
    fake_redis_answer(&scene.fake, "XADD", "-BUSY Redis is busy\r\n");
    publish(0);
    run_until_told(1);
    assert_log("0=stored");
    assert_non_null(strstr(scene.fake.commands, "XADD XADD XADD "));
    close_scene();

    ready_scene(0, 90); /* shorter than the pause */
    fake_redis_answer(&scene.fake, "XADD", "-LOADING Redis is loading\r\n");
    publish(0);
    run_until_told(1);
    run_for(scene.loop, 150);
    assert_log("0=refused");
    assert_null(strstr(scene.fake.commands, "XADD XADD"));
    close_scene();
}

/* Another comes before the pause of the first is over; then the connection breaks. */
static void test_lost_while_waiting(void **state)
{
    (void)state;
    ready_scene(0, LONG);
    fake_redis_answer(&scene.fake, "XADD", "-LOADING Redis is loading\r\n");
    fake_redis_answer(&scene.fake, "XADD", "");
    publish(0);
    publish(1);
    run_until_heard("XADD XADD ");
    run_for(scene.loop, 5);
    fake_redis_hang_up(&scene.fake);
    run_until_told(2);
    assert_log("1=refused 0=refused");
    run_until(scene.loop, is_connected, NULL);
    run_for(scene.loop, 150); /* it is not sent again */
    assert_null(strstr(scene.fake.commands, "XADD"));
    close_scene();
}

/* A body of three steps: each goes when the one before is stored, so that others get their turn,
 * and the answer comes after the last. */
static void test_steps(void **state)
{
    (void)state;
    static StatusUpdate many[2 * LIMIT_STEP + 1];
    const Payload big = {.statuses = many, .status_count = COUNT(many)};
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = status;
    }
    ready_scene(60, LONG);
    for (int i = 0; i < 3; i++) {
        fake_redis_answer(&scene.fake, "EVALSHA", "");
    }
    publish_payload(0, &big);
    run_until_heard("EVALSHA ");
    publish(1);
    run_until_heard("EVALSHA EVALSHA ");
    fake_redis_say(&scene.fake, ":0\r\n");
    run_until_heard("EVALSHA EVALSHA EVALSHA ");
    fake_redis_say(&scene.fake, ":0\r\n*4\r\n:0\r\n:1\r\n:17\r\n:1000\r\n");
    run_until_told(2);
    assert_log("1=stored 0=stored");
    assert_int_equal(count_heard("EVALSHA"), 4);
    assert_int_equal(scene.requests[0].publication.result.accepted, 1998);
    assert_int_equal(scene.requests[0].publication.result.duplicates, 3);
    close_scene();
}

static bool is_accepted_again(void *arg)
{
    (void)arg;
    return scene.fake.accepted == 2 && scene.sink->is_connected(scene.sink);
}

/* It ends with the step that fails, or that takes too long, and with that the connection. */
static void test_steps_that_fail(void **state)
{
    (void)state;
    static StatusUpdate many[2 * LIMIT_STEP + 1];
    static const char *const answers[] = {"-OOM command not allowed\r\n", ""};
    const Payload big = {.statuses = many, .status_count = COUNT(many)};
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = status;
    }
    for (size_t i = 0; i < COUNT(answers); i++) {
        const bool is_silent = answers[i][0] == '\0';
        ready_scene(60, is_silent ? 2000 : LONG);
        fake_redis_answer(&scene.fake, "EVALSHA", ":0\r\n");
        fake_redis_answer(&scene.fake, "EVALSHA", answers[i]);
        publish_payload(0, &big);
        run_until_told(1);
        assert_log("0=refused");
        assert_null(strstr(scene.fake.commands, "EVALSHA EVALSHA EVALSHA"));
        if (is_silent) {
            run_until(scene.loop, is_accepted_again, NULL);
        }
        publish(1);
        run_until_told(2);
        assert_log("0=refused 1=stored");
        close_scene();
    }
}

/* A probe tries what a publication does, and tells what it has learnt. */
static void test_probes(void **state)
{
    (void)state;
    static const struct {
        const char *command, *answer, *log;
        size_t connections;
    } cases[] = {
        {"try-xadd", "-OOM command not allowed\r\n", "probe=refused", 1},
        {"try-xadd", "-NOPERM no\r\n", "probe=refused", 1},
        {"TYPE", "+hash\r\n", "probe=refused", 1},
        {"SMISMEMBER", "-WRONGTYPE no\r\n", "probe=refused", 1},
        {"SADD", "-OOM command not allowed\r\n", "probe=refused", 1},
        {"try-eval", "-ERR no cmsgpack\r\n", "probe=refused", 1},
        {"INFO", "-NOPERM no\r\n", "probe=stored", 1},
        {"try-xadd", "$3\r\n1-0\r\n", "probe=refused", 2},
        {"SET", ":1\r\n", "probe=refused", 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_scene(60, LONG);
        assert_string_equal(scene.sink->durability(scene.sink), "ok");
        fake_redis_answer(&scene.fake, cases[i].command, cases[i].answer);
        ask();
        run_until_told(1);
        run_until(scene.loop, is_connected, NULL);
        assert_int_equal(scene.fake.accepted, cases[i].connections);
        assert_log(cases[i].log);
        close_scene();
    }
}

#define FORGETS "$43\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n"

/* A server that begins to forget. */
static void test_durability(void **state)
{
    (void)state;
    for (int required = 0; required < 2; required++) {
        open_scene(60);
        scene.requires_durable = required;
        assert_true(connect_within(LONG));
        run_until(scene.loop, is_connected, NULL);
        for (int i = 0; i < 3; i++) {
            fake_redis_answer(&scene.fake, "INFO", FORGETS);
        }
        ask();
        run_until_told(1);
        assert_string_equal(scene.log, required ? "probe=refused" : "probe=stored");
        assert_non_null(strstr(scene.sink->durability(scene.sink), "allkeys-lru"));
        run_until(scene.loop, is_connected, NULL); /* again, when it is well */
        assert_int_equal(scene.fake.accepted, 1 + required);
        ask();
        run_until_told(2);
        assert_string_equal(scene.sink->durability(scene.sink), "ok");
        close_scene();
    }
}

static int64_t clock_before;

static bool is_half_over(void *arg)
{
    const int64_t *timeout = arg;
    return loop_clock_ms() - clock_before >= *timeout / 2;
}

/* One that takes too long fails alone: its late reply is dropped, and neighbours get theirs. */
static void test_late_reply(void **state)
{
    (void)state;
    int64_t timeout = 600;
    ready_scene(0, timeout);
    for (int i = 0; i < 3; i++) {
        fake_redis_answer(&scene.fake, "XADD", "");
    }
    clock_before = loop_clock_ms();
    publish(0);
    publish(1);
    scene.requests[1].again = true; /* 2 begins when 1 is told that it is late */
    run_until_heard("XADD XADD ");
    run_until(scene.loop, is_half_over, &timeout);
    fake_redis_say(&scene.fake, "$3\r\n0-0\r\n");
    run_until_told(2);
    assert_string_equal(scene.log, "0=stored 1=refused");
    run_until_heard("XADD XADD XADD ");
    fake_redis_say(&scene.fake,
                   "-OOM late\r\n$3\r\n2-0\r\n"); /* for 1, which nobody asks for; for 2 */
    run_until_told(3);
    assert_log("0=stored 1=refused 2=stored");
    assert_int_equal(scene.fake.accepted, 1);
    close_scene();
}

/* When nothing at all comes the connection ends, and with it all that is under way. Whoever is told
 * and publishes again gets no place in what has just ended: replies would go to the wrong ones. */
static void test_silence(void **state)
{
    (void)state;
    ready_scene(0, 400);
    fake_redis_answer(&scene.fake, "XADD", "");
    fake_redis_answer(&scene.fake, "XADD", "");
    publish(0);
    publish(1);
    scene.requests[1].again = true;
    run_until_told(3);
    assert_string_equal(scene.log, "0=refused 1=refused 2=refused");
    run_until(scene.loop, is_connected, NULL);
    assert_int_equal(scene.fake.accepted, 2);
    fake_redis_answer(&scene.fake, "XADD", "-OOM command not allowed\r\n");
    publish(3);
    publish(4);
    run_until_told(5);
    assert_log("0=refused 1=refused 2=refused 3=refused 4=stored");
    close_scene();
}

typedef enum { STALLS_BEFORE, STALLS_AFTER } Order;

static void publish_in_a_long_turn(void *arg)
{
    const Order *order = arg;
    if (*order == STALLS_BEFORE) {
        stall(600);
    }
    publish(1);
    if (*order == STALLS_AFTER) {
        stall(600);
    }
}

/* A turn that takes longer than the timeout: what is begun at its end is not born late, and Redis
 * is not blamed for the time that we took. */
static void test_long_turn(void **state)
{
    (void)state;
    for (Order order = STALLS_BEFORE; order <= STALLS_AFTER; order++) {
        ready_scene(0, 400);
        fake_redis_answer(&scene.fake, "XADD", "");
        publish(0); /* so that time is looked at */
        run_until_heard("XADD ");
        Timer *timer = loop_timer(scene.loop, publish_in_a_long_turn, &order);
        timer_start(timer, 0, 0);
        fake_redis_say(&scene.fake, "$3\r\n0-0\r\n");
        run_until_told(2);
        assert_int_equal(scene.fake.accepted, 1);
        if (order == STALLS_BEFORE) {
            assert_log("0=stored 1=stored");
        }
        timer_close(timer);
        close_scene();
    }
}

/* Replies that came while we were busy count, however long that took. */
static void test_replies_before_deadlines(void **state)
{
    (void)state;
    ready_scene(0, 400);
    fake_redis_answer(&scene.fake, "XADD", "");
    publish(0);
    run_until_heard("XADD ");
    fake_redis_say(&scene.fake, "$3\r\n0-0\r\n");
    stall(1000);
    run_until_told(1);
    assert_log("0=stored");
    close_scene();
}

static void test_settles(void **state)
{
    (void)state;
    open_scene(0); /* connected */
    assert_true(connect_within(LONG));
    sink_redis_when_settled(scene.sink, on_settled, NULL);
    assert_int_equal(scene.settled, 0);
    run_until(scene.loop, is_connected, NULL);
    run_for(scene.loop, 30);
    assert_int_equal(scene.settled, 1);
    close_scene();

    open_scene(0); /* refused, more than once */
    fake_redis_stop_listening(&scene.fake);
    assert_true(connect_within(LONG));
    sink_redis_when_settled(scene.sink, on_settled, NULL);
    run_for(scene.loop, 200);
    assert_int_equal(scene.settled, 1);
    fake_redis_listen(&scene.fake);
    run_until(scene.loop, is_connected, NULL);
    assert_int_equal(scene.settled, 1);
    close_scene();

    open_scene(0); /* silent */
    scene.fake.deaf = true;
    assert_true(connect_within(40));
    sink_redis_when_settled(scene.sink, on_settled, NULL);
    run_for(scene.loop, 200);
    assert_int_equal(scene.settled, 1);
    close_scene();
}

/* Everything under way is told once, and nothing that begins then is left behind. */
static void test_closed_with_work_under_way(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "-LOADING Redis is loading\r\n");
    fake_redis_answer(&scene.fake, "EVALSHA", "");
    publish(0);
    run_until_heard("EVALSHA ");
    publish(1);
    scene.requests[1].again = true;
    run_until_heard("EVALSHA EVALSHA ");
    fake_redis_set_deaf(&scene.fake, true);
    ask();
    run_for(scene.loop, 5);
    publish(4); /* has not left yet */
    close_sink();
    assert_string_equal(scene.log, "1=refused 2=refused probe=refused 4=refused 0=refused");
    close_scene();
}

static void count_told(Publication *publication)
{
    assert_int_equal(publication->code, ERROR_UNAVAILABLE);
    scene.told++;
}

/* What cannot leave is bounded. */
static void test_too_much_unsent(void **state)
{
    (void)state;
    static char raw[3 << 20];
    static Quarantined element = {.reason = REASON_MISSING_ID,
                                  .detail = STR_INIT("why"),
                                  .pointer = STR_INIT("/"),
                                  .raw = {raw, sizeof(raw)}};
    const Payload big = {.quarantined = &element, .quarantined_count = 1};
    Publication publications[40];
    size_t taken = 0;
    memset(raw, 'x', sizeof(raw));
    ready_scene(0, LONG);
    fake_redis_set_deaf(&scene.fake, true);
    for (; taken < COUNT(publications); taken++) {
        publications[taken] =
            (Publication){.payload = &big, .arena = scene.arena, .done = count_told};
        if (scene.sink->publish(scene.sink, &publications[taken]) == SINK_DONE) {
            break;
        }
    }
    assert_int_equal(publications[taken].code, ERROR_UNAVAILABLE);
    assert_in_range(taken, LIMIT_UNSENT / sizeof(raw), LIMIT_UNSENT / sizeof(raw) + 2);
    ask();
    assert_string_equal(scene.log, "probe=refused");
    scene.told = 0;
    close_sink();
    assert_int_equal(scene.told, taken);
    close_scene();
}

/* It ends while it waits to ask again with how many partitions the stream was made. */
static void test_close_while_the_number_is_not_known(void **state)
{
    (void)state;
    open_scene(60);
    fake_redis_answer(&scene.fake, "try-eval", ":0\r\n"); /* of the trial */
    fake_redis_answer(&scene.fake, "try-eval", "-CLUSTERDOWN Hash slot not served\r\n");
    fake_redis_answer(&scene.fake, "try-eval", "-CLUSTERDOWN Hash slot not served\r\n");
    assert_true(connect_within(LONG));
    run_until_heard("INFO try-eval ");
    run_for(scene.loop, 5);
    assert_false(is_connected(NULL));
    publish(0);
    assert_string_equal(scene.log, "0=refused");
    close_scene();
}

static void on_probed_at_the_end(Probe *asked)
{
    Text text = text_begin(scene.arena);
    assert_int_equal(asked->code, ERROR_UNAVAILABLE);
    assert_string_equal(scene.sink->durability(scene.sink), "not known");
    scene.sink->describe(scene.sink, &text);
    assert_non_null(text_finish(&text).ptr);
    scene.told++;
}

/* Whoever is told at the end may ask how it is, as /readyz?verbose does. */
static void test_asked_while_it_closes(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "try-evalsha", "");
    Probe probe = {.done = on_probed_at_the_end};
    assert_int_equal(scene.sink->probe(scene.sink, &probe), SINK_LATER);
    close_sink();
    assert_int_equal(scene.told, 1);
    close_scene();
}

/* Another number: nothing is stored. */
static void test_another_number_of_partitions(void **state)
{
    (void)state;
    open_scene(60);
    fake_redis_answer(&scene.fake, "try-eval", ":0\r\n");
    fake_redis_answer(&scene.fake, "try-eval", "$2\r\n16\r\n");
    assert_true(connect_within(LONG));
    run_until_heard("INFO try-eval ");
    run_for(scene.loop, 5);
    assert_false(is_connected(NULL));
    publish(0);
    ask();
    assert_string_equal(scene.log, "0=refused probe=refused");
    run_until(scene.loop, is_connected, NULL); /* it has been mended */
    close_scene();
}

/* Whatever allocation fails, each is told once, and the sink goes on. */
static void test_failing_malloc(void **state)
{
    (void)state;
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        ready_scene(0, LONG);
        failing_malloc_begin(n, FAIL_ONCE);
        publish(0);
        ask();
        failed = failing_malloc_end();
        run_until_told(2);
        assert_true(!failed == (strcmp(scene.log, "0=stored probe=stored") == 0));
        assert_true(!failed == !strstr(scene.log, "no memory"));
        close_scene();
    }

    failed = true;
    for (size_t n = 0; failed; n++) {
        open_scene(0);
        failing_malloc_begin(n, FAIL_ONCE);
        bool opened = connect_within(LONG);
        failed = failing_malloc_end();
        assert_int_equal(opened, !failed);
        close_scene();
    }
}

static bool is_connected_again(void *arg)
{
    (void)arg;
    return scene.fake.accepted == 2;
}

/* It is asked for by itself; what a server that is not ready says to it is no end of it, and none
 * of the connection. */
static void test_upkeep(void **state)
{
    (void)state;
    static const Keep keep = {.trim = TRIM_ACKED};
    open_scene(60);
    scene.keep = &keep;
    fake_redis_answer(&scene.fake, "EVAL", "-LOADING Redis is loading\r\n");
    fake_redis_answer(&scene.fake, "EVAL", "-OOM command not allowed\r\n");
    assert_true(connect_within(LONG));
    run_until_heard("EVAL EVAL ");
    publish(0);
    assert_log("0=stored");
    assert_int_equal(scene.fake.accepted, 1);
    close_scene();
}

/* Nothing that follows a reply that makes no sense can be told apart. */
static void test_upkeep_that_makes_no_sense(void **state)
{
    (void)state;
    static const Keep keep = {.trim = TRIM_OFF};
    open_scene(60);
    scene.keep = &keep;
    assert_true(connect_within(LONG));
    run_until_heard("EVAL ");
    run_until(scene.loop, is_connected_again, NULL);
    close_scene();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_nothing_to_store),
        cmocka_unit_test(test_not_connected),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_a_reply_too_many),
        cmocka_unit_test(test_script_source),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_lost_while_waiting),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_that_fail),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_durability),
        cmocka_unit_test(test_late_reply),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_long_turn),
        cmocka_unit_test(test_replies_before_deadlines),
        cmocka_unit_test(test_settles),
        cmocka_unit_test(test_closed_with_work_under_way),
        cmocka_unit_test(test_too_much_unsent),
        cmocka_unit_test(test_close_while_the_number_is_not_known),
        cmocka_unit_test(test_asked_while_it_closes),
        cmocka_unit_test(test_another_number_of_partitions),
        cmocka_unit_test(test_upkeep),
        cmocka_unit_test(test_upkeep_that_makes_no_sense),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
