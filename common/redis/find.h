/*
 * Which server is to be written to, for commands: asks and waits, once. A worker, which must know
 * it all the time, has a topology.h.
 *
 * Sentinels and nodes are asked in turn, in the order of the URL, until one tells. A server of its
 * own is asked nothing. What is told may be old by the time it is used: whoever connects there
 * is told by the greeting (ROLE) or by an error (MOVED).
 */
#ifndef TICKSTREAM_FIND_H
#define TICKSTREAM_FIND_H

#include "redis/tls.h"
#include "redis/url.h"

#include <stdint.h>

/* All of it is borrowed for the call. */
typedef struct {
    const RedisServers *servers;
    const char *sentinel_user; /* of the sentinels; "" = none */
    const char *sentinel_password;
    TlsSettings tls; /* for a URL with TLS */
    int64_t timeout; /* milliseconds: as of a client, for each that is asked */
} FindTarget;

/*
 * Finds the owners of slots; who is no cluster owns all of them. An owner "" is not known to
 * anybody who has answered.
 *
 * false: nobody has told, and the text says how many were asked, and what was wrong with the last:
 * ERROR_UNAVAILABLE, so that another attempt may help; ERROR_SETUP, as of client_open();
 * ERROR_NO_MEMORY.
 */
bool redis_find(const FindTarget *target, const uint16_t *slots, size_t count, Address *ret_owners,
                Error *reterr);

#endif
