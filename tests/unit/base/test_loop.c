#include "unit.h"

#include "base/loop.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <string.h>

/* libuv's threads come here instead of to libc: a name that begins with "gone" takes until the test
 * posts `told`, and is unknown; all others are addresses. */
static sem_t told;
static int gone_count;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (strncmp(host, "gone", 4) == 0) {
        __atomic_add_fetch(&gone_count, 1, __ATOMIC_SEQ_CST);
        sem_wait(&told);
        return EAI_NONAME;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, ret);
}

typedef struct {
    Loop *loop;
    char text[64]; /* addresses so far, "-" for none */
    size_t wanted; /* its length at which the loop stops */
    Resolution *sibling;
} Answers;

static void on_answer(void *arg, const char *address)
{
    Answers *answers = arg;
    strcat(answers->text, address ? address : "-");
    answers->sibling = resolution_forget(answers->sibling);
    if (strlen(answers->text) >= answers->wanted) {
        loop_stop(answers->loop);
    }
}

static void run_until(Answers *answers, size_t length)
{
    answers->wanted = length;
    loop_run(answers->loop);
}

/* A name that takes long is looked up once, whoever asks, and other names do not wait for it. */
static void test_slow_name(void **state)
{
    (void)state;
    enum { ASKED = 50 };
    static const char *const gone[] = {"gone-1", "gone-2", "gone-3"};
    Answers slow = {.loop = loop_new()}, quick = {.loop = slow.loop};
    assert_int_equal(sem_init(&told, 0, 0), 0);
    for (size_t i = 0; i < ASKED; i++) {
        assert_non_null(loop_resolve(slow.loop, gone[i % 3], 0, on_answer, &slow));
    }
    assert_non_null(loop_resolve(quick.loop, "127.0.0.1", 0, on_answer, &quick));
    run_until(&quick, 1);
    assert_string_equal(quick.text, "127.0.0.1");
    assert_string_equal(slow.text, "");
    for (size_t i = 0; i < 3; i++) {
        sem_post(&told);
    }
    run_until(&slow, ASKED);
    assert_int_equal(strlen(slow.text), ASKED);
    assert_int_equal(gone_count, 3);
    sem_destroy(&told);
    loop_free(slow.loop);
}

/* Of two who have asked together, the one that is called first may forget the other. */
static void test_forgotten(void **state)
{
    (void)state;
    Answers first = {.loop = loop_new()}, second = first;
    first.sibling = loop_resolve(first.loop, "127.0.0.1", 0, on_answer, &second);
    second.sibling = loop_resolve(first.loop, "127.0.0.1", 1, on_answer, &first);
    assert_non_null(first.sibling);
    assert_non_null(second.sibling);
    first.wanted = second.wanted = 1;
    loop_run(first.loop);
    loop_run(first.loop);
    assert_int_equal(strlen(first.text) + strlen(second.text), strlen("127.0.0.1"));
    loop_free(first.loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* A timer counts from the beginning of the turn that starts it. The time of the turn and the exact
 * time count from the same moment, and the exact one is never behind. */
static void test_clocks(void **state)
{
    (void)state;
    Loop *loop = loop_new();
    assert_non_null(loop);
    Timer *timer = loop_timer(loop, stop, loop);
    assert_non_null(timer);
    int64_t before = loop_now(loop);
    assert_in_range(loop_clock_ms() - before, 0, 10000);
    timer_start(timer, 30, 0);
    loop_run(loop);
    assert_in_range(loop_now(loop) - before, 30, 10000);
    int64_t after = loop_clock_ms();
    assert_in_range(after - loop_now(loop), 0, 10000);
    assert_in_range((int64_t)(loop_clock_ns() / 1000000) - after, 0, 10000);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clocks),
                                       cmocka_unit_test(test_slow_name),
                                       cmocka_unit_test(test_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
