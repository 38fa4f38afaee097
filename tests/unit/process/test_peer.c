#include "unit.h"

#include "base/digest.h"
#include "failing_malloc.h"
#include "http/fcgi_record.h"
#include "memory_sink.h"
#include "payload/codec.h"
#include "process/peer.h"

#include <errno.h>
#include <fastcgi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A worker's peers with the other ends of their connections in the same thread: turn() is a turn of
 * the loop. */
static struct {
    Config config;
    Server server;
    MemorySink sink;
    Loop *loop;
    Timer *timer;
    Peers *peers;
} here;

#define BODY                                                                                       \
    "{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}}]}]}"
#define STORED "{\"accepted\":1,\"duplicates\":0,\"quarantined\":0,\"ignored\":0}"

/* Keeps a turn from waiting. */
static void on_timer(void *arg)
{
    (void)arg;
}

/* After its events: a turn is over. */
static void on_turn(void *arg)
{
    loop_stop(arg);
}

static int set_up(void **state)
{
    (void)state;
    memset(&here, 0, sizeof(here));
    here.sink = memory_sink();
    here.config.max_body = 3 << 20;
    here.server = (Server){.config = &here.config, .sink = &here.sink.sink};
    here.loop = loop_new();
    here.timer = here.loop ? loop_timer(here.loop, on_timer, here.loop) : NULL;
    here.peers = here.timer ? peers_open(here.loop, &here.server) : NULL;
    return here.peers && loop_after_events(here.loop, on_turn, here.loop) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    here.server.draining = true;
    if (here.sink.waiting || here.sink.asking) {
        memory_sink_finish(&here.sink);
    }
    peers_close(here.peers);
    assert_int_equal(here.server.admission.expected, 0);
    assert_int_equal(here.server.admission.requests, 0);
    loop_free(here.loop);
    codec_shutdown();
    digest_shutdown();
    return 0;
}

static void turn(void)
{
    timer_start(here.timer, 1, 1);
    loop_run(here.loop);
}

/* A new connection; returns nginx's end of it. */
static int connect_peer(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peers_add(here.peers, ends[1]);
    return ends[0];
}

/* Requests as bytes */

typedef struct {
    char bytes[4096];
    size_t len;
} Message;

static void add_record(Message *message, unsigned type, Str content)
{
    char *to = fcgi_put_head(message->bytes + message->len, type, 1, content.len);
    message->len = (size_t)(str_put(to, content) - message->bytes);
}

static Message request(const char *method, const char *path, const char *length, Str body,
                       bool keep)
{
    Message message = {.len = 0};
    char pairs[512], *to = pairs;
    add_record(&message, FCGI_BEGIN_REQUEST,
               keep ? STR("\0\1\1\0\0\0\0\0") : STR("\0\1\0\0\0\0\0\0"));
    to = fcgi_put_pair(to, STR("REQUEST_METHOD"), str_from(method));
    to = fcgi_put_pair(to, STR("DOCUMENT_URI"), str_from(path));
    to = fcgi_put_pair(to, STR("CONTENT_TYPE"), STR("application/json"));
    to = fcgi_put_pair(to, STR("CONTENT_LENGTH"), str_from(length));
    add_record(&message, FCGI_PARAMS, (Str){pairs, (size_t)(to - pairs)});
    add_record(&message, FCGI_PARAMS, STR(""));
    if (body.len) {
        add_record(&message, FCGI_STDIN, body);
    }
    add_record(&message, FCGI_STDIN, STR(""));
    return message;
}

static Message post(void)
{
    char length[8];
    snprintf(length, sizeof(length), "%zu", sizeof(BODY) - 1);
    return request("POST", "/api/webhook/whatsapp", length, STR(BODY), true);
}

static Message get(const char *path)
{
    return request("GET", path, "", STR(""), true);
}

