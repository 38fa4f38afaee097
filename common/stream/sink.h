/*
 * Where payloads go: the interface between what serves requests and what holds the streams. The
 * program has one sink, Redis streams (redis/sink_redis.h); unit tests have one in memory.
 *
 * Everything is called and calls back on the thread of the loop.
 */
#ifndef TICKSTREAM_SINK_H
#define TICKSTREAM_SINK_H

#include "base/text.h"
#include "payload/payload.h"
#include "stream/entry.h"

typedef struct {
    size_t accepted;    /* statuses that became entries */
    size_t quarantined; /* elements that became quarantine entries */
    size_t duplicates;  /* of either kind, that were known already */
} PublishResult;

/*
 * One payload on its way; what the caller says, and how it ended. All of it is borrowed by the sink
 * until it has ended.
 *
 * code: ERROR_NONE: all is stored, and result says how. ERROR_UNAVAILABLE, ERROR_NO_MEMORY: nothing
 * was stored, or, of more than LIMIT_STEP elements, a part, or the outcome is unknown; a repeat
 * will be recognised.
 */
typedef struct Publication Publication;

struct Publication {
    const Payload *payload;
    Arena *arena; /* for what the sink needs meanwhile */
    Delivery delivery;
    void (*done)(Publication *publication);

    ErrorCode code; /* set by the sink when it has ended */
    PublishResult result;
};

/* A question: would a write be taken now? Nothing lasting is stored. code as above. */
typedef struct Probe Probe;

struct Probe {
    void (*done)(Probe *probe);
    ErrorCode code;
};

/*
 * What publish() and probe() return. SINK_DONE: it has ended, code (and result) are set, done() is
 * not called. SINK_LATER: done() is called exactly once, from the loop, never before the function
 * has returned; the sink keeps nothing of it afterwards.
 */
typedef enum { SINK_DONE, SINK_LATER } SinkAnswer;

typedef struct Sink Sink;

struct Sink {
    SinkAnswer (*publish)(Sink *sink, Publication *publication);
    SinkAnswer (*probe)(Sink *sink, Probe *probe);
    bool (*is_connected)(const Sink *sink);

    /* Will last what is stored? "ok", or a line that says what is the matter; valid during this
     * turn of the loop. */
    const char *(*durability)(const Sink *sink);

    /* Adds a line for each partition: which, where, and how it is. */
    void (*describe)(const Sink *sink, Text *to);

    /* Ends everything that is under way with ERROR_UNAVAILABLE, calling each done(); frees the
     * sink.
     */
    void (*close)(Sink *sink);
};

#endif
