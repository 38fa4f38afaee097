/*
 * States of a peer, and who moves it.
 *
 *     IDLE      -- bytes have come -->            RECEIVING  it has an arena from here on
 *     RECEIVING -- the request is whole -->       SERVING    the endpoint, or the sink, has it
 *     SERVING   -- the answer is there -->        IDLE       when it has left with one write
 *                                                 SENDING    when a part of it is still here
 *     SENDING   -- the rest has left -->          IDLE
 *     RECEIVING -- nothing was a request -->      IDLE       a management record, or an abort
 *
 * It is closed when the other side closes or breaks the protocol, when it does not want to be kept,
 * when it is stuck while RECEIVING or SENDING, or when it is IDLE and the worker drains; never
 * while SERVING, since the sink has borrowed the exchange.
 */
#include "process/peer.h"

#include "base/arena_pool.h"
#include "base/list.h"
#include "base/log.h"
#include "base/owner.h"
#include "endpoints/endpoint.h"
#include "http/fcgi.h"
#include "process/progress.h"
#include "process/turns.h"
#include "stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    INPUT = 64 << 10, /* read at once: most requests are there with one read */
    LOOK = 500,       /* milliseconds between looks at those that may be stuck */
};

typedef enum { PEER_IDLE, PEER_RECEIVING, PEER_SERVING, PEER_SENDING } PeerState;

typedef struct Peer Peer;

struct Peer {
    Exchange exchange;
    Peers *peers;
    ListPlace place;  /* among all */
    ListPlace moving; /* among those that are RECEIVING or SENDING at the end of a turn */
    int fd;
    Watch *watch;
    Fcgi fcgi;
    PeerState state;
    unsigned round;    /* of turns: in which it was last read from */
    int64_t idle_from; /* loop time */
    size_t expected;   /* announced bytes of the body that is being received */
    bool is_doomed;    /* while SERVING it has become of no use: closed when it is answered */
    char *ahead;       /* heap: what came behind the request that is being served */
    size_t ahead_len;
    Str unsent; /* the arena's: the rest of an answer */

    Progress progress; /* of what it is RECEIVING or SENDING; times only while in `moving` */
};

struct Peers {
    Loop *loop;
    Server *server;
    ListPlace *all, *moving;
    size_t count;
    Timer *look;
    ArenaPool arenas;
    Buffer out; /* what is being sent, within one call */
    Turns turns;
    char input[INPUT]; /* what has just been read, within one call */
};

/* Bytes have come or gone, and more are to: now and then the peer is looked at until they are. */
static void note_progress(Peer *peer, size_t bytes)
{
    Peers *peers = peer->peers;
    peer->progress.bytes += bytes;
    peer->progress.moved = loop_clock_ms();
    if (list_has(&peer->moving)) {
        return;
    }
    peer->progress.began = peer->progress.moved;
    list_add(&peers->moving, &peer->moving);
    if (!timer_is_running(peers->look)) {
        timer_start(peers->look, LOOK, LOOK);
    }
}

/* Beginning and end of what a request holds */

static bool begin_request(Peer *peer)
{
    Exchange *exchange = &peer->exchange;
    exchange->arena = arena_pool_take(&peer->peers->arenas);
    if (!exchange->arena) {
        return false;
    }
    fcgi_use(&peer->fcgi, exchange->arena, &exchange->request);
    peer->state = PEER_RECEIVING;
    return true;
}

static void forget_expected(Peer *peer)
{
    admission_unexpect(&peer->peers->server->admission, peer->expected);
    peer->expected = 0;
}

static void end_request(Peer *peer)
{
    forget_expected(peer);
    list_remove(&peer->moving);
    peer->progress.bytes = 0;
    arena_pool_give(&peer->peers->arenas, peer->exchange.arena);
    peer->exchange.arena = NULL;
    peer->unsent = (Str){NULL, 0};
    peer->state = PEER_IDLE;
    peer->idle_from = loop_now(peer->peers->loop);
}