static void send_bytes(int fd, const char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static void send_message(int fd, const Message *message)
{
    send_bytes(fd, message->bytes, message->len);
}

/* Answers */

static bool has_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void assert_silent(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The output of one answer, which must be there whole and end in `end`. */
static void assert_answer(int fd, const char *status, const char *end)
{
    static char output[1 << 16];
    size_t len = 0;
    for (;;) {
        char head_bytes[FCGI_HEAD_BYTES];
        assert_int_equal(recv(fd, head_bytes, sizeof(head_bytes), 0), sizeof(head_bytes));
        FcgiHead head = fcgi_read_head(head_bytes);
        assert_true(len + head.length < sizeof(output));
        assert_int_equal(head.length ? recv(fd, output + len, head.length, 0) : 0, head.length);
        if (head.type == FCGI_END_REQUEST) {
            break;
        }
        assert_int_equal(head.type, FCGI_STDOUT);
        len += head.length;
    }
    output[len] = '\0';
    if (strncmp(output + 8, status, 3) != 0 || len < strlen(end) ||
        strcmp(output + len - strlen(end), end) != 0) {
        fail_msg("%s", output);
    }
}

static void test_requests(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message message = post();
    for (int i = 0; i < 3; i++) {
        send_message(fd, &message);
        turn();
        assert_answer(fd, "200", STORED);
    }
    Message last = request("GET", "/livez", "", STR(""), false);
    send_message(fd, &last);
    turn();
    assert_answer(fd, "200", "ok\n");
    assert_true(has_closed(fd));
    assert_int_equal(peers_count(here.peers), 0);
    close(fd);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message message = post();
    for (size_t i = 0; i < message.len; i++) {
        assert_silent(fd);
        send_bytes(fd, message.bytes + i, 1);
        turn();
    }
    assert_answer(fd, "200", STORED);
    assert_int_equal(here.server.admission.expected, 0);
    close(fd);
    turn();
    assert_int_equal(peers_count(here.peers), 0);
}

static void test_answered_later(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message message = post();
    here.sink.later = true;
    send_message(fd, &message);
    turn();
    assert_silent(fd);
    peers_close_idle(here.peers, loop_now(here.loop) + 1000);
    assert_int_equal(peers_count(here.peers), 1); /* it is not idle */
    memory_sink_finish(&here.sink);
    assert_answer(fd, "200", STORED);
    close(fd);
}

/* One who goes while the sink has his statuses is noticed by the answer. */
static void test_leaves_meanwhile(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message message = post();
    here.sink.later = true;
    send_message(fd, &message);
    turn();
    close(fd);
    turn();
    assert_int_equal(peers_count(here.peers), 1);
    memory_sink_finish(&here.sink);
    assert_int_equal(peers_count(here.peers), 0);
}

/* What is sent ahead waits, whole or in part, and is served in its order. */
static void test_sent_ahead(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message first = post(), second = get("/livez"), third = post();
    Message all = first;
    memcpy(all.bytes + all.len, second.bytes, second.len);
    all.len += second.len;
    memcpy(all.bytes + all.len, third.bytes, third.len);
    all.len += third.len - 10;
    here.sink.later = true;
    send_message(fd, &all);
    turn();
    assert_silent(fd);
    memory_sink_finish(&here.sink);
    assert_answer(fd, "200", STORED);
    assert_answer(fd, "200", "ok\n");
    assert_silent(fd);
    send_bytes(fd, third.bytes + third.len - 10, 10);
    turn();
    memory_sink_finish(&here.sink);
    assert_answer(fd, "200", STORED);
    assert_int_equal(here.sink.publications, 2);
    close(fd);
}

/* While a request is served the next may come: it is read afterwards. */
static void test_comes_meanwhile(void **state)
{
    (void)state;
    int fd = connect_peer();
    const Message first = post(), second = get("/livez");
    here.sink.later = true;
    send_message(fd, &first);
    turn();
    send_message(fd, &second);
    turn();
    turn();
    assert_silent(fd);
    memory_sink_finish(&here.sink);
    assert_answer(fd, "200", STORED);
    turn();
    assert_answer(fd, "200", "ok\n");
    close(fd);
}

/* Answers that the socket has no room for leave in parts, in order, and no request is read before.
 */
static void test_answers_in_parts(void **state)
{
    (void)state;
    enum { REQUESTS = 40 };
    const int small = 1;
    int ends[2], answers = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    peers_add(here.peers, ends[1]);
    const Message message = get("/metrics");
    for (int i = 0; i < REQUESTS; i++) {
        send_message(ends[0], &message);
        turn();
    }
    static char got[REQUESTS << 15];
    size_t len = 0;
    for (ssize_t n; (n = recv(ends[0], got + len, 1000, 0)) > 0; len += (size_t)n) {
        turn();
    }
    for (size_t at = 0; at < len;) {
        FcgiHead head = fcgi_read_head(got + at);
        assert_int_equal(head.version, 1);
        answers += head.type == FCGI_END_REQUEST;
        at += FCGI_HEAD_BYTES + head.length;
        assert_true(at <= len);
    }
    assert_int_equal(answers, REQUESTS);
    close(ends[0]);
}

/* What is announced counts until it is there, or the peer has gone. */
static void test_expected(void **state)
{
    (void)state;
    enum { LENGTH = 3 << 20 };
    int fd = connect_peer();
    Message message = request("POST", "/api/webhook/whatsapp", "3145728", STR("{"), true);
    send_bytes(fd, message.bytes, message.len - FCGI_HEAD_BYTES);
    turn();
    assert_int_equal(here.server.admission.expected, LENGTH);
    close(fd);
    turn();
    assert_int_equal(here.server.admission.expected, 0);

    here.server.admission.bytes = LIMIT_BYTES_IN_FLIGHT - LENGTH + 1;
    fd = connect_peer();
    send_message(fd, &message);
    turn();
    assert_answer(fd, "503", "}");
    here.server.admission.bytes = 0;
    message = request("POST", "/api/webhook/whatsapp", "3145729", STR("{"), true);
    send_message(fd, &message);
    turn();
    assert_answer(fd, "413", "}");
    close(fd);
}

static void test_abort(void **state)
{
    (void)state;
    int fd = connect_peer();
    Message message = post();
    message.len -= FCGI_HEAD_BYTES;
    add_record(&message, FCGI_ABORT_REQUEST, STR(""));
    const Message next = get("/livez");
    memcpy(message.bytes + message.len, next.bytes, next.len);
    message.len += next.len;
    send_message(fd, &message);
    turn();
    char end[FCGI_END_BYTES];
    assert_int_equal(recv(fd, end, sizeof(end), 0), sizeof(end));
    assert_int_equal(fcgi_read_head(end).type, FCGI_END_REQUEST);
    assert_answer(fd, "200", "ok\n");
    assert_int_equal(here.sink.publications, 0);
    close(fd);
}

static void test_management(void **state)
{
    (void)state;
    int fd = connect_peer();
    char answer[16];
    send_bytes(fd, "\1\x63\0\0\0\0\0\0", 8);
    turn();
    assert_int_equal(recv(fd, answer, sizeof(answer), 0), sizeof(answer));
    assert_memory_equal(answer, "\1\x0b\0\0\0\x08\0\0\x63\0\0\0\0\0\0\0", sizeof(answer));
    peers_close_idle(here.peers, loop_now(here.loop) + 1000); /* that was no request */
    assert_true(has_closed(fd));
    close(fd);
}

/* One who goes in the middle of a request, with a reply unread, which is an error of the socket. */
static void test_reset(void **state)
{
    (void)state;
    int fd = connect_peer();
    send_bytes(fd, "\1\x63\0\0\0\0\0\0", 8);
    turn();
    send_bytes(fd, "\1\1\0\1", 4);
    close(fd);
    turn();
    turn();
    assert_int_equal(peers_count(here.peers), 0);
}

/* Replies that nobody takes end the connection; they are never kept. */
static void test_replies_not_taken(void **state)
{
    (void)state;
    static char records[8 * 8000];
    int fd = connect_peer();
    for (size_t i = 0; i < sizeof(records); i += 8) {
        memcpy(records + i, "\1\x63\0\0\0\0\0\0", 8);
    }
    for (int i = 0; i < 100 && peers_count(here.peers); i++) {
        send(fd, records, sizeof(records), MSG_NOSIGNAL);
        turn();
    }
    assert_int_equal(peers_count(here.peers), 0);
    close(fd);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* A peer on the network that vanishes is noticed; answers are not held back. */
static void test_tcp(void **state)
{
    (void)state;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    peers_add(here.peers, accepted);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 3);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    close(fd);
    close(listener);
}

static void test_broken(void **state)
{
    (void)state;
    int fd = connect_peer();
    send_bytes(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    turn();
    assert_true(has_closed(fd));
    assert_int_equal(peers_count(here.peers), 0);
    close(fd);
}

/* Idle connections end when they have been so for long enough, but not those on which something has
 * arrived; an answer is the last one. */
static void test_drain(void **state)
{
    (void)state;
    int idle = connect_peer(), arrived = connect_peer();
    const Message message = get("/livez");
    turn();
    int64_t now = loop_now(here.loop);
    peers_close_idle(here.peers, now - 1000);
    assert_int_equal(peers_count(here.peers), 2);
    here.server.draining = true;
    send_message(arrived, &message);
    peers_close_idle(here.peers, now);
    assert_true(has_closed(idle));
    assert_int_equal(peers_count(here.peers), 1);
    turn();
    assert_answer(arrived, "200", "ok\n");
    assert_true(has_closed(arrived));
    close(idle);
    close(arrived);
}

/* Whatever allocation fails, there is a whole answer or the connection is closed. */
static void test_failing_malloc(void **state)
{
    (void)state;
    Message message = post();
    const Message next = get("/livez");
    memcpy(message.bytes + message.len, next.bytes, next.len);
    message.len += next.len;
    size_t closed = 0;
    here.sink.later = true;
    for (size_t n = 0;; n++) {
        int fd = connect_peer();
        char answer[4096];
        send_message(fd, &message);
        failing_malloc_begin(n, FAIL_ONCE);
        turn();
        if (here.sink.waiting) {
            memory_sink_finish(&here.sink);
        }
        bool failed = failing_malloc_end();
        ssize_t len = recv(fd, answer, sizeof(answer), 0);
        closed += has_closed(fd);
        assert_true(len > 20 || has_closed(fd));
        close(fd);
        turn();
        assert_int_equal(peers_count(here.peers), 0);
        if (!failed) {
            break;
        }
    }
    assert_in_range(closed, 3, 100);
}

static int silence(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, LOG_LOGFMT);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests),
        TEST(test_byte_by_byte),
        TEST(test_answered_later),
        TEST(test_leaves_meanwhile),
        TEST(test_sent_ahead),
        TEST(test_comes_meanwhile),
        TEST(test_answers_in_parts),
        TEST(test_expected),
        TEST(test_abort),
        TEST(test_management),
        TEST(test_replies_not_taken),
        TEST(test_tcp),
        TEST(test_reset),
        TEST(test_broken),
        TEST(test_drain),
        TEST(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, silence, NULL);
}
