#include "unit.h"

#include "payload/json_scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The scanner alone; what JSON is and is not is in test_json_oracle.c.
 * test_json_scan_portable.c runs these again without SSE2.
 */

/* Reads a text as one value. */
static bool scan_all(Str text, JsonValue *ret, Error *error)
{
    JsonScanner scan;
    json_begin(&scan, text, error);
    return json_value(&scan, ret) && json_end(&scan);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        Str text;
        JsonKind kind;
    } cases[] = {
        {STR_INIT("null"), JSON_NULL},     {STR_INIT("true"), JSON_BOOLEAN},
        {STR_INIT("false"), JSON_BOOLEAN}, {STR_INIT("-0.50e+7"), JSON_NUMBER},
        {STR_INIT("\"x\""), JSON_STRING},  {STR_INIT("[ 1 ]"), JSON_ARRAY},
        {STR_INIT("{}"), JSON_OBJECT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        JsonScanner scan;
        JsonKind kind;
        JsonValue value;
        Error error;
        json_begin(&scan, cases[i].text, &error);
        assert_true(json_peek(&scan, &kind));
        assert_int_equal(kind, cases[i].kind);
        assert_true(json_value(&scan, &value));
        assert_int_equal(value.kind, cases[i].kind);
        assert_true(str_eq(value.text, cases[i].text)); /* as written */
        assert_true(json_end(&scan));
    }
}

static void test_walk(void **state)
{
    (void)state;
    JsonScanner scan;
    JsonValue name, value;
    Error error;
    json_begin(&scan, STR(" { \"a\" : [ 1 , { } ] , \"b\\n\" : { \"c\" : [ ] } } "), &error);
    assert_true(json_enter(&scan, JSON_OBJECT));
    assert_true(json_member(&scan, &name));
    assert_true(str_eq(name.text, STR("\"a\"")));
    assert_false(name.escaped);
    assert_true(json_enter(&scan, JSON_ARRAY));
    assert_true(json_element(&scan));
    assert_true(json_value(&scan, &value));
    assert_true(str_eq(value.text, STR("1")));
    assert_true(json_element(&scan));
    assert_true(json_enter(&scan, JSON_OBJECT));
    assert_false(json_member(&scan, &name)); /* the end of the inner object, no error */
    assert_false(json_failed(&scan));
    assert_false(json_element(&scan));
    assert_true(json_member(&scan, &name));
    assert_true(name.escaped);
    assert_true(json_value(&scan, &value)); /* whole */
    assert_true(str_eq(value.text, STR("{ \"c\" : [ ] }")));
    assert_false(json_member(&scan, &name));
    assert_true(json_end(&scan));
    assert_false(json_failed(&scan));
}

/* After an error every function returns false, and the first error stands. */
static void test_error_stands(void **state)
{
    (void)state;
    JsonScanner scan;
    JsonKind kind;
    JsonValue value;
    Error error;
    json_begin(&scan, STR("[1 2, 3]"), &error);
    assert_true(json_enter(&scan, JSON_ARRAY));
    assert_true(json_element(&scan));
    assert_true(json_value(&scan, &value));
    assert_false(json_element(&scan));
    assert_true(json_failed(&scan));
    for (size_t round = 0; round < 2; round++) {
        assert_false(json_element(&scan));
        assert_false(json_peek(&scan, &kind));
        assert_false(json_value(&scan, &value));
        assert_false(json_enter(&scan, JSON_OBJECT));
        assert_false(json_member(&scan, &value));
        assert_false(json_end(&scan));
    }
    assert_int_equal(error.offset, 3);
    assert_string_equal(error.text, "expected ',' or ']'");

    /* also right behind the opening of a container */
    json_begin(&scan, STR("[x"), &error);
    assert_true(json_enter(&scan, JSON_ARRAY));
    assert_false(json_value(&scan, &value));
    assert_false(json_element(&scan));
    assert_false(json_member(&scan, &value));
    assert_int_equal(error.offset, 1);
}