static void close_peer(Peer *peer)
{
    Peers *peers = peer->peers;
    assert(peer->state != PEER_SERVING);
    end_request(peer);
    list_remove(&peer->place);
    stats_set(STAT_CONNECTIONS, --peers->count);
    watch_close(peer->watch);
    close(peer->fd);
    free(peer->ahead);
    free(peer);
}

/* Sending */

static bool is_for_later(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* Sends what is in peers->out, once. Returns how much has left; -1: the peer has gone. */
static ssize_t send_out(Peer *peer)
{
    const Buffer *out = &peer->peers->out;
    ssize_t n = out->len ? send(peer->fd, out->ptr, out->len, MSG_NOSIGNAL) : 0;
    return n >= 0 || !is_for_later() ? n : 0;
}

/* Management records: one who does not take their answers is not waited for. */
static bool send_replies(Peer *peer)
{
    Buffer *out = &peer->peers->out;
    bool ok = send_out(peer) == (ssize_t)out->len;
    buffer_clear(out);
    return ok;
}

/* The answer has left. false: the peer is to be closed. */
static bool finish_answer(Peer *peer)
{
    end_request(peer);
    return peer->fcgi.keep && !peer->peers->server->draining;
}

/* Keeps what a write has left, until the peer can be written to. */
static bool keep_unsent(Peer *peer, Str rest)
{
    peer->unsent = arena_copy(peer->exchange.arena, rest);
    peer->progress.bytes = 0;
    note_progress(peer, 0);
    return peer->unsent.ptr && watch_set(peer->watch, LOOP_WRITABLE);
}

/* Sends the answer, with what was to be sent before it. false: the peer is to be closed. */
static bool send_answer(Peer *peer)
{
    Buffer *out = &peer->peers->out;
    peer->state = PEER_SENDING;
    bool ok = fcgi_answer(&peer->fcgi, &peer->exchange.response, out);
    ssize_t sent = ok ? send_out(peer) : -1;
    if (sent == (ssize_t)out->len) {
        ok = finish_answer(peer);
    } else if (sent >= 0) {
        ok = keep_unsent(peer, str_from_offset((Str){out->ptr, out->len}, (size_t)sent));
    } else {
        ok = false;
    }
    buffer_clear(out);
    return ok;
}

/* Receiving */

/* What came behind a request waits until that has been answered. */
static bool keep_ahead(Peer *peer, Str rest)
{
    if (rest.len) {
        peer->ahead = malloc(rest.len);
        peer->ahead_len = rest.len;
        return peer->ahead && str_put(peer->ahead, rest);
    }
    return true;
}

static void expect_body(Peer *peer)
{
    Request *request = &peer->exchange.request;
    if (request->length && !request->too_large) {
        if (admission_expect(&peer->peers->server->admission, request->length)) {
            peer->expected = request->length;
        } else {
            request->no_memory = true;
        }
    }
    fcgi_take_body(&peer->fcgi);
}

/* The request is whole. false: the peer is to be closed. */
static bool serve(Peer *peer)
{
    forget_expected(peer);
    list_remove(&peer->moving);
    peer->exchange.began = loop_clock_ns();
    peer->state = PEER_SERVING;
    return endpoint_serve(&peer->exchange) == LATER || send_answer(peer);
}

/* The peer has withdrawn its request. false: it is to be closed. */
static bool abort_request(Peer *peer)
{
    end_request(peer);
    return send_replies(peer) && peer->fcgi.keep;
}

/* Acts on what has come, to the end of the bytes or of a request that is not answered yet. false:
 * the peer is to be closed. */
static bool take_bytes(Peer *peer, Str bytes)
{
    static LogSite site;
    bool ok = true;
    while (ok && bytes.len && (peer->state == PEER_RECEIVING || peer->state == PEER_IDLE)) {
        if (peer->state == PEER_IDLE && !begin_request(peer)) {
            return false;
        }
        switch (fcgi_feed(&peer->fcgi, &bytes, &peer->peers->out)) {
        case FCGI_MORE:
            break;
        case FCGI_HEAD:
            expect_body(peer);
            break;
        case FCGI_REQUEST:
            ok = serve(peer);
            break;
        case FCGI_ABORTED:
            ok = abort_request(peer);
            break;
        case FCGI_BROKEN:
            log_rarely(&site, LOG_INFO, "fastcgi: a peer has broken the protocol and is cut off");
            ok = false;
            break;
        }
    }
    ok = ok && send_replies(peer) && keep_ahead(peer, bytes);
    buffer_clear(&peer->peers->out);
    if (ok && peer->state == PEER_RECEIVING && fcgi_is_idle(&peer->fcgi)) {
        end_request(peer);
    }
    return ok;
}

/* The end of a callback: what had to wait is taken up, and the peer is watched again, which ends
 * with an error or while it is SERVING; or it is closed. */
static void go_on(Peer *peer, bool ok)
{
    while (ok && peer->state == PEER_IDLE && peer->ahead) {
        char *ahead = peer->ahead;
        peer->ahead = NULL;
        ok = take_bytes(peer, (Str){ahead, peer->ahead_len});
        free(ahead);
        if (ok && peer->state == PEER_RECEIVING) {
            note_progress(peer, peer->ahead_len);
        }
    }
    if (ok && (peer->state == PEER_IDLE || peer->state == PEER_RECEIVING)) {
        ok = watch_set(peer->watch, LOOP_READABLE);
    }
    if (!ok && peer->state == PEER_SERVING) {
        peer->is_doomed = true;
    } else if (!ok) {
        close_peer(peer);
    }
}

static void on_answered(Exchange *exchange)
{
    Peer *peer = OWNER_OF(exchange, Peer, exchange);
    assert(peer->state == PEER_SERVING);
    peer->state = PEER_SENDING;
    go_on(peer, !peer->is_doomed && send_answer(peer));
}

/*
 * Reads once: the body straight to its place, what is behind it or else all into peers->input.
 * *ret_full: there may be more. Returns what read() does.
 */
static ssize_t read_once(Peer *peer, Str *ret, bool *ret_full)
{
    char *input = peer->peers->input;
    size_t space = 0;
    char *body = peer->state == PEER_RECEIVING ? fcgi_body_space(&peer->fcgi, &space) : NULL;
    const struct iovec to[] = {{.iov_base = body, .iov_len = space},
                               {.iov_base = input, .iov_len = INPUT}};
    ssize_t n = body ? readv(peer->fd, to, 2) : read(peer->fd, input, INPUT);
    size_t got = n > 0 ? (size_t)n : 0, direct = got < space ? got : space;
    if (direct) {
        fcgi_body_filled(&peer->fcgi, direct);
    }
    *ret = (Str){input, got - direct};
    *ret_full = got == space + INPUT;
    return n;
}

/* Reads what is there, within the bound of a turn. false: the peer is to be closed. */
static bool receive(Peer *peer)
{
    bool full = true;
    for (size_t total = 0; full && total < LIMIT_TURN_BYTES;) {
        Str bytes;
        ssize_t n = read_once(peer, &bytes, &full);
        if (n <= 0) {
            return n < 0 && is_for_later();
        }
        total += (size_t)n;
        if (!take_bytes(peer, bytes)) {
            return false;
        }
        if (peer->state != PEER_RECEIVING) {
            return true;
        }
        note_progress(peer, (size_t)n);
    }
    return true;
}

static bool send_rest(Peer *peer)
{
    ssize_t n = send(peer->fd, peer->unsent.ptr, peer->unsent.len, MSG_NOSIGNAL);
    if (n < 0) {
        return is_for_later();
    }
    note_progress(peer, (size_t)n);
    peer->unsent = str_from_offset(peer->unsent, (size_t)n);
    return peer->unsent.len || finish_answer(peer);
}

static void on_ready(void *arg, int events)
{
    Peer *peer = arg;
    Peers *peers = peer->peers;
    (void)events;
    if (peer->state == PEER_SERVING) {
        /* It sends on, or has given up: what comes is read when it has been answered. */
        watch_set(peer->watch, 0);
    } else if (peer->state == PEER_SENDING) {
        go_on(peer, send_rest(peer));
    } else {
        int64_t spent = loop_clock_ms() - loop_now(peers->loop);
        go_on(peer, !turns_take(&peers->turns, &peer->round, spent) || receive(peer));
    }
}

/* Those who are stuck */

/* Could bytes move at once? Then it is this worker that is slow. */
static bool is_movable(const Peer *peer)
{
    struct pollfd look = {.fd = peer->fd, .events = peer->state == PEER_SENDING ? POLLOUT : POLLIN};
    return poll(&look, 1, 0) > 0;
}

static void on_look(void *arg)
{
    static LogSite site;
    Peers *peers = arg;
    int64_t now = loop_clock_ms();
    for (ListPlace *place = peers->moving, *next; place; place = next) {
        Peer *peer = OWNER_OF(place, Peer, moving);
        next = place->next;
        if (progress_is_stuck(&peer->progress, now) && !is_movable(peer)) {
            log_rarely(&site, LOG_WARN, "fastcgi: a peer %s too slowly and is cut off",
                       peer->state == PEER_SENDING ? "takes its answer" : "sends its request");
            close_peer(peer);
        }
    }
    if (!peers->moving) {
        timer_stop(peers->look);
    }
}

/* All of them */

static void on_turn_ends(void *arg)
{
    Peers *peers = arg;
    turns_end(&peers->turns);
}

Peers *peers_open(Loop *loop, Server *server)
{
    Peers *peers = calloc(1, sizeof(*peers));
    if (!peers) {
        return NULL;
    }
    peers->loop = loop;
    peers->server = server;
    server->answered = on_answered;
    peers->look = loop_timer(loop, on_look, peers);
    return peers->look && loop_after_events(loop, on_turn_ends, peers) ? peers : peers_close(peers);
}

/* A peer that has vanished from the network is noticed within a minute and a half; small answers do
 * not wait for more. Fails on unix sockets, which need neither. */
static void set_up_tcp(int fd)
{
    const int on = 1, idle = 60, between = 10, probes = 3;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    }
}

