/*
 * Where payloads go. The program has one sink, Redis streams (sink_redis.h); unit tests have one in
 * memory.
 */
#ifndef TICKSTREAM_SINK_H
#define TICKSTREAM_SINK_H

#include "payload/payload.h"

#include <stdint.h>

typedef struct {
    size_t accepted;    /* statuses that became entries */
    size_t quarantined; /* elements that became quarantine entries */
    size_t duplicates;  /* of either kind, that were known already */
} PublishResult;

typedef struct Publication Publication;

/*
 * One payload on its way. All of it is borrowed until done() is called, exactly once, possibly
 * before publish() returns. code ERROR_NONE: all is stored, and result tells how. ERROR_UNAVAILABLE
 * or ERROR_NO_MEMORY: nothing was stored, or the outcome is unknown and a repeat will be
 * recognised.
 */
struct Publication {
    const Payload *payload; /* NULL: a probe, which only asks whether a write would be taken */
    Arena *arena;           /* for what the sink needs meanwhile */
    Str content_type;
    Str request_id;
    int64_t received_at; /* Unix milliseconds */
    void (*done)(Publication *publication, ErrorCode code, const PublishResult *result);

    struct { /* the sink's */
        Publication *next;
        const char (
            *seen)[32];   /* digests of statuses, quarantined elements, events, in this order */
        int64_t deadline; /* loop time, milliseconds */
        int64_t retry_at;
        size_t replies; /* that are still to come */
        bool with_source;
        PublishResult result;
        const struct ReplyRule *rule; /* what to do about the first error among the replies */
    } sink;
};

typedef struct Sink Sink;

struct Sink {
    void (*publish)(Sink *sink, Publication *publication);
    bool (*is_connected)(const Sink *sink);
};

#endif
