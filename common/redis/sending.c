#include "redis/sending.h"

#include "base/limits.h"

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

bool sending_write(Sending *sending, Buffer *buffer, const StreamKeys *keys, Str script)
{
    return sending->publication ? publish_write(&sending->publishing, buffer, keys, script,
                                                sending->publication, sending->digests)
                                : publish_write_probe(&sending->publishing, buffer, keys);
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
        sending_tell(sending, ERROR_UNAVAILABLE);
        sending_free(pool, sending);
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
