#include "unit.h"

#include "http/web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server on the client's own loop, which answers whatever it is asked with the same bytes. */
static struct {
    Loop *loop;
    Watch *listening, *serving;
    int listener, peer;
    const char *script; /* NULL: nothing ever */
    bool closes;        /* after the script */
    size_t accepted, got;
    char request[8192], url[64];
    Web *web;
    Error error;
} here;

static void on_bytes(void *arg, int events)
{
    (void)arg;
    (void)events;
    const ssize_t n =
        recv(here.peer, here.request + here.got, sizeof(here.request) - here.got - 1, MSG_DONTWAIT);
    if (n <= 0) {
        here.serving = watch_close(here.serving);
        close(here.peer);
        return;
    }
    here.got += (size_t)n;
    here.request[here.got] = '\0';
    if (here.script) {
        assert_int_equal(send(here.peer, here.script, strlen(here.script), MSG_NOSIGNAL),
                         strlen(here.script));
    }
    if (here.closes) {
        shutdown(here.peer, SHUT_RDWR);
    }
}

static void on_connection(void *arg, int events)
{
    (void)arg;
    (void)events;
    here.peer = accept(here.listener, NULL, NULL);
    here.accepted++;
    watch_close(here.serving);
    here.serving = loop_watch(here.loop, here.peer, LOOP_READABLE, on_bytes, NULL);
}

static void listen_somewhere(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    here.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(here.listener, (const struct sockaddr *)&name, len), 0);
    assert_int_equal(listen(here.listener, 8), 0);
    assert_int_equal(getsockname(here.listener, (struct sockaddr *)&name, &len), 0);
    snprintf(here.url, sizeof(here.url), "http://127.0.0.1:%u/hook", ntohs(name.sin_port));
}

static int set_up(void **state)
{
    (void)state;
    memset(&here, 0, sizeof(here));
    listen_somewhere();
    here.loop = loop_new();
    here.listening = loop_watch(here.loop, here.listener, LOOP_READABLE, on_connection, NULL);
    here.web = web_open(here.loop, &(WebSettings){.requests = 2, .body_most = 16}, &here.error);
    assert_non_null(here.web);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    web_close(here.web);
    watch_close(here.serving);
    watch_close(here.listening);
    loop_free(here.loop);
    close(here.listener);
    return 0;
}

static const WebAnswer *ask(const char *method, Str body, int64_t timeout)
{
    static const char *const headers[] = {"Content-Type: a/b", "X-Mine: 1", NULL};
    const WebRequest request = {
        .method = method, .url = here.url, .headers = headers, .body = body, .timeout = timeout};
    return web_ask(here.web, &request);
}

