/*
 * One server of Redis that is kept connected: a connection, and after its end another one, at once
 * or after a pause that grows to a second.
 *
 * Events come from the loop only, never from inside a function that is called here:
 *
 *   ready     the server can be written to
 *   replied   as of a connection
 *   lost      it has gone, or could not be reached. Returns for how many somebody has waited.
 */
#ifndef TICKSTREAM_LINK_H
#define TICKSTREAM_LINK_H

#include "redis/connection.h"

typedef struct Link Link;

typedef struct {
    void (*ready)(void *arg);
    const char *(*replied)(void *arg, const Reply *reply);
    size_t (*lost)(void *arg);
} LinkEvents;

/* All of it is borrowed for the link's life. */
typedef struct {
    const RedisUrl *url;
    GreetingSettings greeting;
    TlsContext *tls; /* for a URL with TLS, else NULL */
    int64_t timeout; /* milliseconds, as of a connection */
} LinkSettings;

/* Starts to connect. NULL: no memory. */
Link *link_open(Loop *loop, const LinkSettings *settings, const LinkEvents *events, void *arg);

/* Takes NULL, which is not. */
bool link_is_ready(const Link *link);

/* Has the last attempt to connect failed, or the last connection ended soon? */
bool link_has_failed(const Link *link);

/* With whose keys the next connection is greeted. */
void link_use(Link *link, const StreamKeys *keys);

/* The name of the script on this server; while it is ready. */
Str link_script(const Link *link);

/* As of a connection; while it is ready. */
Buffer *link_commands(Link *link);
size_t link_unsent(const Link *link);
void link_flush(Link *link); /* any time */

/* Logs and counts an error reply, with the advice of its rule. */
void link_report(Link *link, const Reply *error);

/* Logs that the clock of the server has gone back by so many seconds. */
void link_report_clock(const Link *link, size_t seconds);

/* A write has succeeded: after an error that somebody had to do something about, a line says so. */
void link_recovered(Link *link);

/* What a trial has learnt since the greeting. NULL, or why the connection must end. */
const char *link_heed(Link *link, const Standing *standing);

/* The remedy for the last error that somebody has to do something about; NULL: writes succeed. */
const char *link_trouble(const Link *link);

/* Why the last connection ended, or could not be made; NULL: none has ended. Is it something that
 * somebody has to do something about? */
const char *link_complaint(const Link *link, bool *ret_is_alert);

/* Whether what this server stores lasts, as was told last (0 = not yet); and in words: "ok", or
 * what is the matter. */
Durable link_durable(const Link *link);
const char *link_durability(const Link *link);

/* Ends the connection because of something that only the caller knows, and makes another one.
 * lost() is called meanwhile: the one event that does not come from the loop. Not from inside an
 * event. */
void link_drop(Link *link, const char *why);

/* No event follows. Takes NULL; returns NULL. */
Link *link_close(Link *link);

#endif
