#include "redis/topology_kind.h"

#include "stats/stats.h"

#include <stdlib.h>

static const TopologyKind *const kinds[] = {
    [SERVERS_ONE] = &topology_one,
    [SERVERS_SENTINEL] = &topology_sentinel,
    [SERVERS_CLUSTER] = &topology_cluster,
};

static void on_telling(void *arg)
{
    const Topology *topology = arg;
    topology->changed(topology->arg);
}

Topology *topology_open(Loop *loop, const TopologySettings *settings, void (*changed)(void *arg),
                        void *arg)
{
    Topology *topology = calloc(1, sizeof(*topology));
    if (!topology) {
        return NULL;
    }
    *topology = (Topology){.loop = loop,
                           .settings = *settings,
                           .changed = changed,
                           .arg = arg,
                           .kind = kinds[settings->servers->kind]};
    topology->telling = loop_timer(loop, on_telling, topology);
    topology->owners = calloc(settings->count, sizeof(*topology->owners));
    return topology->telling && topology->owners && topology->kind->open(topology)
               ? topology
               : topology_close(topology);
}

const Address *topology_owner(const Topology *topology, size_t i)
{
    const Address *owner = &topology->owners[i];
    return owner->host[0] ? owner : NULL;
}

void topology_suspect(Topology *topology, const Address *hint)
{
    if (topology->kind->suspect) {
        topology->kind->suspect(topology, hint);
    }
}

bool topology_is_sure(const Topology *topology, int64_t since)
{
    return !topology->kind->is_sure || topology->kind->is_sure(topology, since);
}

void topology_moved(Topology *topology, size_t i, const Address *to)
{
    if (topology->kind->moved) {
        topology->kind->moved(topology, i, to);
    }
}

Topology *topology_close(Topology *topology)
{
    if (topology) {
        if (topology->kind->close) {
            topology->kind->close(topology);
        }
        timer_close(topology->telling);
        free(topology->owners);
        free(topology);
    }
    return NULL;
}

bool topology_set_owner(Topology *topology, size_t i, const Address *owner)
{
    const Address *known = topology_owner(topology, i);
    if (known && address_eq(known, owner)) {
        return false;
    }
    stats_add(STAT_REDIS_OWNER_CHANGES, known ? 1 : 0);
    topology->owners[i] = *owner;
    timer_start(topology->telling, 0, 0);
    return true;
}

void topology_count(bool told)
{
    stats_add(told ? STAT_REDIS_LOOKUPS : STAT_REDIS_LOOKUPS + 1, 1);
}
