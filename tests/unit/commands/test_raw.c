#include "unit.h"

#include "commands/raw.h"

static void test_show(void **state)
{
    (void)state;
    static const struct {
        Str raw, want;
    } cases[] = {
        {STR_INIT(""), STR_INIT("\n")},
        {STR_INIT("a\tb\nc"), STR_INIT("a\tb\nc\n")},
        {STR_INIT("\x1B[2J\r\x7F\0"), STR_INIT("\\x1B[2J\\x0D\\x7F\\x00\n")},
        {STR_INIT("\xC3\xBC\xC2\x9B\xC2\xA0\xFF"), STR_INIT("\xC3\xBC\\xC2\\x9B\xC2\xA0\\xFF\n")},
        {STR_INIT("7"), STR_INIT("7\n")},
        {STR_INIT("{}"), STR_INIT("{}\n")},
        {STR_INIT("[ ]"), STR_INIT("[]\n")},
        {STR_INIT("{\"a\":[1, {\"b\":null}],\"c\":\"{,\\\"}\"}"),
         STR_INIT("{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n"
                  "  \"c\": \"{,\\\"}\"\n}\n")},
        {STR_INIT("{\"a\":1,}"), STR_INIT("{\"a\":1,}\n")}, /* no JSON: as it is */
        {STR_INIT("{\"a\":\"\\"), STR_INIT("{\"a\":\"\\\n")},
        {STR_INIT("\xFF\xFE[\0]\0"), STR_INIT("[]\n")},
        {STR_INIT("\xFE\xFF\0\x1B"), STR_INIT("\\x1B\n")},
        {STR_INIT("\xFF\xFE["), STR_INIT("\\xFF\\xFE[\n")},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Str shown = raw_show(cases[i].raw, arena);
        print_message("  %.*s", STR_ARG(shown));
        assert_true(str_eq(shown, cases[i].want));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_show)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
