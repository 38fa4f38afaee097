#include "process/listener.h"

#include "base/address.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096, FIRST_PASSED_FD = 3 };

static bool fail(Error *reterr, const char *what, const char *address)
{
    return error_set(reterr, ERROR_SETUP, "listen: %s: %s (%.80s)", what, strerror(errno), address);
}

bool listener_is(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

/* The descriptor of an inherited socket; -1 = none. */
static int find_inherited(void)
{
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    if (count && atoi(count) >= 1 && (!pid || atol(pid) == (long)getpid())) {
        return FIRST_PASSED_FD;
    }
    return listener_is(STDIN_FILENO) ? STDIN_FILENO : -1;
}

const char *listener_name(const Listener *listener, const Config *config)
{
    return listener->is_ours ? config->listen : "the inherited socket";
}

/* The path of a unix socket; NULL = it is none. */
static const char *path_of(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

/* Paths */

static bool is_in_use(const char *path, Error *reterr)
{
    return error_set(reterr, ERROR_SETUP, "listen: another process listens on %.100s", path);
}

/*
 * Removes what a process that was killed has left: a socket that nobody listens on. Never anything
 * else, and not one that was put there meanwhile.
 */
static bool remove_stale(const char *path, const struct stat *asked, Error *reterr)
{
    struct stat now;
    if (!S_ISSOCK(asked->st_mode)) {
        return error_set(reterr, ERROR_SETUP, "listen: %.100s is no socket: left alone", path);
    }
    if (lstat(path, &now) != 0) {
        return errno == ENOENT || fail(reterr, "cannot look at", path);
    }
    if (now.st_dev != asked->st_dev || now.st_ino != asked->st_ino) {
        return is_in_use(path, reterr);
    }
    return unlink(path) == 0 || errno == ENOENT || fail(reterr, "cannot remove", path);
}

/* Makes room for a socket at a path. */
static bool clear_path(const char *address, const char *path, Error *reterr)
{
    struct stat found;
    Error refused;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT || fail(reterr, "cannot look at", path);
    }
    int fd = address_connect(address, 0, &refused);
    if (fd >= 0) {
        close(fd);
        return is_in_use(path, reterr);
    }
    switch (errno) {
    case ECONNREFUSED:
        return remove_stale(path, &found, reterr);
    case ENOENT:
        return true;
    case EAGAIN: /* its queue is full: somebody has it open, though he does not accept */
        return is_in_use(path, reterr);
    default:
        return fail(reterr, "cannot ask whether another process listens", path);
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

/* Remembers which file the socket is, and makes it nginx's to use. */
static bool own_path(const Config *config, const char *path, Listener *listener, Error *reterr)
{
    struct stat file;
    if (lstat(path, &file) != 0) {
        return fail(reterr, "cannot look at", path);
    }
    memcpy(listener->path, path, strlen(path) + 1);
    listener->device = file.st_dev;
    listener->inode = file.st_ino;
    return set_owner(config, path, reterr);
}

/* Listening */

/* On an inherited socket listen() once more only sets its backlog. */
static bool begin_listening(int fd, const char *name, Error *reterr)
{
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    return (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
            fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && listen(fd, BACKLOG) == 0) ||
           fail(reterr, "cannot listen", name);
}

static bool bind_socket(const Config *config, int fd, const SocketAddress *address, Error *reterr)
{
    const int on = 1;
    mode_t before = umask(0777 & ~config->socket_mode);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              bind(fd, (const struct sockaddr *)&address->name, address->len) == 0;
    umask(before);
    return ok || fail(reterr, "cannot bind", config->listen);
}

static bool open_own(const Config *config, Listener *ret, Error *reterr)
{
    const char *path = path_of(config->listen);
    SocketAddress address;
    Error why;
    if (!address_resolve(config->listen, &address, &why)) {
        return error_set(reterr, ERROR_SETUP, "listen: %s", why.text);
    }
    if (path && !clear_path(config->listen, path, reterr)) {
        return false;
    }
    *ret = (Listener){.is_ours = true};
    ret->fd = socket(address.name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* It listens at once: until then others would take it for stale. */
    if (bind_socket(config, ret->fd, &address, reterr) &&
        begin_listening(ret->fd, config->listen, reterr) &&
        (!path || own_path(config, path, ret, reterr))) {
        return true;
    }
    listener_close(ret);
    return false;
}

bool listener_open(const Config *config, Listener *ret, Error *reterr)
{
    int inherited = find_inherited();
    if (inherited < 0) {
        return open_own(config, ret, reterr);
    }
    *ret = (Listener){.fd = inherited};
    return begin_listening(inherited, "the inherited socket", reterr);
}

void listener_close(Listener *listener)
{
    struct stat file;
    /* While the socket is open nobody else's file can have its inode. */
    if (listener->path[0] && lstat(listener->path, &file) == 0 && file.st_dev == listener->device &&
        file.st_ino == listener->inode) {
        unlink(listener->path);
    }
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    listener->fd = -1;
    listener->path[0] = '\0';
}
