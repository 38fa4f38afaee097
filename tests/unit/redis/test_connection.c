#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/connection.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONG = 30000, SHORT = 40 };

/* A connection to a server that does as it was told, and what it has reported, as text. */
typedef struct {
    Loop *loop;
    FakeRedis fake;
    RedisUrl url;
    StreamKeys keys;
    Greeting greeting;
    TlsContext *tls;
    Connection *connection;
    char log[512];
    bool is_ready;
    int ended;
    size_t replies;
    bool flushes;      /* from within each reply */
    const char *hates; /* the reply that makes it end */
} Scene;

static Scene scene; /* too large for a stack */

static void note(const char *format, const char *text)
{
    size_t used = strlen(scene.log);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(scene.log + used, sizeof(scene.log) - used, format, text);
#pragma GCC diagnostic pop
}

static void add_command(const char *name)
{
    const Str word = str_from(name);
    assert_true(resp_command(connection_commands(scene.connection), &word, 1));
}

static void on_ready(void *arg)
{
    (void)arg;
    assert_false(scene.is_ready);
    assert_int_equal(scene.ended, 0);
    scene.is_ready = true;
    note("ready", "");
}

static const char *on_replied(void *arg, const Reply *reply)
{
    char text[64];
    (void)arg;
    assert_int_equal(scene.ended, 0);
    assert_true(scene.is_ready);
    snprintf(text, sizeof(text), "%.*s", STR_ARG(reply->text));
    note(" %s", text);
    scene.replies++;
    if (scene.flushes) {
        add_command("PING");
        connection_flush(scene.connection);
        assert_int_equal(scene.ended, 0); /* no event from inside */
    }
    return scene.hates && strcmp(text, scene.hates) == 0 ? "a reply that is hated" : NULL;
}

static void on_ended(void *arg, const char *why)
{
    (void)arg;
    scene.ended++;
    scene.connection = NULL;
    note(scene.log[0] ? "; %s" : "%s", why);
}

static void open_scene(void)
{
    memset(&scene, 0, sizeof(scene));
    signal(SIGPIPE, SIG_IGN);
    scene.loop = loop_new();
    assert_non_null(scene.loop);
    fake_redis_open(&scene.fake, scene.loop);
    scene.url = scene.fake.url;
}

static void connect_within(int64_t timeout)
{
    static const ConnectionEvents events = {on_ready, on_replied, on_ended};
    scene.greeting = greeting_of(&scene.url, &(GreetingSettings){.keys = &scene.keys});
    const ConnectionTarget target = {
        .url = &scene.url, .tls = scene.tls, .greeting = &scene.greeting, .timeout = timeout};
    scene.connection = connection_open(scene.loop, &target, &events, &scene);
}

static void close_scene(void)
{
    scene.connection = connection_close(scene.connection);
    fake_redis_close(&scene.fake);
    scene.loop = loop_free(scene.loop);
    scene.tls = tls_context_free(scene.tls);
}

static void use_tls(void)
{
    Error error;
    const TlsSettings settings = {.ca = "", .cert = "", .key = "", .name = "redis.test"};
    scene.tls = tls_context_new(&settings, &error);
    assert_non_null(scene.tls);
    scene.url.tls = true;
}

static bool is_ready(void *arg)
{
    (void)arg;
    return scene.is_ready;
}

static bool is_over(void *arg)
{
    (void)arg;
    return scene.ended > 0;
}

static bool has_replies(void *arg)
{
    const size_t *count = arg;
    return scene.replies >= *count;
}

static void run_until_replies(size_t count)
{
    run_until(scene.loop, has_replies, &count);
}

static void assert_ends(const char *log)
{
    run_until(scene.loop, is_over, NULL);
    run_for(scene.loop, 5); /* nothing follows */
    assert_string_equal(scene.log, log);
    assert_int_equal(scene.ended, 1);
}

static void test_commands_and_replies(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 3; piece++) {
        open_scene();
        scene.fake.piece = piece;
        connect_within(LONG);
        assert_string_equal(scene.log, ""); /* nothing from inside */
        run_until(scene.loop, is_ready, NULL);
        fake_redis_answer(&scene.fake, "PING", "$1\r\na\r\n");
        fake_redis_answer(&scene.fake, "PING", "$1\r\nb\r\n");
        add_command("PING");
        add_command("PING");
        add_command("PING");
        assert_int_equal(connection_unsent(scene.connection), 3 * 14);
        connection_flush(scene.connection);
        assert_int_equal(connection_unsent(scene.connection), 0);
        run_until_replies(3);
        assert_string_equal(scene.log, "ready a b PONG");
        close_scene();
    }
}

