/*
 * The socket that nginx connects to.
 */
#ifndef TICKSTREAM_LISTENER_H
#define TICKSTREAM_LISTENER_H

#include "config.h"

typedef struct {
    int fd;         /* listening, non-blocking, close-on-exec */
    bool is_ours;   /* bound here, not inherited */
    char path[108]; /* of a unix socket that is ours; "" = none */
} Listener;

/*
 * Takes the socket that systemd passes (LISTEN_FDS), or binds config->listen. A unix socket that
 * nobody listens on any more is replaced; one that is in use is an error. false: *reterr has one
 * line.
 */
bool listener_open(const Config *config, Listener *ret, Error *reterr);

/* Closes the socket and removes its path, if it is ours. */
void listener_close(Listener *listener);

#endif
