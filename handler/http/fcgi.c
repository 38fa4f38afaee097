#include "http/fcgi.h"

#include "http/status.h"

#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct FcgiConnection {
    int fd; /* libfcgi closes it by itself after errors: request.ipcFd tells */
    FCGX_Request request;
    char made_id[33]; /* for a request that came without a usable one */
};

/*
 * The guard: libfcgi's reads block, and a peer that sends a byte now and then could hold the worker
 * for ever. While a connection is read or written, SIGALRM ticks each second; after too many ticks
 * the handler shuts the connection down, which ends the read. SA_RESTART keeps the ticks harmless
 * for all others. Once armed, the alarm goes on while there is work, so that a busy worker makes no
 * system call for it.
 */
static volatile sig_atomic_t guarded_fd = -1;
static volatile sig_atomic_t guard_ticks;
static volatile sig_atomic_t guard_armed;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    if (guarded_fd < 0) {
        guard_armed = 0;
        return;
    }
    if (++guard_ticks >= LIMIT_RECEIVE_SECONDS) {
        shutdown(guarded_fd, SHUT_RDWR);
    }
    alarm(1);
}

static void guard_begin(int fd)
{
    guard_ticks = 0;
    guarded_fd = fd;
    if (!guard_armed) {
        guard_armed = 1;
        alarm(1);
    }
}

static void guard_end(void)
{
    guarded_fd = -1;
}

bool fcgi_init(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0",
           1); /* never linger in close(): it would stop the loop */
    return FCGX_Init() == 0 && sigaction(SIGALRM, &action, NULL) == 0;
}

FcgiConnection *fcgi_open(int fd)
{
    FcgiConnection *connection = calloc(1, sizeof(*connection));
    if (!connection) {
        close(fd);
        return NULL;
    }
    connection->fd = fd;
    FCGX_InitRequest(&connection->request, -1,
                     0); /* no listening socket: it must never accept by itself */
    connection->request.ipcFd = -1;
    return connection;
}

/* Parameters of a request */

static const struct {
    Str name;
    size_t offset;
} parameters[] = {
    {STR_INIT("REQUEST_METHOD"), offsetof(Request, method)},
    {STR_INIT("DOCUMENT_URI"), offsetof(Request, path)},
    {STR_INIT("QUERY_STRING"), offsetof(Request, query)},
    {STR_INIT("CONTENT_TYPE"), offsetof(Request, content_type)},
    {STR_INIT("HTTP_CONTENT_ENCODING"), offsetof(Request, content_encoding)},
    {STR_INIT("HTTP_ACCEPT"), offsetof(Request, accept)},
    {STR_INIT("HTTP_X_HUB_SIGNATURE_256"), offsetof(Request, signature)},
    {STR_INIT("REQUEST_ID"), offsetof(Request, request_id)},
};

/* A header that comes twice is no longer any of its values: nobody may choose which one counts. */
static void set_parameter(Request *request, size_t row, Str value)
{
    Str *member = (Str *)(void *)((char *)request + parameters[row].offset);
    bool is_repeated = member->ptr && parameters[row].offset == offsetof(Request, signature);
    if (value.len == 0 && parameters[row].offset != offsetof(Request, query)) {
        return; /* nginx sends what a request does not have as an empty text */
    }
    *member = is_repeated ? STR("repeated") : value;
}

static bool parse_length(Str text, size_t *ret)
{
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]) || length > SIZE_MAX / 20) {
            return false;
        }
        length = length * 10 + (size_t)(text.ptr[i] - '0');
    }
    *ret = length;
    return text.len > 0;
}

static void read_parameter(Request *request, Str text, size_t *length)
{
    Str value = text;
    Str name = str_split(&value, '=');
    if (str_eq(name, STR("CONTENT_LENGTH"))) {
        request->has_length = parse_length(value, length);
        return;
    }
    for (size_t row = 0; row < sizeof(parameters) / sizeof(parameters[0]); row++) {
        if (str_eq(name, parameters[row].name)) {
            set_parameter(request, row, value);
            return;
        }
    }
}

static bool is_usable_id(Str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = ascii_lower(id.ptr[i]);
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return id.len > 0 && id.len <= LIMIT_REQUEST_ID;
}

static Str make_id(FcgiConnection *connection)
{
    unsigned long long words[2] = {0};
    if (getrandom(words, sizeof(words), GRND_NONBLOCK) < 0) {
        words[0] = (unsigned long long)(uintptr_t)connection;
    }
    snprintf(connection->made_id, sizeof(connection->made_id), "%016llx%016llx", words[0],
             words[1]);
    return str_from(connection->made_id);
}

