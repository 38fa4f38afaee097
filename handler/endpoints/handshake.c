/*
 * GET: Meta, or the dashboard, verifies the callback URL.
 * Source: developers.facebook.com/docs/graph-api/webhooks/getting-started, "Verification requests".
 */
#include "endpoints/handshake.h"

#include "base/log.h"
#include "base/media_type.h"
#include "base/percent.h"
#include "endpoints/endpoint.h"
#include "http/status.h"

/* Resolves '+' and percent escapes once; false on a bad escape or without memory. */
static bool decode(Str text, Arena *arena, Str *ret)
{
    char *out = arena_alloc(arena, text.len);
    *ret = (Str){out, 0};
    return out && percent_decode(text, PLUS_IS_SPACE, out, &ret->len);
}

/* Where a parameter of this name belongs; NULL = it is none of ours. */
static Str *find_parameter(Handshake *handshake, Str name)
{
    return str_eq(name, STR("hub.mode"))           ? &handshake->mode
           : str_eq(name, STR("hub.challenge"))    ? &handshake->challenge
           : str_eq(name, STR("hub.verify_token")) ? &handshake->token
                                                   : NULL;
}

static bool has_control(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

bool handshake_parse(Str query, Arena *arena, Handshake *ret, Error *reterr)
{
    Handshake handshake = {0};
    if (str_is_empty(query)) {
        return error_set(reterr, ERROR_INVALID,
                         "hub.mode, hub.verify_token and hub.challenge are missing");
    }
    if (query.len > LIMIT_QUERY) {
        return error_set(reterr, ERROR_INVALID, "the query is too long");
    }
    while (query.ptr) {
        Str name, value = str_split(&query, '&');
        if (!decode(str_split(&value, '='), arena, &name) || !decode(value, arena, &value)) {
            return error_set(reterr, ERROR_INVALID,
                             "a parameter is not percent-encoded as it should be");
        }
        Str *parameter = find_parameter(&handshake, name);
        if (parameter && parameter->ptr) {
            return error_set(reterr, ERROR_INVALID, "a parameter is repeated");
        }
        if (parameter) {
            *parameter = value;
        }
    }
    *ret = handshake;
    return true;
}

static bool is_known_token(const Secrets *tokens, Str token)
{
    bool known = false;
    for (size_t i = 0; i < tokens->count; i++) {
        known |= secret_eq(token, tokens->texts[i]);
    }
    return known;
}

bool handshake_check(const Handshake *handshake, const Secrets *tokens, Error *reterr)
{
    if (!str_eq(handshake->mode, STR("subscribe")) || !is_known_token(tokens, handshake->token)) {
        return error_set(reterr, ERROR_FORBIDDEN,
                         "hub.mode is not \"subscribe\" or hub.verify_token is not the right one");
    }
    if (str_is_empty(handshake->challenge) || handshake->challenge.len > LIMIT_CHALLENGE ||
        has_control(handshake->challenge)) {
        return error_set(reterr, ERROR_INVALID,
                         "hub.challenge is missing, too long or has control characters");
    }
    return true;
}

Served handshake_get(Exchange *exchange)
{
    static LogSite site;
    Handshake handshake = {0};
    Error error;
    if (!handshake_parse(exchange->request.query, exchange->arena, &handshake, &error) ||
        !handshake_check(&handshake, &exchange->server->config->verify_tokens, &error)) {
        log_rarely(&site, LOG_INFO, "handshake: answered %d: %s", http_status(error.code),
                   error.text);
        exchange_answer_problem(exchange, &error, (Str){NULL, 0});
        return ANSWERED;
    }
    exchange_answer(exchange, 200, STR(MEDIA_PLAIN), handshake.challenge);
    exchange->response.headers = STR("X-Content-Type-Options: nosniff\r\n");
    return ANSWERED;
}
