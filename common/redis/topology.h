/*
 * Who is written to: which server owns each slot of ours, now.
 *
 *   one        the server of the URL, always
 *   sentinel   the master that the sentinels name, which are asked all the time
 *   cluster    the owners that a node of the cluster names, which is asked at the start, whenever
 *              somebody suspects that they have changed, and now and then
 *
 * It only knows where; who connects there, and with what success, is the caller's business, who
 * tells of a server that has failed or was not the owner. changed() comes from the loop only, never
 * from inside a function that is called here, and all of them may be called from inside it.
 */
#ifndef TICKSTREAM_TOPOLOGY_H
#define TICKSTREAM_TOPOLOGY_H

#include "base/loop.h"
#include "redis/tls.h"
#include "redis/url.h"

typedef struct Topology Topology;

/* All of it is borrowed for the topology's life. */
typedef struct {
    const RedisServers *servers;
    TlsContext *tls;           /* for a URL with TLS, else NULL */
    const char *sentinel_user; /* of the sentinels; "" = none */
    const char *sentinel_password;
    const uint16_t *slots; /* whose owners are of interest; a server that is no cluster owns all */
    size_t count;
} TopologySettings;

/* Starts to ask. changed(arg): some slots have another owner than they had, or now have one. One
 * server owns all from the beginning, and nothing ever changes. NULL: no memory. */
Topology *topology_open(Loop *loop, const TopologySettings *settings, void (*changed)(void *arg),
                        void *arg);

/* The owner of slots[i]; NULL: nobody has told yet. Valid until the loop goes on. */
const Address *topology_owner(const Topology *topology, size_t i);

/* A server does not answer, cannot be reached, or says that it is not the one: asks soon. hint: who
 * may know better, or NULL. */
void topology_suspect(Topology *topology, const Address *hint);

/* Have all been asked since then (loop_clock_ms()) who is the owner, and have told or will not?
 * Always, except of sentinels: a master that comes back may have been replaced meanwhile. */
bool topology_is_sure(const Topology *topology, int64_t since);

/* A node has said MOVED: from now on `to` owns slots[i], until somebody who was asked later says
 * otherwise; and it is asked. changed() follows. Only of a cluster: of others nothing happens. */
void topology_moved(Topology *topology, size_t i, const Address *to);

/* Takes NULL; returns NULL. */
Topology *topology_close(Topology *topology);

#endif
