#include "unit.h"

#include "failing_malloc.h"
#include "sink_scene.h"

/* Small bodies of one turn of the loop leave together, as one call of the script. */

enum { HALF = CALL_ELEMENTS / 2 };

static StatusUpdate many[CALL_ELEMENTS + 1];
static char long_extra[CALL_BYTES];

static Payload of_statuses(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        many[i] = status;
    }
    return (Payload){.statuses = many, .status_count = count};
}

static const PublishResult *result_of(size_t i)
{
    return &scene.requests[i].publication.result;
}

/* Each gets its own result out of the one reply. */
static void test_one_call(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "*2\r\n:0\r\n:2\r\n");
    publish(0);
    publish(1);
    publish(2);
    run_until_told(3);
    assert_log("0=stored 1=stored 2=stored");
    assert_int_equal(count_heard("EVALSHA"), 1);
    assert_int_equal(result_of(0)->accepted, 1);
    assert_int_equal(result_of(1)->accepted, 0);
    assert_int_equal(result_of(1)->duplicates, 1);
    assert_int_equal(result_of(2)->accepted, 1);
    close_scene();
}

/* Nobody waits for company: what comes in the next turn goes in the next call. */
static void test_next_turn(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "");
    publish(0);
    run_until_heard("EVALSHA ");
    publish(1);
    run_until_heard("EVALSHA EVALSHA ");
    fake_redis_say(&scene.fake, ":0\r\n");
    run_until_told(2);
    close_scene();
}

/* Which share a call, and which do not. */
static void test_who_shares(void **state)
{
    (void)state;
    static Quarantined element = {.reason = REASON_MISSING_ID,
                                  .detail = STR_INIT("why"),
                                  .pointer = STR_INIT("/"),
                                  .raw = STR_INIT("{}")};
    static StatusUpdate large;
    const Payload half = of_statuses(HALF), whole = of_statuses(CALL_ELEMENTS),
                  more = of_statuses(CALL_ELEMENTS + 1),
                  with_quarantined = {.statuses = &status,
                                      .status_count = 1,
                                      .quarantined = &element,
                                      .quarantined_count = 1},
                  of_bytes = {.statuses = &large, .status_count = 1};
    const struct {
        const char *label;
        const Payload *payloads[3];
        size_t calls;
        const char *log;
    } cases[] = {
        {"as many statuses as fit", {&half, &half}, 1, "0=stored 1=stored"},
        {"one more", {&half, &half, &payload}, 2, "0=stored 1=stored 2=stored"},
        {"one body of as many", {&whole, &payload}, 2, "0=stored 1=stored"},
        {"a big one goes alone, and at once",
         {&payload, &more, &payload},
         2,
         "1=stored 0=stored 2=stored"},
        {"so does one with an element in quarantine",
         {&payload, &with_quarantined, &payload},
         2,
         "1=stored 0=stored 2=stored"},
        {"bytes are bounded, too",
         {&payload, &of_bytes, &payload},
         2,
         "0=stored 1=stored 2=stored"},
    };
    large = status;
    large.extra = (Str){long_extra, sizeof(long_extra)};
    memset(long_extra, 'x', sizeof(long_extra));
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t count = 0;
        ready_scene(60, LONG);
        for (; count < COUNT(cases[i].payloads) && cases[i].payloads[count]; count++) {
            publish_payload(count, cases[i].payloads[count]);
        }
        run_until_told(count);
        run_for(scene.loop, 5);
        if (strcmp(scene.log, cases[i].log) != 0 || count_heard("EVALSHA") != cases[i].calls) {
            fail_msg("%s: %s, %zu calls", cases[i].label, scene.log, count_heard("EVALSHA"));
        }
        close_scene();
    }
}

/* A reply to the call to what becomes of three bodies, in how many calls, over how many
 * connections.
 */
