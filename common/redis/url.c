#include "redis/url.h"

#include "base/percent.h"

#include <stdio.h>
#include <stdlib.h>

enum { PORT_REDIS = 6379, PORT_SENTINEL = 26379, DB_MOST = 1000000 };

/* Copies a part with its percent escapes resolved, terminated; false when it does not fit or holds
 * a NUL. */
static bool copy_part(Str part, char *to, size_t room)
{
    size_t len;
    if (part.len >= room || !percent_decode(part, PLUS_IS_PLUS, to, &len) ||
        memchr(to, '\0', len)) {
        return false;
    }
    to[len] = '\0';
    return true;
}

static bool parse_user(Str user_info, RedisUrl *url)
{
    Str password = user_info;
    Str user = str_split(&password, ':');
    if (!password.ptr) { /* redis://password@host is not a form that redis-cli knows */
        return false;
    }
    return copy_part(user, url->user, sizeof(url->user)) &&
           copy_part(password, url->password, sizeof(url->password));
}

/* Takes what stands before the last '@', if there is one, off the front. */
static bool take_user(Str *authority, RedisUrl *url)
{
    for (size_t at = authority->len; at-- > 0;) {
        if (authority->ptr[at] == '@') {
            const Str user_info = {authority->ptr, at};
            *authority = str_from_offset(*authority, at + 1);
            return parse_user(user_info, url);
        }
    }
    return true;
}

/* Splits "host", "host:port", "[v6]" and "[v6]:port"; *ret_port is absent when it is. */
static bool split_seed(Str seed, Str *ret_host, Str *ret_port)
{
    if (!seed.len || seed.ptr[0] != '[') {
        *ret_port = seed;
        *ret_host = str_split(ret_port, ':');
        return true;
    }
    *ret_port = str_from_offset(seed, 1);
    *ret_host = str_split(ret_port, ']');
    if (!ret_port->ptr || (ret_port->len && ret_port->ptr[0] != ':')) {
        return false;
    }
    *ret_port = ret_port->len ? str_from_offset(*ret_port, 1) : (Str){NULL, 0};
    return true;
}

static bool parse_seed(Str seed, unsigned default_port, Address *ret)
{
    Str host, port;
    ret->port = default_port;
    return split_seed(seed, &host, &port) && !str_is_empty(host) &&
           copy_part(host, ret->host, sizeof(ret->host)) &&
           (!port.ptr || (str_get_number(port, 65535, &ret->port) && ret->port != 0));
}

static bool parse_seeds(Str seeds, unsigned default_port, RedisServers *servers)
{
    while (seeds.ptr) {
        Str seed = str_split(&seeds, ',');
        if (servers->seed_count == LIMIT_SEEDS ||
            !parse_seed(seed, default_port, &servers->seeds[servers->seed_count])) {
            return false;
        }
        servers->seed_count++;
    }
    return servers->seed_count > 0;
}

static bool parse_db(Str db, unsigned most, RedisUrl *url)
{
    return str_is_empty(db) || str_get_number(db, most, &url->db);
}

static bool parse_master(Str path, RedisServers *servers)
{
    Str name = str_split(&path, '/');
    return !str_is_empty(name) && copy_part(name, servers->master, sizeof(servers->master)) &&
           parse_db(path, DB_MOST, &servers->server);
}

/* [user:password@]seeds[/path] */
static bool parse_network(Str rest, RedisServers *servers)
{
    const bool are_sentinels = servers->kind == SERVERS_SENTINEL;
    Str path = rest;
    Str authority = str_split(&path, '/');
    if (!take_user(&authority, &servers->server) ||
        !parse_seeds(authority, are_sentinels ? PORT_SENTINEL : PORT_REDIS, servers)) {
        return false;
    }
    if (are_sentinels) {
        return parse_master(path, servers);
    }
    if (servers->kind == SERVERS_CLUSTER) { /* where there is one database */
        return parse_db(path, 0, &servers->server);
    }
    return servers->seed_count == 1 && parse_db(path, DB_MOST, &servers->server);
}

