#include "unit.h"

#include "base/limits.h"
#include "failing_malloc.h"
#include "http/fcgi.h"

#include <fastcgi.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Connections as lines of words, one word a record:
 *
 *     B1k         BEGIN_REQUEST of request 1, to be kept; B1 without that
 *     P1:N=V;M=W  PARAMS of request 1; P1 ends them
 *     I1:text     STDIN of request 1; I1 ends it
 *     A1          ABORT_REQUEST
 *     G0:N;M      GET_VALUES
 *     #11.2:text  a record of type 11 and request id 2
 *     =41ff       bytes in hex
 *
 * A word that ends in ~ has padding. What comes of it is written down as text: see trace().
 */

enum { MAX_BODY = 20 };

static Buffer bytes, got;

static void add(Buffer *to, Str part)
{
    assert_true(buffer_reserve(to, part.len));
    to->len = (size_t)(str_put(to->ptr + to->len, part) - to->ptr);
}

static void add_record(unsigned type, unsigned id, Str content, size_t padding)
{
    char head[FCGI_HEAD_BYTES];
    fcgi_put_head(head, type, id, content.len);
    head[6] = (char)padding;
    add(&bytes, (Str){head, sizeof(head)});
    add(&bytes, content);
    add(&bytes, (Str){"\xAA\xAA\xAA\xAA\xAA\xAA\xAA", padding});
}

/* "N=V;M=W" as pairs. */
static Str encode_pairs(Str text, char *to)
{
    char *end = to;
    while (text.len) {
        Str value = str_split(&text, ';'), name = str_split(&value, '=');
        end = fcgi_put_pair(end, name, value);
    }
    return (Str){to, (size_t)(end - to)};
}

static void add_word(Str word)
{
    static char pairs[1024];
    size_t padding = word.ptr[word.len - 1] == '~' ? 5 : 0;
    word.len -= padding ? 1 : 0;
    Str content = word, head = str_split(&content, ':');
    unsigned id = head.len > 1 ? (unsigned)(head.ptr[1] - '0') : 0;
    switch (head.ptr[0]) {
    case 'B':
        add_record(FCGI_BEGIN_REQUEST, id,
                   head.len > 2 ? STR("\0\1\1\0\0\0\0\0") : STR("\0\1\0\0\0\0\0\0"), padding);
        break;
    case 'P':
        add_record(FCGI_PARAMS, id, encode_pairs(content, pairs), padding);
        break;
    case 'I':
        add_record(FCGI_STDIN, id, content, padding);
        break;
    case 'A':
        add_record(FCGI_ABORT_REQUEST, id, content, padding);
        break;
    case 'G':
        add_record(FCGI_GET_VALUES, id, encode_pairs(content, pairs), padding);
        break;
    case '#':
        add_record((unsigned)atoi(head.ptr + 1), (unsigned)atoi(strchr(head.ptr, '.') + 1), content,
                   padding);
        break;
    default:
        for (size_t i = 1; i + 1 < word.len; i += 2) {
            const char byte =
                (char)(ascii_hex_digit(word.ptr[i]) << 4 | ascii_hex_digit(word.ptr[i + 1]));
            add(&bytes, (Str){&byte, 1});
        }
    }
}

/* The bytes of a line, borrowed until the next one. */
static Str encode(const char *line)
{
    Str rest = str_from(line);
    buffer_clear(&bytes);
    while (rest.len) {
        add_word(str_split(&rest, ' '));
    }
    return (Str){bytes.ptr, bytes.len};
}

/* What a connection says, event by event; the rest of it in state as well. */
typedef struct {
    Fcgi fcgi;
    Request request;
    Arena *arena;
    bool no_memory; /* to be said at the head */
    bool is_broken;
} Connection;

static void open_connection(Connection *connection)
{
    *connection = (Connection){.fcgi = {.max_body = MAX_BODY}, .arena = arena_new()};
    assert_non_null(connection->arena);
    fcgi_use(&connection->fcgi, connection->arena, &connection->request);
}

__attribute__((format(printf, 1, 2))) static void add_format(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_in_range(len, 0, sizeof(text) - 1);
    add(&got, (Str){text, (size_t)len});
}

