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

static void tell_publication(Sending *sending, ErrorCode code)
{
    Publication *publication = sending->publication;
    sending->publication = NULL;
    publication->code = code;
    publication->result = sending->publishing.result;
    publication->done(publication);
}

void sending_await(Sending *sending, Publication *publication)
{
    sending->told = tell_publication;
    sending->publication = publication;
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
        sending_await(sending, publication);
        sending->publishing = *publishing;
        sending->digests = digests;
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
        return false; /* no body, or nobody waits any more */
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

bool sending_is_shared(const Sending *sending, const StreamKeys *keys)
{
    return sending->kind == SENDING_BODY && !sending->asks &&
           call_is_shared(&sending->publishing, keys);
}

/* The bodies of the call that begins with this one, valid until the next time that somebody asks.
 */
static const CallBody *bodies_of(Sending *sending, size_t *ret_count)
{
    static CallBody bodies[CALL_ELEMENTS];
    *ret_count = 0;
    for (bool goes_on = true; goes_on; sending = sending->next) {
        bodies[(*ret_count)++] =
            (CallBody){&sending->publishing, sending->publication, sending->digests};
        goes_on = sending->goes_on;
    }
    return bodies;
}

static bool write_call(Sending *first, CallDraft *draft, Buffer *buffer, const StreamKeys *keys,
                       Str script)
{
    size_t count;
    const CallBody *bodies = bodies_of(first, &count);
    return call_write(draft, buffer, keys, script, bodies, count);
}

static bool write_commands(Sending *sending, CallDraft *draft, Buffer *buffer,
                           const StreamKeys *keys, Str script)
{
    Publishing *publishing = &sending->publishing;
    bool ok = false;
    switch (sending->kind) {
    case SENDING_BODY:
        return publishing->by_script
                   ? write_call(sending, draft, buffer, keys, script)
                   : publish_write(publishing, buffer, keys, sending->publication);
    case SENDING_PROBE:
        ok = trial_write(&sending->trial, buffer, keys, sending->trial.in_cluster);
        publishing_sent(publishing, trial_left(&sending->trial));
        break;
    case SENDING_CLAIM:
        ok = claim_write(&sending->claim, buffer);
        publishing_sent(publishing, 1);
        break;
    case SENDING_UPKEEP:
        ok = caretaker_write(sending->caretaker, sending->route, buffer);
        publishing_sent(publishing, 1);
        break;
    case SENDING_BARRIER:
        break;
    }
    return ok;
}

bool sending_write(Sending *sending, CallDraft *draft, Buffer *buffer, const StreamKeys *keys,
                   Str script)
{
    const size_t start = buffer->len;
    sending->goes_on = false;
    if ((sending->asks && !resp_command(buffer, &STR("ASKING"), 1)) ||
        !write_commands(sending, draft, buffer, keys, script)) {
        buffer->len = start;
        return false;
    }
    sending->publishing.replies += sending->asks;
    return true;
}

bool batch_takes(const Batch *batch, const Sending *sending)
{
    return batch->elements + sending->publishing.statuses <= CALL_ELEMENTS &&
           batch->bytes < CALL_BYTES;
}

void batch_add(Batch *batch, Sending *sending)
{
    batch->elements += sending->publishing.statuses;
    batch->bytes += entries_size(sending->publication->payload);
    queue_push(&batch->queue, sending);
}

bool batch_write(Batch *batch, CallDraft *draft, Buffer *buffer, const StreamKeys *keys, Str script,
                 Queue *to)
{
    for (Sending *sending = batch->queue.first; sending; sending = sending->next) {
        sending->goes_on = sending->next != NULL;
    }
    if (batch->queue.first && !write_call(batch->queue.first, draft, buffer, keys, script)) {
        return false;
    }
    for (Sending *sending; (sending = queue_pop(&batch->queue));) {
        queue_push(to, sending);
    }
    *batch = (Batch){0};
    return true;
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

static const char *take_claim(Sending *sending, const Reply *reply, const Reply **ret_error)
{
    *ret_error = reply_error(reply);
    sending->publishing.replies--;
    if (*ret_error) {
        publishing_failed(&sending->publishing, *ret_error);
    } else {
        claim_take(&sending->claim, reply);
    }
    return NULL;
}

static const char *take_upkeep(Sending *sending, const Reply *reply, const Reply **ret_error)
{
    const char *why;
    *ret_error = caretaker_take(sending->caretaker, sending->route, reply, &why);
    sending->publishing.replies--;
    if (*ret_error) {
        publishing_failed(&sending->publishing, *ret_error);
    }
    return why;
}

/* An error means what it means of the command behind it, whose own follows from it. */
static const char *take_asking(Sending *sending, const Reply *reply, const Reply **ret_error)
{
    Publishing *publishing = &sending->publishing;
    *ret_error = reply_error(reply);
    publishing->replies--;
    if (*ret_error) {
        publishing_failed(publishing, *ret_error);
    }
    return *ret_error || reply->kind == REPLY_STATUS ? NULL : publish_senseless;
}

const char *sending_take(Sending *sending, const Reply *reply, const Reply **ret_error,
                         size_t *ret_behind)
{
    *ret_behind = 0;
    if (sending->asks) {
        sending->asks = false;
        return take_asking(sending, reply, ret_error);
    }
    if (sending->kind == SENDING_PROBE) {
        return take_trial(sending, reply, ret_error);
    }
    if (sending->kind == SENDING_CLAIM) {
        return take_claim(sending, reply, ret_error);
    }
    if (sending->kind == SENDING_UPKEEP) {
        return take_upkeep(sending, reply, ret_error);
    }
    *ret_error = sending->publishing.rule ? NULL : reply_error(reply);
    if (sending->publishing.by_script) {
        size_t count;
        const CallBody *bodies = bodies_of(sending, &count);
        return call_take(bodies, count, reply, ret_behind);
    }
    return publish_take(&sending->publishing, reply);
}

void sending_tell(Sending *sending, ErrorCode code)
{
    void (*told)(Sending * sending, ErrorCode code) = sending->told;
    sending->told = NULL;
    if (told) {
        told(sending, code);
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
