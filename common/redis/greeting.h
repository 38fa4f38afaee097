/*
 * The first questions on a connection, and whether their answers are good enough to go on. Pure: no
 * socket, no clock.
 *
 * All questions leave at once, their answers come in the same order: AUTH, SELECT, CLIENT SETNAME,
 * ROLE (only a master is written to), MULTI and EXEC (without that right, what stands between them
 * would be executed one by one), SCRIPT LOAD, a barrier that waits for nobody (WAIT, WAITAOF), and
 * then those of a trial: what a publication needs. A name, a role and INFO may be forbidden to us.
 *
 * Without keys, as of a client that publishes nothing, only the first four are asked; and of a
 * server that need not be a master, ROLE is not.
 *
 * A server that lacks a right, has a key of another type, or is known to forget where that must not
 * be, is refused. One that is full or cannot write to its disk is not: that passes, and meanwhile
 * what is known already is still recognised there.
 */
#ifndef TICKSTREAM_GREETING_H
#define TICKSTREAM_GREETING_H

#include "base/buffer.h"
#include "base/error.h"
#include "redis/ack.h"
#include "redis/call.h"
#include "redis/trial.h"
#include "redis/url.h"

/* What is wanted of a server. */
typedef struct {
    const StreamKeys *keys; /* of what will be published, borrowed; NULL = nothing will */
    bool requires_durable;  /* a server that is known to evict or not to persist is refused */
    bool in_cluster;        /* the keys may be elsewhere by now */
    Ack ack;                /* what barriers will ask for; {0}: there will be none */
    bool any_role;          /* not only a master, but a replica or a sentinel will do as well */
} GreetingSettings;

typedef struct {
    const RedisUrl *url; /* borrowed */
    GreetingSettings settings;

    unsigned asked; /* a bit for each question before the trial that is still to be answered */
    Trial trial;

    /* What was learnt. */
    char script_sha[SCRIPT_SHA + 1];
    char complaint[3 * LIMIT_TEXT]; /* why the server will not do, or not now; a line for the log;
                                       "" = none */
    bool alert;                     /* somebody must do something about it */
    Durable durable;
    char durable_why[2 * LIMIT_TEXT]; /* "" when it is DURABLE_YES */
} Greeting;

Greeting greeting_of(const RedisUrl *url, const GreetingSettings *settings);

/* Appends the questions; starts anew. false: no memory. */
bool greeting_write(Greeting *greeting, Buffer *buffer);

/* Takes the next answer. NULL, or why the connection must end; then complaint says more. */
const char *greeting_take(Greeting *greeting, const Reply *reply);

static inline bool greeting_is_done(const Greeting *greeting)
{
    return greeting->asked == 0 && trial_left(&greeting->trial) == 0;
}

#endif
