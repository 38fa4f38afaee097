/*
 * The peers of a worker: the connections that nginx has made to it. Requests are read without
 * blocking, served, and answered; an idle connection holds no buffer and costs nothing.
 *
 * No peer holds up the others: at most LIMIT_TURN_BYTES are read from one in a turn of the loop,
 * and none is begun with after LIMIT_TURN_MS; those who had to wait are the first in the next turn.
 * A peer that stops in the middle of a request, or does not take its answer, is cut off
 * (LIMIT_RECEIVE_MS, LIMIT_RECEIVE_RATE).
 */
#ifndef TICKSTREAM_PEER_H
#define TICKSTREAM_PEER_H

#include "base/loop.h"
#include "endpoints/exchange.h"

typedef struct Peers Peers;

/* No peers yet. Sets server->answered; server is borrowed for the life of the peers. NULL: no
 * memory. */
Peers *peers_open(Loop *loop, Server *server);

/* A new connection, non-blocking, which is closed here sooner or later. */
void peers_add(Peers *peers, int fd);

size_t peers_count(const Peers *peers);

/* While draining: closes the connections that have been without a request since the time `since`
 * (loop_now()), and on which nothing has arrived. */
void peers_close_idle(Peers *peers, int64_t since);

/* Closes all connections; none of them may wait for the sink. Takes NULL; returns NULL. */
Peers *peers_close(Peers *peers);

#endif