/* What the connection reports when the server does this. */
typedef struct {
    const char *label;
    const char *command, *answer; /* of the greeting */
    const char *begins;
    bool hangs_up;
    const char *log, *complaint;
} Refusal;

#define CLOSED "the server has closed the connection"
#define REFUSED "refused at the greeting"

static const Refusal refusals[] = {
    {"hangs up at once", NULL, NULL, NULL, true, CLOSED, ""},
    {"hangs up at the first question", "CLIENT", NULL, NULL, false, CLOSED, ""},
    {"hangs up at the second", "ROLE", NULL, NULL, false, CLOSED, ""},
    {"hangs up at the last", "SCRIPT", NULL, NULL, false, CLOSED, ""},
    {"has no room, and hangs up", NULL, NULL, "-ERR max number of clients reached\r\n", true,
     REFUSED, "ERR max number of clients reached (raise maxclients)"},
    {"is protected", NULL, NULL, "-DENIED Redis is running in protected mode\r\n", true, REFUSED,
     "DENIED Redis is running in protected mode (Redis is in protected mode: give it a password, "
     "or "
     "bind it to an address)"},
    {"is a replica", "ROLE", "*1\r\n$5\r\nslave\r\n", NULL, false, REFUSED,
     "HERE is a slave, not a master"},
    {"wants a password", "ROLE", "-NOAUTH Authentication required.\r\n", NULL, false, REFUSED,
     "NOAUTH Authentication required. (a password is needed in REDIS_URL)"},
    {"says nonsense", "ROLE", "hello\r\n", NULL, false,
     "Protocol error, got \"h\" as reply type byte", ""},
    {"speaks TLS", NULL, NULL, "\x15\x03\x03", false, "this is a TLS port: use rediss://", ""},
    {"says more than it was asked for", "SCRIPT", "$40\r\n" FAKE_SHA "\r\n+more\r\n", NULL, false,
     NULL, ""},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const Refusal *refusal = &refusals[i];
        open_scene();
        snprintf(scene.url.shown, sizeof(scene.url.shown), "HERE");
        scene.fake.begins = refusal->begins;
        scene.fake.hangs_up = refusal->hangs_up;
        scene.hates = "more";
        if (refusal->command) {
            fake_redis_answer(&scene.fake, refusal->command, refusal->answer);
        }
        connect_within(LONG);
        assert_ends(refusal->log ? refusal->log : "ready more; a reply that is hated");
        assert_string_equal(scene.greeting.complaint, refusal->complaint);
        close_scene();
    }
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    open_scene();
    fake_redis_stop_listening(&scene.fake); /* the file stays */
    connect_within(LONG);
    assert_string_equal(scene.log, "");
    assert_ends("Connection refused");
    close_scene();

    open_scene();
    scene.url.host[strlen(scene.url.host) - 1] = '\0';
    connect_within(LONG);
    assert_ends("No such file or directory");
    close_scene();

    open_scene(); /* by name, and over TCP; nobody has port 1 */
    scene.url = (RedisUrl){.host = "localhost", .port = 1};
    connect_within(LONG);
    assert_ends("Connection refused");
    close_scene();

    open_scene();
    scene.url = (RedisUrl){.host = "127.0.0.1", .port = 1};
    connect_within(LONG);
    assert_ends("Connection refused");
    close_scene();
}

/* A deadline for each state. */
static void test_silence(void **state)
{
    (void)state;
    open_scene();
    scene.fake.deaf = true;
    connect_within(SHORT);
    assert_ends("no answer to the greeting in time");
    close_scene();

    open_scene(); /* half of the answers */
    fake_redis_answer(&scene.fake, "SCRIPT", "");
    connect_within(SHORT);
    assert_ends("no answer to the greeting in time");
    close_scene();
}

enum { FILLERS = 4 };

/* A TCP port whose queue is full: whoever connects waits. fds[0] listens. */
static unsigned full_port(int fds[1 + FILLERS])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    for (int i = 0; i <= FILLERS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(bind(fds[0], (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fds[0], 0), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&address, &len), 0);
    for (int i = 1; i <= FILLERS; i++) {
        connect(fds[i], (struct sockaddr *)&address, len);
    }
    return ntohs(address.sin_port);
}

