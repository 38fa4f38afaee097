#include "unit.h"

#include "failing_malloc.h"
#include "redis/ack.h"

#include <string.h>

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        Ack want;
    } good[] = {
        {"local", {ACK_LOCAL, 0, 0}},           {"replicas:1", {ACK_REPLICAS, 0, 1}},
        {"replicas:16", {ACK_REPLICAS, 0, 16}}, {"fsync:1,0", {ACK_FSYNC, 1, 0}},
        {"fsync:0,1", {ACK_FSYNC, 0, 1}},       {"fsync:1,16", {ACK_FSYNC, 1, 16}},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        Ack ack = {.kind = ACK_FSYNC};
        char text[ACK_TEXT];
        assert_true(ack_parse(str_from(good[i].text), &ack));
        assert_int_equal(ack.kind, good[i].want.kind);
        assert_int_equal(ack.local, good[i].want.local);
        assert_int_equal(ack.replicas, good[i].want.replicas);
        ack_show(&ack, text);
        assert_string_equal(text, good[i].text);
    }
    static const char *const bad[] = {
        "",
        "Local",
        "local ",
        "local:1",
        "replicas",
        "replicas:",
        "replicas:0",
        "replicas:17",
        "replicas:-1",
        "replicas:1 ",
        "replicas:x",
        "replicas:1,1",
        "replicas:4294967297",
        "fsync",
        "fsync:",
        "fsync:1",
        "fsync:1,",
        "fsync:,1",
        "fsync:0,0",
        "fsync:2,0",
        "fsync:1,17",
        "fsync:1,0,0",
        "fsync:1;0",
        "fsync: 1,0",
        "all",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        Ack ack = {ACK_REPLICAS, 0, 7};
        if (ack_parse(str_from(bad[i]), &ack)) {
            fail_msg("%s", bad[i]);
        }
        assert_true(ack.kind == ACK_REPLICAS && ack.replicas == 7);
    }
}