/* The body */

/* Reads up to len bytes; fewer mean the end of the input or a broken connection. */
static size_t read_bytes(FCGX_Stream *in, char *to, size_t len)
{
    size_t got = 0;
    while (got < len) {
        size_t rest = len - got;
        int n = FCGX_GetStr(to + got, rest < 1 << 20 ? (int)rest : 1 << 20, in);
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    return got;
}

/* Reads the input to its end, which libfcgi needs to find the next request; returns how much there
 * was. */
static size_t drain(FCGX_Stream *in)
{
    char scratch[512]; /* nearly always there is nothing to read: large ones cost more to clear */
    size_t total = 0, n;
    while ((n = read_bytes(in, scratch, sizeof(scratch))) > 0) {
        total += n;
    }
    return total;
}

static void read_body(FCGX_Stream *in, Arena *arena, size_t length, size_t max_body,
                      Request *request)
{
    char *body = NULL;
    request->too_large = length > max_body;
    if (!request->too_large) {
        body = arena_alloc(arena, length);
        request->no_memory = !body;
    }
    size_t got = body ? read_bytes(in, body, length) : 0;
    size_t more = drain(in);
    request->incomplete = body && (got != length || more != 0 || FCGX_GetError(in) != 0);
    request->too_large |= got + more > max_body;
    request->body = (Str){body, got};
}

/* A request that was cut off by the guard or by the peer cannot be answered either. */
static bool read_request(FcgiConnection *connection, Arena *arena, size_t max_body, Request *ret)
{
    FCGX_Request *request = &connection->request;
    request->ipcFd = connection->fd;
    request->keepConnection =
        1; /* or the end of the request before, which Accept_r looks after, would close fd */
    if (FCGX_Accept_r(request) != 0) {
        connection->fd = request->ipcFd; /* libfcgi has closed it, or not */
        return false;
    }
    size_t length = 0;
    for (char **text = request->envp; *text; text++) {
        read_parameter(ret, str_from(*text), &length);
    }
    read_body(request->in, arena, length, max_body, ret);
    ret->request_id = is_usable_id(ret->request_id) ? ret->request_id : make_id(connection);
    return true;
}

bool fcgi_receive(FcgiConnection *connection, Arena *arena, size_t max_body, Request *ret)
{
    *ret = (Request){0};
    guard_begin(connection->fd);
    bool ok = read_request(connection, arena, max_body, ret);
    guard_end();
    return ok;
}

/* The head is of bounded length: all its parts are ours, but for the request id, which was checked.
 */
static void write_response(FCGX_Stream *out, Str request_id, const Response *response)
{
    char head[512];
    const HttpStatus *status = status_find(response->status);
    char *to = str_put(head, STR("Status: "));
    to = str_put_number(to, (size_t)status->number);
    to = str_put(to, STR(" "));
    to = str_put(to, status->phrase);
    to = str_put(to, STR("\r\nContent-Type: "));
    to = str_put(to, response->content_type);
    to = str_put(to, STR("\r\nContent-Length: "));
    to = str_put_number(to, response->body.len);
    to = str_put(to, STR("\r\nX-Request-Id: "));
    to = str_put(to, request_id);
    to = str_put(to, STR("\r\nCache-Control: no-store\r\n"));
    to = str_put(to, response->headers);
    to = str_put(to, STR("\r\n"));
    FCGX_PutStr(head, (int)(to - head), out);
    FCGX_PutStr(response->body.ptr, (int)response->body.len, out);
}

bool fcgi_send(FcgiConnection *connection, Str request_id, const Response *response, bool keep)
{
    FCGX_Request *request = &connection->request;
    guard_begin(connection->fd);
    write_response(request->out, request_id, response);
    request->keepConnection = keep && request->keepConnection;
    FCGX_Finish_r(request);
    guard_end();
    connection->fd = request->ipcFd;
    return connection->fd >= 0;
}

int fcgi_fd(const FcgiConnection *connection)
{
    return connection->fd;
}

FcgiConnection *fcgi_close(FcgiConnection *connection)
{
    if (connection) {
        connection->request.ipcFd = -1; /* the descriptor is ours to close */
        FCGX_Free(&connection->request, 0);
        if (connection->fd >= 0) {
            close(connection->fd);
        }
        free(connection);
    }
    return NULL;
}
