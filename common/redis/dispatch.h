/*
 * Sendings on their way: each to the owner of its route, now or with others when the turn of the
 * loop ends; again after a pause, or to another server that has been named; until it has ended.
 *
 *   sending --> fleet --> lane --> link --> connection
 *           (who owns  (server) (kept    (bytes)
 *            what)               up)
 *
 * The commands of one turn leave together, the first 64 KiB of many as soon as they are there, and
 * while they are on their way the next batch forms. What becomes of a sending when its replies are
 * there:
 *
 *   stored                     it has ended, or its next step follows
 *   NOSCRIPT                   again, with the script's source
 *   TRYAGAIN, LOADING, BUSY,   again after a pause, if the answer can come in time
 *   NOREPLICAS, CLUSTERDOWN
 *   MOVED                      again to the server that it names, which owns the slot from now on;
 *                              when that is not connected yet, as soon as it is
 *   ASK                        again to the server that it names, for this once, after ASKING
 *   READONLY, MASTERDOWN       refused; the connection ends, and it is asked who is the master
 *   all others                 refused
 *
 * Each step is sent on at most eight times. What was sent and not answered is never sent again: the
 * outcome is unknown, and the sender's repetition will be recognised. Deadlines count from the
 * exact time and are judged after what has come was read: a worker that was busy blames itself, not
 * Redis.
 *
 * Events come from the loop only:
 *
 *   changed   servers are ready that were not, or the reverse, or routes lead elsewhere
 *   look      while something is under way, every 20 ms; returns whether there is more to look at
 */
#ifndef TICKSTREAM_DISPATCH_H
#define TICKSTREAM_DISPATCH_H

#include "redis/fleet.h"

typedef struct Dispatch Dispatch;

typedef struct {
    void (*changed)(void *arg);
    bool (*look)(void *arg, int64_t at);
} DispatchEvents;

/* Borrowed for its life. fleet: lane.pool, .events and .arg, and changed, are not read. */
typedef struct {
    FleetSettings fleet;
    DispatchEvents events;
    void *arg;
} DispatchSettings;

/* Starts to connect. NULL: no memory. Closed by dispatch_close(), after which the loop can only be
 * freed: it still has a hook of it. */
Dispatch *dispatch_open(Loop *loop, const DispatchSettings *settings);

/* Who owns what, and how it is there. */
Fleet *dispatch_fleet(const Dispatch *dispatch);

/* A sending of its pool, which is told how it ends. NULL: no memory. */
Sending *dispatch_new(Dispatch *dispatch, SendingKind kind,
                      void (*told)(Sending *sending, ErrorCode code), void *arg);
Sending *dispatch_new_body(Dispatch *dispatch, const StreamKeys *keys, Publication *publication,
                           const Publishing *publishing);

/* Sends it for the first time, on a route whose lane is ready. false: no memory; it has been given
 * back to the pool, and was not told. */
bool dispatch_send(Dispatch *dispatch, Sending *sending, size_t route);

/* Something is to be looked at. */
void dispatch_look_again(Dispatch *dispatch);

/* Ends all that is under way with ERROR_UNAVAILABLE. Takes NULL; returns NULL. */
Dispatch *dispatch_close(Dispatch *dispatch);

#endif
