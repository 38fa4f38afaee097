#include "unit.h"

#include "base/base64.h"

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

/* RFC 4648 section 10, and what its alphabet has beside letters. */
static const struct {
    Str bytes, text;
} cases[] = {
    {STR_INIT(""), STR_INIT("")},
    {STR_INIT("f"), STR_INIT("Zg==")},
    {STR_INIT("fo"), STR_INIT("Zm8=")},
    {STR_INIT("foo"), STR_INIT("Zm9v")},
    {STR_INIT("foob"), STR_INIT("Zm9vYg==")},
    {STR_INIT("fooba"), STR_INIT("Zm9vYmE=")},
    {STR_INIT("foobar"), STR_INIT("Zm9vYmFy")},
    {STR_INIT("\xFB\xEF\xBE\xFF\xFF\xFF"), STR_INIT("++++////")},
    {STR_INIT("\0\0\0\0"), STR_INIT("AAAAAA==")},
};

static void test_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Str bytes, text = cases[i].text;
        assert_true(str_eq(base64_encode(cases[i].bytes, arena), text));
        assert_true(base64_decode(text, arena, &bytes));
        assert_true(str_eq(bytes, cases[i].bytes));
        while (text.len && text.ptr[text.len - 1] == '=') {
            text.len--;
        }
        assert_true(base64_decode(text, arena, &bytes)); /* without padding */
        assert_true(str_eq(bytes, cases[i].bytes));
    }
}

static void test_none(void **state)
{
    (void)state;
    static const Str texts[] = {STR_INIT("A"),     STR_INIT("Zg=a"),  STR_INIT("Zg="),
                                STR_INIT("===="),  STR_INIT("Zm9\n"), STR_INIT("-_-_"),
                                STR_INIT("Zm9vY"), STR_INIT("Z\0==")};
    for (size_t i = 0; i < COUNT(texts); i++) {
        Str bytes;
        print_message("  %s\n", texts[i].ptr);
        assert_false(base64_decode(texts[i], arena, &bytes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
