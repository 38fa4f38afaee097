#include "redis/fleet.h"

#include <stdlib.h>

enum { IDLE_MOST = 60000 }; /* milliseconds that a lane is kept to which no route leads */

typedef struct Ship Ship;

struct Ship {
    Ship *next;
    Lane *lane;
    bool is_wanted;    /* a route leads to it */
    int64_t wanted_at; /* when one did last, or it was asked for; loop_clock_ms() */
};

struct Fleet {
    Loop *loop;
    FleetSettings settings;
    Topology *topology;
    Ship *ships;
    Lane **lanes; /* of each route; NULL = none */
    bool is_new;  /* the topology has said something that was not looked at yet */
};

static bool is_cluster(const Fleet *fleet)
{
    return fleet->settings.topology.servers->kind == SERVERS_CLUSTER;
}

static Ship *find(const Fleet *fleet, const Address *address)
{
    Ship *ship = fleet->ships;
    while (ship && !address_eq(lane_address(ship->lane), address)) {
        ship = ship->next;
    }
    return ship;
}

static Ship *build(Fleet *fleet, size_t route, const Address *address)
{
    const StreamKeys *keys = fleet->settings.keys[route];
    Ship *ship = calloc(1, sizeof(*ship));
    Lane *lane = ship ? lane_open(fleet->loop, &fleet->settings.lane, address,
                                  keys ? keys : fleet->settings.keys[0])
                      : NULL;
    if (!lane) {
        free(ship);
        return NULL;
    }
    *ship = (Ship){.next = fleet->ships, .lane = lane};
    fleet->ships = ship;
    return ship;
}

/* Which routes lead to it, and the keys of one of them. */
static void look_at(const Fleet *fleet, Ship *ship)
{
    const StreamKeys *keys = NULL;
    ship->is_wanted = false;
    for (size_t i = 0; i < fleet->settings.topology.count && !keys; i++) {
        if (fleet->lanes[i] == ship->lane) {
            ship->is_wanted = true;
            keys = fleet->settings.keys[i];
        }
    }
    lane_use(ship->lane, keys);
}

static void note_wanted(Fleet *fleet, int64_t at)
{
    for (Ship *ship = fleet->ships; ship; ship = ship->next) {
        look_at(fleet, ship);
        ship->wanted_at = ship->is_wanted ? at : ship->wanted_at;
    }
}

Lane *fleet_other(Fleet *fleet, size_t route, const Address *at)
{
    Ship *ship = find(fleet, at);
    ship = ship ? ship : build(fleet, route, at);
    if (!ship) {
        return NULL;
    }
    ship->wanted_at = loop_clock_ms();
    return ship->lane;
}

static void lead(Fleet *fleet, size_t route, const Address *to)
{
    fleet->lanes[route] = to ? fleet_other(fleet, route, to) : NULL;
}

Lane *fleet_moved(Fleet *fleet, size_t route, const Address *to)
{
    topology_moved(fleet->topology, route, to);
    lead(fleet, route, to);
    note_wanted(fleet, loop_clock_ms());
    return fleet->lanes[route];
}

static void lead_all(Fleet *fleet)
{
    for (size_t i = 0; i < fleet->settings.topology.count; i++) {
        lead(fleet, i, topology_owner(fleet->topology, i));
    }
}

/* There may have been no memory for some. */
static void lead_what_is_left(Fleet *fleet)
{
    for (size_t i = 0; i < fleet->settings.topology.count; i++) {
        if (!fleet->lanes[i]) {
            lead(fleet, i, topology_owner(fleet->topology, i));
        }
    }
}

/* From an event of the topology, which is none of a lane: those that lead astray may be closed. */
static void on_changed(void *arg)
{
    Fleet *fleet = arg;
    fleet->is_new = true;
    lead_all(fleet);
    note_wanted(fleet, loop_clock_ms());
    fleet->settings.changed(fleet->settings.lane.arg);
}

void fleet_suspect(Fleet *fleet)
{
    topology_suspect(fleet->topology, NULL);
}

Lane *fleet_lane(const Fleet *fleet, size_t route)
{
    return fleet->lanes[route];
}

Lane *fleet_first(const Fleet *fleet)
{
    return fleet->ships ? fleet->ships->lane : NULL;
}

