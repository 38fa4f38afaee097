/*
 * How the bytes of a request, or of an answer, get on, and when a peer is to be given up. Times are
 * exact milliseconds; no clock here.
 */
#ifndef TICKSTREAM_PROGRESS_H
#define TICKSTREAM_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t began; /* when the first look was taken at it */
    int64_t moved; /* when bytes last came or went */
    size_t bytes;  /* how many did */
} Progress;

/* Has nothing moved for LIMIT_RECEIVE_MS, or less than LIMIT_RECEIVE_RATE on the whole? */
bool progress_is_stuck(const Progress *progress, int64_t now);

#endif
