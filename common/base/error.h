/*
 * What went wrong, named by what the answer should be about.
 *
 * Leaf code fills an Error and returns false; what is between leaf and answer passes it on and
 * logs nothing. The one place that turns an ErrorCode into an answer's status is http/status.c.
 */
#ifndef TICKSTREAM_ERROR_H
#define TICKSTREAM_ERROR_H

#include "base/limits.h"
#include "base/str.h"

#include <stdarg.h>

typedef enum {
    ERROR_NONE,
    ERROR_INVALID,      /* what was asked cannot be served: a part is missing or repeated */
    ERROR_UNSIGNED,     /* a proof of origin is missing, malformed or wrong */
    ERROR_FORBIDDEN,    /* understood, and refused */
    ERROR_NOT_FOUND,    /* nothing has this name */
    ERROR_NOT_ALLOWED,  /* the thing is known, what shall be done with it is not */
    ERROR_TOO_LARGE,    /* over a limit of size */
    ERROR_UNKNOWN_TYPE, /* a type or encoding that nobody here reads */
    ERROR_MALFORMED,    /* not what its type says; see kind */
    ERROR_UNAVAILABLE,  /* our own trouble: who asked shall try again */
    ERROR_NO_MEMORY,    /* likewise, and never blamed on who asked */
    ERROR_SETUP,        /* configuration, or what it names: nothing was asked by anybody */
} ErrorCode;

typedef struct {
    ErrorCode code;
    int kind;            /* of ERROR_MALFORMED, in the words of who says it: a Reason of payload/ */
    size_t line, column; /* of the body, from 1; 0 = not known. The column counts bytes */
    size_t offset;       /* bytes from the start of the body; meaningful when line is */

    /* One sentence without position, without anything secret, without bytes of the body. */
    char text[LIMIT_TEXT];
} Error;

/* Fills *reterr, whose text is a printf format, and returns false: a leaf ends
 * with `return error_set(...)`. */
bool error_set(Error *reterr, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with the arguments in a list: for functions that add something of their own. */
bool error_set_list(Error *reterr, ErrorCode code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* The same for ERROR_NO_MEMORY. */
bool error_no_memory(Error *reterr);

/* Adds line, column and offset of the byte at `offset` of body. */
void error_locate(Error *error, Str body, size_t offset);

/* The text with its position: "expected ',' (line 3, column 14, byte 120)". Returns the length
 * that was written. */
size_t error_describe(const Error *error, char *buf, size_t size);

#endif
