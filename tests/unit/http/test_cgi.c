#include "unit.h"

#include "http/cgi.h"

static int set_up(void **state)
{
    *state = arena_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void test_path(void **state)
{
    static const struct {
        const char *label;
        const char *environment[5];
        const char *want;
    } rows[] = {
        {"nothing", {"A=b"}, ""},
        {"nginx", {"DOCUMENT_URI=/a b", "REQUEST_URI=/a%20b?c", "SCRIPT_NAME=/d"}, "/a b"},
        {"without DOCUMENT_URI", {"SCRIPT_NAME=/d", "REQUEST_URI=/a?c=/e?f"}, "/a"},
        {"an empty one is none", {"DOCUMENT_URI=", "REQUEST_URI=", "SCRIPT_NAME=/d"}, "/d"},
        {"only a query", {"REQUEST_URI=?c", "PATH_INFO=/e"}, "/e"},
        {"a program below its name",
         {"PATH_INFO=/livez", "SCRIPT_NAME=/cgi-bin/t"},
         "/cgi-bin/t/livez"},
        {"names that only begin alike", {"REQUEST_URI2=/a", "PATH_INFOS=/b", "SCRIPT_NAME"}, ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        Request request;
        print_message("  %s\n", rows[i].label);
        assert_true(
            cgi_read_request((char *const *)(const void *)rows[i].environment, *state, &request));
        assert_non_null(request.path.ptr);
        assert_int_equal(request.path.len, strlen(rows[i].want));
        assert_memory_equal(request.path.ptr, rows[i].want, request.path.len);
        assert_true(request.request_id.len > 0);
    }
}

static void test_head(void **state)
{
    char head[1024];
    Response response = {.status = 503,
                         .content_type = STR("text/plain"),
                         .headers = STR("Retry-After: 1\r\n"),
                         .body = STR("body")};
    const char *want = "Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
                       "Content-Length: 4\r\nX-Request-Id: id\r\nCache-Control: no-store\r\n"
                       "Retry-After: 1\r\n\r\n";
    (void)state;
    assert_in_range(strlen(want), 1, cgi_head_size(&response, STR("id")));
    *cgi_put_head(head, &response, STR("id")) = '\0';
    assert_string_equal(head, want);
    response.body = STR(""); /* what HEAD gets */
    response.withheld = 4;
    *cgi_put_head(head, &response, STR("id")) = '\0';
    assert_string_equal(head, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
