/*
 * Allocations that fail on demand.
 *
 * Works in programs linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. Counted are the
 * calls from the objects linked into the program, so not those inside shared libraries, unless
 * these allocate through functions of ours.
 *
 *     for (size_t n = 0;; n++) {
 *         failing_malloc_begin(n, FAIL_ONCE);
 *         ... what is to be tested, without assertions ...
 *         bool failed = failing_malloc_end();
 *         ... what must be true now ...
 *         if (!failed) break;      there is no n-th allocation: all have been tried
 *     }
 */
#ifndef TICKSTREAM_FAILING_MALLOC_H
#define TICKSTREAM_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    FAIL_ONCE,    /* the n-th allocation */
    FAIL_FOREVER, /* the n-th and all that follow */
} FailMode;

/* From now on the n-th allocation, counted from 0, fails. */
void failing_malloc_begin(size_t n, FailMode mode);

/* No allocation fails any more. Tells whether one has. */
bool failing_malloc_end(void);

#endif
