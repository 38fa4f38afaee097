/*
 * States of a connection, and who moves it. A record is read in three parts, its head, its content
 * and its padding; all but the content of the body is acted on when the record has come whole.
 *
 *     IDLE      -- BEGIN_REQUEST --> IN_PARAMS   id and keep are the request's
 *     IN_PARAMS -- PARAMS, empty --> AT_HEAD     all its members but the body are set
 *     AT_HEAD   -- fcgi_take_body() --> IN_BODY  there is room for the body, or it is dropped
 *     IN_BODY   -- STDIN, empty --> COMPLETE     the request is whole
 *     COMPLETE  -- fcgi_answer() --> IDLE
 *     IN_PARAMS, IN_BODY -- ABORT_REQUEST --> IDLE
 *     any of them -- what is not named here --> FAILED, for good
 *
 * Management records (request id 0) are answered in IDLE, IN_PARAMS and IN_BODY, and move nothing.
 */
#include "http/fcgi.h"

#include "base/limits.h"
#include "http/cgi.h"
#include "http/parameters.h"

#include <assert.h>
#include <fastcgi.h>

_Static_assert(sizeof(FCGI_BeginRequestBody) == sizeof(((Fcgi *)0)->begin),
               "the content of a record that begins a request");

void fcgi_use(Fcgi *fcgi, Arena *arena, Request *request)
{
    assert(fcgi_is_idle(fcgi));
    fcgi->arena = arena;
    fcgi->request = request;
    fcgi->params = fcgi->values = fcgi->body = NULL;
    fcgi->params_len = fcgi->params_room = 0;
    fcgi->body_room = fcgi->came = 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Replies that are not answers */

static FcgiEvent reply(Buffer *replies, const void *bytes, size_t len, FcgiEvent event)
{
    if (!buffer_reserve(replies, len)) {
        return FCGI_BROKEN;
    }
    memcpy(replies->ptr + replies->len, bytes, len);
    replies->len += len;
    return event;
}

/* Section 4.1: each known name at most once, however often it was asked for. */
static FcgiEvent answer_values(const Fcgi *fcgi, Buffer *replies)
{
    /* A connection has one request at a time; there is no fixed number of either. */
    static const struct {
        Str name, value;
    } known[] = {
        {STR_INIT(FCGI_MAX_CONNS), STR_INIT("4096")},
        {STR_INIT(FCGI_MAX_REQS), STR_INIT("4096")},
        {STR_INIT(FCGI_MPXS_CONNS), STR_INIT("0")},
    };
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };
    bool asked[KNOWN] = {false};
    char result[FCGI_HEAD_BYTES + KNOWN * 32], *to = result + FCGI_HEAD_BYTES;
    for (Str name, value, rest = {fcgi->values, fcgi->values_len}; rest.len;) {
        if (!fcgi_take_pair(&rest, &name, &value)) {
            return FCGI_BROKEN;
        }
        for (size_t i = 0; i < KNOWN; i++) {
            asked[i] |= str_eq(name, known[i].name);
        }
    }
    for (size_t i = 0; i < KNOWN; i++) {
        to = asked[i] ? fcgi_put_pair(to, known[i].name, known[i].value) : to;
    }
    size_t len = (size_t)(to - result);
    fcgi_put_head(result, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID, len - FCGI_HEAD_BYTES);
    return reply(replies, result, len, FCGI_MORE);
}

/* Section 4.2. */
static FcgiEvent answer_unknown(const Fcgi *fcgi, Buffer *replies)
{
    FCGI_UnknownTypeRecord record = {.body = {.type = (unsigned char)fcgi->record.type}};
    fcgi_put_head((char *)&record, FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID, sizeof(record.body));
    return reply(replies, &record, sizeof(record), FCGI_MORE);
}

/* Section 5.4. */
static FcgiEvent abort_request(Fcgi *fcgi, Buffer *replies)
{
    char end[FCGI_END_BYTES];
    fcgi_put_end(end, fcgi->id);
    fcgi->state = FCGI_IDLE;
    return reply(replies, end, sizeof(end), FCGI_ABORTED);
}

/* Beginnings of records: may one come now, and is there room for its content? */

static bool begin_values(Fcgi *fcgi)
{
    fcgi->values_len = 0;
    if (fcgi->record.length > LIMIT_FCGI_VALUES) {
        return false;
    }
    if (!fcgi->values) { /* once: it serves all such records of a request */
        fcgi->values = arena_alloc(fcgi->arena, LIMIT_FCGI_VALUES);
    }
    return fcgi->values != NULL;
}

static bool begin_params(Fcgi *fcgi)
{
    size_t len = fcgi->params_len + fcgi->record.length;
    if (len > LIMIT_FCGI_PARAMS) {
        return false;
    }
    if (len > fcgi->params_room) {
        size_t room = len > 2 * fcgi->params_room ? len : 2 * fcgi->params_room;
        char *grown = arena_grow(fcgi->arena, fcgi->params, fcgi->params_len, room);
        if (!grown) {
            return false;
        }
        fcgi->params = grown;
        fcgi->params_room = room;
    }
    return true;
}

