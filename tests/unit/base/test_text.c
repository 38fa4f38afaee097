#include "unit.h"

#include "failing_malloc.h"
#include "base/str.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void assert_str(Str got, Str want)
{
    if (!str_eq(got, want)) {
        fail_msg("got '%.*s', want '%.*s'", STR_ARG(got), STR_ARG(want));
    }
}

static void test_split_and_trim(void **state)
{
    (void)state;
    Str rest = STR("a,,b");
    assert_str(str_split(&rest, ','), STR("a"));
    assert_str(str_split(&rest, ','), STR(""));
    assert_non_null(rest.ptr);
    assert_str(str_split(&rest, ','), STR("b"));
    assert_null(rest.ptr);
    rest = STR("a,");
    assert_str(str_split(&rest, ','), STR("a"));
    assert_non_null(rest.ptr); /* the empty last part is still to come */
    assert_str(str_split(&rest, ','), STR(""));
    assert_null(rest.ptr);
    assert_str(str_trim(STR(" \t a b\t ")), STR("a b"));
    assert_str(str_trim(STR(" \t ")), STR(""));
    assert_str(str_trim(STR("\n")), STR("\n"));
    assert_str(str_trim_space(STR("\r\n \ta \n b\t\n")), STR("a \n b"));
    assert_str(str_trim_space(STR(" \n\r\t")), STR(""));
    assert_str(str_trim_space(STR("\v\0\f")), STR("\v\0\f")); /* no other control character */
    assert_str(str_skip_space(STR(" \n\r\ta ")), STR("a "));
    assert_str(str_skip_space(STR("\n                   a      ")), STR("a      "));
    assert_str(str_skip_space((Str){NULL, 0}), STR(""));
}

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq((Str){NULL, 0}, STR("")));
    assert_true(str_eq_nocase(STR("Az09_"), STR("aZ09_")));
    assert_false(str_eq_nocase(STR("@[`{"), STR("`{@["))); /* only letters have a case */
    assert_false(str_eq_nocase(STR("\xC3\xA9"), STR("\xC3\x89")));
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_false(str_starts_with(STR("ab"), STR("abc")));
    assert_int_equal(str_find(STR("abc"), 'c'), 2);
    assert_int_equal(str_find(STR("abc"), 'x'), 3);
    assert_int_equal(str_find((Str){NULL, 0}, 'x'), 0);
}

/* A part as JSON and as XML character data. */
static void test_escapes(void **state)
{
    (void)state;
    static const struct {
        Str plain, json, xml;
    } cases[] = {
        {STR_INIT(""), STR_INIT("\"\""), STR_INIT("")},
        {STR_INIT("plain"), STR_INIT("\"plain\""), STR_INIT("plain")},
        {STR_INIT("\"\\/"), STR_INIT("\"\\\"\\\\/\""), STR_INIT("&quot;\\/")},
        {STR_INIT("<a>&'"), STR_INIT("\"<a>&'\""), STR_INIT("&lt;a&gt;&amp;'")},
        {STR_INIT("\b\f\n\r\t"), STR_INIT("\"\\b\\f\\n\\r\\t\""),
         STR_INIT("\xEF\xBF\xBD\xEF\xBF\xBD\n\xEF\xBF\xBD\t")},
        {STR_INIT("a\0b\x1F"), STR_INIT("\"a\\u0000b\\u001f\""),
         STR_INIT("a\xEF\xBF\xBD"
                  "b\xEF\xBF\xBD")},
        {STR_INIT("\x7F\xC3\xA9\xF0\x9F\x9A\x80"), STR_INIT("\"\x7F\xC3\xA9\xF0\x9F\x9A\x80\""),
         STR_INIT("\x7F\xC3\xA9\xF0\x9F\x9A\x80")},
    };
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        Text json = text_begin(arena), xml = text_begin(arena);
        text_add_json(&json, cases[i].plain);
        text_add_xml(&xml, cases[i].plain);
        assert_str(text_finish(&json), cases[i].json);
        assert_str(text_finish(&xml), cases[i].xml);
    }
    arena_free(arena);
}

static void test_add(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    Text text = text_begin(arena);
    Str empty = text_finish(&text);
    assert_non_null(empty.ptr); /* an empty text is not an absent one */
    assert_int_equal(empty.len, 0);

    char want[4000] = "";
    for (int i = 0; i < 500; i++) {
        text_add(&text, STR("ab"));
        text_add_format(&text, "%d,", i);
        snprintf(want + strlen(want), 16, "ab%d,", i);
        assert_non_null(arena_alloc(arena, 16)); /* so that the text must move to grow */
    }
    assert_str(text_finish(&text), str_from(want));
    arena_free(arena);
}

/* Once memory was short, the text is absent, whatever is added. */
static void test_no_memory(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    Text text = text_begin(arena);
    failing_malloc_begin(0, FAIL_ONCE);
    text_add(&text, STR("lost"));
    failing_malloc_end();
    text_add(&text, STR("a"));
    text_add_format(&text, "%d", 1);
    text_add_json(&text, STR("b"));
    assert_null(text_finish(&text).ptr);
    arena_free(arena);
}

static void test_put_number(void **state)
{
    (void)state;
    static const struct {
        size_t number;
        Str want;
    } cases[] = {
        {0, STR_INIT("0")},
        {9, STR_INIT("9")},
        {10, STR_INIT("10")},
        {99, STR_INIT("99")},
        {100, STR_INIT("100")},
        {1700000000123, STR_INIT("1700000000123")},
        {SIZE_MAX, STR_INIT("18446744073709551615")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char buf[20];
        const char *end = str_put_number(buf, cases[i].number);
        assert_str((Str){buf, (size_t)(end - buf)}, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_and_trim), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_escapes),        cmocka_unit_test(test_add),
        cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_put_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
