/*
 * POST: verify, decode, publish, answer.
 */
#include "endpoints/endpoint.h"

#include "base/log.h"
#include "base/loop.h"
#include "http/status.h"
#include "payload/codec.h"
#include "stats/stats.h"
#include "stream/dedupe.h"

#include <sys/time.h>

static void answer(Publication *publication);

static void refuse(Exchange *exchange, const Error *error)
{
    static LogSite site;
    int status = http_status(error->code);
    log_rarely(&site, status == 503 ? LOG_WARN : LOG_INFO,
               "webhook: answered %d: %s (request %.*s)", status, error->text,
               STR_ARG(exchange->request.request_id));
    exchange_problem(exchange, error, (Str){NULL, 0});
}

/* Has the request come in whole, and is there room for it? */
static bool check_length(const Exchange *exchange, Error *reterr)
{
    const Request *request = &exchange->request;
    const Server *server = exchange->server;
    if (request->too_large) {
        return error_set(reterr, ERROR_TOO_LARGE, "the body is larger than %zu bytes",
                         server->config->max_body);
    }
    if (request->no_memory) {
        return error_no_memory(reterr);
    }
    if (!request->has_length) {
        return error_set(reterr, ERROR_INVALID, "the length of the body is not announced");
    }
    if (request->incomplete) {
        return error_set(reterr, ERROR_INVALID, "the body is shorter or longer than announced");
    }
    if (server->requests_in_flight >= LIMIT_REQUESTS_IN_FLIGHT ||
        server->bytes_in_flight >= LIMIT_BYTES_IN_FLIGHT) {
        stats_add(STAT_OVERLOADS, 1);
        return error_set(reterr, ERROR_UNAVAILABLE, "too many requests are in flight");
    }
    return true;
}

static bool verify(const Exchange *exchange, Error *reterr)
{
    const Request *request = &exchange->request;
    Verifier *verifier = exchange->server->verifier;
    return !verifier || signature_verify(verifier, request->signature, request->body, reterr);
}

static bool check_type(const Request *request, MediaType *ret, Error *reterr)
{
    Str encoding = str_trim(request->content_encoding);
    if (!str_is_empty(encoding) && !str_eq_nocase(encoding, STR("identity"))) {
        return error_set(reterr, ERROR_UNKNOWN_TYPE, "a Content-Encoding is not accepted");
    }
    return media_type_parse(request->content_type, ret, reterr);
}

/* A body that cannot be read is kept whole when it was signed: the sender would only send the same
 * again. */
static bool decode(Exchange *exchange, MediaType type, Error *reterr)
{
    const Str body = exchange->request.body;
    if (str_is_empty(body)) {
        return error_set(reterr, ERROR_INVALID, "the body is empty");
    }
    if (payload_decode(type, body, exchange->arena, &exchange->payload, reterr) &&
        entries_check_size(&exchange->payload, reterr)) {
        return true;
    }
    if (reterr->code != ERROR_MALFORMED || !exchange->server->verifier) {
        return false;
    }
    return payload_quarantine_body(&exchange->payload, exchange->arena, body, reterr) ||
           error_no_memory(reterr);
}

