/*
 * Publishing from a command: what a worker does with a body, in this process, which waits for it.
 *
 * A publisher is a sink on a loop of its own, which runs only while something is waited for. It
 * publishes as the settings say (partitions, dedupe, acknowledgement, durability) and does no
 * upkeep. Meanwhile nothing is logged: what is the matter is told by publisher_why(), once.
 */
#ifndef TICKSTREAM_PUBLISHER_H
#define TICKSTREAM_PUBLISHER_H

#include "config.h"
#include "stream/sink.h"

enum {
    PUBLISHER_MOST = 16,      /* publications under way at a time */
    PUBLISHER_BYTES = 8 << 20 /* of their bodies, unless one alone has more */
};

typedef struct Publisher Publisher;

/* One of those that are published together. What it is told is filled by the caller, its end by the
 * sink; done() is ours. */
typedef struct {
    Publication publication;
    Publisher *publisher;
} Outgoing;

/* false: DEDUPE_WINDOW is 0, so what is published again after an interruption would be stored
 * twice; ERROR_INVALID, which names the option that allows it. */
bool publisher_check_window(const Config *config, Error *reterr);

/*
 * Connects, and waits until every partition can be written to, or it is clear that some cannot, at
 * most REDIS_TIMEOUT. The settings are borrowed for its life. NULL: none can, with ERROR_SETUP when
 * somebody must do something about it, ERROR_UNAVAILABLE when it may pass; or ERROR_NO_MEMORY.
 */
Publisher *publisher_open(const Config *config, const Partitions *partitions, Error *reterr);

/* Publishes up to PUBLISHER_MOST of them, and waits until all have ended: the code of each says
 * how. Those whose entries are too large to be under way together go one after the other, and none
 * any more after one that failed. true: all are stored. */
bool publisher_publish(Publisher *publisher, Outgoing *const *list, size_t count);

/* Waits for so many milliseconds, in which connections are kept. */
void publisher_pause(Publisher *publisher, int64_t milliseconds);

/* Why not all was stored, as of publisher_open(). */
void publisher_why(const Publisher *publisher, Error *ret);

/* Takes NULL; returns NULL. */
Publisher *publisher_close(Publisher *publisher);

#endif
