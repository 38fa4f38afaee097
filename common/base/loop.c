#include "base/loop.h"

#include "base/owner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

/*
 * A name of a server that is gone can take long: where names are asked of servers that are gone
 * too, 20 seconds. libuv has half of its threads for look-ups, four by default in all. So there is
 * one look-up of a name at a time, whose answer is for all who have asked meanwhile, and there are
 * threads for three such names and the others. Not for more: they are a process' from its first
 * look-up on, and libuv ends it when the system gives it one less.
 */
static const char threads[] = "8";

typedef struct LookUp LookUp;

struct Loop {
    uv_loop_t uv;
    LookUp *look_ups; /* that are under way */
};

struct Watch {
    uv_poll_t uv;
    int wanted;
    void (*ready)(void *arg, int events);
    void *arg;
};

struct Timer {
    uv_timer_t uv;
    void (*expired)(void *arg);
    void *arg;
};

typedef struct {
    uv_check_t uv;
    void (*hook)(void *arg);
    void *arg;
} AfterEvents;

struct Resolution {
    Resolution *next; /* of the same look-up */
    unsigned attempt;
    void (*resolved)(void *arg, const char *address); /* NULL: nobody asks any more */
    void *arg;
};

struct LookUp {
    uv_getaddrinfo_t uv;
    LookUp *next;
    Resolution *asked;
    char host[];
};

