/*
 * The HTTP statuses of our answers: one row each, in status.c, with all that depends on them. To
 * add one, add a row, an id to stats/stats.h, and a line to nginx/problems.conf.
 */
#ifndef TICKSTREAM_STATUS_H
#define TICKSTREAM_STATUS_H

#include "base/error.h"
#include "stats/stats.h"

typedef struct {
    int number;
    Str phrase;  /* RFC 9110 section 15; also the title of the problem document */
    Str problem; /* the stable type of the problem document (RFC 9457); absent: no problem */
    Stat stat;   /* where such answers are counted */
} HttpStatus;

/* The row of a status; that of 503 for a number that has none. */
const HttpStatus *status_find(int number);

/* Counts an answer. */
void status_count(int number);

/* The status of an error; the one place that knows. */
int http_status(ErrorCode code);

#endif
