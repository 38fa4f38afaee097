/*
 * The socket that nginx connects to.
 */
#ifndef TICKSTREAM_LISTENER_H
#define TICKSTREAM_LISTENER_H

#include "config.h"

#include <sys/types.h>

typedef struct {
    int fd;                     /* listening, non-blocking, close-on-exec; -1 = closed */
    bool is_ours;               /* bound here, not inherited */
    char path[LIMIT_UNIX_PATH]; /* of a unix socket that is ours; "" = none */
    dev_t device;               /* with the inode: the file that is ours */
    ino_t inode;
} Listener;

/*
 * Takes the socket that is inherited, else binds config->listen. Inherited is the first one that
 * systemd passes (LISTEN_FDS), or standard input when that is a listening socket (spawn-fcgi). A
 * unix socket that nobody listens on any more is replaced; one that is in use, even by a process
 * that hangs, or that cannot be asked, is an error. Never waits. false: *reterr has one line.
 */
bool listener_open(const Config *config, Listener *ret, Error *reterr);

/* What log lines call it. */
const char *listener_name(const Listener *listener, const Config *config);

/*
 * Closes the socket. Removes its path if it is ours and still is the same file: another process may
 * have put its own there.
 */
void listener_close(Listener *listener);

/* Is this descriptor a listening socket? */
bool listener_is(int fd);

#endif