static bool begin_record(Fcgi *fcgi)
{
    const FcgiHead *record = &fcgi->record;
    if (record->version != FCGI_VERSION_1) {
        return false;
    }
    if (record->id == FCGI_NULL_REQUEST_ID) {
        return record->type == FCGI_GET_VALUES ? begin_values(fcgi)
                                               : record->type == 0 || record->type > FCGI_MAXTYPE;
    }
    if (record->type == FCGI_BEGIN_REQUEST) {
        return fcgi->state == FCGI_IDLE && record->length == sizeof(fcgi->begin);
    }
    if (fcgi->state == FCGI_IDLE || record->id != fcgi->id) {
        return false;
    }
    switch (record->type) {
    case FCGI_PARAMS:
        return fcgi->state == FCGI_IN_PARAMS && begin_params(fcgi);
    case FCGI_STDIN:
        return fcgi->state == FCGI_IN_BODY;
    case FCGI_ABORT_REQUEST:
        return record->length == 0;
    default:
        return false;
    }
}

/* Ends of records */

static FcgiEvent begin_request(Fcgi *fcgi)
{
    FCGI_BeginRequestBody body;
    memcpy(&body, fcgi->begin, sizeof(body));
    if (body.roleB1 != 0 || body.roleB0 != FCGI_RESPONDER) {
        return FCGI_BROKEN;
    }
    *fcgi->request = (Request){0};
    fcgi->id = fcgi->record.id;
    fcgi->keep = body.flags & FCGI_KEEP_CONN;
    fcgi->state = FCGI_IN_PARAMS;
    return FCGI_MORE;
}

static FcgiEvent finish_params(Fcgi *fcgi)
{
    Request *request = fcgi->request;
    for (Str name, value, rest = {fcgi->params, fcgi->params_len}; rest.len;) {
        if (!fcgi_take_pair(&rest, &name, &value)) {
            return FCGI_BROKEN;
        }
        parameters_set(request, name, value);
    }
    if (!parameters_finish(request, fcgi->arena)) {
        return FCGI_BROKEN;
    }
    request->too_large = request->length > fcgi->max_body;
    fcgi->state = FCGI_AT_HEAD;
    return FCGI_HEAD;
}

static FcgiEvent finish_body(Fcgi *fcgi)
{
    Request *request = fcgi->request;
    request->body = (Str){fcgi->body, least(fcgi->came, fcgi->body_room)};
    request->incomplete = fcgi->body && fcgi->came != request->length;
    request->too_large |= fcgi->came > fcgi->max_body;
    fcgi->state = FCGI_COMPLETE;
    return FCGI_REQUEST;
}

static FcgiEvent end_record(Fcgi *fcgi, Buffer *replies)
{
    const FcgiHead *record = &fcgi->record;
    fcgi->head_len = 0;
    if (record->id == FCGI_NULL_REQUEST_ID) {
        return record->type == FCGI_GET_VALUES ? answer_values(fcgi, replies)
                                               : answer_unknown(fcgi, replies);
    }
    switch (record->type) {
    case FCGI_BEGIN_REQUEST:
        return begin_request(fcgi);
    case FCGI_ABORT_REQUEST:
        return abort_request(fcgi, replies);
    case FCGI_PARAMS:
        return record->length ? FCGI_MORE : finish_params(fcgi);
    default: /* FCGI_STDIN: begin_record() lets no other pass */
        return record->length ? FCGI_MORE : finish_body(fcgi);
    }
}

/* Reading */

static Str take(Str *bytes, size_t len)
{
    Str taken = {bytes->ptr, least(len, bytes->len)};
    *bytes = str_from_offset(*bytes, taken.len);
    return taken;
}

/* The head of a record: false when it may not come now. */
static bool take_head(Fcgi *fcgi, Str *bytes)
{
    Str part = take(bytes, FCGI_HEAD_BYTES - fcgi->head_len);
    memcpy(fcgi->head + fcgi->head_len, part.ptr, part.len);
    fcgi->head_len += part.len;
    if (fcgi->head_len < FCGI_HEAD_BYTES) {
        return true;
    }
    fcgi->record = fcgi_read_head(fcgi->head);
    fcgi->content = fcgi->record.length;
    fcgi->padding = fcgi->record.padding;
    return begin_record(fcgi);
}

static void take_body(Fcgi *fcgi, Str part)
{
    size_t kept = least(part.len, fcgi->body_room - least(fcgi->came, fcgi->body_room));
    if (kept) {
        memcpy(fcgi->body + fcgi->came, part.ptr, kept);
    }
    fcgi->came += part.len;
}

