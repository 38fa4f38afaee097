#include "unit.h"

#include "fake_redis.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PATIENCE = 60000
}; /* milliseconds for what happens at once, under valgrind on a busy machine */

static const FakeAnswer good[] = {
    {"AUTH", "+OK\r\n"},
    {"SELECT", "+OK\r\n"},
    {"CLIENT", "+OK\r\n"},
    {"ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
    {"MULTI", "+OK\r\n"},
    {"EXEC", "*0\r\n"},
    {"SCRIPT", "$40\r\n" FAKE_SHA "\r\n"},
    {"SET", "+OK\r\n"},
    {"PING", "+PONG\r\n"},
    {"XADD", "$3\r\n1-0\r\n"},
    {"EVALSHA", ":0\r\n"},
    {"EVAL", ":0\r\n"},
    {"TIME", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SMISMEMBER", "*1\r\n:1\r\n"},
    {"SADD", ":0\r\n"},
    {"UNLINK", ":1\r\n"},
    {"PEXPIREAT", ":1\r\n"},
    {"WAIT", ":1\r\n"},
    {"WAITAOF", "*2\r\n:1\r\n:1\r\n"},
    {"ASKING", "+OK\r\n"},
    {"GET", "$-1\r\n"},
    {"TYPE", "+none\r\n"},
    {"INFO", "$47\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\na:b\r\n"},
    /* of a trial: with other arguments than those of a publication */
    {"try-evalsha", "-NOSCRIPT No matching script.\r\n"},
    {"try-eval", ":0\r\n"},
    {"try-xadd", "-ERR The ID specified in XADD must be greater than 0-0\r\n"},
};

void fake_redis_hang_up(FakeRedis *fake)
{
    fake->watch = watch_close(fake->watch);
    if (fake->peer >= 0) {
        close(fake->peer);
    }
    fake->peer = -1;
    fake->output_len = fake->input_len = fake->skipped = 0;
}

/* Saying */

static void say_piece(FakeRedis *fake, size_t most)
{
    size_t len = most && most < fake->output_len ? most : fake->output_len;
    ssize_t n = fake->peer >= 0 ? send(fake->peer, fake->output, len, MSG_NOSIGNAL) : -1;
    if (n < 0) {
        fake->output_len = errno == EAGAIN ? fake->output_len : 0;
        return;
    }
    fake->output_len -= (size_t)n;
    memmove(fake->output, fake->output + n, fake->output_len);
}

static void on_talking(void *arg)
{
    FakeRedis *fake = arg;
    say_piece(fake, fake->piece);
    if (fake->output_len == 0) {
        timer_stop(fake->talking);
    }
}

void fake_redis_say(FakeRedis *fake, const char *text)
{
    size_t len = strlen(text);
    assert_true(len <= FAKE_OUTPUT - fake->output_len);
    memcpy(fake->output + fake->output_len, text, len);
    fake->output_len += len;
    if (!fake->piece) {
        say_piece(fake, 0);
    }
    if (fake->output_len) {
        timer_start(fake->talking, 0, 1);
    }
}

/* Hearing */

static const char *find_answer(const FakeAnswer *answers, size_t count, Str command,
                               const char *otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(str_from(answers[i].command), command)) {
            return answers[i].text;
        }
    }
    return otherwise;
}

static const char *answer_to(FakeRedis *fake, Str command)
{
    static const char unknown[] = "-ERR unknown command\r\n";
    for (size_t i = 0; i < fake->answer_count; i++) {
        if (str_eq(str_from(fake->answers[i].command), command)) {
            const char *text = fake->answers[i].text;
            fake->answer_count--;
            memmove(&fake->answers[i], &fake->answers[i + 1],
                    (fake->answer_count - i) * sizeof(FakeAnswer));
            return text;
        }
    }
    const char *text = find_answer(fake->habits, fake->habit_count, command, unknown);
    return text == unknown ? find_answer(good, COUNT(good), command, unknown) : text;
}

/* Reads "*12\r\n" or "$12\r\n"; false: it is not there yet. */
static bool take_head(Str *rest, size_t *ret)
{
    size_t end = str_find(*rest, '\n');
    if (end == rest->len) {
        return false;
    }
    *ret = strtoul(rest->ptr + 1, NULL, 10);
    *rest = str_from_offset(*rest, end + 1);
    return true;
}

