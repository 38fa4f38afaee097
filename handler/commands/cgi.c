#include "commands/command.h"

#include "base/owner.h"
#include "endpoints/endpoint.h"
#include "http/cgi.h"
#include "process/service.h"
#include "stats/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgi_stdio.h> /* last: it gives the names of stdio another meaning */

typedef struct {
    Loop *loop;
    Service service;
    Exchange exchange;
} Cgi;

/* libfcgi takes such a socket for one to accept FastCGI connections from, and reads from those. */
static bool is_unconnected_socket(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &len) != 0 && errno == ENOTCONN;
}

/* Begins the only request. libfcgi's signal handlers go: who ends this command ends it, and a Redis
 * that hangs up does not. */
static bool accept_request(void)
{
    bool ok = FCGI_Accept() >= 0;
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
    return ok;
}

/* Not a byte more than was announced: the server need not close its end. */
static void read_body(Request *request, size_t max_body, Arena *arena)
{
    request->too_large = request->length > max_body;
    if (!request->has_length || request->too_large) {
        return;
    }
    char *body = arena_alloc(arena, request->length);
    request->no_memory = !body;
    size_t got = body ? fread(body, 1, request->length, stdin) : 0;
    request->incomplete = body && got < request->length;
    request->body = (Str){body, got};
}

static bool read_request(Cgi *cgi)
{
    Exchange *exchange = &cgi->exchange;
    Request *request = &exchange->request;
    exchange->server = &cgi->service.server;
    exchange->arena = arena_new();
    if (!exchange->arena || !cgi_read_request(environ, exchange->arena, request)) {
        return false;
    }
    read_body(request, cgi->service.server.config->max_body, exchange->arena);
    exchange->began = loop_clock_ns();
    return true;
}

/* The sink is connected, or cannot be. */
static void on_settled(void *arg)
{
    Cgi *cgi = arg;
    if (endpoint_serve(&cgi->exchange) == ANSWERED) {
        loop_stop(cgi->loop);
    }
}

static void on_answered(Exchange *exchange)
{
    loop_stop(OWNER_OF(exchange, Cgi, exchange)->loop);
}

static int write_response(const Exchange *exchange)
{
    const Response *response = &exchange->response;
    const Str id = exchange->request.request_id;
    char *text = arena_alloc(exchange->arena, cgi_head_size(response, id) + response->body.len);
    if (!text) {
        return EXIT_TRY_AGAIN;
    }
    size_t len = (size_t)(str_put(cgi_put_head(text, response, id), response->body) - text);
    bool ok = fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0;
    return ok ? EXIT_DONE : EXIT_NO;
}

/* Without stdio, which is libfcgi's here and not yet open. */
static int give_up(int status, const char *why)
{
    dprintf(STDERR_FILENO, "cgi: %s\n", why);
    return status;
}

static int answer(Cgi *cgi, const Config *config)
{
    if (!service_open(&cgi->service, config, cgi->loop)) {
        return EXIT_NO;
    }
    cgi->service.server.answered = on_answered;
    if (!read_request(cgi)) {
        return give_up(EXIT_TRY_AGAIN, "out of memory");
    }
    sink_redis_when_settled(cgi->service.server.sink, on_settled, cgi);
    loop_run(cgi->loop);
    return write_response(&cgi->exchange);
}

int cgi_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (is_unconnected_socket(STDIN_FILENO)) {
        return give_up(EXIT_MISUSED,
                       "standard input is no body but a socket to listen on: `run` serves it");
    }
    if (!getenv("REQUEST_METHOD")) {
        return give_up(EXIT_MISUSED, "REQUEST_METHOD is not set: see `tickstream help cgi`");
    }
    log_setup(config->log_level, config->log_format);
    log_name_process("cgi");
    Cgi cgi = {.loop = loop_new()};
    if (!cgi.loop || !stats_open(1) || !accept_request()) {
        return give_up(EXIT_TRY_AGAIN, "out of memory");
    }
    stats_use(0);
    int status = answer(&cgi, config);
    service_close(&cgi.service);
    arena_free(cgi.exchange.arena);
    loop_free(cgi.loop);
    return status;
}