static void test_barriers(void **state)
{
    (void)state;
    static const struct {
        Ack ack;
        int64_t timeout;
        const char *want;
    } cases[] = {
        {{ACK_LOCAL, 0, 0}, 200, "x"},
        {{ACK_REPLICAS, 0, 1}, 200, "x*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$3\r\n200\r\n"},
        {{ACK_REPLICAS, 0, 16}, 60000, "x*3\r\n$4\r\nWAIT\r\n$2\r\n16\r\n$5\r\n60000\r\n"},
        {{ACK_FSYNC, 1, 0}, 1500, "x*4\r\n$7\r\nWAITAOF\r\n$1\r\n1\r\n$1\r\n0\r\n$4\r\n1500\r\n"},
        {{ACK_FSYNC, 0, 2}, 1, "x*4\r\n$7\r\nWAITAOF\r\n$1\r\n0\r\n$1\r\n2\r\n$1\r\n1\r\n"},
        /* 0 would be for ever */
        {{ACK_REPLICAS, 0, 1}, 0, "x*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n1\r\n"},
        {{ACK_REPLICAS, 0, 1}, -5, "x*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n1\r\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buffer buffer = {0};
        assert_true(buffer_reserve(&buffer, 1));
        buffer.ptr[buffer.len++] = 'x'; /* it is appended */
        assert_true(ack_write(&cases[i].ack, &buffer, cases[i].timeout));
        assert_int_equal(buffer.len, strlen(cases[i].want));
        assert_memory_equal(buffer.ptr, cases[i].want, buffer.len);
        buffer_free(&buffer);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    static const Ack ack = {ACK_FSYNC, 1, 1};
    Buffer buffer = {0};
    failing_malloc_begin(0, FAIL_ONCE);
    bool ok = ack_write(&ack, &buffer, 200);
    assert_true(failing_malloc_end());
    assert_false(ok);
    assert_int_equal(buffer.len, 0);
    buffer_free(&buffer);
}

#define NUMBER(n)                                                                                  \
    {                                                                                              \
        .kind = REPLY_INTEGER, .integer = (n)                                                      \
    }
#define LIST(...)                                                                                  \
    {                                                                                              \
        .kind = REPLY_LIST, .count = COUNT(((Reply[]){__VA_ARGS__})), .items = (Reply[])           \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define WAIT_2                                                                                     \
    {                                                                                              \
        ACK_REPLICAS, 0, 2                                                                         \
    }
#define WAITAOF_1_1                                                                                \
    {                                                                                              \
        ACK_FSYNC, 1, 1                                                                            \
    }

typedef enum { NONSENSE, TOO_FEW, ENOUGH } Verdict;

static void test_replies(void **state)
{
    (void)state;
    static const Reply text = {.kind = REPLY_TEXT, .text = STR_INIT("2")};
    const struct {
        Ack ack;
        Reply reply;
        Verdict want;
        Acknowledged counts;
    } cases[] = {
        {WAIT_2, NUMBER(0), TOO_FEW, {0, 0}},
        {WAIT_2, NUMBER(1), TOO_FEW, {0, 1}},
        {WAIT_2, NUMBER(2), ENOUGH, {0, 2}},
        {WAIT_2, NUMBER(5), ENOUGH, {0, 5}}, /* more replicas than were waited for */
        {WAIT_2, NUMBER(-1), NONSENSE, {0, 0}},
        {WAIT_2, NUMBER(4294967298), NONSENSE, {0, 0}},
        {WAIT_2, {.kind = REPLY_NIL}, NONSENSE, {0, 0}},
        {WAIT_2, text, NONSENSE, {0, 0}},
        {WAIT_2, {.kind = REPLY_STATUS, .text = STR_INIT("OK")}, NONSENSE, {0, 0}},
        {WAIT_2, LIST(NUMBER(1), NUMBER(2)), NONSENSE, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(0), NUMBER(0)), TOO_FEW, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(0), NUMBER(1)), TOO_FEW, {0, 1}},
        {WAITAOF_1_1, LIST(NUMBER(0), NUMBER(2)), TOO_FEW, {0, 2}}, /* none stands for another */
        {WAITAOF_1_1, LIST(NUMBER(1), NUMBER(0)), TOO_FEW, {1, 0}},
        {WAITAOF_1_1, LIST(NUMBER(1), NUMBER(1)), ENOUGH, {1, 1}},
        {WAITAOF_1_1, LIST(NUMBER(1), NUMBER(3)), ENOUGH, {1, 3}},
        {{ACK_FSYNC, 0, 1}, LIST(NUMBER(0), NUMBER(1)), ENOUGH, {0, 1}},
        {{ACK_FSYNC, 1, 0}, LIST(NUMBER(1), NUMBER(0)), ENOUGH, {1, 0}},
        {WAITAOF_1_1, LIST(NUMBER(2), NUMBER(1)), NONSENSE, {0, 0}}, /* it is one server */
        {WAITAOF_1_1, LIST(NUMBER(-1), NUMBER(1)), NONSENSE, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(1), NUMBER(-1)), NONSENSE, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(1)), NONSENSE, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(1), NUMBER(1), NUMBER(1)), NONSENSE, {0, 0}},
        {WAITAOF_1_1, LIST(NUMBER(1), text), NONSENSE, {0, 0}},
        {WAITAOF_1_1, {.kind = REPLY_LIST}, NONSENSE, {0, 0}},
        {WAITAOF_1_1, NUMBER(2), NONSENSE, {0, 0}},
        {{ACK_LOCAL, 0, 0}, NUMBER(0), NONSENSE, {0, 0}}, /* nothing was asked */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Acknowledged got = {77, 77};
        Verdict verdict = NONSENSE;
        if (ack_read(&cases[i].ack, &cases[i].reply, &got)) {
            verdict = ack_is_enough(&cases[i].ack, &got) ? ENOUGH : TOO_FEW;
            assert_int_equal(got.local, cases[i].counts.local);
            assert_int_equal(got.replicas, cases[i].counts.replicas);
        } else {
            assert_true(got.local == 77 && got.replicas == 77);
        }
        if (verdict != cases[i].want) {
            fail_msg("case %zu: %d", i, (int)verdict);
        }
    }
    assert_true(ack_is_enough(&(Ack){0}, &(Acknowledged){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings), cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