static int64_t unix_milliseconds(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void charge(Exchange *exchange)
{
    Server *server = exchange->server;
    const Payload *payload = &exchange->payload;
    size_t elements = payload->status_count + payload->quarantined_count + payload->event_count;
    exchange->charged =
        arena_size(exchange->arena) + entries_size(payload) + elements * DEDUPE_BYTES_OF_ELEMENT;
    server->requests_in_flight++;
    server->bytes_in_flight += exchange->charged;
    stats_set(STAT_REQUESTS_IN_FLIGHT, server->requests_in_flight);
    stats_set(STAT_BYTES_IN_FLIGHT, server->bytes_in_flight);
}

static void discharge(Exchange *exchange)
{
    Server *server = exchange->server;
    server->requests_in_flight--;
    server->bytes_in_flight -= exchange->charged;
    stats_set(STAT_REQUESTS_IN_FLIGHT, server->requests_in_flight);
    stats_set(STAT_BYTES_IN_FLIGHT, server->bytes_in_flight);
}

static void publish(Exchange *exchange)
{
    const Request *request = &exchange->request;
    Sink *sink = exchange->server->sink;
    const char *end = str_put_number(exchange->received_at, (size_t)unix_milliseconds());
    exchange->publication = (Publication){
        .payload = &exchange->payload,
        .arena = exchange->arena,
        .delivery = {.received_at = {exchange->received_at, (size_t)(end - exchange->received_at)},
                     .request_id = request->request_id,
                     .content_type = request->content_type},
        .done = answer,
    };
    charge(exchange);
    if (sink->publish(sink, &exchange->publication) == SINK_DONE) {
        answer(&exchange->publication);
    }
}

void webhook_post(Exchange *exchange)
{
    const Request *request = &exchange->request;
    MediaType type = {0};
    Error error;
    if (!check_length(exchange, &error) || !verify(exchange, &error) ||
        !check_type(request, &type, &error) || !decode(exchange, type, &error)) {
        refuse(exchange, &error);
        return;
    }
    stats_add(STAT_WEBHOOKS, 1);
    stats_add(STAT_BODY_BYTES, request->body.len);
    publish(exchange);
}

static void count(const Exchange *exchange, const PublishResult *result)
{
    const Payload *payload = &exchange->payload;
    stats_add(STAT_ACCEPTED, result->accepted);
    stats_add(STAT_DUPLICATES, result->duplicates);
    if (result->accepted) {
        stats_set(STAT_LAST_ACCEPTED, (uint64_t)unix_milliseconds() / 1000);
    }
    /* Which of them were new is not told: the sum is right, the reasons are those of the first. */
    for (size_t i = 0; i < result->quarantined; i++) {
        stats_add((Stat)(STAT_QUARANTINED + payload->quarantined[i].reason), 1);
    }
    for (size_t i = 0; i < payload->event_count; i++) {
        stats_add_value(STAT_IGNORED, payload->events[i].change->field);
    }
    stats_observe(STAT_WEBHOOK_SECONDS, loop_clock_ns() - exchange->began);
}

static void answer_result(Exchange *exchange, const PublishResult *result)
{
    static const Str json[] = {STR_INIT("{\"accepted\":"), STR_INIT(",\"duplicates\":"),
                               STR_INIT(",\"quarantined\":"), STR_INIT(",\"ignored\":"),
                               STR_INIT("}")};
    static const Str xml[] = {
        STR_INIT("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<WebhookResult><accepted>"),
        STR_INIT("</accepted><duplicates>"), STR_INIT("</duplicates><quarantined>"),
        STR_INIT("</quarantined><ignored>"), STR_INIT("</ignored></WebhookResult>")};
    const size_t counts[] = {result->accepted, result->duplicates, result->quarantined,
                             exchange->payload.event_count};
    AnswerFormat format = negotiate(exchange->request.accept, exchange->request.content_type);
    const Str *parts = format == ANSWER_XML ? xml : json;
    char body[320], *to = body;
    for (size_t i = 0; i < 4; i++) {
        to = str_put_number(str_put(to, parts[i]), counts[i]);
    }
    to = str_put(to, parts[4]);
    exchange_respond(exchange, 200, answer_media_type(format), (Str){body, (size_t)(to - body)});
}

static void answer(Publication *publication)
{
    Exchange *exchange = OWNER_OF(publication, Exchange, publication);
    const PublishResult *result = &publication->result;
    const ErrorCode code = publication->code;
    discharge(exchange);
    if (code == ERROR_NONE) {
        log_line(LOG_DEBUG, "webhook: %zu accepted, %zu duplicates, %zu quarantined (request %.*s)",
                 result->accepted, result->duplicates, result->quarantined,
                 STR_ARG(exchange->request.request_id));
        count(exchange, result);
        answer_result(exchange, result);
        return;
    }
    Error error;
    error_set(&error, code, "the statuses could not be stored; please send them again");
    refuse(exchange, &error);
}
