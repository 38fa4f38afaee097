/*
 * Messages to the service manager (sd_notify(3)): one datagram to the socket in NOTIFY_SOCKET.
 */
#ifndef TICKSTREAM_NOTIFY_H
#define TICKSTREAM_NOTIFY_H

/* Sends a state such as "READY=1"; does nothing where no service manager listens. */
void notify(const char *state);

/* The same for RELOADING=1, which needs the time. */
void notify_reloading(void);

#endif
