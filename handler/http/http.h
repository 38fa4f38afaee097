/*
 * Requests, answers and the exchange of one for the other; content negotiation; problem documents
 * (RFC 9457). Knows nothing of FastCGI: a connection fills a Request and takes a Response.
 */
#ifndef TICKSTREAM_HTTP_H
#define TICKSTREAM_HTTP_H

#include "payload/codec.h"
#include "base/owner.h"
#include "config.h"
#include "payload/signature.h"
#include "stream/sink.h"

/* Texts are borrowed from the connection until the answer has been sent; absent headers have ptr ==
 * NULL. */
typedef struct {
    Str method;
    Str path;  /* decoded, normalised by the server in front */
    Str query; /* as sent, without '?' */
    Str content_type;
    Str content_encoding;
    Str accept;
    Str signature;  /* X-Hub-Signature-256; a repeated header is here as something that is no
                       signature */
    Str request_id; /* [A-Za-z0-9._-]{1,64}, always there */
    Str body;       /* the arena's */
    bool has_length;
    bool too_large;  /* more than the limit was announced, or came */
    bool incomplete; /* fewer or more bytes came than were announced */
    bool no_memory;  /* for the body; it was not kept */
} Request;

typedef struct {
    int status;
    Str content_type;
    Str headers; /* further ones, each with its line end */
    Str body;
} Response;

/* What the endpoints of a worker share; borrowed for the worker's life. */
typedef struct {
    const Config *config;
    Verifier *verifier; /* NULL: unsigned requests are taken */
    Sink *sink;
    size_t requests_in_flight; /* that wait for the sink */
    size_t bytes_in_flight;    /* that they hold */
    bool draining;
} Server;

typedef struct Exchange Exchange;

struct Exchange {
    Request request;
    Server *server;
    Arena *arena;   /* of this request; reset after the answer */
    uint64_t began; /* loop_clock_ns() when the request had been read */
    void (*respond)(Exchange *exchange,
                    const Response *response); /* the connection's; exactly once */

    /* of an endpoint that answers later */
    Publication publication;
    Probe probe;
    Payload payload;
    char received_at[24]; /* of the publication's delivery */
    size_t charged;       /* of server->bytes_in_flight */
};

typedef enum { ANSWER_JSON, ANSWER_XML } AnswerFormat;

/*
 * The format that a client wants: the one its Accept prefers (RFC 9110 section 12.5.1, the most
 * specific range counts); without Accept that of what it posted; else JSON.
 */
AnswerFormat negotiate(Str accept, Str content_type);

/* The exchange that a publication belongs to. */
static inline Exchange *exchange_of(Publication *publication)
{
    return OWNER_OF(publication, Exchange, publication);
}

/* Sends an answer and counts it. */
void http_answer(Exchange *exchange, const Response *response);

/* Answers with a body of the given type. */
void http_respond(Exchange *exchange, int status, Str content_type, Str body);

/* Answers with the problem document of an error, in the client's format. headers: further ones, may
 * be absent. */
void http_problem(Exchange *exchange, const Error *error, Str headers);

/* The HTTP status of an error; the one place that knows. */
int http_status(ErrorCode code);

#endif
