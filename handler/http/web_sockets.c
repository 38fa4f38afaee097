#include "http/web_sockets.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection's descriptor. Its watch is kept while the connection is idle, so that the next
 * request costs no call to change it. */
typedef struct Socket Socket;
struct Socket {
    WebSockets *all;
    int fd, wanted; /* LOOP_READABLE, ... that libcurl waits for */
    Watch *watch;   /* NULL = none yet */
    bool is_ours;   /* a connection, which on_closing() is told of; else a descriptor of libcurl */
    Socket *next;
};

struct WebSockets {
    Loop *loop;
    CURLM *multi;
    Timer *timer;
    Socket *first;
    void (*acted)(void *arg);
    void *arg;
};

static void act(WebSockets *all, int fd, int events)
{
    int running;
    web_lib.curl_multi_socket_action(all->multi, fd, events, &running);
    all->acted(all->arg);
}

static void on_expired(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long delay, void *arg)
{
    WebSockets *all = arg;
    (void)multi;
    if (delay < 0) {
        timer_stop(all->timer);
    } else {
        timer_start(all->timer, delay, 0);
    }
    return 0;
}

static void on_ready(void *arg, int events)
{
    const Socket *socket = arg;
    const int wanted = events & socket->wanted;
    if (!wanted) {
        watch_set(socket->watch, 0); /* an idle connection was closed by the server */
        return;
    }
    act(socket->all, socket->fd,
        (wanted & LOOP_READABLE ? CURL_CSELECT_IN : 0) |
            (wanted & LOOP_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static Socket **find_socket(WebSockets *all, int fd)
{
    Socket **at = &all->first;
    while (*at && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    return at;
}

static Socket *add_socket(WebSockets *all, int fd, bool is_ours)
{
    Socket *socket = calloc(1, sizeof(*socket));
    if (socket) {
        *socket = (Socket){.all = all, .fd = fd, .is_ours = is_ours, .next = all->first};
        all->first = socket;
    }
    return socket;
}

static void drop_socket(WebSockets *all, int fd)
{
    Socket **at = find_socket(all, fd), *socket = *at;
    if (socket) {
        *at = socket->next;
        watch_close(socket->watch);
        free(socket);
    }
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    WebSockets *all = arg;
    Socket *socket = *find_socket(all, fd);
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (socket && socket->is_ours) {
            socket->wanted = 0;
        } else {
            drop_socket(all, fd);
        }
        return 0;
    }
    socket = socket ? socket : add_socket(all, fd, false);
    if (!socket) {
        return -1;
    }
    socket->wanted =
        (what & CURL_POLL_IN ? LOOP_READABLE : 0) | (what & CURL_POLL_OUT ? LOOP_WRITABLE : 0);
    if (!socket->watch) {
        socket->watch = loop_watch(all->loop, fd, socket->wanted, on_ready, socket);
    } else {
        watch_set(socket->watch, socket->wanted);
    }
    return socket->watch ? 0 : -1;
}

static curl_socket_t on_opening(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && !add_socket(arg, fd, true)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int on_closing(void *arg, curl_socket_t fd)
{
    drop_socket(arg, fd);
    return close(fd);
}

void web_sockets_use(WebSockets *sockets, CURL *easy)
{
    web_lib.curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_opening);
    web_lib.curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
    web_lib.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_closing);
    web_lib.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

WebSockets *web_sockets_open(Loop *loop, CURLM *multi, void (*acted)(void *arg), void *arg)
{
    WebSockets *sockets = calloc(1, sizeof(*sockets));
    if (!sockets) {
        return NULL;
    }
    *sockets = (WebSockets){.loop = loop, .multi = multi, .acted = acted, .arg = arg};
    sockets->timer = loop_timer(loop, on_expired, sockets);
    if (!sockets->timer) {
        return web_sockets_close(sockets);
    }
    web_lib.curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    web_lib.curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets);
    web_lib.curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    web_lib.curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sockets);
    return sockets;
}

WebSockets *web_sockets_close(WebSockets *sockets)
{
    if (sockets) {
        timer_close(sockets->timer);
        while (sockets->first) {
            drop_socket(sockets, sockets->first->fd);
        }
    }
    free(sockets);
    return NULL;
}
