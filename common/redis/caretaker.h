/*
 * Who sees to it that the streams do not fill up: asks, for each partition, that what is kept no
 * longer is removed, every ten seconds, and at once again while there is more.
 *
 * All workers of all hosts ask; of each partition the first one has a lease, and to the others the
 * server says so and does nothing. When its worker goes, another one has it half a minute later.
 *
 * ask() comes from the loop: the caller sends caretaker_write()'s command to the partition's owner,
 * gives the reply to caretaker_take(), and says caretaker_done() when it has ended in whatever way.
 */
#ifndef TICKSTREAM_CARETAKER_H
#define TICKSTREAM_CARETAKER_H

#include "base/loop.h"
#include "redis/upkeep.h"
#include "stream/partitions.h"

typedef struct Caretaker Caretaker;

typedef struct {
    bool (*ask)(void *arg, size_t partition); /* true: it was sent */
    /* How many partitions share the memory of this one's server, itself included. */
    size_t (*count_beside)(void *arg, size_t partition);
} CaretakerEvents;

/* All of it is borrowed for its life; events are copied. NULL: no memory. */
Caretaker *caretaker_open(Loop *loop, const Partitions *partitions, const Keep *keep,
                          const CaretakerEvents *events, void *arg);

bool caretaker_write(Caretaker *caretaker, size_t partition, Buffer *buffer);

/* Takes the reply to it into account. Returns it when it is an error that whoever sends must act
 * on, else NULL; *ret_why: NULL, or why the connection must end. */
const Reply *caretaker_take(Caretaker *caretaker, size_t partition, const Reply *reply,
                            const char **ret_why);

void caretaker_done(Caretaker *caretaker, size_t partition);

/* Takes NULL; returns NULL. */
Caretaker *caretaker_close(Caretaker *caretaker);

#endif