void peers_add(Peers *peers, int fd)
{
    Peer *peer = calloc(1, sizeof(*peer));
    Watch *watch = peer ? loop_watch(peers->loop, fd, LOOP_READABLE, on_ready, peer) : NULL;
    if (!watch) {
        free(peer);
        close(fd);
        return;
    }
    set_up_tcp(fd);
    peer->exchange.server = peers->server;
    peer->peers = peers;
    peer->fd = fd;
    peer->watch = watch;
    peer->fcgi.max_body = peers->server->config->max_body;
    peer->round = peers->turns.round - 1;
    peer->idle_from = loop_now(peers->loop);
    list_add(&peers->all, &peer->place);
    stats_set(STAT_CONNECTIONS, ++peers->count);
}

size_t peers_count(const Peers *peers)
{
    return peers->count;
}

void peers_close_idle(Peers *peers, int64_t since)
{
    for (ListPlace *place = peers->all, *next; place; place = next) {
        Peer *peer = OWNER_OF(place, Peer, place);
        next = place->next;
        /* A request that has just arrived must not be lost with the connection. */
        if (peer->state == PEER_IDLE && peer->idle_from <= since && !is_movable(peer)) {
            close_peer(peer);
        }
    }
}

Peers *peers_close(Peers *peers)
{
    if (peers) {
        for (ListPlace *place = peers->all, *next; place; place = next) {
            next = place->next;
            close_peer(OWNER_OF(place, Peer, place));
        }
        timer_close(peers->look);
        arena_pool_close(&peers->arenas);
        buffer_free(&peers->out);
        free(peers);
    }
    return NULL;
}
