/*
 * What every unit test includes first: cmocka's header needs these four before it, in this order.
 */
#ifndef TICKSTREAM_UNIT_H
#define TICKSTREAM_UNIT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
