/*
 * The ways to find out who owns the slots: one row for each ServersKind. Known only to topology.c,
 * which holds what is known, and to those that find it out.
 */
#ifndef TICKSTREAM_TOPOLOGY_KIND_H
#define TICKSTREAM_TOPOLOGY_KIND_H

#include "redis/topology.h"

/* Milliseconds for a question to a sentinel or to a node, connecting included: a healthy one needs
 * a few, and a dead one must not be waited for. */
enum { TOPOLOGY_TIMEOUT = 300 };

typedef struct {
    /* Starts to ask. false: no memory; close() follows. */
    bool (*open)(Topology *topology);

    /* As those of topology.h; NULL = it is of no interest. */
    void (*suspect)(Topology *topology, const Address *hint);
    void (*moved)(Topology *topology, size_t i, const Address *to);
    bool (*is_sure)(const Topology *topology, int64_t since); /* NULL = always */

    /* Frees what open() has made, all or some of it. */
    void (*close)(Topology *topology);
} TopologyKind;

extern const TopologyKind topology_one, topology_sentinel, topology_cluster;

struct Topology {
    Loop *loop;
    TopologySettings settings;
    void (*changed)(void *arg);
    void *arg;
    const TopologyKind *kind;
    void *finder;    /* the kind's own */
    Address *owners; /* of each slot; "" = nobody has told yet */
    Timer *telling;  /* runs from a change until changed() */
};

/* From now on that server owns slots[i]; changed() follows by the loop, and a slot that had another
 * owner is counted. Tells whether it is news. */
bool topology_set_owner(Topology *topology, size_t i, const Address *owner);

/* Counts a look-up: has anybody told? */
void topology_count(bool told);

#endif
