/*
 * Where the webhook of a server is.
 */
#ifndef TICKSTREAM_HOOK_H
#define TICKSTREAM_HOOK_H

#include <stddef.h>

/* Who gives a URL without a path means the webhook's own. Writes it whole to a buffer of so many
 * bytes, cut when they are too few. */
void hook_url(const char *url, char *to, size_t room);

#endif
