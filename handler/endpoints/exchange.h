/*
 * One request and its answer, and what the endpoints of a worker share.
 */
#ifndef TICKSTREAM_EXCHANGE_H
#define TICKSTREAM_EXCHANGE_H

#include "config.h"
#include "endpoints/admission.h"
#include "http/message.h"
#include "payload/signature.h"
#include "stream/sink.h"

typedef struct Exchange Exchange;

/* What /readyz knows: one probe at a time is under way, and its answer is good for a moment, for
 * all who ask. {0} = nobody has asked. */
typedef struct {
    Probe probe;
    Exchange *waiting; /* for its answer; NULL = no probe is under way */
    int64_t answered;  /* loop_clock_ms(); 0 = never */
    bool connected;    /* the sink was, then */
    ErrorCode code;
} Readiness;

/* Borrowed for the worker's life. */
typedef struct {
    const Config *config;
    Verifier *verifier; /* NULL: unsigned requests are taken */
    Sink *sink;
    Admission admission;
    Readiness readiness;
    bool draining;

    /* Called exactly once for each exchange that was left for LATER, when its response is filled,
     * and never before endpoint_serve() has returned. */
    void (*answered)(Exchange *exchange);
} Server;

/* What an endpoint returns. ANSWERED: the response is filled. LATER: server->answered() will be
 * called. */
typedef enum { ANSWERED, LATER } Served;

struct Exchange {
    Request request;
    Response response; /* its status is 0 until it is filled */
    Server *server;
    Arena *arena;   /* of this request; reset after the answer has been sent */
    uint64_t began; /* loop_clock_ns() when the request had been read */

    bool is_trusted; /* the body was signed, or vouched for: what is unreadable of it is kept */

    /* of an endpoint that answers later */
    Publication publication;
    Exchange *next; /* of those who wait for a probe */
    Payload payload;
    char received_at[24]; /* of the publication's delivery */
    size_t charged;       /* admission_enter() */
    char *text;           /* the arena's: room for the answer */
};

/* Fills the response, exactly once, and counts it. content_type and body live until it has been
 * sent. */
void exchange_answer(Exchange *exchange, int status, Str content_type, Str body);

/* The same with the problem document of an error, in the client's format. headers: further ones,
 * may be absent. */
void exchange_answer_problem(Exchange *exchange, const Error *error, Str headers);

#endif