static void test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *log;
        size_t calls, sources, connections;
    } cases[] = {
        {"-OOM command not allowed\r\n", "0=refused 1=refused 2=refused", 1, 0, 1},
        {"*3\r\n:0\r\n:-2\r\n-OOM command not allowed\r\n", "0=stored 1=refused 2=stored", 1, 0, 1},
        {"-NOSCRIPT No matching script.\r\n", "0=stored 1=stored 2=stored", 1, 1, 1},
        {"-LOADING Redis is loading\r\n", "0=stored 1=stored 2=stored", 2, 0, 1},
        {"*3\r\n:0\r\n:-2\r\n-TRYAGAIN later\r\n", "0=stored 2=stored 1=stored", 2, 0, 1},
        {"*2\r\n:3600\r\n:1\r\n", "0=stored 1=stored 2=stored", 1, 0, 1},
        {"-READONLY You can't write\r\n", "0=refused 1=refused 2=refused", 0, 0, 2},
        {"*2\r\n:0\r\n:4\r\n", "0=refused 1=refused 2=refused", 0, 0, 2},
        {"*0\r\n", "0=refused 1=refused 2=refused", 0, 0, 2},
        {NULL, "0=refused 1=refused 2=refused", 0, 0, 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_scene(60, LONG);
        fake_redis_answer(&scene.fake, "EVALSHA", cases[i].reply);
        publish(0);
        publish(1);
        publish(2);
        run_until_told(3);
        run_until(scene.loop, is_connected, NULL);
        run_for(scene.loop, 5);
        if (strcmp(scene.log, cases[i].log) != 0 || count_heard("EVALSHA") != cases[i].calls ||
            count_heard("EVAL") != cases[i].sources ||
            scene.fake.accepted != cases[i].connections) {
            fail_msg("%s: %s, '%s'", cases[i].reply, scene.log, scene.fake.commands);
        }
        publish(3); /* and it goes on */
        run_until_told(4);
        assert_non_null(strstr(scene.log, "3=stored"));
        close_scene();
    }
}

/* The source is sent once for all; when that does not help, they are refused. */
static void test_script_is_unknown(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "-NOSCRIPT No matching script.\r\n");
    fake_redis_answer(&scene.fake, "EVAL", "-NOSCRIPT No matching script.\r\n");
    publish(0);
    publish(1);
    run_until_told(2);
    assert_log("0=refused 1=refused");
    assert_int_equal(count_heard("EVALSHA"), 1);
    assert_int_equal(count_heard("EVAL"), 1);
    close_scene();
}

/* One that is sent again, with others that have come meanwhile, in the order of the replies. */
static void test_again_with_others(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "-NOSCRIPT No matching script.\r\n");
    publish(0);
    scene.requests[1].again = true;
    publish(1);
    run_until_told(3);
    assert_log("0=stored 1=stored 2=stored");
    assert_non_null(strstr(scene.fake.commands, "EVALSHA EVAL EVALSHA "));
    close_scene();
}

/* Whoever is told may publish: that goes with the next call. */
static void test_from_within_done(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    fake_redis_answer(&scene.fake, "EVALSHA", "");
    publish(0);
    publish(3);
    scene.requests[0].again = scene.requests[1].again = scene.requests[3].again = true;
    run_until_heard("EVALSHA ");
    fake_redis_say(&scene.fake, ":0\r\n");
    run_until_told(5);
    assert_log("0=stored 3=stored 1=stored 4=stored 2=stored");
    assert_int_equal(count_heard("EVALSHA"), 3);
    close_scene();
}

/* What happens in a turn of the loop; runs until so many are told. */
static void in_a_turn(void (*act)(void *arg), size_t told)
{
    Timer *timer = loop_timer(scene.loop, act, NULL);
    assert_non_null(timer);
    timer_start(timer, 0, 0);
    run_until_told(told);
    timer_close(timer);
}

static void publish_two_with_a_pause(void *arg)
{
    (void)arg;
    publish(0);
    stall(500);
    publish(1);
}

/* The deadline of one passes, although others are in the same call; their reply still counts. */
static void test_deadlines_are_their_own(void **state)
{
    (void)state;
    ready_scene(60, 1000);
    fake_redis_answer(&scene.fake, "EVALSHA", "");
    in_a_turn(publish_two_with_a_pause, 1);
    assert_string_equal(scene.log, "0=refused");
    fake_redis_say(&scene.fake, "*2\r\n:0\r\n:1\r\n");
    run_until_told(2);
    assert_log("0=refused 1=stored");
    assert_int_equal(result_of(1)->accepted, 1);
    assert_int_equal(scene.fake.accepted, 1);
    publish(2); /* the reply was counted for both */
    run_until_told(3);
    assert_log("0=refused 1=stored 2=stored");
    close_scene();
}