static void next_request(Connection *connection)
{
    arena_reset(connection->arena);
    fcgi_use(&connection->fcgi, connection->arena, &connection->request);
}

static void trace_request(Connection *connection)
{
    const Request *request = &connection->request;
    Buffer out = {0};
    add_format("%.*s %.*s [%.*s]%s%s%s%s%s\n", STR_ARG(request->method), STR_ARG(request->path),
               (int)request->body.len, request->body.ptr ? request->body.ptr : "",
               request->has_length ? "" : " no length", request->too_large ? " too large" : "",
               request->incomplete ? " incomplete" : "", request->no_memory ? " no memory" : "",
               connection->fcgi.keep ? " keep" : "");
    assert_true(fcgi_answer(&connection->fcgi, &(Response){.status = 200, .body = STR("x")}, &out));
    buffer_free(&out);
    next_request(connection);
}

/* Replies as type and content, bytes below space as '.'. */
static void trace_replies(const Buffer *replies)
{
    for (const char *at = replies->ptr, *end = at + replies->len; at && at < end;) {
        FcgiHead head = fcgi_read_head(at);
        assert_int_equal(head.version, 1);
        at += FCGI_HEAD_BYTES;
        add_format("reply %u.%u ", head.type, head.id);
        for (size_t i = 0; i < head.length; i++) {
            add(&got, (Str){at[i] < ' ' ? "." : at + i, 1});
        }
        add(&got, STR("\n"));
        at += head.length + head.padding;
        assert_true(at <= end);
    }
}

static void feed(Connection *connection, Str part)
{
    Buffer replies = {0};
    char *exact = malloc(part.len ? part.len : 1); /* so that a read beyond it is seen */
    assert_non_null(exact);
    memcpy(exact, part.ptr, part.len);
    for (Str rest = {exact, part.len}; rest.len && !connection->is_broken;) {
        FcgiEvent event = fcgi_feed(&connection->fcgi, &rest, &replies);
        trace_replies(&replies);
        assert_true(replies.len <= 2 * part.len + 80);
        buffer_clear(&replies);
        switch (event) {
        case FCGI_MORE:
            assert_int_equal(rest.len, 0);
            break;
        case FCGI_HEAD:
            connection->request.no_memory = connection->no_memory;
            fcgi_take_body(&connection->fcgi);
            break;
        case FCGI_REQUEST:
            trace_request(connection);
            break;
        case FCGI_ABORTED:
            add(&got, STR("aborted\n"));
            next_request(connection);
            break;
        case FCGI_BROKEN:
            add(&got, STR("broken\n"));
            connection->is_broken = true;
            break;
        }
    }
    free(exact);
    buffer_free(&replies);
}

static void close_connection(Connection *connection)
{
    if (!connection->is_broken) {
        add(&got, fcgi_is_idle(&connection->fcgi) ? STR("idle") : STR("more"));
    } else {
        Str more = STR("\1");
        assert_int_equal(fcgi_feed(&connection->fcgi, &more, NULL), FCGI_BROKEN);
    }
    arena_free(connection->arena);
    add(&got, (Str){"", 1});
}

/* What comes of bytes that come in pieces of this size, the first one of another. */
static const char *trace(Str all, size_t first, size_t size, bool no_memory)
{
    Connection connection;
    open_connection(&connection);
    connection.no_memory = no_memory;
    buffer_clear(&got);
    for (size_t at = 0, len = first; at < all.len; at += len, len = size) {
        len = len < all.len - at ? len : all.len - at;
        feed(&connection, (Str){all.ptr + at, len});
    }
    close_connection(&connection);
    return got.ptr;
}

#define POST(n) "B1k P1:REQUEST_METHOD=POST;DOCUMENT_URI=/p;CONTENT_LENGTH=" #n " P1 "
#define GET "B1k P1:REQUEST_METHOD=GET;DOCUMENT_URI=/g P1 I1 "

