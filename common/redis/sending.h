/*
 * A publication or a probe under way to a server, and queues of them.
 *
 * A sending outlives who waits for it: when the deadline passes he is told, and its replies, which
 * are still to come, must be told from those of the next. Hence it is the sink's, not the
 * request's: sendings come from a pool, which keeps what it has.
 */
#ifndef TICKSTREAM_SENDING_H
#define TICKSTREAM_SENDING_H

#include "redis/publish.h"

typedef struct Sending Sending;

struct Sending {
    Sending *next;
    Publication *publication; /* NULL: a probe, or nobody waits any more */
    Probe *probe;             /* NULL: likewise */
    const Digest *digests;    /* the publication's arena's */
    Publishing publishing;
    int64_t deadline, sent_at, retry_at; /* loop_clock_ms() */
};

/* Zero = empty. */
typedef struct {
    Sending *first, *last;
} Queue;

/* Zero = empty. It keeps as many as there may be requests in flight. */
typedef struct {
    Sending *spare;
    size_t count;
} SendingPool;

Sending *sending_new(SendingPool *pool); /* cleared; NULL: no memory */
void sending_free(SendingPool *pool, Sending *sending);
void sending_pool_close(SendingPool *pool);

/* Appends its commands, for the first time or again; somebody waits for it. script: the name of the
 * script on the server. false: no memory, nothing was appended. */
bool sending_write(Sending *sending, Buffer *buffer, const StreamKeys *keys, Str script);

/* Tells who waits how it has ended; nobody waits from then on. Whoever is told may begin another.
 */
void sending_tell(Sending *sending, ErrorCode code);

static inline bool sending_is_awaited(const Sending *sending)
{
    return sending->publication || sending->probe;
}

void queue_push(Queue *queue, Sending *sending);
Sending *queue_pop(Queue *queue); /* NULL: empty */

/* Ends all of a queue with ERROR_UNAVAILABLE; returns for how many somebody has waited. */
size_t queue_fail(Queue *queue, SendingPool *pool);

/* Takes out those whose retry_at or deadline has come, in their order. */
Queue queue_take_due(Queue *queue, int64_t now);

/* Those whose deadline has passed at this time get ERROR_UNAVAILABLE; they stay in the queue. */
void queue_expire(const Queue *queue, int64_t now);

#endif
