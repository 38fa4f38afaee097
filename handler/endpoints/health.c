/*
 * /livez: does the process serve? /readyz: would a status be stored now?
 */
#include "endpoints/endpoint.h"

#include "base/text.h"

void livez_get(Exchange *exchange)
{
    exchange_respond(exchange, 200, STR("text/plain; charset=utf-8"), STR("ok\n"));
}

/* Redis has taken a write, or not. */
static void answer(Probe *probe)
{
    Exchange *exchange = OWNER_OF(probe, Exchange, probe);
    const Server *server = exchange->server;
    bool connected = server->sink->is_connected(server->sink), ready = probe->code == ERROR_NONE;
    if (!str_eq(exchange->request.query, STR("verbose"))) {
        Error error;
        if (ready) {
            exchange_respond(exchange, 200, STR("text/plain; charset=utf-8"), STR("ok\n"));
            return;
        }
        error_set(&error, ERROR_UNAVAILABLE, "Redis does not take writes");
        exchange_problem(exchange, &error, (Str){NULL, 0});
        return;
    }
    Text text = text_begin(exchange->arena);
    text_add_format(
        &text, "redis connection: %s\nredis write: %s\ndraining: %s\nrequests in flight: %zu\n%s\n",
        connected ? "ok" : "failed", ready ? "ok" : "failed", server->draining ? "yes" : "no",
        server->requests_in_flight, ready ? "ready" : "not ready");
    exchange_respond(exchange, ready ? 200 : 503, STR("text/plain; charset=utf-8"),
                     text_finish(&text));
}

void readyz_get(Exchange *exchange)
{
    Sink *sink = exchange->server->sink;
    exchange->probe = (Probe){.done = answer};
    if (sink->probe(sink, &exchange->probe) == SINK_DONE) {
        answer(&exchange->probe);
    }
}