static const struct {
    const char *label, *line, *want;
} cases[] = {
    {"nothing", "", "idle"},
    {"a request", POST(4) "I1:body I1", "POST /p [body] keep\nidle"},
    {"not to be kept", "B1 P1:CONTENT_LENGTH=0 P1 I1", "  []\nidle"},
    {"another id", "B7k P7 I7", "  [] no length keep\nidle"},
    {"no parameters", "B1 P1 I1", "  [] no length\nidle"},
    {"padding everywhere", "B1k~ P1:REQUEST_METHOD=GET~ P1~ I1:ab~ I1:~ ",
     "GET  [] no length incomplete keep\nidle"},
    {"streams in pieces", "B1 P1:DOCUMENT_URI=/ P1:CONTENT_LENGTH=4 P1 I1:b I1:od I1:y I1",
     " / [body]\nidle"},
    {"two requests", GET GET, "GET /g [] no length keep\nGET /g [] no length keep\nidle"},
    {"half a head", POST(4) "=010500", "more"},
    {"half a request", POST(4) "I1:bo", "more"},

    /* lengths */
    {"fewer bytes", POST(4) "I1:bod I1", "POST /p [bod] incomplete keep\nidle"},
    {"more bytes", POST(4) "I1:bodybody I1", "POST /p [body] incomplete keep\nidle"},
    {"none of one", POST(1) "I1", "POST /p [] incomplete keep\nidle"},
    {"one of none", POST(0) "I1:b I1", "POST /p [] incomplete keep\nidle"},
    {"the most", POST(20) "I1:01234567890123456789 I1",
     "POST /p [01234567890123456789] keep\nidle"},
    {"one more than that", POST(21) "I1:012345678901234567890 I1",
     "POST /p [] too large keep\nidle"},
    {"announced alone", POST(99999999999) "I1 " GET,
     "POST /p [] too large keep\nGET /g [] no length keep\nidle"},
    {"more than the most", POST(4) "I1:012345678901234567890 I1",
     "POST /p [0123] too large incomplete keep\nidle"},
    {"no length", "B1 P1 I1:body I1", "  [] no length incomplete\nidle"},

    /* withdrawn */
    {"aborted in its parameters", "B1k P1:A=B A1 " GET,
     "reply 3.1 ........\naborted\nGET /g [] no length keep\nidle"},
    {"aborted in its body", POST(4) "I1:bo A1~ " GET,
     "reply 3.1 ........\naborted\nGET /g [] no length keep\nidle"},
    {"aborted, nothing there", "A1", "broken\n"},
    {"aborted, another", "B1 A2", "broken\n"},
    {"aborted with content", "B1 A1:x", "broken\n"},
    {"aborted twice", "B1k A1 A1", "reply 3.1 ........\naborted\nbroken\n"},

    /* management records */
    {"values", "G0:FCGI_MAX_CONNS;FCGI_MAX_REQS;FCGI_MPXS_CONNS",
     "reply 10.0 ..FCGI_MAX_CONNS4096..FCGI_MAX_REQS4096..FCGI_MPXS_CONNS0\nidle"},
    {"values, once each", "G0:FCGI_MAX_REQS;FCGI_MAX_REQS=x;FCGI_MAX_REQS~",
     "reply 10.0 ..FCGI_MAX_REQS4096\nidle"},
    {"values, none known", "G0:FCGI_MAX_CONN;fcgi_max_conns;;x=y", "reply 10.0 \nidle"},
    {"values, none", "G0", "reply 10.0 \nidle"},
    {"values, twice", "G0:FCGI_MAX_REQS G0:FCGI_MPXS_CONNS",
     "reply 10.0 ..FCGI_MAX_REQS4096\nreply 10.0 ..FCGI_MPXS_CONNS0\nidle"},
    {"values between records",
     "B1k P1:REQUEST_METHOD=GET G0:FCGI_MAX_REQS P1:CONTENT_LENGTH=4 P1 I1:bo "
     "G0:FCGI_MPXS_CONNS I1:dy #77.0 I1 G0",
     "reply 10.0 ..FCGI_MAX_REQS4096\nreply 10.0 ..FCGI_MPXS_CONNS0\nreply 11.0 M.......\n"
     "GET  [body] keep\nreply 10.0 \nidle"},
    {"values, half a pair", "#9.0:\x0e", "broken\n"},
    {"values, a pair beyond the end", "=0109000000080000 =ffffffffffffffff", "broken\n"},
    {"values of a request", "B1 G1", "broken\n"},
    {"unknown types", "#12.0 #200.0:content~ #0.0",
     "reply 11.0 ........\nreply 11.0 ........\nreply 11.0 ........\nidle"},

    /* what may not come */
    {"HTTP", "=474554202f20485454502f312e310d0a", "broken\n"},
    {"another version", "=0201000100080000", "broken\n"},
    {"version 0", "=0001000100080000", "broken\n"},
    {"a second begin", "B1 B1", "broken\n"},
    {"a begin of another", "B1 B2", "broken\n"},
    {"a begin in the body", "B1 P1 B1", "broken\n"},
    {"a begin of no request", "B0", "broken\n"},
    {"a begin that is short", "#1.1:\x01", "broken\n"},
    {"a begin that is long", "#1.1:123456789", "broken\n"},
    {"role authorizer", "=0101000100080000 =0002000000000000", "broken\n"},
    {"role filter", "=0101000100080000 =0003000000000000", "broken\n"},
    {"role 257", "=0101000100080000 =0101000000000000", "broken\n"},
    {"parameters of nothing", "P1", "broken\n"},
    {"parameters of another", "B1 P2:A=B", "broken\n"},
    {"parameters of no request", "B1 P0", "broken\n"},
    {"parameters after their end", "B1 P1 P1", "broken\n"},
    {"a body before the parameters' end", "B1 P1:A=B I1:x", "broken\n"},
    {"a body of nothing", "I1:x", "broken\n"},
    {"a body after its end", POST(1) "I1:x I1 I1:y", "POST /p [x] keep\nbroken\n"},
    {"a body of another", POST(1) "I2:x", "broken\n"},
    {"half a pair", "B1 #4.1:\x01 P1", "broken\n"},
    {"a pair beyond the end", "B1 #4.1:\x05\x05xxxxx P1", "broken\n"},
    {"lengths of 2^31", "B1 =0104000100080000 =ffffffffffffffff P1", "broken\n"},
    {"lengths of 2^30", "B1 =0104000100080000 =c0000000c0000000 P1", "broken\n"},
    {"an answer", "B1 #3.1", "broken\n"},
    {"output", "B1 #6.1:x", "broken\n"},
    {"error output", "B1 #7.1:x", "broken\n"},
    {"data of a filter", "B1 P1 #8.1:x", "broken\n"},
    {"a result of values", "#10.0", "broken\n"},
    {"an unknown type's answer", "#11.0:xxxxxxxx", "broken\n"},
    {"an unknown type of a request", "B1 #12.1", "broken\n"},
};

