#include "redis/link.h"

#include "base/backoff.h"
#include "base/log.h"
#include "stats/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LASTED = 1000 }; /* milliseconds: after a connection that lived longer there is no pause */

/* A Redis that is back is used within 2 s. */
static const Backoff reconnecting = {.first = 50, .most = 1000};

struct Link {
    Loop *loop;
    LinkSettings settings;
    LinkEvents events;
    void *arg;
    Connection *connection; /* NULL: between attempts */
    Greeting greeting;      /* of the connection */
    bool is_ready;
    int64_t ready_since;
    unsigned failures; /* in a row: to connect, or to stay connected for a while */
    Timer *reconnect;
    const ErrorRule *trouble; /* of the last error that was an alert; NULL: writes succeed */
    Durable durable;          /* as was told last; 0 = not yet */
    char durable_why[2 * LIMIT_TEXT];
    char complaint[3 * LIMIT_TEXT]; /* why the last connection ended, or could not be made */
    bool is_alert;                  /* somebody must do something about it */
};

/* Tells when it is another than it was. */
static void tell_durable(Link *link, Durable durable, const char *why)
{
    static LogSite worse, better;
    const bool is_new = durable != link->durable || strcmp(why, link->durable_why) != 0;
    if (is_new && durable != DURABLE_YES) {
        log_rarely(&worse, durable == DURABLE_NO ? LOG_ERROR : LOG_WARN, "redis: %s (%s)", why,
                   link->settings.url->shown);
    } else if (is_new && link->durable) {
        log_rarely(&better, LOG_INFO, "redis: neither evicts nor forgets any more (%s)",
                   link->settings.url->shown);
    }
    link->durable = durable;
    snprintf(link->durable_why, sizeof(link->durable_why), "%s", why);
}

static void log_complaint(const Greeting *greeting)
{
    static LogSite site;
    if (greeting->complaint[0]) {
        stats_add(STAT_REDIS_ERRORS, 1);
        log_rarely(&site, greeting->alert ? LOG_ERROR : LOG_WARN, "redis: %s", greeting->complaint);
    }
}

static void log_end(Link *link, const char *why, size_t not_taken)
{
    static LogSite ends;
    log_complaint(&link->greeting);
    log_rarely(&ends, LOG_WARN, "redis: %s (%s), %zu requests not taken", why,
               link->settings.url->shown, not_taken);
}

/* The connection has gone, or could not be made. Nobody is told before it is not ready any more:
 * whoever is told may want to write again. */
static void try_again(Link *link)
{
    const bool lasted = link->is_ready && loop_clock_ms() - link->ready_since >= LASTED;
    stats_add(STAT_REDIS_LOST, link->is_ready);
    link->connection = NULL;
    link->is_ready = false;
    link->failures = lasted ? 0 : link->failures + 1;
    timer_start(link->reconnect, backoff_jitter(backoff_pause(&reconnecting, link->failures)), 0);
}

static void on_ready(void *arg)
{
    static LogSite site;
    Link *link = arg;
    Greeting *greeting = &link->greeting;
    link->is_ready = true;
    link->ready_since = loop_clock_ms();
    stats_add(STAT_REDIS_CONNECTS, 1);
    log_rarely(&site, LOG_INFO, "redis: connected (%s)", link->settings.url->shown);
    tell_durable(link, greeting->durable, greeting->durable_why);
    log_complaint(greeting); /* of what passes */
    link->trouble = greeting->complaint[0] ? error_rule(str_from(greeting->complaint)) : NULL;
    greeting->complaint[0] = '\0';
    greeting->durable = 0; /* told */
    link->events.ready(link->arg);
}

static const char *on_replied(void *arg, const Reply *reply)
{
    const Link *link = arg;
    return link->events.replied(link->arg, reply);
}

static void keep_complaint(Link *link, const char *why)
{
    const Greeting *greeting = &link->greeting;
    const bool is_told = greeting->complaint[0] != '\0';
    snprintf(link->complaint, sizeof(link->complaint), "%s", is_told ? greeting->complaint : why);
    link->is_alert = is_told && greeting->alert;
}

