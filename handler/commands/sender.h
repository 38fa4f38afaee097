/*
 * Posts traffic at a rate, whatever becomes of it, as a sender does: a late answer slows nothing
 * down, as long as fewer bodies than connections wait for theirs. Any answer but 200, and none, is
 * posted again with growing pauses; other 4xx than 429 are not, since nothing here would mend them.
 * A share of what was taken is posted once more all the same, as after an answer that was lost.
 */
#ifndef TICKSTREAM_SENDER_H
#define TICKSTREAM_SENDER_H

#include "commands/latency.h"
#include "commands/traffic.h"

#include <stdio.h>

enum {
    SENDER_STATUS_MOST = 600,     /* of HTTP */
    SENDER_AFTERWARDS_MS = 10000, /* what is left is tried again for so long after the end */
    SENDER_TIMEOUT_MS = 10000,    /* of one request */
    SENDER_PATIENCE_MS = 1500     /* until it is given up when nobody has answered anything */
};

typedef struct {
    TrafficSettings traffic; /* its rate is that of all statuses */
    const char *url;
    const char *ca;     /* as WebSettings' */
    Str secret;         /* that signs; empty = unsigned */
    double seconds;     /* over 0 */
    size_t connections; /* from 1 on */
    double repeated;    /* share of bodies that are posted once more */
    FILE *ledger;       /* a line for each status that was taken; NULL = none */
} SenderSettings;

/* Statuses are counted once, however often they were posted. */
typedef struct {
    uint64_t wanted;                      /* statuses, by rate and time */
    uint64_t posted, taken;               /* of them; taken = answered 200 */
    uint64_t refused;                     /* answered with what is not tried again */
    uint64_t bodies, bytes;               /* posted for the first time */
    uint64_t formats[3];                  /* bodies, by Format */
    uint64_t again;                       /* bodies that were posted once more although taken */
    uint64_t retries;                     /* posts because of an answer that was not 200 */
    uint64_t answers[SENDER_STATUS_MOST]; /* by status; [0] = none */
    uint64_t accepted, duplicates, quarantined, ignored; /* as the answers say */
    uint64_t twice;       /* statuses of bodies posted once more that were accepted again */
    char why[LIMIT_TEXT]; /* why there was no answer, the last time; "" = there always was */
    int64_t elapsed_ms;
    bool is_over;    /* nothing new is posted any more */
    bool is_alone;   /* given up: nobody has answered anything */
    Latency latency; /* of answers, from when each was due */
} SenderFigures;

/* tell() is called ten times a second, and shall take no time. */
typedef void SenderTell(void *arg, const SenderFigures *figures);

/*
 * Sends all of it; SIGINT or SIGTERM end it early, and what is under way is waited for. *ret is
 * filled in any case. false: it could not begin, or memory ran out; *reterr says why.
 */
bool sender_run(const SenderSettings *settings, SenderTell *tell, void *arg, SenderFigures *ret,
                Error *reterr);

#endif