/* What has come of the content goes to where it is collected: there is room for all of it. */
static void take_content(Fcgi *fcgi, Str *bytes)
{
    size_t at = fcgi->record.length - fcgi->content;
    Str part = take(bytes, fcgi->content);
    fcgi->content -= part.len;
    switch (fcgi->record.type) {
    case FCGI_BEGIN_REQUEST:
        memcpy(fcgi->begin + at, part.ptr, part.len);
        break;
    case FCGI_PARAMS:
        memcpy(fcgi->params + fcgi->params_len, part.ptr, part.len);
        fcgi->params_len += part.len;
        break;
    case FCGI_STDIN:
        take_body(fcgi, part);
        break;
    case FCGI_GET_VALUES:
        memcpy(fcgi->values + at, part.ptr, part.len);
        fcgi->values_len += part.len;
        break;
    default:
        break;
    }
}

FcgiEvent fcgi_feed(Fcgi *fcgi, Str *bytes, Buffer *replies)
{
    FcgiEvent event = fcgi->state == FCGI_FAILED ? FCGI_BROKEN : FCGI_MORE;
    assert(fcgi->state != FCGI_AT_HEAD && fcgi->state != FCGI_COMPLETE);
    while (event == FCGI_MORE && bytes->len) {
        if (fcgi->head_len < FCGI_HEAD_BYTES) {
            event = take_head(fcgi, bytes) ? FCGI_MORE : FCGI_BROKEN;
        } else if (fcgi->content) {
            take_content(fcgi, bytes);
        } else {
            fcgi->padding -= take(bytes, fcgi->padding).len;
        }
        if (event == FCGI_MORE && fcgi->head_len == FCGI_HEAD_BYTES && !fcgi->content &&
            !fcgi->padding) {
            event = end_record(fcgi, replies);
        }
    }
    if (event == FCGI_BROKEN) {
        fcgi->state = FCGI_FAILED;
    }
    return event;
}

void fcgi_take_body(Fcgi *fcgi)
{
    Request *request = fcgi->request;
    assert(fcgi->state == FCGI_AT_HEAD);
    if (!request->too_large && !request->no_memory) {
        fcgi->body = arena_alloc(fcgi->arena, request->length);
        fcgi->body_room = fcgi->body ? request->length : 0;
        request->no_memory = !fcgi->body;
    }
    fcgi->state = FCGI_IN_BODY;
}

char *fcgi_body_space(const Fcgi *fcgi, size_t *ret_len)
{
    if (fcgi->state != FCGI_IN_BODY || fcgi->head_len < FCGI_HEAD_BYTES ||
        fcgi->record.type != FCGI_STDIN || fcgi->came >= fcgi->body_room || !fcgi->content) {
        return NULL;
    }
    *ret_len = least(fcgi->content, fcgi->body_room - fcgi->came);
    return fcgi->body + fcgi->came;
}

void fcgi_body_filled(Fcgi *fcgi, size_t len)
{
    assert(len <= fcgi->content && len <= fcgi->body_room - fcgi->came);
    fcgi->came += len;
    fcgi->content -= len;
    if (!fcgi->content && !fcgi->padding) {
        fcgi->head_len = 0;
    }
}

/* Answers */

/* The first record takes the head and as much of the body as there is room for, others the rest;
 * an empty one ends the output. */
static char *put_output(char *to, unsigned id, const Response *response, Str request_id)
{
    char *end = cgi_put_head(to + FCGI_HEAD_BYTES, response, request_id);
    size_t len = (size_t)(end - to) - FCGI_HEAD_BYTES;
    Str rest = response->body, part = take(&rest, FCGI_CONTENT_BYTES - len);
    fcgi_put_head(to, FCGI_STDOUT, id, len + part.len);
    to = str_put(end, part);
    while (rest.len) {
        part = take(&rest, FCGI_CONTENT_BYTES);
        to = str_put(fcgi_put_head(to, FCGI_STDOUT, id, part.len), part);
    }
    return fcgi_put_head(to, FCGI_STDOUT, id, 0);
}

bool fcgi_answer(Fcgi *fcgi, const Response *response, Buffer *out)
{
    const Str request_id = fcgi->request->request_id;
    size_t head = cgi_head_size(response, request_id);
    size_t records = 3 + response->body.len / FCGI_CONTENT_BYTES;
    assert(fcgi->state == FCGI_COMPLETE && head < FCGI_CONTENT_BYTES);
    if (!buffer_reserve(out,
                        head + response->body.len + records * FCGI_HEAD_BYTES + FCGI_END_BYTES)) {
        fcgi->state = FCGI_FAILED;
        return false;
    }
    char *to = put_output(out->ptr + out->len, fcgi->id, response, request_id);
    out->len = (size_t)(fcgi_put_end(to, fcgi->id) - out->ptr);
    fcgi->state = FCGI_IDLE;
    return true;
}

bool fcgi_is_idle(const Fcgi *fcgi)
{
    return fcgi->state == FCGI_IDLE && fcgi->head_len == 0;
}
