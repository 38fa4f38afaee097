#include "unit.h"

#include "payload/reason.h"

static void test_error_text(void **state)
{
    (void)state;
    Error error;
    char text[2 * LIMIT_TEXT];
    assert_false(error_malformed(&error, REASON_SYNTAX, "%s", "broken"));
    assert_int_equal(error_describe(&error, text, sizeof(text)), 6);
    assert_string_equal(text, "broken"); /* without a position */
    assert_int_equal(error_describe(&error, text, 4), 3);
    assert_string_equal(text, "bro");
    error_locate(&error, STR("ab"), 99); /* not beyond the end */
    assert_int_equal(error.offset, 2);
    assert_int_equal(error.column, 3);
    for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        Str word = reason_word((Reason)reason); /* stable words: [a-z][a-z0-9_]* */
        assert_true(word.len > 0 && word.ptr[0] >= 'a' && word.ptr[0] <= 'z');
        assert_int_equal(strspn(word.ptr, "abcdefghijklmnopqrstuvwxyz0123456789_"), word.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
