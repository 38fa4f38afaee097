/*
 * The client's side of FastCGI, as a web server has it: one request, one answer. For commands that
 * ask the workers; blocking, but never longer than they say.
 *
 *     int fd = address_connect(config->listen, 4000, &error);              base/address.h
 *     FcgiAnswer answer;
 *     if (fd >= 0 && fcgi_client_get(fd, STR("/readyz"), 4000, arena, &answer, &error)) ...
 */
#ifndef TICKSTREAM_FCGI_CLIENT_H
#define TICKSTREAM_FCGI_CLIENT_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

/* Bytes of an answer that are taken; one that is longer is an error. */
enum { FCGI_CLIENT_ANSWER = 4 << 20 };

/* A parameter of a request, by its CGI name. */
typedef struct {
    Str name, value;
} FcgiParameter;

/* Texts are the arena's. */
typedef struct {
    int status; /* 200 when the answer names none */
    Str head;   /* header lines as they came, each with its line end */
    Str body;
} FcgiAnswer;

/*
 * Sends a request over a connected socket, blocking or not, and reads its answer, all within
 * timeout_ms. The connection is of no use afterwards; the descriptor stays the caller's. count
 * parameters may have FCGI_CONTENT_BYTES in all, the body any length. false: ERROR_UNAVAILABLE with
 * one line, or ERROR_NO_MEMORY.
 */
bool fcgi_client_ask(int fd, const FcgiParameter *parameters, size_t count, Str body,
                     int64_t timeout_ms, Arena *arena, FcgiAnswer *ret, Error *reterr);

/* The same for GET path[?query]. */
bool fcgi_client_get(int fd, Str path, int64_t timeout_ms, Arena *arena, FcgiAnswer *ret,
                     Error *reterr);

#endif