/* Is this the argument of a trial that no publication has? */
static bool is_of_a_trial(Str word)
{
    return str_eq(word, STR("0-0")) || str_starts_with(word, STR("return cmsgpack")) ||
           str_starts_with(word, STR("local found")) ||
           str_eq(word, STR("0000000000000000000000000000000000000000"));
}

/* The name of the command that the input begins with, and its length; false: it is not there yet.
 * Of a command that is too long for the input the rest is skipped when it comes. */
static bool take_command(const FakeRedis *fake, Str *ret_name, bool *ret_trial, size_t *ret_len)
{
    Str rest = {fake->input, fake->input_len};
    size_t words = 0, len = 0;
    *ret_trial = false;
    if (!take_head(&rest, &words)) {
        return false;
    }
    for (size_t i = 0; i < words; i++) {
        if (!take_head(&rest, &len)) {
            return false;
        }
        if (rest.len < len + 2 && (i + 1 < words || fake->input_len < FAKE_INPUT)) {
            return false;
        }
        bool names = i == 0 || (i == 1 && str_eq(*ret_name, STR("SENTINEL")));
        *ret_name = names ? (Str){rest.ptr, len} : *ret_name;
        *ret_trial = *ret_trial || (rest.len >= len && is_of_a_trial((Str){rest.ptr, len}));
        *ret_len = (size_t)(rest.ptr - fake->input) + len + 2;
        rest = str_from_offset(rest, rest.len < len + 2 ? rest.len : len + 2);
    }
    return words > 0;
}

static void answer(FakeRedis *fake, Str command)
{
    size_t used = strlen(fake->commands);
    const char *text = answer_to(fake, command);
    if (used + command.len + 2 < sizeof(fake->commands)) {
        snprintf(fake->commands + used, sizeof(fake->commands) - used, "%.*s ", STR_ARG(command));
    }
    if (text) {
        fake_redis_say(fake, text);
    } else {
        fake_redis_hang_up(fake);
    }
}

static void take_input(FakeRedis *fake)
{
    Str name = {NULL, 0};
    bool is_trial;
    size_t len;
    while (fake->peer >= 0 && fake->input_len && take_command(fake, &name, &is_trial, &len)) {
        char kept[32];
        snprintf(kept, sizeof(kept), "%s%.*s", is_trial ? "try-" : "", STR_ARG(name));
        for (size_t i = 4; is_trial && kept[i]; i++) {
            kept[i] = ascii_lower(kept[i]);
        }
        fake->skipped = len > fake->input_len ? len - fake->input_len : 0;
        fake->input_len -= len < fake->input_len ? len : fake->input_len;
        memmove(fake->input, fake->input + len, fake->input_len);
        answer(fake, str_from(kept));
    }
}

static void on_readable(void *arg, int events)
{
    FakeRedis *fake = arg;
    (void)events;
    ssize_t n =
        recv(fake->peer, fake->input + fake->input_len, FAKE_INPUT - fake->input_len, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            fake_redis_hang_up(fake);
        }
        return;
    }
    size_t skipped = (size_t)n < fake->skipped ? (size_t)n : fake->skipped;
    fake->skipped -= skipped;
    fake->bytes += (size_t)n;
    memmove(fake->input + fake->input_len, fake->input + fake->input_len + skipped,
            (size_t)n - skipped);
    fake->input_len += (size_t)n - skipped;
    take_input(fake);
}

static void on_acceptable(void *arg, int events)
{
    FakeRedis *fake = arg;
    (void)events;
    int peer = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0) {
        return;
    }
    fake_redis_hang_up(fake);
    fake->accepted++;
    fake->commands[0] = '\0';
    fake->peer = peer;
    fake->watch = loop_watch(fake->loop, peer, fake->deaf ? 0 : LOOP_READABLE, on_readable, fake);
    if (!fake->watch) {
        fake_redis_hang_up(fake);
        return;
    }
    if (fake->begins) {
        fake_redis_say(fake, fake->begins);
    }
    if (fake->hangs_up) {
        fake_redis_hang_up(fake);
    }
}

