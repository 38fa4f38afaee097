#include "process/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, FIRST_INHERITED_FD = 3 };

static bool fail(Error *reterr, const char *what, const char *address)
{
    return error_set(reterr, ERROR_SETUP, "listen: %s: %s (%.80s)", what, strerror(errno), address);
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

static struct sockaddr_un unix_address(const char *address)
{
    struct sockaddr_un result = {.sun_family = AF_UNIX};
    snprintf(result.sun_path, sizeof(result.sun_path), "%s", address + 5);
    return result;
}

/* Resolves "host:port" or "[v6]:port"; caller frees with freeaddrinfo(). */
static struct addrinfo *resolve(const char *address, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV},
                    *found = NULL;
    char host[300];
    const char *colon = strrchr(address, ':');
    size_t len = (size_t)(colon - address);
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? len - 2 : len), address + bracketed);
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

/* Sockets that are inherited */

static bool take_inherited(Listener *ret)
{
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    if (!count || atoi(count) < 1 || (pid && atol(pid) != (long)getpid())) {
        return false;
    }
    *ret = (Listener){.fd = FIRST_INHERITED_FD};
    return true;
}

/* Unix sockets */

static bool is_in_use(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return answered;
}

/* Removes what a process that was killed has left; never anything but a socket. */
static void remove_stale(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        unlink(path);
    }
}

static bool set_owner(const Config *config, const char *path, Error *reterr)
{
    if (config->socket_group[0]) {
        const struct group *group = getgrnam(config->socket_group);
        if (!group) {
            return error_set(reterr, ERROR_SETUP, "listen: there is no group %s",
                             config->socket_group);
        }
        if (chown(path, (uid_t)-1, group->gr_gid) != 0) {
            return fail(reterr, "cannot change the group", path);
        }
    }
    return chmod(path, config->socket_mode) == 0 || fail(reterr, "cannot change the mode", path);
}

static bool bind_unix(const Config *config, Listener *ret, Error *reterr)
{
    struct sockaddr_un address = unix_address(config->listen);
    if (is_in_use(&address)) {
        return error_set(reterr, ERROR_SETUP, "listen: another process listens on %.100s",
                         address.sun_path);
    }
    remove_stale(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t umask_before = umask(0777 & ~config->socket_mode);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    umask(umask_before);
    if (!ok) {
        fail(reterr, "cannot bind", address.sun_path);
    }
    ok = ok && set_owner(config, address.sun_path, reterr);
    if (!ok) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    *ret = (Listener){.fd = fd, .is_ours = true};
    memcpy(ret->path, address.sun_path, sizeof(ret->path));
    return true;
}

/* TCP sockets */

static bool bind_tcp(const Config *config, Listener *ret, Error *reterr)
{
    const int on = 1;
    struct addrinfo *found = resolve(config->listen, AI_PASSIVE);
    if (!found) {
        return error_set(reterr, ERROR_SETUP, "listen: cannot resolve %.100s", config->listen);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    if (!ok) {
        fail(reterr, "cannot bind", config->listen);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    *ret = (Listener){.fd = fd, .is_ours = true};
    return true;
}

bool listener_open(const Config *config, Listener *ret, Error *reterr)
{
    bool ok = take_inherited(ret) || (is_unix(config->listen) ? bind_unix(config, ret, reterr)
                                                              : bind_tcp(config, ret, reterr));
    if (!ok) {
        return false;
    }
    int flags = fcntl(ret->fd, F_GETFL);
    /* listen() once more on an inherited socket only sets its backlog */
    if (flags < 0 || fcntl(ret->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(ret->fd, F_SETFD, FD_CLOEXEC) != 0 || listen(ret->fd, BACKLOG) != 0) {
        fail(reterr, "cannot listen", config->listen);
        listener_close(ret);
        return false;
    }
    return true;
}

void listener_close(Listener *listener)
{
    if (listener->fd >= 0) {
        if (listener->path[0]) {
            unlink(listener->path);
        }
        close(listener->fd);
    }
    listener->fd = -1;
}
