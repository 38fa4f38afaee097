#include "scripted_redis.h"

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool hear(int peer, const char *word)
{
    static char heard[1 << 16];
    size_t len = 0;
    for (ssize_t n; len < sizeof(heard) && (n = recv(peer, heard + len, 1, 0)) > 0;) {
        len++;
        if (len >= strlen(word) && memcmp(heard + len - strlen(word), word, strlen(word)) == 0) {
            return recv(peer, heard, 2, MSG_WAITALL) == 2; /* the line end */
        }
    }
    return false;
}

static void play(int peer, const Step *steps)
{
    for (; steps->hears && hear(peer, steps->hears) && steps->says; steps++) {
        if (send(peer, steps->says, strlen(steps->says), MSG_NOSIGNAL) < 0) {
            return;
        }
    }
    if (!steps->hears) {
        hear(peer, "\1"); /* never comes */
    }
}

static void serve(int listener, const Step *steps)
{
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer >= 0) {
            play(peer, steps);
            close(peer);
        }
    }
}

void scripted_redis_open(ScriptedRedis *server, const Step *steps)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *server = (ScriptedRedis){.folder = "/tmp/tickstream-test-XXXXXX"};
    assert_non_null(mkdtemp(server->folder));
    server->url.unix_socket = true;
    snprintf(server->url.host, sizeof(server->url.host), "%s/redis.sock", server->folder);
    snprintf(server->url.shown, sizeof(server->url.shown), "HERE");
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", server->url.host);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    server->process = fork();
    assert_true(server->process >= 0);
    if (server->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(server->listener, steps);
    }
}

void scripted_redis_close(ScriptedRedis *server)
{
    kill(server->process, SIGKILL);
    waitpid(server->process, NULL, 0);
    close(server->listener);
    unlink(server->url.host);
    rmdir(server->folder);
}
