/*
 * The query of the GET handshake. Pure, so that it can be tested and fuzzed alone.
 */
#ifndef TICKSTREAM_HANDSHAKE_H
#define TICKSTREAM_HANDSHAKE_H

#include "base/arena.h"
#include "config.h"
#include "base/error.h"

/* Percent-decoded; absent ones have ptr == NULL. */
typedef struct {
    Str mode;
    Str challenge;
    Str token;
} Handshake;

/* Reads a query string; the texts are the arena's. false: ERROR_INVALID. */
bool handshake_parse(Str query, Arena *arena, Handshake *ret, Error *reterr);

/* Is it one to answer with its challenge? false: ERROR_FORBIDDEN, before anything else is told, or
 * _BAD_REQUEST. */
bool handshake_check(const Handshake *handshake, const Secrets *tokens, Error *reterr);

#endif
