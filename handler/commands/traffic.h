/*
 * Traffic as a sender has it on a day: a sequence of webhook bodies that follows from a seed alone.
 *
 * Each message has its statuses: sent, delivered and read, mostly; some are never read or never
 * delivered, a share fails, with codes that senders know. What follows in seconds here takes
 * minutes on a real day. Now and then `read` overtakes `delivered`. Most bodies have one status,
 * a few up to twenty, all of one business number. Most are JSON, some XML and forms. Nobody has
 * the recipients' numbers: they are of ranges that are kept for fiction (Ofcom, ARCEP, NANPA
 * 555-01XX). Pure: no clock, no socket.
 */
#ifndef TICKSTREAM_TRAFFIC_H
#define TICKSTREAM_TRAFFIC_H

#include "base/buffer.h"
#include "payload/codec.h"

#include <stdint.h>

enum { TRAFFIC_BATCH_MOST = 1000 }; /* statuses of a body, as Meta's most */

typedef struct {
    uint64_t seed;
    int64_t start; /* Unix seconds: the time of the first status */
    double rate;   /* statuses a second, by which their times go; over 0 */
    double failed; /* share of messages, 0..1 */
    int format;    /* a Format for every body; -1 = a mix */
    size_t batch;  /* statuses of every body, up to TRAFFIC_BATCH_MOST; 0 = a mix */
} TrafficSettings;

/* What a ledger knows a status by; of a message there may be several. */
typedef struct {
    char id[72];        /* "wamid." and base64, which holds the recipient as Meta's does */
    const char *status; /* "sent", ...; static */
    int64_t timestamp;  /* Unix seconds */
} TrafficStatus;

/* Valid until the next one. */
typedef struct {
    const char *media_type; /* static */
    Format format;
    const TrafficStatus *statuses;
    size_t count;
    double chance; /* a random number, 0..1, for whoever posts it */
} TrafficBody;

typedef struct Traffic Traffic;

/* NULL: no memory. */
Traffic *traffic_new(const TrafficSettings *settings);

/* Writes the next body to an empty buffer. false: no memory, and the sequence has a gap. */
bool traffic_next(Traffic *traffic, Buffer *to, TrafficBody *ret);

/* Takes NULL; returns NULL. */
Traffic *traffic_free(Traffic *traffic);

#endif
