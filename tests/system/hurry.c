/*
 * Preloaded into the program, what it does every five seconds or less often it does HURRY times as
 * often: a worker looks after the streams every ten. So a month of that passes in minutes.
 * Deadlines, which come once, stay as they are.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <uv.h>

enum { RARE = 5000 }; /* milliseconds */

int uv_timer_start(uv_timer_t *timer, uv_timer_cb expired, uint64_t delay, uint64_t repeat)
{
    int (*start)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);
    const char *hurry = getenv("HURRY");
    *(void **)&start = dlsym(RTLD_NEXT, "uv_timer_start");
    const uint64_t by = repeat >= RARE && hurry ? strtoull(hurry, NULL, 10) : 1;
    return start(timer, expired, delay / by, repeat / by);
}
