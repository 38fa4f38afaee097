/*
 * The files that bodies were recorded in, as one row of bodies: a file for each, with its signature
 * in FILE.sig, or many in the lines of FILE.jsonl, or of standard input, which is "-".
 */
#ifndef TICKSTREAM_RECORDING_H
#define TICKSTREAM_RECORDING_H

#include "base/buffer.h"
#include "commands/record.h"

#include <stdio.h>

/* {.files, .count, .type, .most} is a new one, which recording_close() ends. */
typedef struct {
    char **files; /* borrowed */
    size_t count;
    const char *type; /* media type of what does not say its own; NULL: by the ending of its name */
    size_t most;      /* bytes of a body */

    size_t next;        /* file */
    FILE *lines;        /* NULL: no file of lines is open */
    unsigned long line; /* of it, that was read last */
    Buffer buffer;
    char place[300]; /* of the body that was read last: "FILE" or "FILE:LINE" */
} Recording;

typedef enum {
    RECORDING_BODY,
    RECORDING_BAD, /* it cannot be read: the error says why, the next one can */
    RECORDING_OVER
} RecordingAnswer;

/* The next body; its texts are the arena's. */
RecordingAnswer recording_next(Recording *recording, Arena *arena, Record *ret, Error *reterr);

void recording_close(Recording *recording);

#endif