static void assert_text(Str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr ? got.ptr : "", want, got.len);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int status;
        const char *why, *body;
        bool is_cut;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDate: today\r\n\r\nbody", 200, "", "body", false},
        {"HTTP/1.1 503 No\r\ndate:  today \r\nTransfer-Encoding: "
         "chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
         503, "", "ab", false},
        {"HTTP/1.1 100 Continue\r\nDate: never\r\n\r\n"
         "HTTP/1.1 204 None\r\nDate: today\r\n\r\n",
         204, "", "", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nDate: today\r\n\r\n0123456789abcdefgh", 200, "",
         "0123456789abcdef", true},
        {"HTTP/1.1 302 Elsewhere\r\nLocation: /x\r\nDate: today\r\nContent-Length: 0\r\n\r\n", 302,
         "", "", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        here.script = cases[i].script;
        const WebAnswer *answer = ask("POST", STR("x"), 5000);
        assert_string_equal(answer->why, cases[i].why);
        assert_int_equal(answer->status, cases[i].status);
        assert_int_equal(answer->is_cut, cases[i].is_cut);
        assert_text(answer->body, cases[i].body);
        assert_text(web_header(answer, STR("Date")), "today");
        assert_null(web_header(answer, STR("x-other")).ptr);
        assert_string_equal(answer->address, "127.0.0.1");
        assert_string_equal(answer->tls_fault, "");
        assert_true(answer->ns > 0 && answer->connect_ns < answer->ns);
        assert_int_equal(answer->connect_ns == 0, i > 0); /* the connection is kept */
    }
    assert_int_equal(here.accepted, 1);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *url, *script; /* url NULL: the server's */
        bool closes;
        const char *why;
    } cases[] = {
        {"http://127.0.0.1:1/", NULL, false, "connection refused"},
        {"ftp://127.0.0.1/", NULL, false, "Protocol \"ftp\" not supported or disabled in libcurl"},
        {NULL, NULL, false, "no answer within 50 ms"},
        {NULL, NULL, true, "the connection was closed without an answer"},
        {NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", true, "the answer was cut off"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        here.script = cases[i].script;
        here.closes = cases[i].closes;
        const WebRequest request = {
            .method = "GET", .url = cases[i].url ? cases[i].url : here.url, .timeout = 50};
        const WebAnswer *answer = web_ask(here.web, &request);
        assert_int_equal(answer->status, 0);
        if (i == 1) { /* these words are libcurl's own, and change */
            assert_non_null(strstr(answer->why, "ftp"));
        } else {
            assert_string_equal(answer->why, cases[i].why);
        }
    }
}

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *line, *end;
    } cases[] = {
        {"POST", "four", "POST /hook HTTP/1.1\r\n", "Content-Length: 4\r\n\r\nfour"},
        {"HEAD", "", "HEAD /hook HTTP/1.1\r\n", "\r\n\r\n"},
        {"PUT", "", "PUT /hook HTTP/1.1\r\n", "\r\n\r\n"},
        {"GET", "", "GET /hook HTTP/1.1\r\n", "\r\n\r\n"},
        {"POST", "", "POST /hook HTTP/1.1\r\n", "Content-Length: 0\r\n\r\n"},
    };
    here.script = "HTTP/1.1 204 None\r\n\r\n";
    for (size_t i = 0; i < COUNT(cases); i++) {
        here.got = 0;
        assert_int_equal(ask(cases[i].method, str_from(cases[i].body), 5000)->status, 204);
        const Str got = {here.request, here.got}, end = str_from(cases[i].end);
        assert_true(str_starts_with(got, str_from(cases[i].line)));
        assert_non_null(strstr(here.request, "\r\nContent-Type: a/b\r\nX-Mine: 1\r\n"));
        assert_true(got.len > end.len && str_eq(str_from_offset(got, got.len - end.len), end));
    }
}

static void on_answer(void *arg, const WebAnswer *answer)
{
    *(int *)arg += answer->status;
}

/* No more than was said; those that are left are dropped without a call. */
static void test_room(void **state)
{
    (void)state;
    const WebRequest request = {.method = "GET", .url = here.url, .timeout = 30};
    int sum = 0;
    for (size_t left = 2; left > 0; left--) {
        assert_int_equal(web_room(here.web), left);
        assert_true(web_begin(here.web, &request, on_answer, &sum));
    }
    assert_int_equal(web_room(here.web), 0);
    assert_false(web_begin(here.web, &request, on_answer, &sum));
    assert_string_equal(web_ask(here.web, &request)->why, "too many requests at a time");
    web_run(here.web);
    assert_int_equal(web_room(here.web), 2);
    assert_true(web_begin(here.web, &request, on_answer, &sum));
    assert_int_equal(sum, 0);
}

static void test_no_ca(void **state)
{
    (void)state;
    const WebSettings settings = {.requests = 1, .ca = "/nowhere/ca.pem"};
    assert_null(web_open(here.loop, &settings, &here.error));
    assert_int_equal(here.error.code, ERROR_SETUP);
    assert_string_equal(here.error.text, "/nowhere/ca.pem: No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_answers), TEST(test_failures), TEST(test_requests),
                                       TEST(test_room), TEST(test_no_ca)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
