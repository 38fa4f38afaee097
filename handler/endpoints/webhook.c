/*
 * POST: verify, decode, publish, answer.
 */
#include "endpoints/endpoint.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/owner.h"
#include "http/negotiate.h"
#include "http/status.h"
#include "stats/stats.h"
#include "stream/dedupe.h"
#include "stream/intake.h"

enum { ANSWER_ROOM = 320 }; /* of the counts as XML, the longer form, with numbers of 20 digits */

static void refuse(Exchange *exchange, const Error *error)
{
    static LogSite ours, unsigned_ones, others;
    int status = http_status(error->code);
    LogSite *site = status == 503 ? &ours : status == 401 ? &unsigned_ones : &others;
    /* A signature that is wrong is an outage of a sender, or somebody who is none. */
    log_rarely(site, site == &others ? LOG_INFO : LOG_WARN,
               "webhook: answered %d: %s (request %.*s)", status, error->text,
               STR_ARG(exchange->request.request_id));
    exchange_answer_problem(exchange, error, (Str){NULL, 0});
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
    return admission_check(&server->admission, reterr);
}

/* nginx vouches for the sender, who has sent no signature: one that is there must be right. */
static bool is_vouched(const Exchange *exchange)
{
    const Request *request = &exchange->request;
    return exchange->server->config->trust_relay && !request->signature.ptr &&
           str_eq(request->signature_rule, STR("optional"));
}

static bool verify(Exchange *exchange, Error *reterr)
{
    const Request *request = &exchange->request;
    Verifier *verifier = exchange->server->verifier;
    exchange->is_trusted =
        is_vouched(exchange) ||
        (verifier && signature_verify(verifier, request->signature, request->body, reterr));
    return exchange->is_trusted || !verifier;
}

/* Content codings that change the bytes of a body (the registry of RFC 9110 section 16.6.1, and
 * what else is in use). Other names say nothing about them: "utf-8" is seen, and is ignored as the
 * replaced API did. */
