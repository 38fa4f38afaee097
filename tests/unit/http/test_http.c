#include "unit.h"

#include "http/http.h"
#include "http/problem.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

static void test_negotiate(void **state)
{
    (void)state;
    static const struct {
        const char *accept, *content_type;
        AnswerFormat want;
    } cases[] = {
        /* without Accept: the format of what was posted */
        {NULL, NULL, ANSWER_JSON},
        {NULL, "application/json", ANSWER_JSON},
        {NULL, "application/xml", ANSWER_XML},
        {NULL, "Text/XML; charset=utf-8", ANSWER_XML},
        {NULL, "application/x-www-form-urlencoded", ANSWER_JSON},
        {NULL, "application/xmlx", ANSWER_JSON},
        {"", "text/xml", ANSWER_XML},
        {" ", "text/xml", ANSWER_XML},
        /* with one: what it prefers */
        {"application/json", "text/xml", ANSWER_JSON},
        {"application/xml", "application/json", ANSWER_XML},
        {"text/xml", NULL, ANSWER_XML},
        {"application/problem+xml", NULL, ANSWER_XML},
        {"application/problem+json", "text/xml", ANSWER_JSON},
        {"APPLICATION/XML", NULL, ANSWER_XML},
        /* neither, or both alike: JSON */
        {"text/html", "text/xml", ANSWER_JSON},
        {"*/*", "text/xml", ANSWER_JSON},
        {"application/*", "text/xml", ANSWER_JSON},
        {"application/xml, application/json", NULL, ANSWER_JSON},
        {"application/json;q=0, application/xml;q=0", NULL, ANSWER_JSON},
        {"nonsense", "text/xml", ANSWER_JSON},
        {",,;q=", NULL, ANSWER_JSON},
        /* by quality */
        {"application/json;q=0.5, application/xml", NULL, ANSWER_XML},
        {"application/json;q=0.5, application/xml;q=0.6", NULL, ANSWER_XML},
        {"application/xml;q=0.9, application/json;q=0.91", NULL, ANSWER_JSON},
        {"application/json; charset=utf-8; Q=0.1, text/xml; q=0.2", NULL, ANSWER_XML},
        {"application/xml;q=1.000, application/json;q=0.999", NULL, ANSWER_XML},
        {"application/xml ; q = 0.3 , application/json ; q = 0.2", NULL, ANSWER_XML},
        /* the most specific range counts */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, ANSWER_XML},
        {"*/*, application/xml;q=0", NULL, ANSWER_JSON},
        {"application/json;q=0, */*", NULL, ANSWER_XML},
        {"application/*;q=0.1, */*;q=0.9, application/xml;q=0.2", NULL, ANSWER_XML},
        {"application/*, application/xml;q=0.5", NULL, ANSWER_JSON},
        /* of the same range twice the better quality */
        {"text/xml;q=0.9, application/xml;q=0.1, application/json;q=0.5", NULL, ANSWER_XML},
        {"text/xml;q=0.1, application/xml;q=0.9, application/json;q=0.5", NULL, ANSWER_XML},
        /* a quality that is none is a refusal */
        {"application/xml;q=x", NULL, ANSWER_JSON},
        {"application/xml;q=-1", NULL, ANSWER_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AnswerFormat got = negotiate(str_from(cases[i].accept), str_from(cases[i].content_type));
        if (got != cases[i].want) {
            fail_msg("%s | %s", cases[i].accept ? cases[i].accept : "-",
                     cases[i].content_type ? cases[i].content_type : "-");
        }
    }
}

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
    {ERROR_TOO_LARGE, 413, "payload-too-large", "Payload Too Large"},
    {ERROR_UNKNOWN_TYPE, 415, "unsupported-media-type", "Unsupported Media Type"},
    {ERROR_UNAVAILABLE, 503, "unavailable", "Service Unavailable"},
    {ERROR_NO_MEMORY, 503, "unavailable", "Service Unavailable"},
};

/* The one answer of a test, kept as text. */
static struct {
    size_t count;
    int status;
    char type[64], headers[128], body[2048];
} answer;

