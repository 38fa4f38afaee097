/*
 * FastCGI connections. The first byte says in what pieces the others come; the same must come of
 * them as when they come at once, and what is sent back is well-formed records.
 */
#include "base/limits.h"
#include "fuzz.h"
#include "http/fcgi.h"

enum { MAX_BODY = 1000 };

/* What has come of a connection: events, requests and replies, as a sum over all of it. */
typedef struct {
    Fcgi fcgi;
    Request request;
    Arena *arena;
    Buffer sent;
    bool is_broken;
    size_t requests;
    uint64_t sum;
} Connection;

static void add(Connection *connection, Str text)
{
    connection->sum = (connection->sum ^ text.len) * 1099511628211U;
    for (size_t i = 0; i < text.len; i++) {
        connection->sum = (connection->sum ^ (unsigned char)text.ptr[i]) * 1099511628211U;
    }
}

static void next_request(Connection *connection)
{
    arena_reset(connection->arena);
    fcgi_use(&connection->fcgi, connection->arena, &connection->request);
}

static void check_request(Connection *connection)
{
    const Request *request = &connection->request;
    const Str texts[] = {request->method,       request->path,   request->query,
                         request->content_type, request->accept, request->content_encoding,
                         request->signature,    request->body};
    CHECK(request->request_id.len > 0 && request->request_id.len <= LIMIT_REQUEST_ID);
    CHECK(request->has_length || request->length == 0);
    CHECK(request->body.len <= MAX_BODY && request->body.len <= request->length);
    if (!request->too_large && !request->no_memory && !request->incomplete) {
        CHECK(request->body.ptr && request->body.len == request->length);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        add(connection, texts[i]);
    }
    connection->requests++;
}

static void answer(Connection *connection)
{
    const Response response = {.status = 200, .body = connection->request.body};
    Buffer out = {0};
    CHECK(fcgi_answer(&connection->fcgi, &response, &out));
    CHECK(fcgi_read_head(out.ptr + out.len - FCGI_END_BYTES).id == connection->fcgi.id);
    buffer_free(&out);
}

static void act(Connection *connection, FcgiEvent event)
{
    switch (event) {
    case FCGI_MORE:
        break;
    case FCGI_HEAD:
        CHECK(connection->request.too_large == (connection->request.length > MAX_BODY));
        fcgi_take_body(&connection->fcgi);
        break;
    case FCGI_REQUEST:
        check_request(connection);
        answer(connection);
        next_request(connection);
        break;
    case FCGI_ABORTED:
        add(connection, STR("aborted"));
        next_request(connection);
        break;
    case FCGI_BROKEN:
        connection->is_broken = true;
        break;
    }
}

/* Some of the body the short way, as from a socket. */
static void fill_body(Connection *connection, Str *part)
{
    size_t len;
    char *space = fcgi_body_space(&connection->fcgi, &len);
    if (space) {
        len = len < part->len ? len : part->len;
        memcpy(space, part->ptr, len);
        fcgi_body_filled(&connection->fcgi, len);
        *part = str_from_offset(*part, len);
    }
}

static Connection run(Str bytes, size_t piece, bool direct)
{
    Connection connection = {.fcgi = {.max_body = MAX_BODY}, .arena = fuzz_arena()};
    fcgi_use(&connection.fcgi, connection.arena, &connection.request);
    while (bytes.len && !connection.is_broken) {
        Str part = {bytes.ptr, piece < bytes.len ? piece : bytes.len};
        bytes = str_from_offset(bytes, part.len);
        if (direct) {
            fill_body(&connection, &part);
        }
        while (part.len && !connection.is_broken) {
            size_t before = part.len;
            FcgiEvent event = fcgi_feed(&connection.fcgi, &part, &connection.sent);
            CHECK(part.len < before && (event != FCGI_MORE || part.len == 0));
            act(&connection, event);
        }
    }
    return connection;
}

static void check_sent(const Buffer *sent)
{
    size_t at = 0;
    while (at < sent->len) {
        CHECK(sent->len - at >= FCGI_HEAD_BYTES);
        FcgiHead head = fcgi_read_head(sent->ptr + at);
        CHECK(head.version == 1 && (head.id == 0 || head.type == 3) && head.length <= 100);
        at += FCGI_HEAD_BYTES + head.length + head.padding;
    }
    CHECK(at == sent->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const Str bytes = fuzz_text(data + 1, size - 1);
    Connection whole = run(bytes, size, false);
    check_sent(&whole.sent);
    CHECK(whole.sent.len <= 2 * size + 80);
    Connection pieces = run(bytes, 1 + data[0] / 2, data[0] % 2);
    CHECK(pieces.is_broken == whole.is_broken && pieces.requests == whole.requests);
    CHECK(pieces.sent.len == whole.sent.len);
    CHECK(pieces.sum == whole.sum);
    buffer_free(&whole.sent);
    buffer_free(&pieces.sent);
    return 0;
}
