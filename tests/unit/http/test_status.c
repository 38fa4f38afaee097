#include "unit.h"

#include "http/status.h"

#include <stdio.h>

static const struct {
    ErrorCode code;
    int status;
} codes[] = {
    {ERROR_NONE, 200},        {ERROR_INVALID, 400},      {ERROR_UNSIGNED, 401},
    {ERROR_FORBIDDEN, 403},   {ERROR_NOT_FOUND, 404},    {ERROR_NOT_ALLOWED, 405},
    {ERROR_TOO_LARGE, 413},   {ERROR_UNKNOWN_TYPE, 415}, {ERROR_MALFORMED, 400},
    {ERROR_UNAVAILABLE, 503}, {ERROR_NO_MEMORY, 503},    {ERROR_SETUP, 503},
};

/* Every code has a status, and that has a row with a problem of its own. */
static void test_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        const HttpStatus *row = status_find(codes[i].status);
        assert_int_equal(codes[i].code, i); /* all of them, in order */
        assert_int_equal(http_status(codes[i].code), codes[i].status);
        assert_int_equal(row->number, codes[i].status);
        assert_true(row->phrase.len > 0);
        assert_int_equal(row->problem.ptr != NULL, codes[i].code != ERROR_NONE);
    }
    assert_int_equal(COUNT(codes), ERROR_SETUP + 1);
}

/* Each row counts under the metric that has its number as a label, and under no other. */
static void test_counters(void **state)
{
    (void)state;
    static const int numbers[] = {200, 400, 401, 403, 404, 405, 413, 415, 503};
    assert_true(stats_open(1));
    stats_use(0);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        for (size_t n = 0; n <= i; n++) {
            status_count(numbers[i]);
        }
    }
    Arena *arena = arena_new();
    assert_non_null(arena);
    Text text = text_begin(arena);
    stats_render(&text);
    text_add(&text, (Str){"", 1});
    const char *rendered = text_finish(&text).ptr;
    assert_non_null(rendered);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char line[80];
        snprintf(line, sizeof(line), "tickstream_responses_total{code=\"%d\"} %zu\n", numbers[i],
                 i + 1);
        assert_non_null(strstr(rendered, line));
    }
    size_t lines = 0;
    for (const char *at = rendered; (at = strstr(at, "tickstream_responses_total{")); at++) {
        lines++;
    }
    assert_int_equal(lines, COUNT(numbers)); /* no metric without a row */
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
