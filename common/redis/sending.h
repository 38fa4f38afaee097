/*
 * What is under way to a server, and queues of it: a publication, a probe, a claim, a barrier.
 *
 * A sending outlives who waits for it: when the deadline passes he is told, and its replies, which
 * are still to come, must be told from those of the next. Hence it is the sink's, not the
 * request's: sendings come from a pool, which keeps what it has.
 */
#ifndef TICKSTREAM_SENDING_H
#define TICKSTREAM_SENDING_H

#include "redis/call.h"
#include "redis/caretaker.h"
#include "redis/claim.h"
#include "redis/trial.h"

typedef struct Sending Sending;

typedef enum {
    SENDING_BODY,   /* a publication */
    SENDING_PROBE,  /* a trial */
    SENDING_CLAIM,  /* with how many partitions was the stream made? */
    SENDING_UPKEEP, /* a caretaker's */
    SENDING_BARRIER /* who has acknowledged what was sent before? Written and read by the lane. */
} SendingKind;

struct Sending {
    Sending *next;
    SendingKind kind;
    void (*told)(Sending *sending, ErrorCode code); /* how it has ended; NULL: nobody waits for it,
                                                       or not any more */
    void *arg;                                      /* of him who is told */
    size_t route;                                   /* which partition it is for */
    unsigned redirects;                             /* how often a server has sent it on */
    bool asks;                /* of a server that does not own its slot yet: ASKING goes before */
    Publication *publication; /* of a body; NULL: nobody waits any more */
    const Digest *digests;    /* the publication's arena's */
    Publishing publishing;
    bool goes_on; /* the next one in the queue is of the same call, and so has the same reply */
    Trial trial;
    Claim claim;
    Caretaker *caretaker;
    int64_t deadline, sent_at, retry_at; /* loop_clock_ms() */
    int64_t until;                       /* of all steps of a publication; a deadline is of one */
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

/* Makes it one of a publication, which is told how it ends. */
void sending_await(Sending *sending, Publication *publication);

/* One of a publication, whose digests are made, and which is told; NULL: no memory. */
Sending *sending_of(SendingPool *pool, const StreamKeys *keys, Publication *publication,
                    const Publishing *publishing);

/* It begins now, and may take so long; so may each step of it. */
void sending_begin(Sending *sending, int64_t timeout);

/* What was sent is stored. Is a further step to be written? Then it has a new deadline; else it
 * has ended with *ret_code, which stays as it is when all is stored. */
bool sending_next(Sending *sending, const StreamKeys *keys, int64_t timeout, ErrorCode *ret_code);

/* May it leave together with others, as one call of the script? */
bool sending_is_shared(const Sending *sending, const StreamKeys *keys);

/* Appends the commands of one that is no barrier, alone, for the first time or again; somebody
 * waits for it. script: the name of the script on the server. false: no memory, nothing was
 * appended. */
bool sending_write(Sending *sending, CallDraft *draft, Buffer *buffer, const StreamKeys *keys,
                   Str script);

/* Takes the next reply to it, or to the call that begins with it; returns as publish_take() does.
 * *ret_error: the first error, which is to be told; else NULL. *ret_behind as call_take(). */
const char *sending_take(Sending *sending, const Reply *reply, const Reply **ret_error,
                         size_t *ret_behind);

/* Tells who waits how it has ended; nobody waits from then on. Whoever is told may begin another.
 */
void sending_tell(Sending *sending, ErrorCode code);

static inline bool sending_is_awaited(const Sending *sending)
{
    return sending->told != NULL;
}

/* Tells who waits, and gives it back to the pool. */
void sending_end(Sending *sending, SendingPool *pool, ErrorCode code);

/* Some that may leave together, and will when the turn ends. Zero = none. */
typedef struct {
    Queue queue;
    size_t elements, bytes;
} Batch;

/* Is there room for one more? An empty batch takes any that is shared. */
bool batch_takes(const Batch *batch, const Sending *sending);
void batch_add(Batch *batch, Sending *sending);

/* Appends them as one call, and moves them to a queue of those that are under way. false: no
 * memory, nothing was appended, and they are still in the batch. */
bool batch_write(Batch *batch, CallDraft *draft, Buffer *buffer, const StreamKeys *keys, Str script,
                 Queue *to);

void queue_push(Queue *queue, Sending *sending);
Sending *queue_pop(Queue *queue); /* NULL: empty */

/* Ends all of a queue with ERROR_UNAVAILABLE; returns for how many somebody has waited. */
size_t queue_fail(Queue *queue, SendingPool *pool);

/* Takes out those whose retry_at or deadline has come, in their order. */
Queue queue_take_due(Queue *queue, int64_t now);

/* Those whose deadline has passed at this time get ERROR_UNAVAILABLE; they stay in the queue. */
void queue_expire(const Queue *queue, int64_t now);

#endif
