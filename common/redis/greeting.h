/*
 * The first questions on a connection, and whether their answers are good enough to go on. Pure: no
 * socket, no clock.
 *
 * All questions leave at once, their answers come in the same order: AUTH, SELECT, CLIENT SETNAME,
 * ROLE (only a master is written to), MULTI and EXEC (without that right, what stands between them
 * would be executed one by one), SCRIPT LOAD. A name and a role may be forbidden to us.
 */
#ifndef TICKSTREAM_GREETING_H
#define TICKSTREAM_GREETING_H

#include "base/buffer.h"
#include "base/error.h"
#include "redis/publish.h"
#include "redis/url.h"

typedef struct {
    const RedisUrl *url; /* borrowed */
    bool needs_transaction;

    unsigned asked; /* a bit for each question that is still to be answered */

    /* What was learnt. */
    char script_sha[SCRIPT_SHA + 1];
    char complaint[2 * LIMIT_TEXT]; /* why the server will not do; a line for the log; "" = none */
    bool alert;                     /* somebody must do something about it */
} Greeting;

Greeting greeting_of(const RedisUrl *url, const StreamKeys *keys);

/* Appends the questions; starts anew. false: no memory. */
bool greeting_write(Greeting *greeting, Buffer *buffer);

/* Takes the next answer. NULL, or why the connection must end; then complaint says more. */
const char *greeting_take(Greeting *greeting, const Reply *reply);

static inline bool greeting_is_done(const Greeting *greeting)
{
    return greeting->asked == 0;
}

#endif
