/*
 * FastCGI connections (the FastCGI specification 1.0, role responder). The only user of libfcgi,
 * which is told to work on connections that the event loop has accepted: it reads and writes
 * blockingly, but only when there is something to read, and never longer than
 * LIMIT_RECEIVE_SECONDS.
 */
#ifndef TICKSTREAM_FCGI_H
#define TICKSTREAM_FCGI_H

#include "base/error.h"
#include "http/message.h"

typedef struct FcgiConnection FcgiConnection;

/* Once in each process, before signals are set up: libfcgi installs handlers, and this one its own
 * for SIGALRM. */
bool fcgi_init(void);

/* A connection on an accepted socket, which is the connection's from here on. NULL: no memory, fd
 * is closed. */
FcgiConnection *fcgi_open(int fd);

/*
 * Reads one request, up to the end of its input. Texts are borrowed until fcgi_send(), the body is
 * the arena's. false: the peer has closed, was too slow or does not speak FastCGI; all that is left
 * is fcgi_close().
 */
bool fcgi_receive(FcgiConnection *connection, Arena *arena, size_t max_body, Request *ret);

/* Sends the answer. false: the connection is at its end, because keep was false or because the peer
 * has gone. */
bool fcgi_send(FcgiConnection *connection, Str request_id, const Response *response, bool keep);

/* The connection's socket. */
int fcgi_fd(const FcgiConnection *connection);

/* Closes and frees; takes NULL; returns NULL. */
FcgiConnection *fcgi_close(FcgiConnection *connection);

#endif
