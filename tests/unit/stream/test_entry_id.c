#include "unit.h"

#include "stream/entry_id.h"

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        EntryId want;
    } good[] = {{"0-0", {0, 0}},
                {"1764321722112-3", {1764321722112, 3}},
                {"18446744073709551615-18446744073709551615", {UINT64_MAX, UINT64_MAX}}};
    static const char *const bad[] = {"",
                                      "-",
                                      "1",
                                      "1-",
                                      "-1",
                                      "1-2-3",
                                      "(1-2",
                                      " 1-2",
                                      "1-2 ",
                                      "a-b",
                                      "18446744073709551616-0",
                                      "0-99999999999999999999"};
    for (size_t i = 0; i < COUNT(good); i++) {
        EntryId id;
        char text[ENTRY_ID_ROOM];
        assert_true(entry_id_read(str_from(good[i].text), &id));
        assert_int_equal(entry_id_compare(id, good[i].want), 0);
        assert_true(str_eq(entry_id_write(id, false, text), str_from(good[i].text)));
        assert_true(
            str_eq(str_from_offset(entry_id_write(id, true, text), 1), str_from(good[i].text)));
        assert_int_equal(text[0], '(');
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        EntryId id = {7, 7};
        if (entry_id_read(str_from(bad[i]), &id) || id.ms != 7 || id.sequence != 7) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void test_ms(void **state)
{
    (void)state;
    static const struct {
        Str text;
        int64_t want;
    } cases[] = {{STR_INIT("1764321722112-3"), 1764321722112},
                 {STR_INIT("1764321722112"), 1764321722112},
                 {STR_INIT("0-1"), 0},
                 {STR_INIT(""), 0},
                 {STR_INIT("-3"), 0},
                 {STR_INIT("+"), 0},
                 {STR_INIT("9223372036854775807-0"), INT64_MAX},
                 {STR_INIT("9223372036854775808-0"), 0},
                 {{NULL, 0}, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(entry_id_ms(cases[i].text), cases[i].want);
    }
}

static void test_order(void **state)
{
    (void)state;
    static const EntryId order[] = {{0, 0}, {0, 1}, {1, 0}, {1, UINT64_MAX}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < COUNT(order); i++) {
        for (size_t k = 0; k < COUNT(order); k++) {
            const int got = entry_id_compare(order[i], order[k]);
            assert_true(i < k ? got < 0 : i > k ? got > 0 : got == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_ms),
                                       cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