void fake_redis_set_deaf(FakeRedis *fake, bool deaf)
{
    fake->deaf = deaf;
    if (fake->watch) {
        watch_set(fake->watch, deaf ? 0 : LOOP_READABLE);
    }
}

void fake_redis_answer(FakeRedis *fake, const char *command, const char *text)
{
    assert_true(fake->answer_count < FAKE_ANSWERS);
    fake->answers[fake->answer_count++] = (FakeAnswer){command, text};
}

/* Begin and end */

static void bind_unix(FakeRedis *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", fake->url.host);
    unlink(fake->url.host);
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fake->listener >= 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* At first the kernel chooses the port. */
static void bind_tcp(FakeRedis *fake)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fake->url.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fake->listener >= 0);
    setsockopt(fake->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&address, &len), 0);
    fake->url.port = ntohs(address.sin_port);
}

void fake_redis_listen(FakeRedis *fake)
{
    if (fake->url.unix_socket) {
        bind_unix(fake);
    } else {
        bind_tcp(fake);
    }
    assert_int_equal(listen(fake->listener, 16), 0);
    fake->listening = loop_watch(fake->loop, fake->listener, LOOP_READABLE, on_acceptable, fake);
    assert_non_null(fake->listening);
}

void fake_redis_stop_listening(FakeRedis *fake)
{
    fake->listening = watch_close(fake->listening);
    if (fake->listener >= 0) {
        close(fake->listener);
    }
    fake->listener = -1;
}

static void open_fake(FakeRedis *fake, Loop *loop)
{
    fake->loop = loop;
    fake->peer = -1;
    fake->talking = loop_timer(loop, on_talking, fake);
    assert_non_null(fake->talking);
    fake_redis_listen(fake);
}

void fake_redis_open_tcp(FakeRedis *fake, Loop *loop)
{
    memset(fake, 0, sizeof(*fake));
    snprintf(fake->url.host, sizeof(fake->url.host), "127.0.0.1");
    open_fake(fake, loop);
    snprintf(fake->url.shown, sizeof(fake->url.shown), "%s:%u", fake->url.host, fake->url.port);
}

void fake_redis_open(FakeRedis *fake, Loop *loop)
{
    memset(fake, 0, sizeof(*fake));
    snprintf(fake->folder, sizeof(fake->folder), "/tmp/tickstream-test-XXXXXX");
    assert_non_null(mkdtemp(fake->folder));
    fake->url.unix_socket = true;
    snprintf(fake->url.host, sizeof(fake->url.host), "%s/redis.sock", fake->folder);
    snprintf(fake->url.shown, sizeof(fake->url.shown), "unix:%s", fake->url.host);
    open_fake(fake, loop);
}

void fake_redis_close(FakeRedis *fake)
{
    fake_redis_hang_up(fake);
    fake_redis_stop_listening(fake);
    fake->talking = timer_close(fake->talking);
    if (fake->url.unix_socket) {
        unlink(fake->url.host);
        rmdir(fake->folder);
    }
}

/* Running */

typedef struct {
    Loop *loop;
    bool (*condition)(void *arg);
    void *arg;
    int64_t until;
    bool holds;
} Wait;

static void on_look(void *arg)
{
    Wait *wait = arg;
    wait->holds = wait->condition && wait->condition(wait->arg);
    if (wait->holds || loop_clock_ms() >= wait->until) {
        loop_stop(wait->loop);
    }
}

static bool wait_for(Loop *loop, bool (*condition)(void *arg), void *arg, int64_t ms)
{
    Wait wait = {loop, condition, arg, loop_clock_ms() + ms, false};
    Timer *timer = loop_timer(loop, on_look, &wait);
    assert_non_null(timer);
    timer_start(timer, 0, 1);
    loop_run(loop);
    timer_close(timer);
    return wait.holds;
}

void run_until(Loop *loop, bool (*condition)(void *arg), void *arg)
{
    if (!wait_for(loop, condition, arg, PATIENCE)) {
        fail_msg("what was waited for did not happen");
    }
}

void run_for(Loop *loop, int64_t ms)
{
    wait_for(loop, NULL, NULL, ms);
}

void stall(int64_t ms)
{
    for (int64_t until = loop_clock_ms() + ms; loop_clock_ms() < until;) {
    }
}
