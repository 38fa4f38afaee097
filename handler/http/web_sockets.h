/*
 * Between libcurl and our loop: its descriptors are watched, its timer is ours, and whenever
 * something has happened it is told.
 */
#ifndef TICKSTREAM_WEB_SOCKETS_H
#define TICKSTREAM_WEB_SOCKETS_H

#include "base/loop.h"
#include "http/web_library.h"

typedef struct WebSockets WebSockets;

/* For all of a multi, which ends before it is closed. acted(arg) comes from the loop, whenever
 * libcurl has done something: there may be messages. NULL: no memory. */
WebSockets *web_sockets_open(Loop *loop, CURLM *multi, void (*acted)(void *arg), void *arg);

/* For each handle that the multi gets. */
void web_sockets_use(WebSockets *sockets, CURL *easy);

/* Takes NULL; returns NULL. */
WebSockets *web_sockets_close(WebSockets *sockets);

#endif
