#include "base/address.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

static const Str unix_prefix = STR_INIT("unix:");

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == LIMIT_UNIX_PATH,
               "the limit is the system's");

static bool resolve_unix(const char *path, SocketAddress *ret, Error *reterr)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(name.sun_path)) {
        return error_set(reterr, ERROR_SETUP, "%.100s: not a path of 1 to %d bytes", path,
                         LIMIT_UNIX_PATH - 1);
    }
    memcpy(name.sun_path, path, len);
    *ret = (SocketAddress){.len = sizeof(name)};
    memcpy(&ret->name, &name, sizeof(name));
    return true;
}

/* The host without its brackets; NULL = every address of this host. */
static const char *host_of(const char *text, const char *colon, char *buf, size_t size)
{
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    snprintf(buf, size, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    return buf[0] && strcmp(buf, "*") != 0 ? buf : NULL;
}

static bool resolve_tcp(const char *text, SocketAddress *ret, Error *reterr)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[300];
    const char *colon = strrchr(text, ':');
    if (!colon) {
        return error_set(reterr, ERROR_SETUP, "%.100s: neither unix:PATH nor HOST:PORT", text);
    }
    int failed = getaddrinfo(host_of(text, colon, host, sizeof(host)), colon + 1, &hints, &found);
    if (failed) {
        return error_set(reterr, ERROR_SETUP, "cannot resolve %.100s: %s", text,
                         gai_strerror(failed));
    }
    *ret = (SocketAddress){.len = found->ai_addrlen};
    memcpy(&ret->name, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

bool address_resolve(const char *text, SocketAddress *ret, Error *reterr)
{
    return str_starts_with(str_from(text), unix_prefix)
               ? resolve_unix(text + unix_prefix.len, ret, reterr)
               : resolve_tcp(text, ret, reterr);
}

/* Waits for a connection that is being made; errno tells why it failed. */
static bool finish_connecting(int fd, int64_t timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int failure = 0;
    socklen_t len = sizeof(failure);
    int ready = poll(&wait, 1, timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
    if (ready == 0) {
        errno = ETIMEDOUT;
        return false;
    }
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0) {
        return false;
    }
    errno = failure;
    return failure == 0;
}

int address_connect(const char *text, int64_t timeout_ms, Error *reterr)
{
    SocketAddress to = {0};
    if (!address_resolve(text, &to, reterr)) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(to.name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && (connect(fd, (const struct sockaddr *)&to.name, to.len) == 0 ||
                          (errno == EINPROGRESS && finish_connecting(fd, timeout_ms)));
    if (ok) {
        return fd;
    }
    int why = errno;
    error_set(reterr, ERROR_SETUP, "cannot connect to %.100s: %s", text, strerror(why));
    if (fd >= 0) {
        close(fd);
    }
    errno = why;
    return -1;
}