static void hang_up_and_publish(void *arg)
{
    (void)arg;
    fake_redis_hang_up(&scene.fake);
    publish(0);
    scene.requests[0].again = true; /* 1: there is no connection any more */
    publish(2);
    assert_string_equal(scene.log, "");
}

/* The connection is lost before the turn ends, and so before the call is written. */
static void test_lost_before_it_leaves(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    in_a_turn(hang_up_and_publish, 3);
    assert_log("0=refused 1=refused 2=refused");
    run_until(scene.loop, is_connected, NULL);
    run_for(scene.loop, 5);
    assert_int_equal(count_heard("EVALSHA"), 0); /* it is not sent later */
    publish(3);
    run_until_told(4);
    assert_non_null(strstr(scene.log, "3=stored"));
    close_scene();
}

/* It ends with the sink, before the call is written. */
static void test_closed_before_it_leaves(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    publish(0);
    publish(2);
    scene.requests[0].again = true; /* 1 */
    close_sink();
    assert_string_equal(scene.log, "0=refused 1=refused 2=refused");
    close_scene();
}

static void publish_without_memory(void *arg)
{
    (void)arg;
    publish(0);
    publish(1);
    failing_malloc_begin(0, FAIL_FOREVER);
}

/* No memory when the turn ends: all are told so, and none is left over. */
static void test_no_memory_at_the_end(void **state)
{
    (void)state;
    ready_scene(60, LONG);
    in_a_turn(publish_without_memory, 2);
    assert_true(failing_malloc_end());
    assert_log("0=no memory 1=no memory");
    run_for(scene.loop, 50);
    assert_int_equal(count_heard("EVALSHA"), 0);
    publish(2);
    run_until_told(3);
    assert_log("0=no memory 1=no memory 2=stored");
    assert_int_equal(count_heard("EVALSHA"), 1);
    close_scene();
}

static const Payload *whole_call;

static void overfill_without_memory(void *arg)
{
    (void)arg;
    publish_payload(0, whole_call);
    failing_malloc_begin(1, FAIL_FOREVER); /* the sending of 1, but not the call of 0 */
    publish(1);
    assert_string_equal(scene.log, "1=no memory");
}

/* No memory in the middle of a turn, when the call is full: whoever comes then is refused at once;
 * the others are when the turn ends, if there is still none. */
static void test_no_memory_when_full(void **state)
{
    (void)state;
    const Payload whole = of_statuses(CALL_ELEMENTS);
    whole_call = &whole;
    ready_scene(60, LONG);
    in_a_turn(overfill_without_memory, 2);
    assert_true(failing_malloc_end());
    assert_log("1=no memory 0=no memory");
    publish(2);
    run_until_told(3);
    assert_log("1=no memory 0=no memory 2=stored");
    close_scene();
}

static size_t fails_at;

static void publish_three(void *arg)
{
    (void)arg;
    failing_malloc_begin(fails_at, FAIL_ONCE);
    publish(0);
    publish(1);
    ask();
    publish(2);
}

/* Whatever allocation of a turn fails, each is told once, and the sink goes on. */
static void test_failing_malloc(void **state)
{
    (void)state;
    bool failed = true, all_of_a_call = false;
    for (fails_at = 0; failed; fails_at++) {
        ready_scene(60, LONG);
        in_a_turn(publish_three, 4);
        failed = failing_malloc_end();
        run_for(scene.loop, 5);
        assert_int_equal(scene.told, 4);
        assert_true(failed || strcmp(scene.log, "probe=stored 0=stored 1=stored 2=stored") == 0);
        all_of_a_call = all_of_a_call || strstr(scene.log, "0=no memory 1=no memory 2=no memory");
        run_until(scene.loop, is_connected, NULL);
        publish(3);
        run_until_told(5);
        assert_non_null(strstr(scene.log, "3=stored"));
        close_scene();
    }
    assert_true(all_of_a_call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_call),
        cmocka_unit_test(test_next_turn),
        cmocka_unit_test(test_who_shares),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_script_is_unknown),
        cmocka_unit_test(test_again_with_others),
        cmocka_unit_test(test_from_within_done),
        cmocka_unit_test(test_deadlines_are_their_own),
        cmocka_unit_test(test_lost_before_it_leaves),
        cmocka_unit_test(test_closed_before_it_leaves),
        cmocka_unit_test(test_no_memory_at_the_end),
        cmocka_unit_test(test_no_memory_when_full),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