Lane *fleet_next(const Fleet *fleet, const Lane *lane)
{
    const Ship *ship = find(fleet, lane_address(lane));
    return ship && ship->next ? ship->next->lane : NULL;
}

static bool is_over(const Fleet *fleet, const Ship *ship, int64_t at)
{
    const bool is_idle = at - ship->wanted_at >= IDLE_MOST && !lane_is_busy(ship->lane),
               is_useless = !lane_is_ready(ship->lane) && !lane_is_opening(ship->lane);
    return !ship->is_wanted &&
           (!is_cluster(fleet) || is_idle || is_useless || lane_is_silent(ship->lane, at));
}

static void close_those_that_are_over(Fleet *fleet, int64_t at)
{
    for (Ship **link = &fleet->ships; *link;) {
        Ship *ship = *link;
        if (!is_over(fleet, ship, at)) {
            link = &ship->next;
            continue;
        }
        *link = ship->next;
        lane_close(ship->lane);
        free(ship);
    }
}

/* Asks whether a server that is connected is the right one still, until it is known. */
static void look_at_doubt(Fleet *fleet, Lane *lane)
{
    const int64_t since = lane_doubted_since(lane);
    const Address *owner = topology_owner(fleet->topology, 0);
    if (!topology_is_sure(fleet->topology, since)) {
        topology_suspect(fleet->topology, NULL);
    } else if (owner && address_eq(owner, lane_address(lane))) {
        lane_confirm(lane);
    }
}

void fleet_after_events(Fleet *fleet)
{
    if (fleet->is_new) {
        fleet->is_new = false;
        close_those_that_are_over(fleet, loop_clock_ms());
    }
    for (Ship *ship = fleet->ships; ship; ship = ship->next) {
        if (lane_doubted_since(ship->lane)) {
            look_at_doubt(fleet, ship->lane);
        }
        lane_after_events(ship->lane);
    }
}

void fleet_look(Fleet *fleet, int64_t at)
{
    for (Ship *ship = fleet->ships; ship; ship = ship->next) {
        if (lane_is_silent(ship->lane, at)) {
            topology_suspect(fleet->topology, NULL);
        }
        lane_look(ship->lane, at);
    }
    lead_what_is_left(fleet);
    note_wanted(fleet, at);
    close_those_that_are_over(fleet, at);
}

/* There was no memory for the lane to an owner that is known. */
static bool lacks_lane(const Fleet *fleet)
{
    for (size_t i = 0; i < fleet->settings.topology.count; i++) {
        if (!fleet->lanes[i] && topology_owner(fleet->topology, i)) {
            return true;
        }
    }
    return false;
}

bool fleet_is_busy(const Fleet *fleet)
{
    for (const Ship *ship = fleet->ships; ship; ship = ship->next) {
        if (lane_is_busy(ship->lane) || !ship->is_wanted) {
            return true;
        }
    }
    return lacks_lane(fleet);
}

Fleet *fleet_open(Loop *loop, const FleetSettings *settings)
{
    Fleet *fleet = calloc(1, sizeof(*fleet));
    if (!fleet) {
        return NULL;
    }
    *fleet = (Fleet){.loop = loop, .settings = *settings};
    fleet->settings.lane.link.url = &settings->topology.servers->server;
    fleet->settings.lane.needs_word = settings->topology.servers->kind == SERVERS_SENTINEL;
    fleet->lanes = calloc(settings->topology.count, sizeof(*fleet->lanes));
    fleet->topology =
        fleet->lanes ? topology_open(loop, &settings->topology, on_changed, fleet) : NULL;
    if (!fleet->topology) {
        return fleet_close(fleet);
    }
    lead_all(fleet); /* of one server it is known at once */
    note_wanted(fleet, loop_clock_ms());
    const bool is_open = settings->topology.servers->kind != SERVERS_ONE || fleet->lanes[0];
    return is_open ? fleet : fleet_close(fleet);
}

Fleet *fleet_close(Fleet *fleet)
{
    if (fleet) {
        fleet->topology = topology_close(fleet->topology);
        for (size_t i = 0; fleet->lanes && i < fleet->settings.topology.count; i++) {
            fleet->lanes[i] = NULL; /* whoever is told may ask */
        }
        for (Ship *ship; (ship = fleet->ships);) {
            fleet->ships = ship->next;
            lane_close(ship->lane);
            free(ship);
        }
        free(fleet->lanes);
        free(fleet);
    }
    return NULL;
}
