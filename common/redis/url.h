/*
 * TICKSTREAM_REDIS_URL: redis://[[user]:password@]host[:port][/db],
 * unix://[user:password@]/path[?db=n], rediss://... with TLS.
 */
#ifndef TICKSTREAM_URL_H
#define TICKSTREAM_URL_H

#include "base/error.h"

typedef struct {
    bool unix_socket, tls;
    char host[256]; /* or the socket's path */
    unsigned port;
    unsigned db;
    char user[128]; /* "" = none */
    char password[512];
    char shown[300]; /* without user and password, for logs */
} RedisUrl;

/* Percent escapes in user, password and path are resolved. false with ERROR_SETUP and a text.
 */
bool redis_url_parse(Str url, RedisUrl *ret, Error *reterr);

#endif
