#include "unit.h"

#include "http/parameters.h"
#include "failing_malloc.h"

#define SIGNATURE "HTTP_X_HUB_SIGNATURE_256="

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

static Request read_all(const char *const *environment, Arena *arena)
{
    Request request = {0};
    parameters_set_all(&request, (char *const *)(const void *)environment);
    assert_true(parameters_finish(&request, arena));
    return request;
}

static bool is(Str got, const char *want)
{
    return want ? got.ptr && str_eq(got, str_from(want)) : got.ptr == NULL;
}

static void test_members(void **state)
{
    const char *environment[] = {
        "PATH=/bin",
        "REQUEST_METHOD=POST",
        "DOCUMENT_URI=/a=b",
        "QUERY_STRING=c=d&e",
        "CONTENT_TYPE=text/xml",
        "HTTP_CONTENT_ENCODING=gzip",
        "HTTP_ACCEPT=*/*",
        SIGNATURE "sha256=00",
        "REQUEST_ID=id-1",
        "CONTENT_LENGTH=12",
        "nothing",
        "HTTP_HOST=x",
        "HTTP_TICKSTREAM_SIGNATURE=a client's",
        "TICKSTREAM_SIGNATURE=optional",
        NULL,
    };
    Request request = read_all(environment, *state);
    assert_true(is(request.method, "POST"));
    assert_true(is(request.path, "/a=b"));
    assert_true(is(request.query, "c=d&e"));
    assert_true(is(request.content_type, "text/xml"));
    assert_true(is(request.content_encoding, "gzip"));
    assert_true(is(request.accept, "*/*"));
    assert_true(is(request.signature, "sha256=00"));
    assert_true(is(request.request_id, "id-1"));
    assert_true(is(request.signature_rule, "optional"));
    assert_true(request.has_length);
    assert_int_equal(request.length, 12);
    assert_null(request.body.ptr);
}

/* What is empty is absent; of others that are repeated the last one counts. */
static void test_empty_and_repeated(void **state)
{
    const char *environment[] = {
        "HTTP_ACCEPT=a", "HTTP_ACCEPT=b", "HTTP_ACCEPT=", "CONTENT_TYPE=", "QUERY_STRING=", NULL};
    Request request = read_all(environment, *state);
    assert_true(is(request.accept, "b"));
    assert_true(is(request.content_type, NULL));
    assert_true(is(request.query, NULL));
    assert_true(is(request.method, NULL));
}

static void test_signature(void **state)
{
    static const struct {
        const char *first, *second;
        const char *want;
    } cases[] = {
        {SIGNATURE "good", NULL, "good"},
        {SIGNATURE, NULL, NULL},
        {SIGNATURE "good", SIGNATURE "good", "repeated"},
        {SIGNATURE "good", SIGNATURE, "repeated"},
        {SIGNATURE, SIGNATURE "good", "repeated"},
        {SIGNATURE, SIGNATURE, "repeated"},
        {"HTTP_X_HUB_SIGNATURE=sha1=0", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *environment[] = {cases[i].first, cases[i].second, NULL};
        assert_true(is(read_all(environment, *state).signature, cases[i].want));
    }
}

static void test_length(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool has_length;
        size_t length;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"3145728", true, 3145728},
        {"", false, 0},
        {"-1", false, 0},
        {"+5", false, 0},
        {" 5", false, 0},
        {"5 ", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {"5, 5", false, 0},
        {"922337203685477580", true, 922337203685477580},
        {"99999999999999999999999", false, 0},
        {"18446744073709551616", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Request request = {.has_length = true, .length = 1};
        parameters_set(&request, STR("CONTENT_LENGTH"), str_from(cases[i].text));
        if (request.has_length != cases[i].has_length || request.length != cases[i].length) {
            fail_msg("%s: %d %zu", cases[i].text, request.has_length, request.length);
        }
    }
}

static void test_id(void **state)
{
    static const char *const usable[] = {
        "0", "id-1", "A.b_c-9", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const others[] = {
        "",    "a b",      "a\r\n",
        "a/b", "\xC3\xA4", "01234567890123456789012345678901234567890123456789012345678901234"};
    Str before = {NULL, 0};
    for (size_t i = 0; i < COUNT(usable); i++) {
        Request request = {.request_id = str_from(usable[i])};
        assert_true(parameters_finish(&request, *state));
        assert_true(is(request.request_id, usable[i]));
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        Request request = {.request_id = str_from(others[i])};
        assert_true(parameters_finish(&request, *state));
        assert_int_equal(request.request_id.len, 32);
        assert_int_equal(strspn(request.request_id.ptr, "0123456789abcdef"), 32);
        assert_false(str_eq(request.request_id, before));
        before = request.request_id;
    }
}

static void test_no_memory(void **state)
{
    Request request = {0};
    failing_malloc_begin(0, FAIL_FOREVER);
    bool ok = parameters_finish(&request, *state);
    failing_malloc_end();
    assert_false(ok);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_members), TEST(test_empty_and_repeated), TEST(test_signature), TEST(test_length),
        TEST(test_id),      TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