static void test_no_connection(void **state)
{
    (void)state;
    int fds[1 + FILLERS];
    const unsigned port = full_port(fds);
    open_scene();
    scene.url = (RedisUrl){.host = "127.0.0.1", .port = port};
    connect_within(SHORT);
    assert_ends("no connection in time");
    close_scene();

    open_scene(); /* closed meanwhile */
    scene.url = (RedisUrl){.host = "127.0.0.1", .port = port};
    connect_within(LONG);
    run_for(scene.loop, 5);
    close_scene();
    for (int i = 0; i <= FILLERS; i++) {
        close(fds[i]);
    }
}

/* TLS with those who do not speak it; test_tls.c has the others. */
static void test_no_tls(void **state)
{
    (void)state;
    static const struct {
        const char *begins;
        bool hangs_up;
        int64_t timeout;
        const char *log;
    } cases[] = {
        {NULL, false, SHORT, "no TLS handshake in time: is this a TLS port?"},
        {"-ERR\r\n", false, LONG, "tls: wrong version number: is this a TLS port?"},
        {"\x16\x03\x03", false, SHORT, "no TLS handshake in time: is this a TLS port?"},
        {NULL, true, LONG, CLOSED ": does it expect TLS?"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        open_scene();
        use_tls();
        scene.fake.deaf = true;
        scene.fake.begins = cases[i].begins;
        scene.fake.hangs_up = cases[i].hangs_up;
        connect_within(cases[i].timeout);
        assert_ends(cases[i].log);
        close_scene();
    }

    open_scene(); /* closed while hands are shaken */
    use_tls();
    scene.fake.deaf = true;
    connect_within(LONG);
    run_for(scene.loop, 5);
    close_scene();
}

/* When we ourselves were late, what has come meanwhile counts, and what was not yet asked for gets
 * its time. */
static void test_late_ourselves(void **state)
{
    (void)state;
    open_scene();
    connect_within(SHORT);
    stall(3 * SHORT);
    run_until(scene.loop, is_ready, NULL);
    close_scene();

    open_scene();
    fake_redis_answer(&scene.fake, "SCRIPT", "");
    connect_within(10 * SHORT);
    while (!strstr(scene.fake.commands, "SCRIPT")) {
        run_for(scene.loop, 1);
    }
    fake_redis_say(&scene.fake, "$40\r\n" FAKE_SHA "\r\n");
    stall(11 * SHORT); /* the answer lies in the socket */
    run_until(scene.loop, is_ready, NULL);
    close_scene();
}

/* No deadline is left over. */
static void test_ready_stays(void **state)
{
    (void)state;
    open_scene();
    connect_within(SHORT);
    run_until(scene.loop, is_ready, NULL);
    run_for(scene.loop, 3 * SHORT);
    assert_string_equal(scene.log, "ready");
    close_scene();
}

static void ready_scene(void)
{
    open_scene();
    connect_within(LONG);
    run_until(scene.loop, is_ready, NULL);
}

static void test_hangs_up_later(void **state)
{
    (void)state;
    ready_scene();
    add_command("PING");
    connection_flush(scene.connection);
    fake_redis_answer(&scene.fake, "PING", NULL);
    assert_ends("ready; " CLOSED);
    close_scene();
}

/* A reply that its owner hates: later ones are nobody's. */
static void test_hated_reply(void **state)
{
    (void)state;
    ready_scene();
    scene.hates = "b";
    fake_redis_say(&scene.fake, "+a\r\n+b\r\n+c\r\n");
    assert_ends("ready a b; a reply that is hated");
    close_scene();
}

/* The server answers and hangs up; what is written next fails, but the answers count. */
static void test_answers_before_the_end(void **state)
{
    (void)state;
    ready_scene();
    fake_redis_say(&scene.fake, "+a\r\n+b\r\n");
    fake_redis_hang_up(&scene.fake);
    add_command("PING");
    connection_flush(scene.connection); /* fails here, is told later */
    assert_string_equal(scene.log, "ready");
    add_command("PING"); /* goes nowhere */
    connection_flush(scene.connection);
    assert_ends("ready a b; Broken pipe");
    close_scene();

    ready_scene(); /* the same, with the failing write inside an event */
    scene.flushes = true;
    fake_redis_say(&scene.fake, "+a\r\n+b\r\n");
    fake_redis_hang_up(&scene.fake);
    assert_ends("ready a b; " CLOSED);
    close_scene();

    ready_scene(); /* and closed before it is told */
    fake_redis_hang_up(&scene.fake);
    add_command("PING");
    connection_flush(scene.connection);
    scene.connection = connection_close(scene.connection);
    run_for(scene.loop, 5);
    assert_string_equal(scene.log, "ready");
    close_scene();
}

static bool has_heard_all(void *arg)
{
    const size_t *bytes = arg;
    return scene.fake.bytes == *bytes;
}

/* More than the socket takes: the rest goes by itself, and nothing turns in circles meanwhile. */
static void test_more_than_the_socket_takes(void **state)
{
    (void)state;
    static char text[3 << 20];
    const Str words[] = {STR("PING"), {text, sizeof(text)}};
    memset(text, 'x', sizeof(text));
    ready_scene();
    size_t before = scene.fake.bytes;
    fake_redis_set_deaf(&scene.fake, true);
    assert_true(resp_command(connection_commands(scene.connection), words, 2));
    size_t len = connection_unsent(scene.connection);
    connection_flush(scene.connection);
    size_t left = connection_unsent(scene.connection);
    assert_in_range(left, 1, len - 1);
    connection_flush(scene.connection); /* has nothing to add */
    run_for(scene.loop, 10);
    assert_int_equal(connection_unsent(scene.connection), left);
    add_command("PING");
    size_t wanted = before + len + 14;
    fake_redis_set_deaf(&scene.fake, false);
    run_until(scene.loop, has_heard_all, &wanted);
    run_until_replies(2);
    assert_string_equal(scene.log, "ready PONG PONG");
    close_scene();
}

/* A buffer that is never quite empty does not keep what has left. */
static void test_forgets_what_has_left(void **state)
{
    (void)state;
    static char text[1 << 20];
    const Str words[] = {STR("PING"), {text, sizeof(text)}};
    ready_scene();
    fake_redis_set_deaf(&scene.fake, true);
    for (int i = 0; i < 64; i++) {
        Buffer *commands = connection_commands(scene.connection);
        assert_true(resp_command(commands, words, 2));
        connection_flush(scene.connection);
        fake_redis_set_deaf(&scene.fake, false);
        while (connection_unsent(scene.connection) > 2 << 20) {
            run_for(scene.loop, 1); /* a part leaves */
        }
        fake_redis_set_deaf(&scene.fake, true);
        assert_in_range(commands->room, 0, 16 << 20);
    }
    close_scene();
}

static void test_closed_in_each_state(void **state)
{
    (void)state;
    open_scene(); /* connecting */
    connect_within(LONG);
    close_scene();

    open_scene(); /* greeting */
    scene.fake.deaf = true;
    connect_within(LONG);
    run_for(scene.loop, 5);
    assert_int_equal(scene.fake.accepted, 1);
    close_scene();

    open_scene(); /* failed, and not told yet */
    fake_redis_stop_listening(&scene.fake);
    connect_within(LONG);
    scene.connection = connection_close(scene.connection);
    run_for(scene.loop, 5);
    assert_string_equal(scene.log, "");
    close_scene();

    assert_null(connection_close(NULL));
}

/* Whatever allocation fails: it is not opened, or it ends, or it gets ready all the same. */

static size_t allocations; /* that succeed */

static void connect_without_memory(void *arg)
{
    (void)arg;
    failing_malloc_begin(allocations, FAIL_ONCE);
    connect_within(LONG);
}

static bool is_decided(void *arg)
{
    (void)arg;
    return scene.is_ready || scene.ended || !scene.connection;
}

static void test_failing_malloc(void **state)
{
    (void)state;
    size_t unopened = 0, ended = 0;
    bool failed = true;
    for (allocations = 0; failed; allocations++) {
        open_scene();
        Timer *timer = loop_timer(scene.loop, connect_without_memory, NULL);
        timer_start(timer, 0, 0);
        run_until(scene.loop, is_decided, NULL);
        failed = failing_malloc_end();
        ended += scene.ended > 0;
        unopened += !scene.ended && !scene.connection;
        assert_true(failed || scene.is_ready);
        close_scene();
    }
    assert_true(unopened >= 3 && ended >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_and_replies),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_nobody_is_there),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_late_ourselves),
        cmocka_unit_test(test_ready_stays),
        cmocka_unit_test(test_hangs_up_later),
        cmocka_unit_test(test_hated_reply),
        cmocka_unit_test(test_answers_before_the_end),
        cmocka_unit_test(test_more_than_the_socket_takes),
        cmocka_unit_test(test_forgets_what_has_left),
        cmocka_unit_test(test_closed_in_each_state),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
