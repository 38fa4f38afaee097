#include "unit.h"

#include "failing_malloc.h"
#include "redis/resp.h"

#include <stdlib.h>

static void assert_put(const char *from, const char *end, const char *want)
{
    assert_int_equal(end - from, strlen(want));
    assert_memory_equal(from, want, strlen(want));
}

static void test_parts(void **state)
{
    (void)state;
    char to[256];
    assert_put(to, resp_put_head(to, 0), "*0\r\n");
    assert_put(to, resp_put_head(to, 1048576), "*1048576\r\n");
    assert_put(to, resp_put_word(to, STR("a\r\nb")), "$4\r\na\r\nb\r\n");
    assert_int_equal(resp_put_word(to, STR("a\0b")) - to, 9);
    assert_memory_equal(to, "$3\r\na\0b\r\n", 9);
    assert_put(to, resp_put_word(to, STR("")), "$0\r\n\r\n");
    assert_put(to, resp_put_word(to, (Str){NULL, 0}), "$0\r\n\r\n");
    assert_put(to, resp_put_number(to, 0), "$1\r\n0\r\n");
    assert_put(to, resp_put_number(to, SIZE_MAX), "$20\r\n18446744073709551615\r\n");
    assert_put(to, resp_put_joined(to, STR("ab"), STR("c")), "$3\r\nabc\r\n");
    assert_put(to, resp_put_joined(to, (Str){NULL, 0}, STR("c")), "$1\r\nc\r\n");
}

/* What is around a word never takes more than RESP_FRAME. */
static void test_frame(void **state)
{
    (void)state;
    static char word[1 << 20], to[(1 << 20) + RESP_FRAME];
    for (size_t len = 1; len <= sizeof(word); len *= 2) {
        assert_in_range(resp_put_word(to, (Str){word, len}) - to, len, len + RESP_FRAME);
        assert_in_range(resp_put_number(to, len) - to, 1, RESP_FRAME);
    }
    assert_in_range(resp_put_number(to, SIZE_MAX) - to, 1, RESP_FRAME);
    assert_in_range(resp_put_head(to, SIZE_MAX) - to, 1, RESP_FRAME);
}

static void test_command(void **state)
{
    (void)state;
    const Str words[] = {STR("SET"), STR("k"), STR("")};
    Buffer buffer = {0};
    assert_true(resp_command(&buffer, words, 3));
    assert_true(resp_command(&buffer, words, 1));
    assert_put(buffer.ptr, buffer.ptr + buffer.len,
               "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$3\r\nSET\r\n");
    size_t before = buffer.len;
    buffer.room = buffer.len; /* full */
    failing_malloc_begin(0, FAIL_FOREVER);
    bool appended = resp_command(&buffer, words, 3);
    failing_malloc_end();
    assert_false(appended);
    assert_int_equal(buffer.len, before);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
