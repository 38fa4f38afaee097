/*
 * The number of partitions that a stream was made with: the first who starts notes it beside the
 * stream, everybody else compares it with his own. Pure.
 */
#ifndef TICKSTREAM_CLAIM_H
#define TICKSTREAM_CLAIM_H

#include "redis/reply.h"
#include "redis/resp.h"

typedef struct {
    Str key;        /* {S}:partitions; borrowed */
    size_t number;  /* that is ours */
    bool is_told;   /* the reply makes sense */
    bool differs;   /* another number was noted: */
    char found[12]; /* it, or its beginning */
} Claim;

/* Appends the command, for the first time or again: one, which can be sent on to another server of
 * a cluster. false: no memory, nothing was appended. */
bool claim_write(Claim *claim, Buffer *buffer);

/* Takes its reply, which is no error. A server that is full notes nothing, and tells what there is
 * all the same. */
void claim_take(Claim *claim, const Reply *reply);

#endif
