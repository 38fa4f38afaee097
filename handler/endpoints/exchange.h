/*
 * One request and its answer, and what the endpoints of a worker share.
 */
#ifndef TICKSTREAM_EXCHANGE_H
#define TICKSTREAM_EXCHANGE_H

#include "base/owner.h"
#include "config.h"
#include "http/message.h"
#include "http/negotiate.h"
#include "payload/signature.h"
#include "stream/sink.h"

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

/* Sends an answer and counts it. */
void exchange_answer(Exchange *exchange, const Response *response);

/* Answers with a body of the given type. */
void exchange_respond(Exchange *exchange, int status, Str content_type, Str body);

/* Answers with the problem document of an error, in the client's format. headers: further ones, may
 * be absent. */
void exchange_problem(Exchange *exchange, const Error *error, Str headers);

#endif
