/*
 * Is a server one's own? For what must not reach a stranger by mistake.
 */
#ifndef TICKSTREAM_NEAR_H
#define TICKSTREAM_NEAR_H

#include "base/error.h"

#include <sys/socket.h>

/* This machine, or a private network (RFC 1918, RFC 4193, link-local). */
bool near_address(const struct sockaddr *address);

/* The same of an address as text; false also for what is none. */
bool near_text(const char *address);

/* The host of a URL of http or https, without brackets; absent when it is none. */
Str near_host(Str url);

/*
 * Looks up the host of a URL, which may take its time. *ret_is_near: all of its addresses are near.
 * false: ERROR_INVALID when it is no URL, ERROR_UNAVAILABLE when the host has no address.
 */
bool near_url(const char *url, bool *ret_is_near, Error *reterr);

#endif
