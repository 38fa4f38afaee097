/*
 * Addresses of stream sockets as settings spell them: "unix:PATH", "HOST:PORT" or "[V6]:PORT".
 */
#ifndef TICKSTREAM_ADDRESS_H
#define TICKSTREAM_ADDRESS_H

#include "base/error.h"

#include <stdint.h>
#include <sys/socket.h>

typedef struct {
    struct sockaddr_storage name; /* for bind() and connect(); name.ss_family is the family */
    socklen_t len;
} SocketAddress;

/*
 * Resolves an address, which may ask name servers and so take its time. An empty host or "*" is
 * every address of this host, as something to listen on. false: ERROR_SETUP with one line.
 */
bool address_resolve(const char *text, SocketAddress *ret, Error *reterr);

/*
 * Connects within timeout_ms, name resolution not counted; a wildcard host means this one. The
 * socket is non-blocking and close-on-exec, and the caller's to close. -1: ERROR_SETUP with one
 * line, and errno: ECONNREFUSED when nobody listens there, EAGAIN when a listener's queue is full,
 * ETIMEDOUT.
 */
int address_connect(const char *text, int64_t timeout_ms, Error *reterr);

#endif
