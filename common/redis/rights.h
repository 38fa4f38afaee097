/*
 * What users of Redis must be allowed for all that the program sends, and nothing else.
 */
#ifndef TICKSTREAM_RIGHTS_H
#define TICKSTREAM_RIGHTS_H

#include "base/text.h"
#include "redis/ack.h"
#include "redis/url.h"
#include "stream/partitions.h"

/* What is used, and how. */
typedef struct {
    const RedisServers *servers;
    const char *sentinel_user; /* "" = none is named */
    const char *stream;
    const Partitions *partitions; /* of it */
    Ack ack;
} RightsSettings;

/* Adds the line "ACL SETUSER ..." for redis-cli, with the word PASSWORD for the password; when
 * there are sentinels, a second one for them, which a server of Redis refuses as they do the first.
 */
void rights_describe(Text *to, const RightsSettings *settings);

#endif
