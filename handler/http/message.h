/*
 * Requests and answers as values. Whoever reads a request (http/fcgi.h from nginx, commands/cgi.c
 * from the environment) fills a Request; endpoints fill a Response.
 */
#ifndef TICKSTREAM_MESSAGE_H
#define TICKSTREAM_MESSAGE_H

#include "base/arena.h"

/* Texts are the request's arena's, until the answer has been sent; absent headers have ptr == NULL.
 */
typedef struct {
    Str method;
    Str path;  /* decoded, normalised by the server in front */
    Str query; /* as sent, without '?' */
    Str content_type;
    Str content_encoding;
    Str accept;
    Str signature;      /* X-Hub-Signature-256; a repeated header is here as something that is no
                           signature */
    Str signature_rule; /* of the server in front: "optional" when it vouches for the sender */
    Str request_id;     /* [A-Za-z0-9._-]{1,64}, always there */
    Str body;
    size_t length; /* of the body, as announced; 0 unless has_length */
    bool has_length;
    bool too_large;  /* more than the limit was announced, or came */
    bool incomplete; /* fewer or more bytes came than were announced */
    bool no_memory;  /* for the body; it was not kept */
} Request;

/* All texts are constants or the request's arena's: they live until the answer has been sent. */
typedef struct {
    int status;
    Str content_type;
    Str headers; /* further ones, each with its line end */
    Str body;
    size_t withheld; /* bytes of the body that HEAD is not given; Content-Length tells them */
} Response;

#endif
