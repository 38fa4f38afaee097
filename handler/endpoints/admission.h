/*
 * What a worker has under way, and how much of it there may be: LIMIT_REQUESTS_IN_FLIGHT requests
 * that wait for the sink, LIMIT_BYTES_IN_FLIGHT bytes that they hold and that others are sending.
 *
 * A new Admission is {0}; the gauges of the metrics follow it.
 */
#ifndef TICKSTREAM_ADMISSION_H
#define TICKSTREAM_ADMISSION_H

#include "base/error.h"

typedef struct {
    size_t requests; /* that wait for the sink */
    size_t bytes;    /* that they hold */
    size_t expected; /* bytes of the bodies that are being received */
} Admission;

/* A body of this length is about to come. false: there is no room for it, and nothing has changed.
 */
bool admission_expect(Admission *admission, size_t length);

/* It is there, or will not come any more. */
void admission_unexpect(Admission *admission, size_t length);

/* May one more request wait for the sink? false: ERROR_UNAVAILABLE. */
bool admission_check(const Admission *admission, Error *reterr);

/* A request that holds so many bytes begins to wait, and has ended to. */
void admission_enter(Admission *admission, size_t bytes);
void admission_leave(Admission *admission, size_t bytes);

#endif
