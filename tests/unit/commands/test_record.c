#include "unit.h"

#include "commands/record.h"
#include "failing_malloc.h"
#include "small_arena.h"

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

static void assert_same(Str got, Str want)
{
    assert_int_equal(!got.ptr, !want.ptr);
    assert_true(str_eq(got, want));
}

#define ALL                                                                                        \
    "{\"content_type\":\"t\",\"signature\":\"s\",\"body\":\"b\",\"received_at\":1,"                \
    "\"request_id\":\"r\"}"

static void test_read(void **state)
{
    (void)state;
    static const struct {
        Str line;
        Record want;
    } cases[] = {
        {STR_INIT(ALL),
         {STR_INIT("t"), STR_INIT("s"), STR_INIT("b"), STR_INIT("1"), STR_INIT("r")}},
        {STR_INIT(" {\"body\" : \"\"} "), {.body = STR_INIT("")}},
        {STR_INIT("{\"body\":\"\\u0000\\n\\u00FC\"}"), {.body = STR_INIT("\0\n\xC3\xBC")}},
        {STR_INIT("{\"body_base64\":\"//4=\"}"), {.body = STR_INIT("\xFF\xFE")}},
        {STR_INIT("{\"body\":\"a\",\"body\":\"b\",\"x\":{\"body\":1}}"), {.body = STR_INIT("b")}},
        {STR_INIT("{\"body\":\"a\",\"signature\":null,\"received_at\":\"17\"}"),
         {.body = STR_INIT("a"), .received_at = STR_INIT("17")}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Record record;
        Error error;
        print_message("  %s\n", cases[i].line.ptr);
        assert_true(record_read(cases[i].line, arena, &record, &error));
        assert_same(record.content_type, cases[i].want.content_type);
        assert_same(record.signature, cases[i].want.signature);
        assert_same(record.body, cases[i].want.body);
        assert_same(record.received_at, cases[i].want.received_at);
        assert_same(record.request_id, cases[i].want.request_id);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        Str line;
        ErrorCode code;
    } cases[] = {
        {STR_INIT(""), ERROR_INVALID},
        {STR_INIT("[]"), ERROR_INVALID},
        {STR_INIT("{}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\""), ERROR_MALFORMED},
        {STR_INIT("{\"body\":\"a\"} x"), ERROR_MALFORMED},
        {STR_INIT("{\"body\":\"\xFF\"}"), ERROR_MALFORMED},
        {STR_INIT("{\"body\":1}"), ERROR_INVALID},
        {STR_INIT("{\"body\":{}}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"body_base64\":\"\"}"), ERROR_INVALID},
        {STR_INIT("{\"body_base64\":\"?\"}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"signature\":1}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"received_at\":-1}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"received_at\":1.5}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"received_at\":\"12345678901234567890\"}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"request_id\":\"\"}"), ERROR_INVALID},
        {STR_INIT("{\"body\":\"a\",\"request_id\":\"a\\u0000\"}"), ERROR_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Record record;
        Error error;
        print_message("  %s\n", cases[i].line.ptr);
        assert_false(record_read(cases[i].line, arena, &record, &error));
        assert_int_equal(error.code, cases[i].code);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    static const Str lines[] = {STR_INIT("{\"body\":\"\\n\"}"),
                                STR_INIT("{\"body_base64\":\"Zm9v\"}")};
    for (size_t i = 0; i < COUNT(lines); i++) {
        bool ok = false;
        for (size_t left = 0; !ok; left += SMALL_ARENA_STEP) {
            Record record;
            Error error = {.code = ERROR_NONE};
            Arena *small = small_arena(left);
            failing_malloc_begin(0, FAIL_FOREVER);
            ok = record_read(lines[i], small, &record, &error);
            failing_malloc_end();
            arena_free(small);
            assert_true(ok || error.code == ERROR_NO_MEMORY);
            assert_true(left < SMALL_ARENA_MOST);
        }
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {EACH(test_read), EACH(test_refused), EACH(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
