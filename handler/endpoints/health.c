/*
 * /livez: does the process serve? /readyz: would a status be stored now?
 */
#include "endpoints/endpoint.h"

#include "base/media_type.h"
#include "base/owner.h"
#include "base/text.h"

static const Str plain_text = STR_INIT(MEDIA_PLAIN);

Served livez_get(Exchange *exchange)
{
    exchange_answer(exchange, 200, plain_text, STR("ok\n"));
    return ANSWERED;
}

static void answer_verbosely(Exchange *exchange, bool ready)
{
    const Server *server = exchange->server;
    bool connected = server->sink->is_connected(server->sink);
    Text text = text_begin(exchange->arena);
    text_add_format(
        &text, "redis connection: %s\nredis write: %s\ndraining: %s\nrequests in flight: %zu\n%s\n",
        connected ? "ok" : "failed", ready ? "ok" : "failed", server->draining ? "yes" : "no",
        server->admission.requests, ready ? "ready" : "not ready");
    exchange_answer(exchange, ready ? 200 : 503, plain_text, text_finish(&text));
}

static void answer(Exchange *exchange, ErrorCode code)
{
    Error error;
    if (str_eq(exchange->request.query, STR("verbose"))) {
        answer_verbosely(exchange, code == ERROR_NONE);
    } else if (code == ERROR_NONE) {
        exchange_answer(exchange, 200, plain_text, STR("ok\n"));
    } else {
        error_set(&error, ERROR_UNAVAILABLE, "Redis does not take writes");
        exchange_answer_problem(exchange, &error, (Str){NULL, 0});
    }
}

/* Redis has taken a write, or not. */
static void finish(Exchange *exchange)
{
    admission_leave(&exchange->server->admission, exchange->charged);
    answer(exchange, exchange->probe.code);
}

static void on_probed(Probe *probe)
{
    Exchange *exchange = OWNER_OF(probe, Exchange, probe);
    finish(exchange);
    exchange->server->answered(exchange);
}

Served readyz_get(Exchange *exchange)
{
    Server *server = exchange->server;
    Error error;
    if (!admission_check(&server->admission, &error)) {
        exchange_answer_problem(exchange, &error, (Str){NULL, 0});
        return ANSWERED;
    }
    exchange->probe = (Probe){.done = on_probed};
    exchange->charged = arena_size(exchange->arena);
    admission_enter(&server->admission, exchange->charged);
    if (server->sink->probe(server->sink, &exchange->probe) == SINK_LATER) {
        return LATER;
    }
    finish(exchange);
    return ANSWERED;
}
