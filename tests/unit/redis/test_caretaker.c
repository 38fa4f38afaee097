#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/caretaker.h"
#include "stats/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many that a turn comes every 50 ms. */
enum { PARTITIONS = 200, SOON = 45, SEED = 1 };

static struct {
    Loop *loop;
    Partitions *partitions;
    Keep keep;
    Caretaker *caretaker;
    ReplyReader *reader;
    bool refuses; /* nothing can be sent now */
    size_t asked; /* how often, and of the first ones for which partition */
    size_t partition_asked[64];
} scene;

static bool on_ask(void *arg, size_t partition)
{
    assert_ptr_equal(arg, &scene);
    assert_true(scene.asked < COUNT(scene.partition_asked));
    scene.partition_asked[scene.asked++] = partition;
    return !scene.refuses;
}

static size_t count_beside(void *arg, size_t partition)
{
    assert_ptr_equal(arg, &scene);
    assert_true(partition < PARTITIONS);
    return PARTITIONS;
}

static const CaretakerEvents events = {on_ask, count_beside};

static void open_scene(Trim trim)
{
    memset(&scene, 0, sizeof(scene));
    stats_use(0);
    srandom(SEED);
    scene.keep = (Keep){.trim = trim};
    scene.loop = loop_new();
    scene.partitions = partitions_new("s", PARTITIONS, "", 60);
    scene.reader = reply_reader_new();
    scene.caretaker = caretaker_open(scene.loop, scene.partitions, &scene.keep, &events, &scene);
    assert_non_null(scene.caretaker);
}

static void close_scene(void)
{
    assert_null(caretaker_close(scene.caretaker));
    reply_reader_free(scene.reader);
    partitions_free(scene.partitions);
    loop_free(scene.loop);
}

static const Reply *reply_of(const char *text)
{
    const char *why;
    assert_null(reply_reader_feed(scene.reader, str_from(text)));
    const Reply *reply = reply_reader_next(scene.reader, &why);
    assert_non_null(reply);
    return reply;
}

/* A reply that is taken without any trouble. */
static void take(size_t partition, const char *text)
{
    const char *why;
    assert_null(caretaker_take(scene.caretaker, partition, reply_of(text), &why));
    assert_null(why);
}

static bool is_asked(void *arg)
{
    const size_t *count = arg;
    return scene.asked >= *count;
}

static void run_until_asked(size_t count)
{
    run_until(scene.loop, is_asked, &count);
}

/* How often it was asked for this one. */
static size_t count_asked(size_t partition)
{
    size_t count = 0;
    for (size_t i = 0; i < scene.asked; i++) {
        count += scene.partition_asked[i] == partition;
    }
    return count;
}

/* Counts of what is removed, more to remove, lengths and bytes, what was cut, memory, digests, the
 * oldest, why, groups. */
#define OURS(removed, more, length, why)                                                           \
    "*23\r\n:1\r\n:" removed "\r\n:2\r\n:3\r\n:4\r\n:" more "\r\n:" length                         \
    "\r\n:8\r\n:-1\r\n:6\r\n:7000\r\n:4096\r\n:-1\r\n:600\r\n:0\r\n:0\r\n:5000\r\n:10000\r\n:"     \
    "33\r\n$3\r\n7.2\r\n"                                                                          \
    "$3\r\n5-0\r\n" why "\r\n:0\r\n"
#define NO_REASON "$0\r\n"
#define DONE OURS("0", "0", "70", NO_REASON)
#define MORE OURS("9", "1", "70", NO_REASON)
#define THEIRS "*1\r\n:0\r\n"

/* When */

/* One after the other, whether there are answers or not. */
static void test_turns(void **state)
{
    (void)state;
    open_scene(TRIM_OFF);
    assert_int_equal(scene.asked, 0); /* never from within open() */
    run_until_asked(4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(scene.partition_asked[i], i);
    }
    close_scene();
}

static void test_more(void **state)
{
    (void)state;
    open_scene(TRIM_ACKED);
    run_until_asked(1);
    for (size_t i = 0; i < 3; i++) { /* again and again, before the others have their turn */
        take(0, MORE);
        caretaker_done(scene.caretaker, 0);
        const size_t before = count_asked(0);
        run_for(scene.loop, SOON);
        assert_int_equal(count_asked(0), before + 1);
    }
    const size_t before = count_asked(0);
    take(0, DONE);
    caretaker_done(scene.caretaker, 0);
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), before);
    close_scene();
}

/* What has not ended is not asked for a second time, though another one is. */
static void test_not_twice_at_once(void **state)
{
    (void)state;
    open_scene(TRIM_ACKED);
    run_until_asked(2);
    take(0, MORE);
    take(1, MORE);
    caretaker_done(scene.caretaker, 1);
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), 1);
    assert_int_equal(count_asked(1), 2);
    caretaker_done(scene.caretaker, 0); /* now it may be */
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), 2);
    close_scene();
}

