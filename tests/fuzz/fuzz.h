/*
 * What the fuzz targets share. Each fuzz_NAME.c defines LLVMFuzzerTestOneInput(), which libFuzzer
 * calls with ever new inputs, and replay.c with the files of tests/fuzz/regressions/NAME and
 * tests/data. A broken promise ends in abort().
 */
#ifndef TICKSTREAM_FUZZ_H
#define TICKSTREAM_FUZZ_H

#include "payload/payload.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(promise)                                                                             \
    do {                                                                                           \
        if (!(promise)) {                                                                          \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as text; never absent. */
static inline Str fuzz_text(const uint8_t *data, size_t size)
{
    return (Str){size ? (const char *)data : "", size};
}

/* The arena of all inputs of this process, emptied. */
Arena *fuzz_arena(void);

/*
 * Checks what holds for every decoded payload: statuses have an id and a status, what is called
 * JSON is JSON, all of it fits into well-formed Redis commands, and it has as many digests as
 * elements.
 */
void check_payload(const Payload *payload, Arena *arena);

/* Checks what holds for every refusal by a decoder of a body of this length. */
void check_refusal(const Error *error, size_t body_len);

#endif
