/*
 * TICKSTREAM_REDIS_URL: which server of Redis, or by whom it is found.
 *
 *   redis://[[user]:password@]host[:6379][/db]   one server
 *   unix://[user:password@]/path[?db=n]
 *   redis+sentinel://host[:26379],host/NAME/db   the master that these sentinels call NAME
 *   redis+cluster://host[:6379],host             a cluster, of which a node that answers suffices
 *   rediss://, rediss+sentinel://, rediss+cluster://   with TLS, to sentinels too
 *
 * User and password stand before the hosts, and are those of the servers that are written to.
 * A host is a name, an IPv4 address or an IPv6 address in brackets. A name with several addresses
 * stands for all of them: each attempt to connect takes another one.
 */
#ifndef TICKSTREAM_URL_H
#define TICKSTREAM_URL_H

#include "base/error.h"
#include "base/limits.h"

/* Where a server is reached. */
typedef struct {
    char host[256]; /* or a unix socket's path; "" = not known */
    unsigned port;  /* 0 of a unix socket */
} Address;

enum { ADDRESS_TEXT = 280 }; /* the longest, with its NUL, is a little shorter */

/* One server, and how it is spoken to. */
typedef struct {
    bool unix_socket, tls;
    char host[256]; /* or the socket's path */
    unsigned port;
    unsigned db;
    char user[128]; /* "" = none */
    char password[512];
    char shown[300]; /* its address: without user and password, for logs */
} RedisUrl;

typedef enum { SERVERS_ONE, SERVERS_SENTINEL, SERVERS_CLUSTER } ServersKind;

/* What TICKSTREAM_REDIS_URL says. */
typedef struct {
    ServersKind kind;
    RedisUrl server; /* SERVERS_ONE: it. Else what all have in common, at the first seed. */
    size_t seed_count;
    Address seeds[LIMIT_SEEDS]; /* sentinels, or nodes of a cluster; SERVERS_ONE: the server */
    char master[128];           /* SERVERS_SENTINEL: what they call it */
    char shown[300];            /* all of it without user and password, for logs */
} RedisServers;

/* What a value must be, in a sentence that fits into an Error with the name of the setting. */
#define REDIS_SERVERS_FORMS                                                                        \
    "redis[s]://[user:pw@]host[:port][/db], redis[s]+sentinel://host,.../NAME, "                   \
    "redis[s]+cluster://host,... or unix:///path[?db=n]"

/* Percent escapes in user, password, path and NAME are resolved. false with ERROR_SETUP and a text.
 */
bool redis_servers_parse(Str url, RedisServers *ret, Error *reterr);

/* The URL of another server that is spoken to in the same way: with the user, the password, the
 * database and the TLS of `like`. */
void redis_url_at(const RedisUrl *like, const Address *address, RedisUrl *ret);

Address redis_url_address(const RedisUrl *url);

/* Of the same name, in either case: nothing is resolved. */
bool address_eq(const Address *a, const Address *b);

/* "host:port", "[v6]:port" or "unix:/path". */
void address_show(const Address *address, char text[ADDRESS_TEXT]);

#endif
