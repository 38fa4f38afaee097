/*
 * TICKSTREAM_REDIS_ACK: who must have a status before the sender gets its 200. Pure.
 *
 *   local         the server that is written to; its own appendfsync says what that is worth
 *   replicas:N    and N replicas, in memory, or on disk where they have appendfsync always. WAIT.
 *   fsync:L,N     on disk of the server if L is 1, and of N replicas. WAITAOF, from Redis 7.2 on.
 *
 * The barrier is a command that follows what was written on the same connection, and is answered
 * when those have acknowledged it, or with how many have when its time is over. Everything before
 * it on this connection has then been acknowledged by so many.
 */
#ifndef TICKSTREAM_ACK_H
#define TICKSTREAM_ACK_H

#include "base/buffer.h"
#include "redis/reply.h"

#include <stdint.h>

typedef enum { ACK_LOCAL, ACK_REPLICAS, ACK_FSYNC } AckKind;

/* {0}: local. */
typedef struct {
    AckKind kind;
    unsigned local;    /* ACK_FSYNC: 0 or 1 */
    unsigned replicas; /* ACK_REPLICAS: 1 to ACK_REPLICAS_MOST; ACK_FSYNC: from 0 on */
} Ack;

enum {
    ACK_REPLICAS_MOST = 16,
    ACK_TEXT = 24,
    ACK_TIMEOUT_LEAST = 300 /* milliseconds of REDIS_TIMEOUT: a server looks ten times a second
                               whether the time of a barrier is over */
};

bool ack_parse(Str text, Ack *ret);                 /* "fsync:0,0" is none */
void ack_show(const Ack *ack, char text[ACK_TEXT]); /* as it is parsed */

/* Appends the barrier, which waits for so many milliseconds at most, and at least for one; nothing
 * for ACK_LOCAL, which has none. false: no memory, nothing was appended. */
bool ack_write(const Ack *ack, Buffer *buffer, int64_t timeout);

/* Reads its reply, which is no error: how many have acknowledged, local only by ACK_FSYNC. false:
 * it makes no sense. */
typedef struct {
    unsigned local, replicas;
} Acknowledged;
bool ack_read(const Ack *ack, const Reply *reply, Acknowledged *ret);

bool ack_is_enough(const Ack *ack, const Acknowledged *acknowledged);

#endif
