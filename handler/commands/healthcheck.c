#include "commands/command.h"

#include "base/address.h"
#include "http/fcgi_client.h"

#include <unistd.h>

enum { TIMEOUT = 4000 }; /* milliseconds */

/* The answer to GET path; *reterr has one line when there is none. */
static bool ask(const char *address, const char *path, Arena *arena, FcgiAnswer *ret, Error *reterr)
{
    int fd = address_connect(address, TIMEOUT, reterr);
    if (fd < 0) {
        return false;
    }
    bool ok = fcgi_client_get(fd, str_from(path), TIMEOUT, arena, ret, reterr);
    close(fd);
    return ok;
}

int healthcheck_main(const Config *config, int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/readyz";
    FcgiAnswer answer;
    Error error;
    Arena *arena = arena_new();
    if (!arena) {
        fprintf(stderr, "healthcheck: out of memory\n");
        return EXIT_NO;
    }
    bool answered = ask(config->listen, path, arena, &answer, &error);
    if (!answered) {
        fprintf(stderr, "healthcheck: %s\n", error.text);
    } else if (answer.status != 200) {
        Str line = {answer.head.ptr, str_find(answer.head, '\r')};
        fprintf(stderr, "healthcheck: %s: %.*s\n", path, STR_ARG(line));
    }
    arena_free(arena);
    return answered && answer.status == 200 ? EXIT_DONE : EXIT_NO;
}
