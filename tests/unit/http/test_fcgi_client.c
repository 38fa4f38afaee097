#include "unit.h"

#include "http/fcgi.h"
#include "http/fcgi_client.h"
#include "http/fcgi_record.h"

#include <fastcgi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The other end of the client's connection: its answer lies in the socket before it is asked. */
static struct {
    int client, server;
    Arena *arena;
    FcgiAnswer answer;
    Error error;
} here;

static int set_up(void **state)
{
    (void)state;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return -1;
    }
    here.client = ends[0];
    here.server = ends[1];
    here.arena = arena_new();
    here.error = (Error){0};
    return here.arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    close(here.client);
    close(here.server);
    arena_free(here.arena);
    return 0;
}

static void send_bytes(Str bytes)
{
    assert_int_equal(write(here.server, bytes.ptr, bytes.len), bytes.len);
}

static void send_record(unsigned type, Str content)
{
    char head[FCGI_HEAD_BYTES];
    fcgi_put_head(head, type, 1, content.len);
    send_bytes((Str){head, sizeof(head)});
    send_bytes(content);
}

static void send_end(void)
{
    char end[FCGI_END_BYTES];
    fcgi_put_end(end, 1);
    send_bytes((Str){end, sizeof(end)});
}

static bool get(const char *path, int64_t timeout_ms)
{
    return fcgi_client_get(here.client, str_from(path), timeout_ms, here.arena, &here.answer,
                           &here.error);
}

static void assert_text(Str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *output;
        int status;
        const char *head, *body;
    } cases[] = {
        {"Status: 200 OK\r\nA: b\r\n\r\nbody", 200, "Status: 200 OK\r\nA: b\r\n", "body"},
        {"A: b\nstatus:503\n\n\nx", 503, "A: b\nstatus:503\n", "\nx"},
        {"A: b\r\n\r\n", 200, "A: b\r\n", ""},
        {"Status: x\r\n\r\n", 0, "Status: x\r\n", ""},
        {"Status: 2000\r\n\r\n", 200, "Status: 2000\r\n", ""},
        {"\r\nbody", 200, "", "body"},
        {"no end of head", 200, "no end of head", ""},
        {"", 200, "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        arena_reset(here.arena);
        if (cases[i].output[0]) {
            send_record(FCGI_STDOUT, str_from(cases[i].output));
        }
        send_end();
        assert_true(get("/", 1000));
        assert_int_equal(here.answer.status, cases[i].status);
        assert_text(here.answer.head, cases[i].head);
        assert_text(here.answer.body, cases[i].body);
    }
}

/* Output in pieces, with padding, and with what goes to the server's error log between. */
static void test_records(void **state)
{
    (void)state;
    send_record(FCGI_STDOUT, STR("Status: 4"));
    send_record(FCGI_STDERR, STR("a complaint"));
    send_bytes(STR("\1\6\0\1\0\x05\3\0"
                   "04\r\n\r"
                   "pad"));
    send_record(FCGI_STDOUT, STR("\nbody"));
    send_record(FCGI_STDOUT, STR(""));
    send_end();
    assert_true(get("/", 1000));
    assert_int_equal(here.answer.status, 404);
    assert_text(here.answer.body, "body");
}

