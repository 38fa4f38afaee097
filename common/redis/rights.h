/*
 * What a user of Redis must be allowed for all that the program sends, and nothing else.
 */
#ifndef TICKSTREAM_RIGHTS_H
#define TICKSTREAM_RIGHTS_H

#include "base/text.h"
#include "redis/url.h"
#include "stream/keys.h"

/* Adds the line "ACL SETUSER ..." for redis-cli, with the word PASSWORD for the password. */
void rights_describe(Text *to, const RedisUrl *url, const StreamKeys *keys);

#endif
