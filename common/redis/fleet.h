/*
 * The lanes to all servers that own something of ours, and which of them a route leads to: the
 * topology says who owns a slot, this keeps the connections.
 *
 * A route is one slot that something is written to: that of a partition, or of the key that says
 * how many partitions there are. Several may have the same owner and share its lane. A lane that no
 * route leads to any more is closed when it has been idle for a minute, is not ready, or has been
 * silent: an owner that stood still while others took over would acknowledge what is lost. One to
 * what sentinels do not call the master any more is closed at once, with all that is under way:
 * what it would still acknowledge will be lost. A new connection to the master waits until they
 * have been asked again: one that has died comes back as a master, though another one is it by now.
 *
 * Events are those of lanes, and changed(): some routes lead elsewhere. From the loop, or from
 * inside fleet_look().
 */
#ifndef TICKSTREAM_FLEET_H
#define TICKSTREAM_FLEET_H

#include "redis/lane.h"
#include "redis/topology.h"

typedef struct Fleet Fleet;

/* All of it is borrowed for the fleet's life. */
typedef struct {
    TopologySettings topology; /* slots: of the routes */
    LaneSettings lane;         /* its url and keys are not read */
    const StreamKeys *const
        *keys; /* of the partition of each route; of the last one NULL if it is none */
    void (*changed)(void *arg); /* of lane.arg */
} FleetSettings;

/* Starts to connect. NULL: no memory. */
Fleet *fleet_open(Loop *loop, const FleetSettings *settings);

/* The lane that a route leads to; NULL: nobody knows its owner, or there is no memory. */
Lane *fleet_lane(const Fleet *fleet, size_t route);

/* A server has sent somebody on: a slot has another owner from now on; or for this once. The lane
 * to it, which may have to connect first; NULL: no memory. */
Lane *fleet_moved(Fleet *fleet, size_t route, const Address *to);
Lane *fleet_other(Fleet *fleet, size_t route, const Address *at);

/* A server is not what it should be, or cannot be reached: who owns what is asked. */
void fleet_suspect(Fleet *fleet);

/* All lanes, in any order: the first, and the one after another; NULL: no more. */
Lane *fleet_first(const Fleet *fleet);
Lane *fleet_next(const Fleet *fleet, const Lane *lane);

/* As of a lane. */
void fleet_after_events(Fleet *fleet);
void fleet_look(Fleet *fleet, int64_t at);
bool fleet_is_busy(const Fleet *fleet);

/* Takes NULL; returns NULL. As of a lane: all that is under way ends. */
Fleet *fleet_close(Fleet *fleet);

#endif
