/*
 * How commands reach the servers that the settings name: who owns a slot, and a connection to each
 * of the last few that were asked, so that going round partitions connects to each node once.
 */
#ifndef TICKSTREAM_REACH_H
#define TICKSTREAM_REACH_H

#include "config.h"
#include "redis/client.h"

enum {
    REACH_CLIENTS = 16, /* at a time; another server takes the place of the one not asked longest */
    REACH_IDLE_MS = 30000, /* not asked for so long, a client is replaced: Redis may have hung up */
};

typedef struct {
    Client *client;  /* NULL = a free place */
    RedisUrl url;    /* of it, borrowed by it */
    int64_t used_at; /* loop_clock_ms() */
} ReachClient;

/* {.config} is a new one. It stays where it is while it has clients. */
typedef struct {
    const Config *config; /* borrowed */
    RedisUrl url;         /* of the server that was asked for last */
    ReachClient clients[REACH_CLIENTS];
} Reach;

/* The owners of slots, as redis_find() tells them. */
bool reach_find(const Reach *reach, const uint16_t *slots, size_t count, Address *ret_owners,
                Error *reterr);

/* The client of an owner, which is reach's: valid until another is opened. One that has failed
 * comes back until it is dropped. reach->url is the server's in any case. NULL: as client_open(),
 * and when the owner is not known. */
Client *reach_open(Reach *reach, const Address *owner, Error *reterr);

/* Hangs up on one owner, so that the next reach_open() connects again. */
void reach_drop(Reach *reach, const Address *owner);

/* Ends without a client. */
void reach_close(Reach *reach);

#endif