static void test_error_positions(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        Str text;
        Reason reason;
        size_t line, column, offset;
        const char *want;
    } cases[] = {
        {"nothing", STR_INIT(""), REASON_SYNTAX, 1, 1, 0, "the JSON text ends early"},
        {"an open text", STR_INIT("\n\"a"), REASON_SYNTAX, 2, 3, 3, "the JSON text ends early"},
        {"an open array", STR_INIT("[1"), REASON_SYNTAX, 1, 3, 2, "the JSON text ends early"},
        {"no comma", STR_INIT("[1 2]"), REASON_SYNTAX, 1, 4, 3, "expected ',' or ']'"},
        {"no comma in an object", STR_INIT("{\"a\":1 2}"), REASON_SYNTAX, 1, 8, 7,
         "expected ',' or '}'"},
        {"no colon", STR_INIT("{\"a\" 1}"), REASON_SYNTAX, 1, 6, 5,
         "expected ':' after a member name"},
        {"no name", STR_INIT("{1}"), REASON_SYNTAX, 1, 2, 1, "expected a member name in quotes"},
        {"a word", STR_INIT("[\r\n nul]"), REASON_SYNTAX, 2, 2, 4, "not a JSON value"},
        {"a leading zero", STR_INIT("[01]"), REASON_SYNTAX, 1, 3, 2, "not a number"},
        {"a point without digits", STR_INIT("[1.]"), REASON_SYNTAX, 1, 4, 3, "not a number"},
        {"an escape", STR_INIT("[\"ab\\x\"]"), REASON_SYNTAX, 1, 5, 4,
         "an unknown escape in a string"},
        {"\\u", STR_INIT("[\"\\u12g4\"]"), REASON_SYNTAX, 1, 3, 2, "\\u without four hex digits"},
        {"a control character", STR_INIT("[\"a\tb\"]"), REASON_SYNTAX, 1, 4, 3,
         "a control character in a string"},
        {"a byte that is not UTF-8", STR_INIT("[\"\xC3\xA9\xA9\"]"), REASON_ENCODING, 1, 5, 4,
         "bytes that are not UTF-8"},
        {"text after", STR_INIT("{}\n\nx"), REASON_SYNTAX, 3, 1, 4,
         "something follows the JSON document"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        JsonValue value;
        Error error;
        assert_false(scan_all(cases[i].text, &value, &error));
        if (error.code != ERROR_MALFORMED || error_reason(&error) != cases[i].reason ||
            error.line != cases[i].line || error.column != cases[i].column ||
            error.offset != cases[i].offset || strcmp(error.text, cases[i].want) != 0) {
            fail_msg("%s: %zu:%zu %zu %s", cases[i].label, error.line, error.column, error.offset,
                     error.text);
        }
    }
}

static bool scan_nested(size_t depth, bool by_walking, Error *error)
{
    char text[2 * (LIMIT_DEPTH + 2)];
    JsonScanner scan;
    JsonValue value;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    if (!by_walking) {
        return scan_all((Str){text, 2 * depth}, &value, error);
    }
    json_begin(&scan, (Str){text, 2 * depth}, error);
    while (json_enter(&scan, JSON_ARRAY) && depth-- > 1) {
        json_element(&scan);
    }
    while (!json_failed(&scan) && scan.depth > 0) {
        json_element(&scan);
    }
    return json_end(&scan);
}

static void test_depth(void **state)
{
    (void)state;
    for (int by_walking = 0; by_walking < 2; by_walking++) {
        Error error;
        assert_true(scan_nested(LIMIT_DEPTH, by_walking, &error));
        assert_false(scan_nested(LIMIT_DEPTH + 1, by_walking, &error));
        assert_int_equal(error_reason(&error), REASON_TOO_DEEP);
        assert_int_equal(error.offset, LIMIT_DEPTH);
    }
}

static void test_content(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        Str text, want;
    } cases[] = {
        {"null is absent", STR_INIT("null"), {NULL, 0}},
        {"a number as written", STR_INIT("-1.50E+2"), STR_INIT("-1.50E+2")},
        {"a boolean", STR_INIT("true"), STR_INIT("true")},
        {"a container", STR_INIT("[ 1 ]"), STR_INIT("[ 1 ]")},
        {"a text", STR_INIT("\"a b\""), STR_INIT("a b")},
        {"an empty text", STR_INIT("\"\""), STR_INIT("")},
        {"simple escapes", STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR_INIT("\"\\/\b\f\n\r\t")},
        {"\\u of one to three bytes", STR_INIT("\"\\u0041\\u00e9\\u20AC\""),
         STR_INIT("A\xC3\xA9\xE2\x82\xAC")},
        {"\\u0000", STR_INIT("\"a\\u0000b\""), STR_INIT("a\0b")},
        {"a pair", STR_INIT("\"\\ud83d\\uDE80\""), STR_INIT("\xF0\x9F\x9A\x80")},
        {"the first and the last pair", STR_INIT("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""),
         STR_INIT("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")},
        {"a lone high half", STR_INIT("\"\\ud83d\""), STR_INIT("\xEF\xBF\xBD")},
        {"followed by text", STR_INIT("\"\\ud83dx\""), STR_INIT("\xEF\xBF\xBDx")},
        {"followed by another escape", STR_INIT("\"\\ud83d\\n\""), STR_INIT("\xEF\xBF\xBD\n")},
        {"by one that is no low half", STR_INIT("\"\\ud83d\\u0041\""),
         STR_INIT("\xEF\xBF\xBD"
                  "A")},
        {"by another high half", STR_INIT("\"\\ud83d\\ud83d\\ude80\""),
         STR_INIT("\xEF\xBF\xBD\xF0\x9F\x9A\x80")},
        {"a lone low half", STR_INIT("\"\\ude80\""), STR_INIT("\xEF\xBF\xBD")},
        {"text around escapes", STR_INIT("\"one\\ntwo\\u0020three\""), STR_INIT("one\ntwo three")},
    };
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        JsonValue value;
        Error error;
        Str content;
        assert_true(scan_all(cases[i].text, &value, &error));
        assert_true(json_content(&value, arena, &content));
        if (!str_eq(content, cases[i].want) || !content.ptr != !cases[i].want.ptr) {
            fail_msg("%s: %.*s", cases[i].label, STR_ARG(content));
        }
    }
    arena_free(arena);
}

