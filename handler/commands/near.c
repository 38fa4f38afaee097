#include "commands/near.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

static bool near_ipv4(uint32_t address)
{
    static const struct {
        uint32_t network;
        unsigned bits;
    } rows[] = {
        {0x7F000000, 8}, {0x0A000000, 8}, {0xAC100000, 12}, {0xC0A80000, 16}, {0xA9FE0000, 16}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((address ^ rows[i].network) >> (32 - rows[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

static bool near_ipv6(const struct in6_addr *address)
{
    const unsigned char *bytes = address->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        return near_ipv4((uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 |
                         (uint32_t)bytes[14] << 8 | bytes[15]);
    }
    return IN6_IS_ADDR_LOOPBACK(address) || IN6_IS_ADDR_LINKLOCAL(address) ||
           (bytes[0] & 0xFE) == 0xFC;
}

bool near_address(const struct sockaddr *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof(four));
        return near_ipv4(ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof(six));
        return near_ipv6(&six.sin6_addr);
    }
    return false;
}

bool near_text(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    return inet_pton(AF_INET, address, &four) == 1
               ? near_ipv4(ntohl(four.s_addr))
               : inet_pton(AF_INET6, address, &six) == 1 && near_ipv6(&six);
}

Str near_host(Str url)
{
    static const Str schemes[] = {STR_INIT("http://"), STR_INIT("https://")};
    Str rest = {NULL, 0};
    for (size_t i = 0; i < 2; i++) {
        if (url.len > schemes[i].len && str_eq_nocase((Str){url.ptr, schemes[i].len}, schemes[i])) {
            rest = str_from_offset(url, schemes[i].len);
        }
    }
    /* What comes before the path, query or fragment; the host is behind the last '@' of it. */
    Str host = rest;
    for (const char *end = "/?#"; *end; end++) {
        host.len = str_find(host, *end);
    }
    for (size_t at; (at = str_find(host, '@')) < host.len;) {
        host = str_from_offset(host, at + 1);
    }
    if (host.len && host.ptr[0] == '[') {
        host = str_from_offset(host, 1);
        host.len = str_find(host, ']');
    } else {
        host.len = str_find(host, ':');
    }
    return host.len ? host : (Str){NULL, 0};
}

bool near_url(const char *url, bool *ret_is_near, Error *reterr)
{
    char host[256];
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const Str found = near_host(str_from(url));
    if (!found.ptr || found.len >= sizeof(host)) {
        return error_set(reterr, ERROR_INVALID, "this is no URL of http or https");
    }
    *str_put(host, found) = '\0';
    const int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) {
        return error_set(reterr, ERROR_UNAVAILABLE, "%.80s: %s", host, gai_strerror(code));
    }
    *ret_is_near = true;
    for (const struct addrinfo *row = list; row; row = row->ai_next) {
        *ret_is_near = *ret_is_near && near_address(row->ai_addr);
    }
    freeaddrinfo(list);
    return true;
}
