#include "redis/client.h"

#include "base/loop.h"
#include "redis/connection.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS = 4,    /* of connecting; each may take the timeout */
    ADDRESSES = 3 /* of a name, that are tried */
};

struct Client {
    const RedisUrl *url;
    int64_t timeout;
    bool any_role;
    Loop *loop;
    Timer *timer;
    TlsContext *tls; /* NULL without TLS */
    Greeting greeting;
    Connection *connection; /* NULL = none any more, and why says why */
    Arena *arena;           /* of the reply */
    const Reply *reply;     /* NULL = it has not come */
    bool is_ready;          /* greeted */
    bool is_asking;         /* a reply is expected */
    int64_t deadline;       /* of what is waited for; loop_clock_ms() */
    bool is_late;           /* it has passed; what has come meanwhile is still read */
    char why[LIMIT_TEXT];
};

/* Events; each ends the waiting. */

static void on_ready(void *arg)
{
    Client *client = arg;
    client->is_ready = true;
    loop_stop(client->loop);
}

static const char *on_replied(void *arg, const Reply *reply)
{
    Client *client = arg;
    if (!client->is_asking) {
        return "a reply that nobody asked for";
    }
    client->is_asking = false;
    client->reply = reply_copy(client->arena, reply);
    loop_stop(client->loop);
    return client->reply ? NULL : "out of memory";
}

static void on_ended(void *arg, const char *why)
{
    Client *client = arg;
    client->connection = NULL;
    snprintf(client->why, sizeof(client->why), "%s", why);
    loop_stop(client->loop);
}

/* As of a connection: judged one turn later, after what came in time has been read. The loop's time
 * stood still since the last call, so the timer may expire too early. */
static void on_timer(void *arg)
{
    Client *client = arg;
    const int64_t left = client->deadline - loop_clock_ms();
    if (left > 0 || !client->is_late) {
        client->is_late = left <= 0;
        timer_start(client->timer, left > 0 ? left : 1, 0);
        return;
    }
    snprintf(client->why, sizeof(client->why), "no answer in time");
    client->connection = connection_close(client->connection);
    loop_stop(client->loop);
}

/* Until an event. */
static void wait_until(Client *client, int64_t deadline)
{
    client->deadline = deadline;
    client->is_late = false;
    timer_start(client->timer, client->timeout, 0);
    loop_run(client->loop);
    timer_stop(client->timer);
}

/* Begin and end */

static Client *client_new(const ClientTarget *target, Error *reterr)
{
    Client *client = calloc(1, sizeof(*client));
    if (client) {
        *client =
            (Client){.url = target->url, .timeout = target->timeout, .any_role = target->any_role};
        client->arena = arena_new();
        client->loop = loop_new();
        client->timer = client->loop ? loop_timer(client->loop, on_timer, client) : NULL;
    }
    if (!client || !client->arena || !client->timer) {
        error_no_memory(reterr);
        return client_close(client);
    }
    if (target->url->tls) {
        signal(SIGPIPE, SIG_IGN);
        client->tls = tls_context_new(&target->tls, reterr);
        return client->tls ? client : client_close(client);
    }
    return client;
}

static void try_address(Client *client, unsigned attempt, int64_t deadline)
{
    static const ConnectionEvents events = {on_ready, on_replied, on_ended};
    const ConnectionTarget target = {.url = client->url,
                                     .tls = client->tls,
                                     .greeting = &client->greeting,
                                     .timeout = client->timeout,
                                     .attempt = attempt};
    client->greeting = greeting_of(client->url, &(GreetingSettings){.any_role = client->any_role});
    client->connection = connection_open(client->loop, &target, &events, client);
    if (client->connection) {
        wait_until(client, deadline);
    } else {
        snprintf(client->why, sizeof(client->why), "out of memory");
    }
}

/* What the server was refused for. The end says what is to be done: a text that is too long is cut
 * in its middle. */
static bool fail_greeting(const Greeting *greeting, Error *reterr)
{
    static const Str cut = STR_INIT(" ... ");
    const ErrorCode code = greeting->alert ? ERROR_SETUP : ERROR_UNAVAILABLE;
    const size_t len = strlen(greeting->complaint), room = LIMIT_TEXT - 1,
                 head = len > room ? room / 3 : len, tail = room - cut.len - head;
    return len <= room ? error_set(reterr, code, "%s", greeting->complaint)
                       : error_set(reterr, code, "%.*s%s%s", (int)head, greeting->complaint,
                                   cut.ptr, greeting->complaint + len - tail);
}

static bool connect_and_greet(Client *client, Error *reterr)
{
    const int64_t began = loop_clock_ms();
    const Greeting *greeting = &client->greeting;
    unsigned attempt = 0;
    do {
        try_address(client, attempt++, began + STEPS * client->timeout);
    } while (!client->is_ready && !greeting->complaint[0] && attempt < ADDRESSES &&
             loop_clock_ms() - began < client->timeout);
    if (client->is_ready) {
        return true;
    }
    return greeting->complaint[0] ? fail_greeting(greeting, reterr)
                                  : error_set(reterr, ERROR_UNAVAILABLE, "%s", client->why);
}

Client *client_open(const ClientTarget *target, Error *reterr)
{
    Client *client = client_new(target, reterr);
    return client && connect_and_greet(client, reterr) ? client : client_close(client);
}

const Reply *client_call(Client *client, const Str *words, size_t count, Error *reterr)
{
    client->reply = NULL;
    arena_reset(client->arena);
    if (client->connection) {
        if (!resp_command(connection_commands(client->connection), words, count)) {
            error_no_memory(reterr);
            return NULL;
        }
        client->is_asking = true;
        connection_flush(client->connection);
        wait_until(client, loop_clock_ms() + client->timeout);
    }
    if (!client->reply) {
        error_set(reterr, ERROR_UNAVAILABLE, "%s", client->why);
    }
    return client->reply;
}

Client *client_close(Client *client)
{
    if (client) {
        connection_close(client->connection);
        timer_close(client->timer);
        loop_free(client->loop);
        tls_context_free(client->tls);
        arena_free(client->arena);
        free(client);
    }
    return NULL;
}