/*
 * Whatever the alignment, the byte that ends a run of plain ones is found where it is: texts of
 * every length with a special byte at every place.
 */
static void test_special_bytes(void **state)
{
    (void)state;
    static const struct {
        char byte;
        bool ends_text, is_valid;
    } specials[] = {
        {'"', true, true},      {'\\', false, true},  {'\x1F', false, false},
        {'\0', false, false},   {'\n', false, false}, {'\x7F', false, true},
        {' ', false, true},     {'!', false, true},   {'#', false, true},
        {'[', false, true},     {']', false, true},   {'\x80', false, false},
        {'\xFF', false, false},
    };
    char buffer[80];
    for (size_t s = 0; s < COUNT(specials); s++) {
        for (size_t start = 0; start < 16; start++) {
            for (size_t at = 0; at < 40; at++) {
                JsonValue value;
                Error error;
                char *text = buffer + start;
                memset(text, 'n', 44); /* so that \n is an escape */
                text[0] = '"';
                text[1 + at] = specials[s].byte;
                text[42] = '"';
                const Str whole = {text, specials[s].ends_text ? at + 2 : 43};
                bool ok = scan_all(whole, &value, &error);
                assert_int_equal(ok, specials[s].is_valid);
                if (!ok) {
                    assert_int_equal(error.offset, 1 + at);
                } else {
                    assert_int_equal(value.text.len, whole.len);
                    assert_int_equal(value.escaped, specials[s].byte == '\\');
                }
            }
        }
    }
}

/*
 * White space is these four bytes and no other, in runs of any length: what follows one is found
 * where it is.
 */
static void test_white_space(void **state)
{
    (void)state;
    static const struct {
        char byte;
        bool is_valid;
    } followers[] = {
        {'1', true},     {'\0', false},   {'\b', false},   {'\v', false},   {'\f', false},
        {'\x1F', false}, {'\x7F', false}, {'\x85', false}, {'\xA0', false}, {'\xFF', false},
    };
    char text[64];
    for (size_t f = 0; f < COUNT(followers); f++) {
        for (size_t run = 0; run < 50; run++) {
            JsonValue value;
            Error error;
            for (size_t i = 0; i < run; i++) {
                text[i] = "\n \r\t   "[(i + run) % 7];
            }
            text[run] = followers[f].byte;
            memset(text + run + 1, ' ', sizeof(text) - run - 1);
            bool ok = scan_all((Str){text, sizeof(text)}, &value, &error);
            assert_int_equal(ok, followers[f].is_valid);
            assert_int_equal(ok ? (size_t)(value.text.ptr - text) : error.offset, run);
        }
    }
}

/* Nothing beyond the end is read: every prefix of a document stands before a page that faults. */
static void test_protected_page(void **state)
{
    (void)state;
    static const Str document =
        STR_INIT("{\n                   \t\"name\":\"a plain text of more than 32 bytes, \\u00e9 "
                 "\\ud83d\\ude80\","
                 "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80\":[-0.5e+10,true,false,null,[],{}]}");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    for (size_t from = 0; from < document.len; from++) {
        for (size_t to = from; to <= document.len; to++) {
            JsonValue value;
            Error error;
            size_t len = to - from;
            char *text = map + page - len;
            memcpy(text, document.ptr + from, len);
            bool ok = scan_all((Str){text, len}, &value, &error);
            if (ok) {
                assert_true(value.text.len <= len); /* white space does not count */
            } else {
                assert_int_equal(error.code, ERROR_MALFORMED);
                assert_true(error.offset <= len);
            }
            assert_true(ok || from != 0 || to != document.len);
        }
    }
    munmap(map, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),          cmocka_unit_test(test_walk),
        cmocka_unit_test(test_error_stands),   cmocka_unit_test(test_error_positions),
        cmocka_unit_test(test_depth),          cmocka_unit_test(test_content),
        cmocka_unit_test(test_special_bytes),  cmocka_unit_test(test_white_space),
        cmocka_unit_test(test_protected_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