static void on_ended(void *arg, const char *why)
{
    Link *link = arg;
    keep_complaint(link, why);
    try_again(link);
    if (link->greeting.durable) {
        tell_durable(link, link->greeting.durable, link->greeting.durable_why);
    }
    log_end(link, why, link->events.lost(link->arg));
}

static void start_connecting(void *arg)
{
    static const ConnectionEvents events = {
        .ready = on_ready, .replied = on_replied, .ended = on_ended};
    Link *link = arg;
    const ConnectionTarget target = {.url = link->settings.url,
                                     .tls = link->settings.tls,
                                     .greeting = &link->greeting,
                                     .timeout = link->settings.timeout,
                                     .attempt = link->failures};
    link->greeting = greeting_of(link->settings.url, &link->settings.greeting);
    log_line(LOG_DEBUG, "redis: connecting (%s)", link->settings.url->shown);
    link->connection = connection_open(link->loop, &target, &events, link);
    if (!link->connection) {
        on_ended(link, "out of memory");
    }
}

Link *link_open(Loop *loop, const LinkSettings *settings, const LinkEvents *events, void *arg)
{
    Link *link = calloc(1, sizeof(*link));
    if (!link) {
        return NULL;
    }
    *link = (Link){.loop = loop, .settings = *settings, .events = *events, .arg = arg};
    link->reconnect = loop_timer(loop, start_connecting, link);
    if (!link->reconnect) {
        return link_close(link);
    }
    timer_start(link->reconnect, 0, 0);
    return link;
}

bool link_is_ready(const Link *link)
{
    return link && link->is_ready;
}

bool link_has_failed(const Link *link)
{
    return link->failures > 0;
}

void link_use(Link *link, const StreamKeys *keys)
{
    link->settings.greeting.keys = keys;
}

Str link_script(const Link *link)
{
    return (Str){link->greeting.script_sha, SCRIPT_SHA};
}

Buffer *link_commands(Link *link)
{
    return connection_commands(link->connection);
}

size_t link_unsent(const Link *link)
{
    return connection_unsent(link->connection);
}

void link_flush(Link *link)
{
    if (link->connection) {
        connection_flush(link->connection);
    }
}

void link_report(Link *link, const Reply *error)
{
    static LogSite alerts, warnings;
    const ErrorRule *rule = error_rule(error->text);
    const Str text = error_to_show(error->text);
    stats_add(STAT_REDIS_ERRORS, 1);
    log_rarely(rule->alert ? &alerts : &warnings, rule->alert ? LOG_ERROR : LOG_WARN,
               "redis: %.*s (%s)", STR_ARG(text), rule->advice);
    link->trouble = rule->alert ? rule : link->trouble;
}

void link_report_clock(const Link *link, size_t seconds)
{
    static LogSite site;
    log_rarely(&site, LOG_WARN,
               "redis: the clock of %s has gone back by %zu s; dedupe remembers longer by that",
               link->settings.url->shown, seconds);
}

void link_recovered(Link *link)
{
    static LogSite site;
    if (link->trouble) {
        log_rarely(&site, LOG_INFO, "redis: takes writes again (%s)", link->settings.url->shown);
        link->trouble = NULL;
    }
}

const char *link_heed(Link *link, const Standing *standing)
{
    char why[2 * LIMIT_TEXT];
    const Durable durable = standing_judge(standing, link->settings.greeting.keys, why);
    tell_durable(link, durable, why);
    return durable == DURABLE_NO && link->settings.greeting.requires_durable
               ? "refused for TICKSTREAM_REQUIRE_DURABLE"
               : NULL;
}

const char *link_trouble(const Link *link)
{
    return link->trouble ? link->trouble->advice : NULL;
}

const char *link_complaint(const Link *link, bool *ret_is_alert)
{
    *ret_is_alert = link->is_alert;
    return link->complaint[0] ? link->complaint : NULL;
}

Durable link_durable(const Link *link)
{
    return link->durable;
}

const char *link_durability(const Link *link)
{
    return link->durable == DURABLE_YES ? "ok" : link->durable ? link->durable_why : "not known";
}

void link_drop(Link *link, const char *why)
{
    connection_close(link->connection);
    on_ended(link, why);
}

Link *link_close(Link *link)
{
    if (link) {
        connection_close(link->connection);
        timer_close(link->reconnect);
        free(link);
    }
    return NULL;
}