/* [user:password@]/path[?db=n] */
static bool parse_unix(Str rest, RedisServers *servers)
{
    Str query = rest;
    Str path = str_split(&query, '?');
    size_t slash = str_find(path, '/');
    if (slash > 0) {
        if (path.ptr[slash - 1] != '@' ||
            !parse_user((Str){path.ptr, slash - 1}, &servers->server)) {
            return false;
        }
        path = str_from_offset(path, slash);
    }
    if (!path.len || path.ptr[0] != '/' ||
        !copy_part(path, servers->seeds[0].host, LIMIT_UNIX_PATH)) {
        return false;
    }
    servers->seed_count = 1;
    servers->server.unix_socket = true;
    return !query.ptr || (str_starts_with(query, STR("db=")) &&
                          str_get_number(str_from_offset(query, 3), DB_MOST, &servers->server.db));
}

static const struct {
    Str prefix;
    ServersKind kind;
    bool tls;
    bool (*parse)(Str rest, RedisServers *servers);
} schemes[] = {
    {STR_INIT("redis://"), SERVERS_ONE, false, parse_network},
    {STR_INIT("rediss://"), SERVERS_ONE, true, parse_network},
    {STR_INIT("unix://"), SERVERS_ONE, false, parse_unix},
    {STR_INIT("redis+sentinel://"), SERVERS_SENTINEL, false, parse_network},
    {STR_INIT("rediss+sentinel://"), SERVERS_SENTINEL, true, parse_network},
    {STR_INIT("redis+cluster://"), SERVERS_CLUSTER, false, parse_network},
    {STR_INIT("rediss+cluster://"), SERVERS_CLUSTER, true, parse_network},
};

static bool parse(Str text, RedisServers *servers)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (str_starts_with(text, schemes[i].prefix)) {
            servers->kind = schemes[i].kind;
            servers->server.tls = schemes[i].tls;
            return schemes[i].parse(str_from_offset(text, schemes[i].prefix.len), servers);
        }
    }
    return false;
}

/* Adds the seeds; those that have no room are "...". */
static void show_seeds(RedisServers *servers, size_t len)
{
    static const char cut[] = "...";
    char *shown = servers->shown;
    for (size_t i = 0; i < servers->seed_count; i++) {
        char text[ADDRESS_TEXT];
        address_show(&servers->seeds[i], text);
        bool is_last = i + 1 == servers->seed_count;
        size_t need = strlen(text) + (is_last ? 1 : sizeof(cut) + 1);
        bool fits = need <= sizeof(servers->shown) - len;
        len += (size_t)snprintf(shown + len, sizeof(servers->shown) - len, "%s%s",
                                fits ? text : cut, fits && !is_last ? "," : "");
        if (!fits) {
            return;
        }
    }
}

static void show(RedisServers *servers)
{
    const size_t room = sizeof(servers->shown);
    int len = 0;
    if (servers->kind == SERVERS_SENTINEL) {
        len = snprintf(servers->shown, room, "master %s of the sentinels ", servers->master);
    } else if (servers->kind == SERVERS_CLUSTER) {
        len = snprintf(servers->shown, room, "cluster ");
    }
    show_seeds(servers, (size_t)len);
}

bool redis_servers_parse(Str url, RedisServers *ret, Error *reterr)
{
    RedisServers servers = {0};
    if (!parse(url, &servers)) {
        return error_set(reterr, ERROR_SETUP, "must be " REDIS_SERVERS_FORMS);
    }
    redis_url_at(&servers.server, &servers.seeds[0], &servers.server);
    show(&servers);
    *ret = servers;
    return true;
}

void redis_url_at(const RedisUrl *like, const Address *address, RedisUrl *ret)
{
    RedisUrl url = *like;
    url.unix_socket = like->unix_socket && address->port == 0;
    memcpy(url.host, address->host, sizeof(url.host));
    url.port = address->port;
    address_show(address, url.shown);
    *ret = url;
}

Address redis_url_address(const RedisUrl *url)
{
    Address address = {.port = url->port};
    memcpy(address.host, url->host, sizeof(address.host));
    return address;
}

bool address_eq(const Address *a, const Address *b)
{
    if (a->port != b->port) {
        return false;
    }
    /* the names of files differ by case */
    return a->port == 0 ? strcmp(a->host, b->host) == 0
                        : str_eq_nocase(str_from(a->host), str_from(b->host));
}

void address_show(const Address *address, char text[ADDRESS_TEXT])
{
    if (address->port == 0) {
        snprintf(text, ADDRESS_TEXT, "unix:%s", address->host);
    } else {
        bool is_ipv6 = strchr(address->host, ':') != NULL;
        snprintf(text, ADDRESS_TEXT, is_ipv6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
    }
}
