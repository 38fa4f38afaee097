#include "redis/sending.h"

#include "base/limits.h"
#include "base/loop.h"

#include <stdlib.h>

Sending *sending_new(SendingPool *pool)
{
    Sending *sending = pool->spare;
    if (!sending) {
        return calloc(1, sizeof(Sending));
    }
    pool->spare = sending->next;
    pool->count--;
    *sending = (Sending){0};
    return sending;
}

void sending_free(SendingPool *pool, Sending *sending)
{
    if (pool->count == LIMIT_REQUESTS_IN_FLIGHT) {
        free(sending); /* of those that nobody waited for any more there may have been many */
        return;
    }
    sending->next = pool->spare;
    pool->spare = sending;
    pool->count++;
}

void sending_pool_close(SendingPool *pool)
{
    for (Sending *sending; (sending = pool->spare);) {
        pool->spare = sending->next;
        free(sending);
    }
    pool->count = 0;
}

Sending *sending_of(SendingPool *pool, const StreamKeys *keys, Publication *publication,
                    const Publishing *publishing)
{
    const Digest *digests = NULL;
    if (keys->window && !dedupe_digests(publication->payload, publication->arena, &digests)) {
        return NULL;
    }
    Sending *sending = sending_new(pool);
    if (sending) {
        sending->publication = publication;
        sending->publishing = *publishing;
        sending->digests = digests;
    }
    return sending;
}

Sending *sending_of_probe(SendingPool *pool, Probe *probe)
{
    Sending *sending = sending_new(pool);
    if (sending) {
        sending->probe = probe;
        sending->is_probe = true;
    }
    return sending;
}

void sending_begin(Sending *sending, int64_t timeout)
{
    const int64_t now = loop_clock_ms();
    sending->deadline = now + timeout;
    sending->until = now + (timeout > LIMIT_STEPS_MS ? timeout : LIMIT_STEPS_MS);
}

bool sending_next(Sending *sending, const StreamKeys *keys, int64_t timeout, ErrorCode *ret_code)
{
    const int64_t now = loop_clock_ms(), deadline = now + timeout;
    if (!sending->publication) {
        return false; /* a probe, or nobody waits any more */
    }
    publishing_next(&sending->publishing, keys, sending->publication->payload);
    if (publishing_is_empty(&sending->publishing)) {
        return false;
    }
    if (sending->until <= now) {
        *ret_code = ERROR_UNAVAILABLE;
        return false;
    }
    sending->deadline = deadline < sending->until ? deadline : sending->until;
    return true;
}

bool sending_write(Sending *sending, Buffer *buffer, const StreamKeys *keys, Str script)
{
    if (!sending->is_probe) {
        return publish_write(&sending->publishing, buffer, keys, script, sending->publication,
                             sending->digests);
    }
    bool ok = trial_write(&sending->trial, buffer, keys);
    sending->publishing = (Publishing){.replies = trial_left(&sending->trial)};
    return ok;
}

static const char *take_trial(Sending *sending, const Reply *reply, const Reply **ret_error)
{
    Publishing *publishing = &sending->publishing;
    const bool is_first = !publishing->rule;
    const char *why = trial_take(&sending->trial, reply, ret_error);
    publishing->replies--;
    if (is_first && *ret_error) {
        publishing->rule = error_rule((*ret_error)->text);
    }
    *ret_error = is_first ? *ret_error : NULL;
    return why;
}

const char *sending_take(Sending *sending, const Reply *reply, const Reply **ret_error)
{
    if (sending->is_probe) {
        return take_trial(sending, reply, ret_error);
    }
    *ret_error = sending->publishing.rule ? NULL : reply_error(reply);
    return publish_take(&sending->publishing, reply);
}

void sending_tell(Sending *sending, ErrorCode code)
{
    Publication *publication = sending->publication;
    Probe *probe = sending->probe;
    sending->publication = NULL;
    sending->probe = NULL;
    if (publication) {
        publication->code = code;
        publication->result = sending->publishing.result;
        publication->done(publication);
    } else if (probe) {
        probe->code = code;
        probe->done(probe);
    }
}

void sending_end(Sending *sending, SendingPool *pool, ErrorCode code)
{
    sending_tell(sending, code);
    sending_free(pool, sending);
}

void queue_push(Queue *queue, Sending *sending)
{
    sending->next = NULL;
    if (queue->last) {
        queue->last->next = sending;
    } else {
        queue->first = sending;
    }
    queue->last = sending;
}

Sending *queue_pop(Queue *queue)
{
    Sending *sending = queue->first;
    if (sending) {
        queue->first = sending->next;
        queue->last = queue->first ? queue->last : NULL;
    }
    return sending;
}

size_t queue_fail(Queue *queue, SendingPool *pool)
{
    Queue failed = *queue;
    size_t count = 0;
    *queue = (Queue){0};
    for (Sending *sending; (sending = queue_pop(&failed));) {
        count += sending_is_awaited(sending);
        sending_end(sending, pool, ERROR_UNAVAILABLE);
    }
    return count;
}

Queue queue_take_due(Queue *queue, int64_t now)
{
    Queue all = *queue, due = {0};
    *queue = (Queue){0};
    for (Sending *sending; (sending = queue_pop(&all));) {
        bool is_due = sending->retry_at <= now || sending->deadline <= now;
        queue_push(is_due ? &due : queue, sending);
    }
    return due;
}

void queue_expire(const Queue *queue, int64_t now)
{
    for (Sending *sending = queue->first; sending; sending = sending->next) {
        if (sending->deadline <= now) {
            sending_tell(sending, ERROR_UNAVAILABLE);
        }
    }
}
