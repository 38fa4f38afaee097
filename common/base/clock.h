/*
 * The time of day.
 */
#ifndef TICKSTREAM_CLOCK_H
#define TICKSTREAM_CLOCK_H

#include <stdint.h>

/* Unix milliseconds. May be set back at any time: what takes how long is told by loop_clock_ms().
 */
int64_t clock_unix_ms(void);

#endif
