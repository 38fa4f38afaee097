/*
 * What rate the servers of a stream carry, with the settings that are in force: capacity.h, applied
 * to a supply.
 */
#ifndef TICKSTREAM_SIZING_H
#define TICKSTREAM_SIZING_H

#include "commands/supply.h"
#include "stream/capacity.h"

/* 0 = not given. */
typedef struct {
    double rate;   /* statuses a second */
    double entry;  /* bytes of one in the stream */
    double memory; /* bytes; instead of what servers have */
} Wishes;

typedef struct {
    const Config *config; /* borrowed */
    Wishes wishes;
    Supply supply; /* whoever fills it frees it */

    /* Of sizing_decide(). */
    bool is_measured;         /* the size of an entry is */
    double entry;             /* bytes */
    const Supplier *decisive; /* the server that is full first */
    double carries;           /* statuses a second, of all servers; 0 = none */
} Sizing;

/* Which server decides, and so what is carried. The supply has one or more. */
void sizing_decide(Sizing *sizing);

/* What each status costs a server, once it is decided. */
Load sizing_load(const Sizing *sizing, const Supplier *server);

/* How much of all statuses it gets. */
double sizing_share(const Sizing *sizing, const Supplier *server);

/* Statuses a second, of all servers, with which this one is full. */
double sizing_carried(const Sizing *sizing, const Supplier *server);

#endif
