/*
 * One FastCGI connection as the application sees it (FastCGI specification 1.0, role responder):
 * bytes in, requests out, answers as bytes. No socket and no clock: who has the socket feeds what
 * has come, in pieces of any size.
 *
 *     Fcgi fcgi = {.max_body = ...};
 *     fcgi_use(&fcgi, arena, &request);
 *     switch (fcgi_feed(&fcgi, &bytes, replies)) {
 *     case FCGI_MORE:    all bytes are used: read on
 *     case FCGI_HEAD:    the request is there without its body: fcgi_take_body(); feed the rest
 *     case FCGI_REQUEST: serve it; fcgi_answer(); fcgi_use() for the next; feed the rest
 *     case FCGI_ABORTED: the request is withdrawn: fcgi_use() for the next; feed the rest
 *     case FCGI_BROKEN:  not FastCGI, beyond a limit, or no memory: close the connection
 *     }
 */
#ifndef TICKSTREAM_FCGI_H
#define TICKSTREAM_FCGI_H

#include "base/buffer.h"
#include "http/fcgi_record.h"
#include "http/message.h"

/* What a connection is in the middle of; who moves it stands in fcgi.c. */
typedef enum {
    FCGI_IDLE,      /* nothing */
    FCGI_IN_PARAMS, /* a request has begun; its parameters come */
    FCGI_AT_HEAD,   /* they are there; fcgi_take_body() is next */
    FCGI_IN_BODY,   /* the body comes */
    FCGI_COMPLETE,  /* the request is there; fcgi_answer() is next */
    FCGI_FAILED,
} FcgiState;

typedef struct {
    size_t max_body; /* bytes; more are not kept */
    bool keep;       /* of a request: its sender will use the connection again */
    FcgiState state;

    Arena *arena;     /* what the texts of the request are */
    Request *request; /* to be filled */
    char *params;     /* the bytes of its parameters, the arena's */
    size_t params_len, params_room;
    char *values; /* likewise of a GET_VALUES record */
    size_t values_len;
    char *body;       /* its body, the arena's; NULL: it is not kept */
    size_t body_room; /* bytes of it that are kept: none, or all that were announced */
    size_t came;      /* bytes of it that have come, kept or not */
    unsigned id;

    char head[FCGI_HEAD_BYTES]; /* of the record that is being read */
    size_t head_len;            /* how much of the head has come */
    FcgiHead record;            /* the head, once it has come whole */
    size_t content, padding;    /* of the record, still to come */
    char begin[8];              /* the content of a BEGIN_REQUEST record */
} Fcgi;

/* Before the first byte of each request, and of what stands between requests: where it is put.
 * Both are borrowed until the request has been answered, or fcgi_is_idle(). */
void fcgi_use(Fcgi *fcgi, Arena *arena, Request *request);

typedef enum { FCGI_MORE, FCGI_HEAD, FCGI_REQUEST, FCGI_ABORTED, FCGI_BROKEN } FcgiEvent;

/*
 * Reads on, up to the next event, and takes what it has used off the front of *bytes. Management
 * records and aborts are answered into replies, with at most twice the bytes that have come:
 * to be sent before anything else.
 *
 * FCGI_HEAD: request->too_large tells whether the announced length is over max_body.
 * FCGI_REQUEST: all members of the request are set.
 */
FcgiEvent fcgi_feed(Fcgi *fcgi, Str *bytes, Buffer *replies);

/* After FCGI_HEAD: makes room for the body, unless request->too_large, or request->no_memory, which
 * the caller may set; then what comes is dropped. */
void fcgi_take_body(Fcgi *fcgi);

/*
 * A shortcut past fcgi_feed() for large bodies: where the bytes that come next belong, and in
 * *ret_len how many; NULL when they are not bytes of a body that is kept. The caller may read so
 * many or fewer straight to there and then says how many by fcgi_body_filled().
 */
char *fcgi_body_space(const Fcgi *fcgi, size_t *ret_len);
void fcgi_body_filled(Fcgi *fcgi, size_t len);

/*
 * After FCGI_REQUEST: appends the answer to out, as records up to the one that ends the request.
 * The connection is ready for the next request then. false: no memory; nothing was appended, and
 * the connection is of no use any more.
 */
bool fcgi_answer(Fcgi *fcgi, const Response *response, Buffer *out);

/* Is nothing under way, not even part of a record? */
bool fcgi_is_idle(const Fcgi *fcgi);

#endif
