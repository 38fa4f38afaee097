/*
 * How commands reach the servers that the settings name: who owns a slot, and one connection at a
 * time.
 */
#ifndef TICKSTREAM_REACH_H
#define TICKSTREAM_REACH_H

#include "config.h"
#include "redis/client.h"

typedef struct {
    const Config *config; /* borrowed */
    Client *client;       /* NULL = none */
    RedisUrl url;         /* of it */
} Reach;

/* The owners of slots, as redis_find() tells them. */
bool reach_find(const Reach *reach, const uint16_t *slots, size_t count, Address *ret_owners,
                Error *reterr);

/* The client of an owner, which is reach's: the one that there is, when it is of this server, else
 * a new one in its place. reach->url is the server's in any case. NULL: as client_open(), and when
 * the owner is not known. */
Client *reach_open(Reach *reach, const Address *owner, Error *reterr);

/* Ends without a client. */
void reach_close(Reach *reach);

#endif
