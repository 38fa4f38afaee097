/*
 * REDIS_ACK: who is told when, by what is answered to barriers.
 */
#include "sink_scene.h"

static const Ack two = {.kind = ACK_REPLICAS, .replicas = 2};

static void ready_with(Ack ack)
{
    open_scene(60);
    scene.keys.touches = true;
    scene.ack = ack;
    fake_redis_answer(&scene.fake, "WAIT", ":0\r\n"); /* of the greeting, which waits for nobody */
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    assert_true(connect_within(LONG));
    run_until(scene.loop, is_connected, NULL);
}

static bool is_weak(void *arg)
{
    return !is_connected(arg);
}

/* And is connected, anew if it has not stayed so. */
static bool was_lost(void *arg)
{
    const bool *stays = arg;
    return is_connected(NULL) && (*stays || scene.fake.accepted == 2);
}

/* It takes nothing before enough have acknowledged a write of its own. */
static void test_weak_at_first(void **state)
{
    (void)state;
    open_scene(60);
    scene.ack = two;
    fake_redis_answer(&scene.fake, "WAIT", ":0\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":1\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    assert_true(connect_within(LONG));
    run_until_heard("INFO SET WAIT ");
    run_for(scene.loop, 5);
    assert_false(is_connected(NULL));
    publish(0);
    assert_string_equal(scene.log, "0=refused");
    run_until(scene.loop, is_connected, NULL);
    assert_non_null(strstr(scene.fake.commands, "SET WAIT SET WAIT "));
    close_scene();
}

/* What the barrier behind a status is answered. */
static void test_barrier(void **state)
{
    (void)state;
    static struct {
        const char *label, *answer, *log;
        bool stays; /* connected */
    } cases[] = {
        {"enough", ":2\r\n", "0=stored", true},
        {"more", ":3\r\n", "0=stored", true},
        {"too few", ":1\r\n", "0=refused", true},
        {"none", ":0\r\n", "0=refused", true},
        {"a replica now", "-UNBLOCKED force unblock from blocking operation\r\n", "0=refused",
         false},
        {"forbidden", "-NOPERM no permissions\r\n", "0=refused", true},
        {"no count", "+OK\r\n", "0=refused", false},
        {"less than nobody", ":-1\r\n", "0=refused", false},
        {"a list", "*1\r\n:2\r\n", "0=refused", false},
        {"nothing", NULL, "0=refused", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ready_with(two);
        fake_redis_answer(&scene.fake, "WAIT", cases[i].answer);
        publish(0);
        assert_string_equal(scene.log, "");
        run_until_told(1);
        for (size_t k = 0; k < 3; k++) {
            fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
        }
        run_until(scene.loop, was_lost, &cases[i].stays);
        if (strcmp(scene.log, cases[i].log) != 0 ||
            (scene.fake.accepted == 1) != cases[i].stays) {
            fail_msg("%s: %s, %zu", cases[i].label, scene.log, scene.fake.accepted);
        }
        close_scene();
    }
}

/* Too few: what comes next is refused at once, until enough acknowledge again. */
static void test_weak_and_back(void **state)
{
    (void)state;
    ready_with(two);
    fake_redis_answer(&scene.fake, "WAIT", ":1\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":1\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    publish(0);
    run_until(scene.loop, is_weak, NULL);
    publish(1);
    ask();
    assert_string_equal(scene.log, "0=refused 1=refused probe=refused");
    run_until(scene.loop, is_connected, NULL);
    publish(2);
    run_until_told(4);
    assert_string_equal(scene.log, "0=refused 1=refused probe=refused 2=stored");
    assert_int_equal(scene.fake.accepted, 1);
    close_scene();
}

/* One barrier at a time: what is sent meanwhile waits for the next one. */
static void test_one_barrier(void **state)
{
    (void)state;
    ready_with(two);
    const size_t before = count_heard("WAIT");
    fake_redis_answer(&scene.fake, "WAIT", "");
    fake_redis_answer(&scene.fake, "EVALSHA", ":0\r\n");
    fake_redis_answer(&scene.fake, "EVALSHA", ""); /* the server waits, too */
    publish(0);
    run_until_heard("EVALSHA WAIT ");
    publish(1);
    run_until_heard("EVALSHA WAIT EVALSHA ");
    run_for(scene.loop, 5);
    assert_string_equal(scene.log, "");
    assert_int_equal(count_heard("WAIT"), before + 1);

    fake_redis_answer(&scene.fake, "WAIT", "");
    fake_redis_say(&scene.fake, ":2\r\n:0\r\n");
    run_until_told(1);
    run_until_heard("EVALSHA WAIT EVALSHA WAIT ");
    assert_log("0=stored");
    fake_redis_say(&scene.fake, ":2\r\n");
    run_until_told(2);
    assert_log("0=stored 1=stored");
    close_scene();
}

/* Those of one turn have one barrier; a status that failed needs none. */
static void test_together(void **state)
{
    (void)state;
    ready_with(two);
    const size_t before = count_heard("WAIT");
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    publish(0);
    publish(1);
    publish(2);
    run_until_told(3);
    assert_string_equal(scene.log, "0=stored 1=stored 2=stored");
    assert_int_equal(count_heard("WAIT"), before + 1);
    close_scene();
}

/* Lost while it waits: the outcome is unknown. */
static void test_lost(void **state)
{
    (void)state;
    ready_with(two);
    fake_redis_answer(&scene.fake, "WAIT", "");
    publish(0);
    run_until_heard("EVALSHA WAIT ");
    run_for(scene.loop, 5);
    assert_string_equal(scene.log, "");
    fake_redis_hang_up(&scene.fake);
    assert_log("0=refused");
    close_scene();
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

/* Nothing else turns the loop meanwhile, as run_for() would. */
static void leave_alone(int64_t ms)
{
    Timer *timer = loop_timer(scene.loop, on_time, scene.loop);
    assert_non_null(timer);
    timer_start(timer, ms, 0);
    loop_run(scene.loop);
    timer_close(timer);
}

/* A new connection gets its barriers though nobody publishes; and a server that is silent at one is
 * left. */
static void test_idle(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        size_t accepted;
    } cases[] = {{":1\r\n", 2}, {"", 3}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_scene(60);
        scene.ack = two;
        fake_redis_answer(&scene.fake, "WAIT", ":0\r\n");
        fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
        assert_true(connect_within(cases[i].answer[0] ? LONG : 1000));
        run_until(scene.loop, is_connected, NULL);
        leave_alone(200);
        fake_redis_answer(&scene.fake, "WAIT", ":0\r\n");
        fake_redis_answer(&scene.fake, "WAIT", cases[i].answer);
        fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
        fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
        fake_redis_hang_up(&scene.fake);
        for (int tries = 0; scene.fake.accepted < cases[i].accepted && tries < 300; tries++) {
            leave_alone(100);
        }
        for (int tries = 0; !is_connected(NULL) && tries < 300; tries++) {
            leave_alone(100);
        }
        assert_int_equal(scene.fake.accepted, cases[i].accepted);
        close_scene();
    }
}

/* A server that is full takes no write, but what was stored there may be confirmed. */
static void test_full(void **state)
{
    (void)state;
    open_scene(60);
    scene.ack = two;
    fake_redis_answer(&scene.fake, "SET", "+OK\r\n"); /* of the trial */
    fake_redis_answer(&scene.fake, "SET", "-OOM command not allowed\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":0\r\n");
    fake_redis_answer(&scene.fake, "WAIT", ":2\r\n");
    assert_true(connect_within(LONG));
    run_until(scene.loop, is_connected, NULL);
    close_scene();
}

/* A server that does not know the barrier is not written to. */
static void test_no_such_command(void **state)
{
    (void)state;
    open_scene(60);
    scene.ack = (Ack){.kind = ACK_FSYNC, .local = 1};
    fake_redis_answer(&scene.fake, "WAITAOF",
                      "-ERR unknown command 'WAITAOF', with args beginning with: '1' \r\n");
    assert_true(connect_within(LONG));
    run_until_heard("WAITAOF ");
    run_for(scene.loop, 5);
    assert_false(is_connected(NULL));
    close_scene();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weak_at_first), cmocka_unit_test(test_barrier),
        cmocka_unit_test(test_weak_and_back), cmocka_unit_test(test_one_barrier),
        cmocka_unit_test(test_together),      cmocka_unit_test(test_lost),
        cmocka_unit_test(test_idle),          cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_such_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
