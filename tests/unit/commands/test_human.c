#include "unit.h"

#include "commands/human.h"

#include <stdlib.h>
#include <time.h>

static void test_count(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *want;
    } cases[] = {
        {0, "0"},          {999, "999"},           {1000, "1,000"},
        {12345, "12,345"}, {1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[HUMAN_ROOM];
        assert_string_equal(human_count(cases[i].number, text), cases[i].want);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *want;
    } cases[] = {{0, "0 bytes"},
                 {1023, "1023 bytes"},
                 {1024, "1.0 KiB"},
                 {1048575, "1.0 MiB"},
                 {69100000, "65.9 MiB"},
                 {UINT64_C(3) << 30, "3.0 GiB"},
                 {UINT64_MAX, "16777216.0 TiB"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[HUMAN_ROOM];
        assert_string_equal(human_bytes(cases[i].number, text), cases[i].want);
    }
}

static void test_span(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *want;
    } cases[] = {{0, "0 s"},
                 {59, "59 s"},
                 {60, "1 min"},
                 {725, "12 min 5 s"},
                 {3600, "1 h"},
                 {3659, "1 h"},
                 {47520, "13 h 12 min"},
                 {86400, "24 h"},
                 {172799, "47 h 59 min"},
                 {172800, "2 d"},
                 {615600, "7 d 3 h"},
                 {2592000, "30 d"},
                 {INT64_MAX, "106751991167300 d 15 h"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[HUMAN_ROOM];
        assert_string_equal(human_span(cases[i].seconds, text), cases[i].want);
    }
}

static void test_time(void **state)
{
    (void)state;
    char text[HUMAN_ROOM];
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    assert_string_equal(human_time(1767222000, text), "2026-01-01 00:00:00 +0100");
    assert_string_equal(human_time(1782860400, text), "2026-07-01 01:00:00 +0200");
    assert_memory_equal(human_time(INT64_C(999999999999999), text), "31690708-", 9);
    assert_string_equal(human_time(INT64_MAX, text), "@9223372036854775807");
}

/* What steers a terminal becomes '?', also U+009B, which is as ESC [ to some. */
static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"a name", "a name"},
        {"\x1b[31m\n\x7f", "?[31m??"},
        {"\xc2\x9b\x31m", "??1m"},
        {"\xc3\xa4\xc2\xa0", "\xc3\xa4\xc2\xa0"},
        {"123456789", "1234567"}, /* cut */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char to[8];
        assert_string_equal(human_plain(str_from(rows[i].text), to, sizeof(to)), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_count),
                                       cmocka_unit_test(test_bytes), cmocka_unit_test(test_span),
                                       cmocka_unit_test(test_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