static void keep_answer(Exchange *exchange, const Response *response)
{
    (void)exchange;
    answer.count++;
    answer.status = response->status;
    snprintf(answer.type, sizeof(answer.type), "%.*s", STR_ARG(response->content_type));
    snprintf(answer.headers, sizeof(answer.headers), "%.*s", (int)response->headers.len,
             response->headers.ptr ? response->headers.ptr : "");
    snprintf(answer.body, sizeof(answer.body), "%.*s", STR_ARG(response->body));
}

static void send_problem(Arena *arena, ErrorCode code, const char *accept)
{
    Exchange exchange = {.request = {.accept = str_from(accept), .request_id = STR("id-1")},
                         .arena = arena,
                         .respond = keep_answer};
    Error error;
    error_set(&error, code, "a <detail> & \"more\"");
    error_locate(&error, STR("one\ntwo"), 5);
    answer.count = 0;
    http_problem(&exchange, &error, (Str){NULL, 0});
    assert_int_equal(answer.count, 1);
}

#define DETAIL "a <detail> & \"more\" (line 2, column 2, byte 5)"

static void test_problem_json(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(problems); i++) {
        char type[80];
        snprintf(type, sizeof(type), "urn:tickstream:problem:%s", problems[i].type);
        send_problem(arena, problems[i].code, "application/json");
        assert_int_equal(answer.status, problems[i].status);
        assert_string_equal(answer.type, "application/problem+json");
        assert_string_equal(answer.headers, answer.status == 503 ? "Retry-After: 1\r\n" : "");
        json_auto_t *document = json_loads(answer.body, 0, NULL);
        assert_non_null(document);
        assert_int_equal(json_object_size(document), 5);
        assert_string_equal(json_string_value(json_object_get(document, "type")), type);
        assert_string_equal(json_string_value(json_object_get(document, "title")),
                            problems[i].title);
        assert_int_equal(json_integer_value(json_object_get(document, "status")), answer.status);
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
        send_problem(arena, problems[i].code, "text/xml");
        assert_int_equal(answer.status, problems[i].status);
        assert_string_equal(answer.type, "application/problem+xml");
        char want[1024];
        snprintf(want, sizeof(want),
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<problem xmlns=\"urn:ietf:rfc:7807\"><type>urn:tickstream:problem:%s</type>"
                 "<title>%s</title><status>%d</status>"
                 "<detail>a &lt;detail&gt; &amp; &quot;more&quot; (line 2, column 2, byte 5)"
                 "</detail><instance>id-1</instance></problem>",
                 problems[i].type, problems[i].title, problems[i].status);
        assert_string_equal(answer.body, want);
    }
    arena_free(arena);
}

static void test_status(void **state)
{
    (void)state;
    assert_int_equal(http_status(ERROR_NONE), 200);
    for (size_t i = 0; i < COUNT(problems); i++) {
        assert_int_equal(http_status(problems[i].code), problems[i].status);
    }
    assert_int_equal(COUNT(problems), ERROR_NO_MEMORY); /* all of them */
}

static void test_error_text(void **state)
{
    (void)state;
    Error error;
    char text[2 * LIMIT_TEXT];
    assert_false(error_malformed(&error, REASON_SYNTAX, "%s", "broken"));
    assert_int_equal(error_describe(&error, text, sizeof(text)), 6);
    assert_string_equal(text, "broken"); /* without a position */
    assert_int_equal(error_describe(&error, text, 4), 3);
    assert_string_equal(text, "bro");
    error_locate(&error, STR("ab"), 99); /* not beyond the end */
    assert_int_equal(error.offset, 2);
    assert_int_equal(error.column, 3);
    for (int reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        Str word = reason_word((Reason)reason); /* stable words: [a-z][a-z0-9_]* */
        assert_true(word.len > 0 && word.ptr[0] >= 'a' && word.ptr[0] <= 'z');
        assert_int_equal(strspn(word.ptr, "abcdefghijklmnopqrstuvwxyz0123456789_"), word.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiate),   cmocka_unit_test(test_problem_json),
        cmocka_unit_test(test_problem_xml), cmocka_unit_test(test_status),
        cmocka_unit_test(test_error_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