static void test_failures(void **state)
{
    (void)state;
    assert_false(get("/", 30)); /* nothing comes */
    assert_int_equal(here.error.code, ERROR_UNAVAILABLE);
    assert_string_equal(here.error.text, "no answer in time");
    send_bytes(STR("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_false(get("/", 1000));
    assert_string_equal(here.error.text, "the answer is not FastCGI");
}

static void test_cut_off(void **state)
{
    (void)state;
    send_record(FCGI_STDOUT, STR("Status: 200 OK\r\n\r\n"));
    shutdown(here.server, SHUT_WR);
    assert_false(get("/", 1000));
    assert_string_equal(here.error.text, "the connection was closed without an answer");
}

/* The request as bytes; a query is a parameter of its own. */
static void test_request(void **state)
{
    (void)state;
    static const char want[] = "\1\1\0\1\0\x08\0\0"
                               "\0\1\0\0\0\0\0\0"
                               "\1\4\0\1\0\x3d\0\0"
                               "\x0e\3REQUEST_METHODGET"
                               "\x0c\7DOCUMENT_URI/readyz"
                               "\x0c\7QUERY_STRINGverbose"
                               "\1\4\0\1\0\0\0\0"
                               "\1\5\0\1\0\0\0\0";
    char got[512];
    send_end();
    assert_true(get("/readyz?verbose", 1000));
    ssize_t n = read(here.server, got, sizeof(got));
    assert_int_equal(n, sizeof(want) - 1);
    assert_memory_equal(got, want, sizeof(want) - 1);
}

static void test_too_long(void **state)
{
    (void)state;
    char *value = malloc(FCGI_CONTENT_BYTES);
    assert_non_null(value);
    memset(value, 'x', FCGI_CONTENT_BYTES);
    const FcgiParameter parameter = {STR("P"), {value, FCGI_CONTENT_BYTES}};
    assert_false(fcgi_client_ask(here.client, &parameter, 1, STR(""), 1000, here.arena,
                                 &here.answer, &here.error));
    assert_string_equal(here.error.text, "the parameters are too long");
    free(value);
}

/* A body of several records that nobody takes: the deadline holds while sending too. */
static void test_nobody_reads(void **state)
{
    (void)state;
    static char body[1 << 20];
    assert_false(fcgi_client_ask(here.client, NULL, 0, (Str){body, sizeof(body)}, 30, here.arena,
                                 &here.answer, &here.error));
    assert_string_equal(here.error.text, "no answer in time");
}

/* The reader of http/fcgi.h understands the client, and the client its answers. */
static void test_against_the_reader(void **state)
{
    (void)state;
    enum { LENGTH = 100000 }; /* two records */
    static char body[LENGTH], sent[LENGTH + 1000];
    memset(body, 'b', sizeof(body));
    const FcgiParameter parameters[] = {{STR("REQUEST_METHOD"), STR("POST")},
                                        {STR("DOCUMENT_URI"), STR("/p")},
                                        {STR("CONTENT_LENGTH"), STR("100000")},
                                        {STR("REQUEST_ID"), STR("id-1")}};
    Fcgi fcgi = {.max_body = LENGTH};
    Request request;
    Buffer out = {0};
    send_end();
    assert_true(fcgi_client_ask(here.client, parameters, 4, (Str){body, LENGTH}, 1000, here.arena,
                                &here.answer, &here.error));
    ssize_t n = recv(here.server, sent, sizeof(sent), MSG_WAITALL | MSG_DONTWAIT);
    assert_true(n > LENGTH);
    Str rest = {sent, (size_t)n};
    fcgi_use(&fcgi, here.arena, &request);
    assert_int_equal(fcgi_feed(&fcgi, &rest, &out), FCGI_HEAD);
    fcgi_take_body(&fcgi);
    assert_int_equal(fcgi_feed(&fcgi, &rest, &out), FCGI_REQUEST);
    assert_int_equal(rest.len, 0);
    assert_text(request.method, "POST");
    assert_text(request.path, "/p");
    assert_int_equal(request.body.len, LENGTH);
    assert_memory_equal(request.body.ptr, body, LENGTH);
    assert_false(fcgi.keep || request.incomplete);

    const Response response = {.status = 404, .content_type = STR("x"), .body = {body, 70000}};
    assert_true(fcgi_answer(&fcgi, &response, &out));
    send_bytes((Str){out.ptr, out.len});
    buffer_free(&out);
    assert_true(get("/", 1000));
    assert_int_equal(here.answer.status, 404);
    assert_int_equal(here.answer.body.len, 70000);
    assert_memory_equal(here.answer.body.ptr, body, 70000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),      TEST(test_records),
        TEST(test_failures),     TEST(test_cut_off),
        TEST(test_request),      TEST(test_too_long),
        TEST(test_nobody_reads), TEST(test_against_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