static bool is_compression(Str name)
{
    static const Str names[] = {
        STR_INIT("gzip"), STR_INIT("x-gzip"),      STR_INIT("deflate"),    STR_INIT("compress"),
        STR_INIT("br"),   STR_INIT("zstd"),        STR_INIT("x-compress"), STR_INIT("dcb"),
        STR_INIT("dcz"),  STR_INIT("exi"),         STR_INIT("bzip2"),      STR_INIT("x-bzip2"),
        STR_INIT("lzma"), STR_INIT("xz"),          STR_INIT("lz4"),        STR_INIT("snappy"),
        STR_INIT("zlib"), STR_INIT("pack200-gzip")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool check_type(const Request *request, MediaType *ret, Error *reterr)
{
    for (Str rest = request->content_encoding; rest.ptr;) {
        if (is_compression(str_trim(str_split(&rest, ',')))) {
            return error_set(reterr, ERROR_UNKNOWN_TYPE, "a compressed body is not accepted");
        }
    }
    return media_type_parse(request->content_type, ret, reterr);
}

/* Room for the answer and for what is kept of the media type is there before anything is stored:
 * then it cannot fail any more. */
static bool make_room(Exchange *exchange, const MediaType *type, Error *reterr)
{
    char *kept = arena_alloc(exchange->arena, LIMIT_MEDIA_TYPE);
    exchange->text = arena_alloc(exchange->arena, ANSWER_ROOM);
    if (!kept || !exchange->text) {
        return error_no_memory(reterr);
    }
    exchange->publication.delivery.content_type = media_type_text(type, kept);
    return true;
}

/* A body that cannot be read is kept whole when it was signed or vouched for: the sender would only
 * send the same again. */
static bool decode(Exchange *exchange, MediaType type, Error *reterr)
{
    const Str body = exchange->request.body;
    if (str_is_empty(body)) {
        return error_set(reterr, ERROR_INVALID, "the body is empty");
    }
    return exchange->is_trusted
               ? intake_keep(type, body, exchange->arena, &exchange->payload, reterr)
               : intake_decode(type, body, exchange->arena, &exchange->payload, reterr);
}

/* What is acknowledged and is no entry is said: somebody should look at it. */
static void warn(const Exchange *exchange, const PublishResult *result)
{
    static LogSite quarantined, dropped;
    const Payload *payload = &exchange->payload;
    if (result->quarantined) {
        log_rarely(&quarantined, LOG_WARN, "webhook: quarantined %zu: %s (request %.*s)",
                   result->quarantined, reason_word(payload->quarantined[0].reason).ptr,
                   STR_ARG(exchange->request.request_id));
    }
    if (payload->dropped_members) {
        log_rarely(&dropped, LOG_WARN,
                   "webhook: %zu unknown members were dropped: too many or too long (request %.*s)",
                   payload->dropped_members, STR_ARG(exchange->request.request_id));
    }
}

static void count(const Exchange *exchange, const PublishResult *result)
{
    const Payload *payload = &exchange->payload;
    stats_add(STAT_ACCEPTED, result->accepted);
    stats_add(STAT_DUPLICATES, result->duplicates);
    if (result->accepted) {
        stats_set(STAT_LAST_ACCEPTED, (uint64_t)clock_unix_ms() / 1000);
    }
    /* Which of them were new is not told: the sum is right, the reasons are those of the first. */
    for (size_t i = 0; i < result->quarantined; i++) {
        stats_add((Stat)(STAT_QUARANTINED + payload->quarantined[i].reason), 1);
    }
    for (size_t i = 0; i < payload->event_count; i++) {
        if (!payload->events[i].beside) {
            stats_add_value(STAT_IGNORED, payload->events[i].change->field);
        }
    }
    stats_add(STAT_DROPPED_MEMBERS, payload->dropped_members);
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
                             exchange->payload.ignored};
    AnswerFormat format = negotiate(exchange->request.accept, exchange->request.content_type);
    const Str *parts = format == ANSWER_XML ? xml : json;
    char *to = exchange->text;
    for (size_t i = 0; i < 4; i++) {
        to = str_put_number(str_put(to, parts[i]), counts[i]);
    }
    to = str_put(to, parts[4]);
    exchange_answer(exchange, 200, answer_media_type(format),
                    (Str){exchange->text, (size_t)(to - exchange->text)});
}

/* The sink has ended. */
static void finish(Exchange *exchange)
{
    const PublishResult *result = &exchange->publication.result;
    const ErrorCode code = exchange->publication.code;
    admission_leave(&exchange->server->admission, exchange->charged);
    if (code == ERROR_NONE) {
        log_line(LOG_DEBUG, "webhook: %zu accepted, %zu duplicates, %zu quarantined (request %.*s)",
                 result->accepted, result->duplicates, result->quarantined,
                 STR_ARG(exchange->request.request_id));
        warn(exchange, result);
        count(exchange, result);
        answer_result(exchange, result);
        return;
    }
    Error error;
    error_set(&error, code, "the statuses could not be stored; please send them again");
    refuse(exchange, &error);
}

static void on_published(Publication *publication)
{
    Exchange *exchange = OWNER_OF(publication, Exchange, publication);
    finish(exchange);
    exchange->server->answered(exchange);
}

/* What the exchange will hold until the sink has ended: its arena, what grows in there, and the
 * commands, of which a big body has those of one step at a time. */
static size_t cost(const Exchange *exchange)
{
    const Payload *payload = &exchange->payload;
    size_t elements = payload->status_count + payload->quarantined_count + payload->event_count;
    size_t commands = entries_size(payload);
    if (elements > LIMIT_STEP) {
        commands = commands / elements * LIMIT_STEP;
    }
    return arena_size(exchange->arena) + commands + elements * DEDUPE_BYTES_OF_ELEMENT;
}

static Served publish(Exchange *exchange)
{
    const Request *request = &exchange->request;
    Server *server = exchange->server;
    const char *end = str_put_number(exchange->received_at, (size_t)clock_unix_ms());
    exchange->publication = (Publication){
        .payload = &exchange->payload,
        .arena = exchange->arena,
        .delivery = {.received_at = {exchange->received_at, (size_t)(end - exchange->received_at)},
                     .request_id = request->request_id,
                     .content_type = exchange->publication.delivery.content_type},
        .done = on_published,
    };
    exchange->charged = cost(exchange);
    admission_enter(&server->admission, exchange->charged);
    if (server->sink->publish(server->sink, &exchange->publication) == SINK_LATER) {
        return LATER;
    }
    finish(exchange);
    return ANSWERED;
}

Served webhook_post(Exchange *exchange)
{
    const Request *request = &exchange->request;
    MediaType type = {0};
    Error error;
    if (!check_length(exchange, &error) || !verify(exchange, &error) ||
        !check_type(request, &type, &error) || !decode(exchange, type, &error) ||
        !make_room(exchange, &type, &error)) {
        refuse(exchange, &error);
        return ANSWERED;
    }
    stats_add(STAT_WEBHOOKS, 1);
    stats_add(STAT_BODY_BYTES, request->body.len);
    return publish(exchange);
}