/* An end without an answer leads to nothing before its next turn; so does nothing to be sent. */
static void test_no_answer(void **state)
{
    (void)state;
    open_scene(TRIM_ACKED);
    run_until_asked(1);
    caretaker_done(scene.caretaker, 0);
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), 1);
    take(0, MORE); /* as if of an earlier one */
    scene.refuses = true;
    caretaker_done(scene.caretaker, 0);
    run_for(scene.loop, 3 * SOON);
    assert_int_equal(count_asked(0), 2);
    scene.refuses = false;
    take(0, MORE); /* it is not under way, or this would not be asked for */
    caretaker_done(scene.caretaker, 0);
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), 3);
    close_scene();
}

/* What */

/* Returns the text of the call, as of its 11th word: who asks. */
static Str who_asks(Caretaker *caretaker, size_t partition, Buffer *buffer)
{
    buffer_clear(buffer);
    assert_true(caretaker_write(caretaker, partition, buffer));
    Str rest = {buffer->ptr, buffer->len};
    char key[32];
    const int len = snprintf(key, sizeof(key), "\r\n{s:%zu}:quarantine\r\n", partition);
    const char *at = memmem(rest.ptr, rest.len, key, (size_t)len);
    assert_non_null(at); /* the keys are the partition's */
    rest = str_from_offset(rest, (size_t)(at - rest.ptr + len));
    for (size_t lines = 0; lines < 11; lines++) { /* five keys more, and the length of the name */
        str_split(&rest, '\n');
    }
    return str_trim_space(str_split(&rest, '\n'));
}

static void test_who(void **state)
{
    (void)state;
    open_scene(TRIM_ACKED);
    Caretaker *other = caretaker_open(scene.loop, scene.partitions, &scene.keep, &events, &scene);
    Buffer a = {0}, b = {0}, c = {0};
    const Str who = who_asks(scene.caretaker, 3, &a);
    assert_int_equal(who.len, 32);
    assert_true(str_eq(who_asks(scene.caretaker, 7, &b), who));
    assert_false(str_eq(who_asks(other, 3, &c), who));
    buffer_free(&a);
    buffer_free(&b);
    buffer_free(&c);
    caretaker_close(other);
    close_scene();
}

/* Not ours: whatever it was, there is nothing more for us to do. */
static void test_theirs(void **state)
{
    (void)state;
    open_scene(TRIM_ACKED);
    run_until_asked(1);
    take(0, THEIRS);
    caretaker_done(scene.caretaker, 0);
    run_for(scene.loop, SOON);
    assert_int_equal(count_asked(0), 1);
    close_scene();
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool is_returned; /* the sender asks again, or elsewhere; else it is told here */
    } cases[] = {
        {"-LOADING Redis is loading the dataset in memory\r\n", true},
        {"-BUSY Redis is busy running a script\r\n", true},
        {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", true},
        {"-MOVED 1 127.0.0.1:7001\r\n", true},
        {"-ASK 1 127.0.0.1:7001\r\n", true},
        {"-CLUSTERDOWN Hash slot not served\r\n", true},
        {"-READONLY You can't write against a read only replica.\r\n", true},
        {"-NOPERM this user has no permissions to run the 'eval' command\r\n", false},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", false},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", false},
        {"-ERR user_script:1: what nobody has thought of\r\n", false},
    };
    open_scene(TRIM_ACKED);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *why = "not set";
        const Reply *reply = reply_of(cases[i].reply);
        assert_ptr_equal(caretaker_take(scene.caretaker, 0, reply, &why),
                         cases[i].is_returned ? reply : NULL);
        assert_null(why);
    }
    close_scene();
}

static void test_no_sense(void **state)
{
    (void)state;
    static const char *const lies[] = {"+OK\r\n", ":0\r\n", "*0\r\n", "*1\r\n:1\r\n", "$-1\r\n"};
    open_scene(TRIM_ACKED);
    for (size_t i = 0; i < COUNT(lies); i++) {
        const char *why = NULL;
        assert_null(caretaker_take(scene.caretaker, 0, reply_of(lies[i]), &why));
        assert_non_null(why);
    }
    close_scene();
}

/* No memory */

static void test_failing_malloc(void **state)
{
    (void)state;
    bool failed = true;
    open_scene(TRIM_OFF);
    for (size_t n = 0; failed; n++) {
        failing_malloc_begin(n, FAIL_ONCE);
        Caretaker *caretaker =
            caretaker_open(scene.loop, scene.partitions, &scene.keep, &events, &scene);
        failed = failing_malloc_end();
        assert_int_equal(caretaker == NULL, failed);
        caretaker_close(caretaker);
    }
    Buffer buffer = {0};
    failing_malloc_begin(0, FAIL_ONCE);
    const bool ok = caretaker_write(scene.caretaker, 0, &buffer);
    assert_true(failing_malloc_end());
    assert_false(ok);
    assert_int_equal(buffer.len, 0);
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
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_not_twice_at_once),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_theirs),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_sense),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, open_stats, NULL);
}
