#include "unit.h"

#include "http/problem.h"

#include <jansson.h>
#include <stdio.h>

static const struct {
    ErrorCode code;
    int status;
    const char *type, *title;
} problems[] = {
    {ERROR_INVALID, 400, "bad-request", "Bad Request"},
    {ERROR_MALFORMED, 400, "bad-request", "Bad Request"},
    {ERROR_UNSIGNED, 401, "unauthorized", "Unauthorized"},
    {ERROR_FORBIDDEN, 403, "forbidden", "Forbidden"},
    {ERROR_NOT_FOUND, 404, "not-found", "Not Found"},
    {ERROR_NOT_ALLOWED, 405, "method-not-allowed", "Method Not Allowed"},
    {ERROR_TOO_LARGE, 413, "payload-too-large", "Content Too Large"},
    {ERROR_UNKNOWN_TYPE, 415, "unsupported-media-type", "Unsupported Media Type"},
    {ERROR_UNAVAILABLE, 503, "unavailable", "Service Unavailable"},
    {ERROR_NO_MEMORY, 503, "unavailable", "Service Unavailable"},
};

#define DETAIL "a <detail> & \"more\" (line 2, column 2, byte 5)"

/* The document of an error, as text. */
static const char *render(Arena *arena, AnswerFormat format, ErrorCode code)
{
    static char text[2048];
    Error error;
    error_set(&error, code, "a <detail> & \"more\"");
    error_locate(&error, STR("one\ntwo"), 5);
    Str document = problem_render(format, &error, STR("id-1"), arena);
    assert_in_range(document.len, 1, sizeof(text) - 1);
    snprintf(text, sizeof(text), "%.*s", STR_ARG(document));
    return text;
}

static void test_problem_json(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(problems); i++) {
        char type[80];
        snprintf(type, sizeof(type), "urn:tickstream:problem:%s", problems[i].type);
        json_auto_t *document = json_loads(render(arena, ANSWER_JSON, problems[i].code), 0, NULL);
        assert_non_null(document);
        assert_int_equal(json_object_size(document), 5);
        assert_string_equal(json_string_value(json_object_get(document, "type")), type);
        assert_string_equal(json_string_value(json_object_get(document, "title")),
                            problems[i].title);
        assert_int_equal(json_integer_value(json_object_get(document, "status")),
                         problems[i].status);
        assert_string_equal(json_string_value(json_object_get(document, "detail")), DETAIL);
        assert_string_equal(json_string_value(json_object_get(document, "instance")), "id-1");
    }
    arena_free(arena);
}

static void test_problem_xml(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(problems); i++) {
        char want[1024];
        snprintf(want, sizeof(want),
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<problem xmlns=\"urn:ietf:rfc:7807\"><type>urn:tickstream:problem:%s</type>"
                 "<title>%s</title><status>%d</status>"
                 "<detail>a &lt;detail&gt; &amp; &quot;more&quot; (line 2, column 2, byte 5)"
                 "</detail><instance>id-1</instance></problem>",
                 problems[i].type, problems[i].title, problems[i].status);
        assert_string_equal(render(arena, ANSWER_XML, problems[i].code), want);
    }
    arena_free(arena);
}

static void test_media_types(void **state)
{
    (void)state;
    assert_true(str_eq(problem_media_type(ANSWER_JSON), STR("application/problem+json")));
    assert_true(str_eq(problem_media_type(ANSWER_XML), STR("application/problem+xml")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_json),
        cmocka_unit_test(test_problem_xml),
        cmocka_unit_test(test_media_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
