#include "unit.h"

#include "http/fcgi_record.h"

#include <stdlib.h>

static void test_head(void **state)
{
    (void)state;
    char bytes[FCGI_HEAD_BYTES];
    assert_ptr_equal(fcgi_put_head(bytes, 6, 0x1234, 0xFEDC), bytes + sizeof(bytes));
    assert_memory_equal(bytes, "\1\6\x12\x34\xFE\xDC\0\0", 8);
    FcgiHead head = fcgi_read_head("\1\6\xFF\xFE\xFE\xDC\xFD\0");
    assert_int_equal(head.version, 1);
    assert_int_equal(head.type, 6);
    assert_int_equal(head.id, 0xFFFE);
    assert_int_equal(head.length, 0xFEDC);
    assert_int_equal(head.padding, 0xFD);
}

static void test_end(void **state)
{
    (void)state;
    char bytes[FCGI_END_BYTES];
    assert_ptr_equal(fcgi_put_end(bytes, 1), bytes + sizeof(bytes));
    assert_memory_equal(bytes, "\1\3\0\1\0\x08\0\0\0\0\0\0\0\0\0\0", 16);
}

/* What is written is read again, with lengths around those where their form changes. */
static void test_pairs(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 24};
    char *text = malloc(1 << 24), *bytes = malloc((2 << 24) + 8);
    assert_true(text && bytes);
    memset(text, 'x', 1 << 24);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        for (size_t j = 0; j < COUNT(lengths); j++) {
            const Str name = {text, lengths[i]}, value = {text, lengths[j]};
            char *end = fcgi_put_pair(bytes, name, value);
            assert_int_equal(end - bytes, fcgi_pair_size(name, value));
            Str rest = {bytes, (size_t)(end - bytes)}, got_name, got_value;
            assert_true(fcgi_take_pair(&rest, &got_name, &got_value));
            assert_int_equal(rest.len, 0);
            assert_int_equal(got_name.len, name.len);
            assert_int_equal(got_value.len, value.len);
        }
    }
    free(text);
    free(bytes);
}

/* Lengths that lie: no sum of them overflows, and nothing beyond the end is read. */
static void test_pairs_that_end_early(void **state)
{
    (void)state;
    static const Str cases[] = {
        STR_INIT("\1"),
        STR_INIT("\1\1n"),
        STR_INIT("\2\0n"),
        STR_INIT("\x80"),
        STR_INIT("\x80\0\0"),
        STR_INIT("\1\x80\0\0"),
        STR_INIT("\xFF\xFF\xFF\xFF"),
        STR_INIT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFxx"),
        STR_INIT("\xC0\0\0\0\xC0\0\0\0xx"),
        STR_INIT("\1\xFF\xFF\xFF\xFFnv"),
        STR_INIT("\xFF\xFF\xFF\xFE\1nv"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *exact = malloc(cases[i].len); /* so that ASan and valgrind see a read beyond it */
        assert_non_null(exact);
        memcpy(exact, cases[i].ptr, cases[i].len);
        Str rest = {exact, cases[i].len}, name, value;
        if (fcgi_take_pair(&rest, &name, &value)) {
            fail_msg("case %zu", i);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_that_end_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
