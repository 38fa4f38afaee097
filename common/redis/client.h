/*
 * A client for commands: asks one Redis server, and waits for each answer. Everything that a worker
 * does without waiting is done by the same code: a client is a connection on a loop of its own,
 * which runs only while something is waited for. So names, TLS, the greeting (who we are, and
 * whether the server is a master), the limits of a reply, and the words for what goes wrong are
 * those of connection.h, greeting.h and reply.h.
 *
 * One call at a time, from one thread; nothing is sent again by itself, and there is no
 * reconnecting: after a failure each further call fails with the same text, and whoever wants to go
 * on opens another client and continues from what it knows. Nothing of a user or a password is in
 * any text.
 */
#ifndef TICKSTREAM_CLIENT_H
#define TICKSTREAM_CLIENT_H

#include "redis/reply.h"
#include "redis/tls.h"
#include "redis/url.h"

#include <stdint.h>

typedef struct Client Client;

typedef struct {
    const RedisUrl *url; /* borrowed for the client's life */
    bool any_role;       /* not only a master, but a replica or a sentinel will do as well */
    TlsSettings tls;     /* for a URL with TLS; borrowed for the call */
    int64_t timeout;     /* milliseconds: of each call, and of each step of connecting */
} ClientTarget;

/*
 * Connects, and greets; returns within four timeouts (the look-up of a name, the connection, TLS,
 * the greeting). Of a name with several addresses, up to three are tried when the first refuse at
 * once. With TLS, SIGPIPE is ignored in this process from now on, as tls.h wants it.
 *
 * NULL: ERROR_UNAVAILABLE when the server cannot be reached, or not now, so that another attempt
 * may help; ERROR_SETUP when somebody must do something first: it has refused us (a wrong password,
 * a replica), or our own files of TLS cannot be used; ERROR_NO_MEMORY. The text does not name the
 * server: url->shown does.
 */
Client *client_open(const ClientTarget *target, Error *reterr);

/*
 * Sends a command and waits for its reply, at most the timeout; a command that blocks in the server
 * (XREAD BLOCK) must do so for less. The words are borrowed for the call.
 *
 * The reply is the client's, valid until the next call or the client's end. An error of the server
 * is a reply too, of the kind REPLY_ERROR. NULL: the server does not answer, or has hung up, with
 * ERROR_UNAVAILABLE: what was asked may have been done or not; or ERROR_NO_MEMORY, before anything
 * was sent.
 */
const Reply *client_call(Client *client, const Str *words, size_t count, Error *reterr);

/* Hangs up. Takes NULL; returns NULL. */
Client *client_close(Client *client);

#endif