Loop *loop_new(void)
{
    setenv("UV_THREADPOOL_SIZE", threads, 0);
    Loop *loop = calloc(1, sizeof(*loop));
    if (loop && uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void loop_run(Loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(Loop *loop)
{
    uv_stop(&loop->uv);
}

int64_t loop_now(const Loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

uint64_t loop_clock_ns(void)
{
    return uv_hrtime();
}

int64_t loop_clock_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* Every handle is the first member of a heap object of ours, which goes with it. */
_Static_assert(offsetof(Watch, uv) == 0 && offsetof(Timer, uv) == 0 &&
                   offsetof(AfterEvents, uv) == 0,
               "free_handle() takes the handle for the object");

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    Watch *watch = OWNER_OF(poll, Watch, uv);
    int happened =
        (events & UV_READABLE ? LOOP_READABLE : 0) | (events & UV_WRITABLE ? LOOP_WRITABLE : 0);
    /* libuv stops the handle after an error, which the owner's next read or write will return. */
    if (status != 0) {
        happened = watch->wanted;
        watch->wanted = 0;
    }
    watch->ready(watch->arg, happened);
}

Watch *loop_watch(Loop *loop, int fd, int events, void (*ready)(void *arg, int events), void *arg)
{
    int flags = fcntl(fd, F_GETFL);
    Watch *watch = calloc(1, sizeof(*watch));
    if (!watch || uv_poll_init(&loop->uv, &watch->uv, fd) != 0) {
        free(watch);
        return NULL;
    }
    if (!(flags & O_NONBLOCK)) { /* uv_poll_init() has set it */
        fcntl(fd, F_SETFL, flags);
    }
    watch->ready = ready;
    watch->arg = arg;
    return watch_set(watch, events) ? watch : watch_close(watch);
}

bool watch_set(Watch *watch, int events)
{
    if (events == watch->wanted) {
        return true;
    }
    watch->wanted = events;
    if (events == 0) {
        return uv_poll_stop(&watch->uv) == 0;
    }
    int wanted =
        (events & LOOP_READABLE ? UV_READABLE : 0) | (events & LOOP_WRITABLE ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->uv, wanted, on_poll) == 0;
}

Watch *watch_close(Watch *watch)
{
    if (watch) {
        uv_close((uv_handle_t *)&watch->uv, free_handle);
    }
    return NULL;
}

static void on_timer(uv_timer_t *uv)
{
    Timer *timer = OWNER_OF(uv, Timer, uv);
    timer->expired(timer->arg);
}

Timer *loop_timer(Loop *loop, void (*expired)(void *arg), void *arg)
{
    Timer *timer = calloc(1, sizeof(*timer));
    if (timer) {
        uv_timer_init(&loop->uv, &timer->uv);
        timer->expired = expired;
        timer->arg = arg;
    }
    return timer;
}

void timer_start(Timer *timer, int64_t delay, int64_t repeat)
{
    uv_timer_start(&timer->uv, on_timer, (uint64_t)delay, (uint64_t)repeat);
}

void timer_stop(Timer *timer)
{
    uv_timer_stop(&timer->uv);
}

bool timer_is_running(const Timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv);
}

Timer *timer_close(Timer *timer)
{
    if (timer) {
        uv_close((uv_handle_t *)&timer->uv, free_handle);
    }
    return NULL;
}

static void on_check(uv_check_t *check)
{
    AfterEvents *after = OWNER_OF(check, AfterEvents, uv);
    after->hook(after->arg);
}

bool loop_after_events(Loop *loop, void (*hook)(void *arg), void *arg)
{
    AfterEvents *after = calloc(1, sizeof(*after));
    if (!after) {
        return false;
    }
    uv_check_init(&loop->uv, &after->uv);
    after->hook = hook;
    after->arg = arg;
    uv_check_start(&after->uv, on_check);
    /* libuv has it, and free_handle() frees it. */
    /* cppcheck-suppress memleak */
    return true;
}

static const struct addrinfo *pick_address(const struct addrinfo *found, unsigned attempt)
{
    unsigned count = 0;
    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        count++;
    }
    for (attempt = count ? attempt % count : 0; attempt; attempt--) {
        found = found->ai_next;
    }
    return found;
}

static void answer(const Resolution *resolution, const struct addrinfo *found)
{
    char text[INET6_ADDRSTRLEN];
    const struct addrinfo *picked = pick_address(found, resolution->attempt);
    const bool ok = picked && uv_ip_name(picked->ai_addr, text, sizeof(text)) == 0;
    if (resolution->resolved) {
        resolution->resolved(resolution->arg, ok ? text : NULL);
    }
}

static void on_looked_up(uv_getaddrinfo_t *uv, int status, struct addrinfo *found)
{
    LookUp *look_up = OWNER_OF(uv, LookUp, uv);
    LookUp **link = &OWNER_OF(uv->loop, Loop, uv)->look_ups;
    while (*link != look_up) {
        link = &(*link)->next;
    }
    *link = look_up->next; /* who asks from now on begins another */
    for (Resolution *resolution = look_up->asked, *next; resolution; resolution = next) {
        answer(resolution, status == 0 ? found : NULL);
        next = resolution->next;
        free(resolution);
    }
    uv_freeaddrinfo(found);
    free(look_up);
}

/* The look-up of the name that is under way, or a new one. NULL: not even begun. */
static LookUp *look_up_host(Loop *loop, const char *host)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    for (LookUp *look_up = loop->look_ups; look_up; look_up = look_up->next) {
        if (strcmp(look_up->host, host) == 0) {
            return look_up;
        }
    }
    LookUp *look_up = calloc(1, sizeof(*look_up) + strlen(host) + 1);
    if (!look_up || uv_getaddrinfo(&loop->uv, &look_up->uv, on_looked_up, host, NULL, &hints)) {
        free(look_up);
        return NULL;
    }
    memcpy(look_up->host, host, strlen(host) + 1);
    look_up->next = loop->look_ups;
    loop->look_ups = look_up;
    return look_up;
}

Resolution *loop_resolve(Loop *loop, const char *host, unsigned attempt,
                         void (*resolved)(void *arg, const char *address), void *arg)
{
    Resolution *resolution = calloc(1, sizeof(*resolution));
    LookUp *look_up = resolution ? look_up_host(loop, host) : NULL;
    if (!look_up) {
        free(resolution);
        return NULL;
    }
    *resolution = (Resolution){look_up->asked, attempt, resolved, arg};
    look_up->asked = resolution;
    return resolution;
}

Resolution *resolution_forget(Resolution *resolution)
{
    if (resolution) {
        resolution->resolved = NULL;
    }
    return NULL;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, free_handle);
    }
}

Loop *loop_free(Loop *loop)
{
    /* A look-up may take long, and the process is about to end. */
    if (loop && !loop->look_ups) {
        uv_walk(&loop->uv, close_handle, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        uv_loop_close(&loop->uv);
        free(loop);
    }
    return NULL;
}
