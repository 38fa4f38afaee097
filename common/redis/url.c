#include "redis/url.h"

#include "base/percent.h"

#include <stdio.h>
#include <stdlib.h>

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

static bool parse_number(Str text, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]) || value > max / 10) {
            return false;
        }
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *ret = value;
    return text.len > 0 && value <= max;
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

static bool parse_authority(Str authority, RedisUrl *url)
{
    for (size_t at = authority.len; at-- > 0;) {
        if (authority.ptr[at] == '@') {
            if (!parse_user((Str){authority.ptr, at}, url)) {
                return false;
            }
            authority = str_from_offset(authority, at + 1);
            break;
        }
    }
    Str host, port = {NULL, 0};
    if (authority.len && authority.ptr[0] == '[') {
        size_t close = str_find(authority, ']');
        if (close == authority.len) {
            return false;
        }
        host = (Str){authority.ptr + 1, close - 1};
        Str after = str_from_offset(authority, close + 1);
        if (after.len) {
            if (after.ptr[0] != ':') {
                return false;
            }
            port = str_from_offset(after, 1);
        }
    } else {
        port = authority;
        host = str_split(&port, ':');
    }
    url->port = 6379;
    if (str_is_empty(host) ||
        (port.ptr && (!parse_number(port, 65535, &url->port) || url->port == 0))) {
        return false;
    }
    return copy_part(host, url->host, sizeof(url->host));
}

static bool parse_tcp(Str rest, RedisUrl *url)
{
    Str db = rest;
    Str authority = str_split(&db, '/');
    return parse_authority(authority, url) &&
           (str_is_empty(db) || parse_number(db, 1000000, &url->db));
}

static bool parse_unix(Str rest, RedisUrl *url)
{
    Str query = rest;
    Str path = str_split(&query, '?');
    url->unix_socket = true;
    size_t slash = str_find(path, '/');
    if (slash > 0) { /* user:password@ stands before the path */
        if (path.ptr[slash - 1] != '@' || !parse_user((Str){path.ptr, slash - 1}, url)) {
            return false;
        }
        path = str_from_offset(path, slash);
    }
    if (!path.len || path.ptr[0] != '/' || !copy_part(path, url->host, LIMIT_UNIX_PATH)) {
        return false;
    }
    return !query.ptr || (str_starts_with(query, STR("db=")) &&
                          parse_number(str_from_offset(query, 3), 1000000, &url->db));
}

bool redis_url_parse(Str text, RedisUrl *ret, Error *reterr)
{
    RedisUrl url = {0};
    bool ok = false;
    url.tls = str_starts_with(text, STR("rediss://"));
    if (url.tls || str_starts_with(text, STR("redis://"))) {
        ok = parse_tcp(str_from_offset(text, url.tls ? 9 : 8), &url);
    } else if (str_starts_with(text, STR("unix://"))) {
        ok = parse_unix(str_from_offset(text, 7), &url);
    }
    if (!ok) {
        return error_set(reterr, ERROR_SETUP,
                         "must be redis[s]://[user:password@]host[:port][/db] or "
                         "unix://[user:password@]/path[?db=n]");
    }
    if (url.unix_socket) {
        snprintf(url.shown, sizeof(url.shown), "unix:%s", url.host);
    } else {
        bool is_ipv6 = strchr(url.host, ':') != NULL;
        snprintf(url.shown, sizeof(url.shown), is_ipv6 ? "[%s]:%u" : "%s:%u", url.host, url.port);
    }
    *ret = url;
    return true;
}
