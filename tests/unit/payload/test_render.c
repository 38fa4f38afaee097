#include "unit.h"

#include "payload/render.h"

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        StatusError errors[2];
        size_t count;
        const char *want;
    } cases[] = {
        {"none", {{{NULL, 0}, {NULL, 0}, {NULL, 0}}}, 0, "[]"},
        {"one", {{STR_INIT("1"), STR_INIT("t"), {NULL, 0}}}, 1, "[{\"code\":1,\"title\":\"t\"}]"},
        {"two",
         {{STR_INIT("1"), STR_INIT("t"), {NULL, 0}}, {STR_INIT("2"), STR_INIT("u"), {NULL, 0}}},
         2,
         "[{\"code\":1,\"title\":\"t\"},{\"code\":2,\"title\":\"u\"}]"},
        {"a code only", {{STR_INIT("1"), {NULL, 0}, {NULL, 0}}}, 1, "[{\"code\":1}]"},
        {"a title only", {{{NULL, 0}, STR_INIT("t"), {NULL, 0}}}, 1, "[{\"title\":\"t\"}]"},
        {"neither", {{{NULL, 0}, {NULL, 0}, {NULL, 0}}}, 1, "[{}]"},
        {"signs",
         {{STR_INIT("-5"), {NULL, 0}, {NULL, 0}}, {STR_INIT("+5"), {NULL, 0}, {NULL, 0}}},
         2,
         "[{\"code\":-5},{\"code\":5}]"},
        {"leading zeros",
         {{STR_INIT("007"), {NULL, 0}, {NULL, 0}}, {STR_INIT("000"), {NULL, 0}, {NULL, 0}}},
         2,
         "[{\"code\":7},{\"code\":0}]"},
        {"blanks around",
         {{STR_INIT(" \t\r\n131026 "), {NULL, 0}, {NULL, 0}}},
         1,
         "[{\"code\":131026}]"},
        {"any size",
         {{STR_INIT("123456789012345678901234567890"), {NULL, 0}, {NULL, 0}}},
         1,
         "[{\"code\":123456789012345678901234567890}]"},
        {"not an integer",
         {{STR_INIT("1.5"), {NULL, 0}, {NULL, 0}}, {STR_INIT("0x1"), {NULL, 0}, {NULL, 0}}},
         2,
         "[{\"code\":\"1.5\"},{\"code\":\"0x1\"}]"},
        {"nor these",
         {{STR_INIT(""), {NULL, 0}, {NULL, 0}}, {STR_INIT(" - "), {NULL, 0}, {NULL, 0}}},
         2,
         "[{\"code\":\"\"},{\"code\":\" - \"}]"},
        {"nor with a NUL",
         {{STR_INIT("1\0"), {NULL, 0}, {NULL, 0}}, {STR_INIT("1 2"), {NULL, 0}, {NULL, 0}}},
         2,
         "[{\"code\":\"1\\u0000\"},{\"code\":\"1 2\"}]"},
        {"escaped", {{{NULL, 0}, STR_INIT("a\"\n"), {NULL, 0}}}, 1, "[{\"title\":\"a\\\"\\n\"}]"},
    };
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        Str got = render_errors(arena, cases[i].errors, cases[i].count);
        if (!str_eq(got, str_from(cases[i].want))) {
            fail_msg("%s: %.*s", cases[i].label, STR_ARG(got));
        }
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
