#include "http/fcgi_client.h"

#include "base/text.h"
#include "http/fcgi_record.h"

#include <errno.h>
#include <fastcgi.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { REQUEST_ID = 1 };

/* One exchange on its way. */
typedef struct {
    int fd;
    int64_t deadline; /* of the monotonic clock, in milliseconds */
    Error *error;
    Text output; /* of the answer, head and body */
} Client;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool fail(const Client *client, const char *what)
{
    return error_set(client->error, ERROR_UNAVAILABLE, "%s", what);
}

/* Waits until the socket can be read or written. */
static bool wait_for(const Client *client, short events)
{
    struct pollfd wait = {.fd = client->fd, .events = events};
    for (;;) {
        int64_t left = client->deadline - now_ms();
        int ready = left > 0 ? poll(&wait, 1, left < INT32_MAX ? (int)left : INT32_MAX) : 0;
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return fail(client, ready == 0 ? "no answer in time" : strerror(errno));
        }
    }
}

/* The request */

static size_t request_size(const FcgiParameter *parameters, size_t count, Str body)
{
    size_t heads = 5 + body.len / FCGI_CONTENT_BYTES;
    size_t size = heads * FCGI_HEAD_BYTES + sizeof(FCGI_BeginRequestBody) + body.len;
    for (size_t i = 0; i < count; i++) {
        size += fcgi_pair_size(parameters[i].name, parameters[i].value);
    }
    return size;
}

static char *put_begin(char *to)
{
    const FCGI_BeginRequestBody body = {.roleB0 = FCGI_RESPONDER};
    to = fcgi_put_head(to, FCGI_BEGIN_REQUEST, REQUEST_ID, sizeof(body));
    memcpy(to, &body, sizeof(body));
    return to + sizeof(body);
}

/* NULL: more parameters than one record takes. */
static char *put_parameters(char *to, const FcgiParameter *parameters, size_t count)
{
    char *head = to;
    to += FCGI_HEAD_BYTES;
    for (size_t i = 0; i < count; i++) {
        to = fcgi_put_pair(to, parameters[i].name, parameters[i].value);
    }
    size_t length = (size_t)(to - head) - FCGI_HEAD_BYTES;
    if (length > FCGI_CONTENT_BYTES) {
        return NULL;
    }
    fcgi_put_head(head, FCGI_PARAMS, REQUEST_ID, length);
    /* a record without content ends a stream: one that is empty has no other */
    return length ? fcgi_put_head(to, FCGI_PARAMS, REQUEST_ID, 0) : to;
}

static char *put_body(char *to, Str body)
{
    while (body.len) {
        size_t length = body.len < FCGI_CONTENT_BYTES ? body.len : FCGI_CONTENT_BYTES;
        to = fcgi_put_head(to, FCGI_STDIN, REQUEST_ID, length);
        to = str_put(to, (Str){body.ptr, length});
        body = str_from_offset(body, length);
    }
    return fcgi_put_head(to, FCGI_STDIN, REQUEST_ID, 0);
}

static bool send_all(const Client *client, Str bytes)
{
    while (bytes.len) {
        ssize_t n = send(client->fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = str_from_offset(bytes, (size_t)n);
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail(client, strerror(errno));
        } else if (!wait_for(client, POLLOUT)) {
            return false;
        }
    }
    return true;
}

/* The answer */

static bool read_exactly(const Client *client, char *to, size_t len)
{
    while (len) {
        ssize_t n = recv(client->fd, to, len, MSG_DONTWAIT);
        if (n > 0) {
            to += n;
            len -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail(client, n == 0 || errno == ECONNRESET
                                    ? "the connection was closed without an answer"
                                    : strerror(errno));
        } else if (!wait_for(client, POLLIN)) {
            return false;
        }
    }
    return true;
}

/* Reads records up to the one that ends the request. */
static bool read_answer(Client *client)
{
    char content[FCGI_CONTENT_BYTES + 255];
    for (;;) {
        char bytes[FCGI_HEAD_BYTES];
        if (!read_exactly(client, bytes, sizeof(bytes))) {
            return false;
        }
        const FcgiHead head = fcgi_read_head(bytes);
        if (head.version != FCGI_VERSION_1) {
            return fail(client, "the answer is not FastCGI");
        }
        if (!read_exactly(client, content, head.length + head.padding)) {
            return false;
        }
        if (head.type == FCGI_END_REQUEST) {
            return true;
        }
        if (head.type == FCGI_STDOUT) {
            text_add(&client->output, (Str){content, head.length});
        }
        if (client->output.len > FCGI_CLIENT_ANSWER) {
            return fail(client, "the answer is too long");
        }
    }
}

/* Divides CGI output (RFC 3875 section 6) at the empty line; "Status:" is one of the headers. */
static void divide(Str output, FcgiAnswer *ret)
{
    *ret = (FcgiAnswer){.status = 200};
    for (Str rest = output; rest.ptr;) {
        Str line = str_split(&rest, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len == 0) {
            ret->head = (Str){output.ptr, (size_t)(line.ptr - output.ptr)};
            ret->body = rest.ptr ? rest : STR("");
            return;
        }
        Str value = line, name = str_split(&value, ':');
        if (str_eq_nocase(name, STR("Status")) && value.ptr) {
            ret->status = 0;
            value = str_trim(value);
            for (size_t i = 0; i < value.len && i < 3 && ascii_is_digit(value.ptr[i]); i++) {
                ret->status = ret->status * 10 + (value.ptr[i] - '0');
            }
        }
    }
    ret->head = output;
    ret->body = STR("");
}

bool fcgi_client_ask(int fd, const FcgiParameter *parameters, size_t count, Str body,
                     int64_t timeout_ms, Arena *arena, FcgiAnswer *ret, Error *reterr)
{
    Client client = {
        .fd = fd, .deadline = now_ms() + timeout_ms, .error = reterr, .output = text_begin(arena)};
    char *request = arena_alloc(arena, request_size(parameters, count, body));
    if (!request) {
        return error_no_memory(reterr);
    }
    char *end = put_parameters(put_begin(request), parameters, count);
    if (!end) {
        return fail(&client, "the parameters are too long");
    }
    end = put_body(end, body);
    if (!send_all(&client, (Str){request, (size_t)(end - request)}) || !read_answer(&client)) {
        return false;
    }
    Str output = text_finish(&client.output);
    if (!output.ptr) {
        return error_no_memory(reterr);
    }
    divide(output, ret);
    return true;
}

bool fcgi_client_get(int fd, Str path, int64_t timeout_ms, Arena *arena, FcgiAnswer *ret,
                     Error *reterr)
{
    Str query = path;
    path = str_split(&query, '?');
    const FcgiParameter parameters[] = {
        {STR("REQUEST_METHOD"), STR("GET")},
        {STR("DOCUMENT_URI"), path},
        {STR("QUERY_STRING"), query},
    };
    return fcgi_client_ask(fd, parameters, 3, STR(""), timeout_ms, arena, ret, reterr);
}
