#include "unit.h"

#include "commands/options.h"

#include <stdlib.h>
#include <time.h>

typedef struct {
    bool flag;
    const char *text;
    unsigned number, rate, lines;
    int64_t time;
    double real, bytes;
} Read;

enum { WORDS = 8 };

static bool read_words(const char *const *words, Read *ret, char **argv, int *argc, int *ret_first,
                       Error *reterr)
{
    const Option options[] = {OPTION("flag", OPTION_FLAG, &ret->flag),
                              OPTION("text", OPTION_TEXT, &ret->text),
                              OPTION("number", OPTION_NUMBER, &ret->number),
                              OPTION("rate", OPTION_RATE, &ret->rate),
                              OPTION("time", OPTION_TIME, &ret->time),
                              OPTION("bytes", OPTION_BYTES, &ret->bytes),
                              {"real", OPTION_REAL, &ret->real, 0.5, 1000, 0},
                              {"lines", OPTION_NUMBER, &ret->lines, 0, 99, 'n'},
                              {"quick", OPTION_FLAG, &ret->flag, 0, 0, 'q'}};
    *ret = (Read){.flag = false};
    argv[0] = (char *)(uintptr_t) "command";
    for (*argc = 1; words[*argc - 1]; ++*argc) {
        argv[*argc] = (char *)(uintptr_t)words[*argc - 1];
    }
    argv[*argc] = NULL;
    return options_read(*argc, argv, options, COUNT(options), ret_first, reterr);
}

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS], *left[WORDS]; /* NULL-terminated */
        Read want;
    } cases[] = {
        {{NULL}, {NULL}, {.flag = false}},
        {{"--flag"}, {NULL}, {.flag = true}},
        {{"a", "--text", "t", "b"}, {"a", "b"}, {.text = "t"}},
        {{"--text=t", "-", "--number=7"}, {"-"}, {.text = "t", .number = 7}},
        {{"--rate", "100/s"}, {NULL}, {.rate = 100}},
        {{"--rate", "100"}, {NULL}, {.rate = 100}},
        {{"--time", "1970-01-01T00:00:10Z"}, {NULL}, {.time = 10000}},
        {{"--number", "4294967295", "--", "--flag"}, {"--flag"}, {.number = UINT32_MAX}},
        {{"--number", "1", "--number", "2"}, {NULL}, {.number = 2}},
        {{"-n", "99", "w"}, {"w"}, {.lines = 99}},
        {{"-qn0", "--real=.5"}, {NULL}, {.flag = true, .real = 0.5}},
        {{"--lines", "7", "--real", "1e3"}, {NULL}, {.lines = 7, .real = 1000}},
        {{"--bytes", "512mb"}, {NULL}, {.bytes = 536870912}},
        {{"--bytes", "1.5GiB"}, {NULL}, {.bytes = 1610612736}},
        {{"--bytes", "1000"}, {NULL}, {.bytes = 1000}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Read read;
        Error error;
        char *argv[WORDS + 2];
        int argc, first;
        print_message("  %zu\n", i);
        assert_true(read_words(cases[i].words, &read, argv, &argc, &first, &error));
        assert_int_equal(read.flag, cases[i].want.flag);
        assert_int_equal(read.number, cases[i].want.number);
        assert_int_equal(read.rate, cases[i].want.rate);
        assert_int_equal(read.time, cases[i].want.time);
        assert_int_equal(read.lines, cases[i].want.lines);
        assert_true(read.real >= cases[i].want.real && read.real <= cases[i].want.real);
        assert_true(read.bytes >= cases[i].want.bytes && read.bytes <= cases[i].want.bytes);
        assert_int_equal(!read.text, !cases[i].want.text);
        if (read.text) {
            assert_string_equal(read.text, cases[i].want.text);
        }
        for (size_t k = 0; cases[i].left[k]; k++) {
            assert_string_equal(argv[first++], cases[i].left[k]);
        }
        assert_int_equal(first, argc);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS], *says;
    } cases[] = {
        {{"--new"}, "--new is no option of it"},
        {{"-f"}, "-f is no option of it"},
        {{"--flag=yes"}, "--flag=yes is no option of it"},
        {{"--text"}, "--text needs a value"},
        {{"--text="}, "--text wants a text"},
        {{"--number", "0"}, "--number wants a number from 1"},
        {{"--number", "-1"}, "--number wants a number from 1"},
        {{"--number", "4294967296"}, "--number wants a number from 1"},
        {{"-n"}, "-n needs a value"},
        {{"-n", "100"}, "--lines wants a number from 0 to 99"},
        {{"--lines", "-1"}, "--lines wants a number from 0 to 99"},
        {{"--real", "0.4"}, "--real wants a number from 0.5 to 1000"},
        {{"--real", "nan"}, "--real wants a number from 0.5 to 1000"},
        {{"--real", "1e309"}, "--real wants a number from 0.5 to 1000"},
        {{"--real", "1x"}, "--real wants a number from 0.5 to 1000"},
        {{"--real", ""}, "--real wants a number from 0.5 to 1000"},
        {{"--bytes", "512xb"}, "--bytes wants a size, such as 512mb or 4gb"},
        {{"--bytes", "-1"}, "--bytes wants a size, such as 512mb or 4gb"},
        {{"--bytes", "0"}, "--bytes wants a size, such as 512mb or 4gb"},
        {{"--bytes", "mb"}, "--bytes wants a size, such as 512mb or 4gb"},
        {{"--rate", "/s"}, "--rate wants a number a second from 1, such as 100/s"},
        {{"--rate", "1/m"}, "--rate wants a number a second from 1, such as 100/s"},
        {{"--rate", "0/s"}, "--rate wants a number a second from 1, such as 100/s"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Read read;
        Error error;
        char *argv[WORDS + 2];
        int argc, first;
        assert_false(read_words(cases[i].words, &read, argv, &argc, &first, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_string_equal(error.text, cases[i].says);
    }
}

/* Local times as of a zone that is five and a half hours ahead. */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* milliseconds; -1 = none */
    } cases[] = {
        {"0s", 1000000000123},
        {"90s", 999999910123},
        {"30m", 999998200123},
        {"12h", 999956800123},
        {"7d", 999395200123},
        {"2026-11-27", 1795717800000},
        {"2026-11-27T10:00", 1795753800000},
        {"2026-11-27T10:00:30", 1795753830000},
        {"2026-11-27T10:00Z", 1795773600000},
        {"2026-11-27Z", 1795737600000},
        {"", -1},
        {"s", -1},
        {"1", -1},
        {"-1s", -1},
        {"1w", -1},
        {"3651d", -1},
        {"yesterday", -1},
        {"2026-11-27T10", -1},
        {"2026-13-27", -1},
        {"2026-11-27T10:00+01:00", -1},
        {"2026-11-27T10:00ZZ", -1},
    };
    setenv("TZ", "UTC-5:30", 1);
    tzset();
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t time = -1;
        print_message("  %s\n", cases[i].text);
        assert_int_equal(options_time(cases[i].text, 1000000000123, &time), cases[i].want >= 0);
        assert_int_equal(time, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