/* Every connection, cut in two at every byte, and in pieces of some sizes: the same comes of it. */
static void test_cases(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Str all = encode(cases[i].line);
        for (size_t cut = 0; cut <= all.len; cut++) {
            /* cut 0: byte by byte */
            const char *is = trace(all, cut ? cut : 1, cut ? all.len : 1, false);
            if (strcmp(is, cases[i].want) != 0) {
                print_error("%s, cut at %zu:\n%s\nwanted:\n%s\n", cases[i].label, cut, is,
                            cases[i].want);
                wrong++;
                break;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

/* A body that the caller has no room for is read past. */
static void test_no_room(void **state)
{
    (void)state;
    const Str all = encode(POST(4) "I1:body I1 " POST(4) "I1:bo I1");
    assert_string_equal(trace(all, all.len, all.len, true),
                        "POST /p [] no memory keep\nPOST /p [] no memory keep\nidle");
}

/* Beyond the limits, in one record or in many. */
static void test_limits(void **state)
{
    (void)state;
    static char text[FCGI_CONTENT_BYTES + 1];
    memset(text, 'x', sizeof(text) - 1);
    encode("B1");
    Str value = {text, FCGI_CONTENT_BYTES - 7}; /* one pair a record */
    for (size_t i = 0; i < LIMIT_FCGI_PARAMS / FCGI_CONTENT_BYTES; i++) {
        char *pair = malloc(FCGI_CONTENT_BYTES + 1);
        assert_non_null(pair);
        char *end = fcgi_put_pair(pair, STR("N"), value);
        add_record(FCGI_PARAMS, 1, (Str){pair, (size_t)(end - pair)}, 0);
        free(pair);
    }
    assert_string_equal(trace((Str){bytes.ptr, bytes.len}, bytes.len, 1, false), "more");
    size_t left = LIMIT_FCGI_PARAMS % FCGI_CONTENT_BYTES + LIMIT_FCGI_PARAMS / FCGI_CONTENT_BYTES;
    add_record(FCGI_PARAMS, 1, (Str){text, left}, 0);
    assert_string_equal(trace((Str){bytes.ptr, bytes.len}, bytes.len, 1, false), "more");
    add_record(FCGI_PARAMS, 1, STR("x"), 0);
    assert_string_equal(trace((Str){bytes.ptr, bytes.len}, bytes.len, 1, false), "broken\n");

    encode("");
    add_record(FCGI_GET_VALUES, 0, (Str){text, LIMIT_FCGI_VALUES}, 0);
    bytes.len -= 1;
    assert_string_equal(trace((Str){bytes.ptr, bytes.len}, bytes.len, 1, false), "more");
    encode("");
    add_record(FCGI_GET_VALUES, 0, (Str){text, LIMIT_FCGI_VALUES + 1}, 0);
    assert_string_equal(trace((Str){bytes.ptr, bytes.len}, bytes.len, 1, false), "broken\n");
}

/* A body read straight to its place, in parts of every size, is the same as one that is fed. */
static void test_body_space(void **state)
{
    (void)state;
    static const char body[] = "01234567890123456789";
    const Str head = encode(POST(20));
    for (size_t part = 1; part <= 12; part++) {
        Connection connection;
        Buffer replies = {0};
        size_t len = 0, direct = 0;
        open_connection(&connection);
        buffer_clear(&got);
        assert_null(fcgi_body_space(&connection.fcgi, &len));
        feed(&connection, (Str){bytes.ptr, head.len});
        for (size_t at = 0; at < 20; at += 10) { /* two records, padded */
            char record[FCGI_HEAD_BYTES];
            fcgi_put_head(record, FCGI_STDIN, 1, 10);
            record[6] = (char)(part % 3);
            assert_null(fcgi_body_space(&connection.fcgi, &len));
            feed(&connection, (Str){record, sizeof(record)});
            for (size_t done = 0; done < 10; done += part) {
                char *space = fcgi_body_space(&connection.fcgi, &len);
                assert_non_null(space);
                assert_int_equal(len, 10 - done);
                len = len < part ? len : part;
                memcpy(space, body + at + done, len);
                fcgi_body_filled(&connection.fcgi, len);
                direct += len;
            }
            feed(&connection, (Str){"\0\0", part % 3});
        }
        assert_int_equal(direct, 20);
        feed(&connection, STR("\1\5\0\1\0\0\0\0"));
        close_connection(&connection);
        assert_string_equal(got.ptr, "POST /p [01234567890123456789] keep\nidle");
        buffer_free(&replies);
    }
}

/* No space beyond what was announced, nor for what is dropped. */
static void test_no_body_space(void **state)
{
    (void)state;
    static const char *const lines[] = {POST(21) "=0105000100150000",
                                        POST(4) "I1:body =0105000100040000",
                                        POST(4) "=0109000000040000", "B1 =0104000100040000"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        Connection connection;
        size_t len = 0;
        open_connection(&connection);
        buffer_clear(&got);
        feed(&connection, encode(lines[i]));
        assert_null(fcgi_body_space(&connection.fcgi, &len));
        close_connection(&connection);
    }
}

/* The answer's bytes, up to those that end the request. */
static void answer(Connection *connection, const Response *response, Buffer *out)
{
    Buffer replies = {0};
    Str rest = encode("B1k P1:REQUEST_ID=id-1 P1 I1");
    assert_int_equal(fcgi_feed(&connection->fcgi, &rest, &replies), FCGI_HEAD);
    fcgi_take_body(&connection->fcgi);
    assert_int_equal(fcgi_feed(&connection->fcgi, &rest, &replies), FCGI_REQUEST);
    assert_true(fcgi_answer(&connection->fcgi, response, out));
    assert_true(fcgi_is_idle(&connection->fcgi));
    buffer_free(&replies);
}

static void test_answer(void **state)
{
    (void)state;
    static const char head[] = "Status: 405 Method Not Allowed\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 4\r\nX-Request-Id: id-1\r\n"
                               "Cache-Control: no-store\r\nAllow: GET\r\n\r\nbody";
    const Response response = {.status = 405,
                               .content_type = STR("text/plain"),
                               .headers = STR("Allow: GET\r\n"),
                               .body = STR("body")};
    Connection connection;
    Buffer out = {0};
    open_connection(&connection);
    add(&out, STR("before"));
    answer(&connection, &response, &out);
    size_t len = sizeof(head) - 1;
    assert_int_equal(out.len, 6 + 8 + len + 8 + 16);
    FcgiHead record = fcgi_read_head(out.ptr + 6);
    assert_int_equal(record.type, FCGI_STDOUT);
    assert_int_equal(record.length, len);
    assert_memory_equal(out.ptr + 6 + 8, head, len);
    assert_memory_equal(out.ptr + 6 + 8 + len, "\1\6\0\1\0\0\0\0", 8);
    assert_memory_equal(out.ptr + 6 + 8 + len + 8, "\1\3\0\1\0\x08\0\0\0\0\0\0\0\0\0\0", 16);
    arena_free(connection.arena);
    buffer_free(&out);
}

/* Bodies around the length of a record: all of it arrives, in records that are full. */
static void test_long_answers(void **state)
{
    (void)state;
    enum { RECORD = FCGI_CONTENT_BYTES, MOST = 3 * RECORD };
    char *body = malloc(MOST), *output = malloc(MOST + 1000);
    assert_true(body && output);
    for (size_t i = 0; i < MOST; i++) {
        body[i] = (char)('a' + i % 23);
    }
    for (size_t len = RECORD - 200; len <= MOST; len += len % RECORD < 100 ? 1 : 57) {
        Connection connection;
        Buffer out = {0};
        size_t at = 0, came = 0, records = 0;
        open_connection(&connection);
        answer(&connection, &(Response){.status = 200, .body = {body, len}}, &out);
        for (;; records++) {
            FcgiHead head = fcgi_read_head(out.ptr + at);
            at += FCGI_HEAD_BYTES;
            if (head.type == FCGI_END_REQUEST) {
                break;
            }
            memcpy(output + came, out.ptr + at, head.length);
            came += head.length;
            at += head.length;
        }
        assert_int_equal(at + 8, out.len);
        assert_memory_equal(output + came - len, body, len);
        assert_int_equal(records, (came + RECORD - 1) / RECORD + 1); /* the empty one, too */
        arena_free(connection.arena);
        buffer_free(&out);
    }
    free(body);
    free(output);
}

/* Whatever allocation fails, the connection is at its end or the body is not kept. */
static void test_failing_malloc(void **state)
{
    (void)state;

    size_t failures = 0;
    for (size_t n = 0;; n++) {
        Connection connection;
        Buffer replies = {0}, out = {0};
        FcgiEvent event = FCGI_MORE;
        bool answered = true;
        Str rest = encode("G0 " POST(4) "I1:body I1");
        open_connection(&connection);
        failing_malloc_begin(n, FAIL_ONCE);
        while (rest.len && event != FCGI_BROKEN && event != FCGI_REQUEST) {
            event = fcgi_feed(&connection.fcgi, &rest, &replies);
            if (event == FCGI_HEAD) {
                fcgi_take_body(&connection.fcgi);
            }
        }
        if (event == FCGI_REQUEST) {
            answered = fcgi_answer(&connection.fcgi, &(Response){.status = 200}, &out);
        }
        bool failed = failing_malloc_end();
        assert_true(event == FCGI_REQUEST || event == FCGI_BROKEN);
        failures += event == FCGI_BROKEN || !answered || connection.request.no_memory;
        assert_true(!failed || event == FCGI_BROKEN || !answered || connection.request.no_memory);
        arena_free(connection.arena);
        buffer_free(&replies);
        buffer_free(&out);
        if (!failed) {
            break;
        }
    }
    assert_true(failures >= 3);
}

static int free_buffers(void **state)
{
    (void)state;
    buffer_free(&bytes);
    buffer_free(&got);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_body_space),
        cmocka_unit_test(test_no_body_space), cmocka_unit_test(test_answer),
        cmocka_unit_test(test_long_answers),  cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, free_buffers);
}
