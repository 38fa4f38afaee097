/*
 * Preloaded into a server, it lets a test move that server's time of day while it runs: TEST_CLOCK
 * names a file of eight bytes, an int64_t of microseconds that are added. The monotonic clock, which
 * timers and deadlines go by, stays as it is. (Not libfaketime: it calls malloc() when it is loaded,
 * and jemalloc, which Redis comes with, asks for the time meanwhile; neither gets on.)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t zero;
static const volatile int64_t *ahead = &zero;

__attribute__((constructor)) static void map_the_file(void)
{
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        abort(); /* better than a test that believes in its clock */
    }
    ahead = map;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t us = (int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000 + *ahead;
        now->tv_nsec = (us % 1000000) * 1000 + now->tv_nsec % 1000;
        now->tv_sec = us / 1000000;
    }
    return (int)failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec t;
    int failed = clock_gettime(CLOCK_REALTIME, &t);
    if (!failed) {
        *now = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    }
    return failed;
}

time_t time(time_t *ret)
{
    struct timespec t;
    time_t now = clock_gettime(CLOCK_REALTIME, &t) ? (time_t)-1 : t.tv_sec;
    if (ret) {
        *ret = now;
    }
    return now;
}
