#include "commands/command.h"

#include "process/listener.h"

#include <stdio.h>
#include <unistd.h>

/* FastCGI specification 1.0, sections 3.3, 5.1, 5.5 */
enum {
    VERSION = 1,
    BEGIN_REQUEST = 1,
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    RESPONDER = 1
};
enum { HEADER = 8, TIMEOUT_SECONDS = 4 };

static size_t put_header(unsigned char *to, int type, size_t length)
{
    const unsigned char header[HEADER] = {
        VERSION, (unsigned char)type, 0, 1, (unsigned char)(length >> 8), (unsigned char)length, 0,
        0};
    memcpy(to, header, HEADER);
    return HEADER;
}

static size_t put_parameter(unsigned char *to, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    to[0] = (unsigned char)name_len; /* both are shorter than 128 bytes */
    to[1] = (unsigned char)value_len;
    memcpy(to + 2, name, name_len);
    memcpy(to + 2 + name_len, value, value_len);
    return 2 + name_len + value_len;
}

/* A GET of path without further parameters. */
static size_t make_request(unsigned char *to, const char *path)
{
    unsigned char parameters[512];
    size_t length = put_parameter(parameters, "REQUEST_METHOD", "GET");
    length += put_parameter(parameters + length, "DOCUMENT_URI", path);
    size_t at = put_header(to, BEGIN_REQUEST, 8);
    memset(to + at, 0, 8);
    to[at + 1] = RESPONDER;
    at += 8;
    at += put_header(to + at, PARAMS, length);
    memcpy(to + at, parameters, length);
    at += length;
    at += put_header(to + at, PARAMS, 0);
    return at + put_header(to + at, STDIN, 0);
}

static bool read_exactly(int fd, unsigned char *to, size_t len)
{
    while (len) {
        ssize_t n = read(fd, to, len);
        if (n <= 0) {
            return false;
        }
        to += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads records up to the end of the answer and keeps the first bytes of its output. */
static bool read_answer(int fd, char *to, size_t room)
{
    unsigned char header[HEADER], content[65536 + 255];
    size_t kept = 0;
    to[0] = '\0';
    while (read_exactly(fd, header, HEADER)) {
        size_t length = (size_t)header[4] << 8 | header[5];
        if (!read_exactly(fd, content, length + header[6])) {
            return false;
        }
        if (header[1] == END_REQUEST) {
            return true;
        }
        if (header[1] == STDOUT) {
            size_t more = length < room - 1 - kept ? length : room - 1 - kept;
            memcpy(to + kept, content, more);
            kept += more;
            to[kept] = '\0';
        }
    }
    return false;
}

int healthcheck_main(const Config *config, int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/readyz";
    unsigned char request[1024];
    char answer[64];
    Error error;
    if (strlen(path) > 100) {
        fprintf(stderr, "healthcheck: the path is too long\n");
        return EXIT_MISUSED;
    }
    int fd = listener_connect(config->listen, TIMEOUT_SECONDS, &error);
    if (fd < 0) {
        fprintf(stderr, "healthcheck: %s\n", error.text);
        return EXIT_NO;
    }
    size_t length = make_request(request, path);
    bool ok =
        write(fd, request, length) == (ssize_t)length && read_answer(fd, answer, sizeof(answer));
    close(fd);
    if (!ok || strncmp(answer, "Status: 200", 11) != 0) {
        fprintf(stderr, "healthcheck: %s: %.*s\n", path, ok ? (int)strcspn(answer, "\r\n") : 9,
                ok ? answer : "no answer");
        return EXIT_NO;
    }
    return EXIT_DONE;
}
