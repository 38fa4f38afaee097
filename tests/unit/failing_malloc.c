#include "failing_malloc.h"

#include <stdlib.h>

static struct {
    bool armed, failed;
    size_t until; /* allocations that still succeed */
    FailMode mode;
} state;

void failing_malloc_begin(size_t n, FailMode mode)
{
    state.armed = true;
    state.failed = false;
    state.until = n;
    state.mode = mode;
}

bool failing_malloc_end(void)
{
    state.armed = false;
    return state.failed;
}

static bool fails_now(void)
{
    if (!state.armed || (state.failed && state.mode == FAIL_ONCE)) {
        return false;
    }
    if (state.until) {
        state.until--;
        return false;
    }
    state.failed = true;
    return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */
