#include "redis/sink_redis.h"

#include "base/log.h"
#include "redis/error_rule.h"
#include "stream/dedupe.h"
#include "stats/stats.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef TICKSTREAM_REDIS_TLS
#include <hiredis/hiredis_ssl.h>
#endif

enum {
    TICK =
        20,   /* milliseconds between looks at deadlines and pauses, while something is under way */
    LATE = 5, /* ticks: a turn of the loop that took longer was no fault of Redis */
    RETRY_PAUSE = 100,    /* before a command is sent again */
    BACKOFF_FIRST = 50,   /* pause before the second attempt to connect; doubles */
    BACKOFF_MOST = 1000,  /* so that a Redis that is back is used within 2 s */
    WRITE_SLICE = 1 << 16 /* hiredis copies it, and moves what a partial write leaves */
};

/*
 * One reply as it is needed here, filled by the functions that hiredis' reader calls: nothing is
 * allocated. A nested array counts its elements and keeps its first integers and its first error.
 */
typedef struct {
    int type; /* REDIS_REPLY_..., of the outermost; first, as in hiredis' own replies */
    size_t elements;
    size_t strings, integer_count; /* among the elements */
    long long integers[3];
    bool has_error;
    char text[LIMIT_TEXT]; /* of the error, else of the first string; cut */
    size_t text_len;
} Reply;

typedef enum { STATE_OFF, STATE_RESOLVING, STATE_CONNECTING, STATE_GREETING, STATE_READY } State;

/* What is asked when a connection is made, in this order. */
typedef enum {
    GREET_AUTH,
    GREET_SELECT,
    GREET_NAME,
    GREET_ROLE,
    GREET_MULTI,
    GREET_EXEC,
    GREET_SCRIPT,
    GREET_COUNT
} Greeting;

typedef struct {
    Publication *first, *last;
} Queue;

typedef struct {
    Sink base;
    Loop *loop;
    RedisUrl url;
    RedisKeys keys;
    int64_t timeout;

    State state;
    int64_t state_deadline;
    unsigned failures; /* in a row: to connect, or to stay connected for a while */
    int64_t ready_since;
    int64_t last_tick;
    bool resolving;             /* a look-up is under way, perhaps of an earlier attempt */
    void (*settled)(void *arg); /* NULL when it has been called */
    void *settled_arg;
    Timer *reconnect;
    Timer *tick;

    redisContext *context; /* NULL unless connecting or connected */
    Watch *watch;
    Reply reply;
    bool greetings[GREET_COUNT]; /* those that are still to be answered */
#ifdef TICKSTREAM_REDIS_TLS
    redisSSLContext *tls;
#endif

    Buffer commands; /* of this turn, or left from the last */
    size_t sent;     /* of them, handed to hiredis */
    bool writing;    /* hiredis still holds some */
    Queue in_flight; /* in the order in which replies will come */
    Queue waiting;   /* for another attempt */
} SinkRedis;

static void connection_lost(SinkRedis *sink, const char *why);
static void start_connecting(void *arg);
static void send_publication(SinkRedis *sink, Publication *publication);

/* Queues */

static void queue_push(Queue *queue, Publication *publication)
{
    publication->sink.next = NULL;
    if (queue->last) {
        queue->last->sink.next = publication;
    } else {
        queue->first = publication;
    }
    queue->last = publication;
}

static Publication *queue_pop(Queue *queue)
{
    Publication *publication = queue->first;
    if (publication) {
        queue->first = publication->sink.next;
        queue->last = queue->first ? queue->last : NULL;
    }
    return publication;
}

/* Replies */

static Reply *begin_item(const redisReadTask *task)
{
    Reply *reply = task->privdata;
    if (!task->parent) {
        *reply = (Reply){.type = task->type};
    }
    return reply;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    Reply *reply = begin_item(task);
    bool is_error = task->type == REDIS_REPLY_ERROR;
    if (is_error ? !reply->has_error : reply->strings == 0 && !reply->has_error) {
        reply->text_len = len < sizeof(reply->text) ? len : sizeof(reply->text) - 1;
        memcpy(reply->text, text, reply->text_len);
        reply->text[reply->text_len] = '\0';
    }
    reply->has_error |= is_error;
    reply->strings += !is_error;
    return reply;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    Reply *reply = begin_item(task);
    if (reply->integer_count < sizeof(reply->integers) / sizeof(reply->integers[0])) {
        reply->integers[reply->integer_count] = value;
    }
    reply->integer_count++;
    return reply;
}

static void *on_nil(const redisReadTask *task)
{
    Reply *reply = begin_item(task);
    if (!task->parent) {
        reply->type = REDIS_REPLY_NIL; /* hiredis says what it could have been */
    }
    return reply;
}

#if HIREDIS_MAJOR >= 1
typedef size_t ArrayLength;
#else
typedef int ArrayLength;
#endif

static void *on_array(const redisReadTask *task, ArrayLength elements)
{
    Reply *reply = begin_item(task);
    if (!task->parent) {
        reply->elements = (size_t)elements;
    }
    return reply;
}

static void on_free(void *reply)
{
    (void)reply;
}

static redisReplyObjectFunctions reply_functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

/* Ends of publications */

static bool is_idle(const SinkRedis *sink)
{
    bool between = sink->state == STATE_OFF || sink->state == STATE_READY;
    return between && !sink->in_flight.first && !sink->waiting.first;
}

static void fail(Publication *publication, ErrorCode code)
{
    publication->done(publication, code, NULL);
}

static void fail_all(Queue *queue)
{
    Queue failed = *queue;
    *queue = (Queue){0};
    for (Publication *publication; (publication = queue_pop(&failed));) {
        fail(publication, ERROR_UNAVAILABLE);
    }
}

static void wait_for_retry(SinkRedis *sink, Publication *publication)
{
    publication->sink.retry_at = loop_now(sink->loop) + RETRY_PAUSE;
    queue_push(&sink->waiting, publication);
    stats_add(STAT_REDIS_RETRIES, 1);
}

/* All replies of a publication are there. */
static void finish(SinkRedis *sink, Publication *publication)
{
    const ReplyRule *rule = publication->sink.rule;
    if (!rule) {
        publication->done(publication, ERROR_NONE, &publication->sink.result);
        return;
    }
    ReplyAction action = rule->action;
    bool in_time = loop_now(sink->loop) + RETRY_PAUSE < publication->sink.deadline;
    if (action == ACTION_SEND_SOURCE && !publication->sink.with_source && in_time) {
        publication->sink.with_source = true;
        stats_add(STAT_REDIS_RETRIES, 1);
        send_publication(sink, publication);
        return;
    }
    if (action == ACTION_RETRY && in_time) {
        wait_for_retry(sink, publication);
        return;
    }
    fail(publication, ERROR_UNAVAILABLE);
    if (action == ACTION_RECONNECT) {
        connection_lost(sink, rule->advice);
    }
}

/* Some errors quote the command, and so what must not be logged. */
static void report_error(const Reply *reply, const ReplyRule *rule)
{
    static LogSite alerts, warnings;
    const char *quoted = strstr(reply->text, ", with args");
    int len = quoted ? (int)(quoted - reply->text) : (int)reply->text_len;
    stats_add(STAT_REDIS_ERRORS, 1);
    log_rarely(rule->alert ? &alerts : &warnings, rule->alert ? LOG_ERROR : LOG_WARN,
               "redis: %.*s (%s)", len, reply->text, rule->advice);
}

/* The script's reply: how many were added and known. What does not add up is no answer to this. */
static bool take_counts(const Reply *reply, const Payload *payload, PublishResult *ret)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->integer_count != 3) {
        return false;
    }
    const PublishResult result = {.accepted = (size_t)reply->integers[0],
                                  .quarantined = (size_t)reply->integers[1],
                                  .duplicates = (size_t)reply->integers[2]};
    *ret = result;
    return result.accepted <= payload->status_count &&
           result.quarantined <= payload->quarantined_count &&
           result.accepted + result.quarantined + result.duplicates ==
               payload->status_count + payload->quarantined_count;
}

/* The reply to one XADD, or to the EXEC of several: an id for each. */
static bool take_ids(const Reply *reply, const Payload *payload, size_t entries, PublishResult *ret)
{
    *ret = (PublishResult){.accepted = payload->status_count,
                           .quarantined = payload->quarantined_count};
    bool one = reply->type == REDIS_REPLY_STRING && entries == 1;
    bool all = reply->type == REDIS_REPLY_ARRAY && reply->elements == entries;
    return (one || all) && reply->strings == entries;
}

/* Takes a reply into account; false when it is none that the publication could have. */
static bool take_reply(const SinkRedis *sink, Publication *publication)
{
    const Reply *reply = &sink->reply;
    const Payload *payload = publication->payload;
    bool last = --publication->sink.replies == 0;
    if (reply->has_error) {
        if (!publication->sink.rule) {
            publication->sink.rule = reply_rule((Str){reply->text, reply->text_len});
            report_error(reply, publication->sink.rule);
        }
        return true;
    }
    if (!last || !payload) { /* of MULTI, of a command that was queued, of a probe */
        return reply->type == REDIS_REPLY_STATUS;
    }
    if (publication->sink.rule) {
        return false; /* EXEC has not failed, although one of its commands has */
    }
    PublishResult *result = &publication->sink.result;
    return command_is_script(&sink->keys, payload)
               ? take_counts(reply, payload, result)
               : take_ids(reply, payload, command_entries(&sink->keys, payload), result);
}

/* Connecting */

static int64_t backoff(unsigned failures)
{
    int64_t pause = BACKOFF_FIRST;
    for (unsigned i = 1; i < failures && pause < BACKOFF_MOST; i++) {
        pause *= 2;
    }
    pause = pause < BACKOFF_MOST ? pause : BACKOFF_MOST;
    return pause / 2 + random() % (pause / 2 + 1); /* jitter: workers must not come back in step */
}

static void drop_connection(SinkRedis *sink)
{
    sink->watch = watch_close(sink->watch);
    if (sink->context) {
        redisFree(sink->context);
        sink->context = NULL;
    }
    buffer_clear(&sink->commands);
    sink->sent = 0;
    sink->writing = false;
    sink->state = STATE_OFF;
    stats_set(STAT_REDIS_CONNECTED, 0);
}

static void settle(SinkRedis *sink)
{
    void (*settled)(void *arg) = sink->settled;
    sink->settled = NULL;
    if (settled) {
        settled(sink->settled_arg);
    }
}

static void connection_lost(SinkRedis *sink, const char *why)
{
    static LogSite site;
    size_t count = 0;
    for (const Publication *p = sink->in_flight.first; p; p = p->sink.next) {
        count++;
    }
    bool was_ready = sink->state == STATE_READY;
    log_rarely(&site, LOG_WARN, "redis: %s (%s), %zu requests not taken", why, sink->url.shown,
               count);
    stats_add(STAT_REDIS_LOST, was_ready);
    drop_connection(sink);
    bool lasted = was_ready && loop_now(sink->loop) - sink->ready_since >= BACKOFF_MOST;
    sink->failures = lasted ? 0 : sink->failures + 1;
    timer_start(sink->reconnect, sink->failures ? backoff(sink->failures) : 0, 0);
    fail_all(&sink->in_flight);
    fail_all(&sink->waiting);
    settle(sink);
}

static void start_ticking(SinkRedis *sink)
{
    if (!timer_is_running(sink->tick)) {
        sink->last_tick = loop_now(sink->loop);
        timer_start(sink->tick, TICK, TICK);
    }
}

static void begin_state(SinkRedis *sink, State state)
{
    sink->state = state;
    sink->state_deadline = loop_now(sink->loop) + sink->timeout;
    start_ticking(sink);
}

static void become_ready(SinkRedis *sink)
{
    static LogSite site;
    sink->state = STATE_READY;
    sink->ready_since = loop_now(sink->loop);
    stats_add(STAT_REDIS_CONNECTS, 1);
    stats_set(STAT_REDIS_CONNECTED, 1);
    log_rarely(&site, LOG_INFO, "redis: connected (%s)", sink->url.shown);
    settle(sink);
}

static bool send_greeting(SinkRedis *sink, Greeting greeting, const Str *words, size_t count)
{
    sink->greetings[greeting] = true;
    return command_simple(&sink->commands, words, count) == 1;
}

/* All questions leave at once; their answers decide. */
static void greet(SinkRedis *sink)
{
    char db[12];
    const Str db_text = {db, (size_t)snprintf(db, sizeof(db), "%u", sink->url.db)};
    const Str user = str_from(sink->url.user), password = str_from(sink->url.password);
    const Str auth[] = {STR("AUTH"), user.len ? user : password, password};
    const Str select[] = {STR("SELECT"), db_text};
    const Str name[] = {STR("CLIENT"), STR("SETNAME"), STR("tickstream")};
    const Str role[] = {STR("ROLE")};
    const Str multi[] = {STR("MULTI")}, exec[] = {STR("EXEC")};
    const Str script[] = {STR("SCRIPT"), STR("LOAD"), publish_script};
    begin_state(sink, STATE_GREETING);
    bool ok = true;
    if (password.len) {
        ok = ok && send_greeting(sink, GREET_AUTH, auth, user.len ? 3 : 2);
    }
    if (sink->url.db) {
        ok = ok && send_greeting(sink, GREET_SELECT, select, 2);
    }
    ok = ok && send_greeting(sink, GREET_NAME, name, 3) && send_greeting(sink, GREET_ROLE, role, 1);
    if (!sink->keys.window) {
        /* without the right to MULTI, the commands between it and EXEC would be executed */
        ok = ok && send_greeting(sink, GREET_MULTI, multi, 1) &&
             send_greeting(sink, GREET_EXEC, exec, 1);
    }
    ok = ok && send_greeting(sink, GREET_SCRIPT, script, 3);
    if (!ok) {
        connection_lost(sink, "out of memory");
    }
}

/* Is this an answer to go on with? What we can do without (a name, the role) may be forbidden to
 * us. */
static bool accept_greeting(SinkRedis *sink, Greeting greeting)
{
    const Reply *reply = &sink->reply;
    if (greeting == GREET_NAME ||
        (greeting == GREET_ROLE && reply->has_error && strncmp(reply->text, "NOPERM", 6) == 0)) {
        return true;
    }
    if (reply->has_error) {
        report_error(reply, reply_rule((Str){reply->text, reply->text_len}));
        return false;
    }
    if (greeting == GREET_ROLE && strcmp(reply->text, "master") != 0) {
        log_line(LOG_ERROR, "redis: %s is a %s, not a master", sink->url.shown, reply->text);
        return false;
    }
    if (greeting == GREET_SCRIPT) {
        snprintf(sink->keys.script_sha, sizeof(sink->keys.script_sha), "%.40s", reply->text);
        return reply->text_len == 40;
    }
    return true;
}

static void take_greeting(SinkRedis *sink)
{
    int greeting = 0;
    while (greeting < GREET_COUNT && !sink->greetings[greeting]) {
        greeting++;
    }
    if (greeting == GREET_COUNT || !accept_greeting(sink, (Greeting)greeting)) {
        connection_lost(sink, "refused at the greeting");
        return;
    }
    sink->greetings[greeting] = false;
    for (int i = 0; i < GREET_COUNT; i++) {
        if (sink->greetings[i]) {
            return;
        }
    }
    become_ready(sink);
}

/* Reading and writing */

static void take_next(SinkRedis *sink)
{
    if (sink->state == STATE_GREETING) {
        take_greeting(sink);
        return;
    }
    Publication *publication = sink->in_flight.first;
    if (!publication) {
        connection_lost(sink,
                        sink->reply.has_error ? sink->reply.text : "a reply that nobody asked for");
        return;
    }
    if (!take_reply(sink, publication)) {
        connection_lost(sink, "a reply that makes no sense"); /* all later ones could be shifted */
        return;
    }
    if (publication->sink.replies == 0) {
        queue_pop(&sink->in_flight);
        finish(sink, publication);
    }
}

static void read_replies(SinkRedis *sink)
{
    redisContext *context = sink->context;
    if (redisBufferRead(context) != REDIS_OK) {
        connection_lost(sink, context->errstr);
        return;
    }
    while (sink->context == context) { /* a reply may end the connection */
        void *reply = NULL;
        if (redisReaderGetReply(context->reader, &reply) != REDIS_OK) {
            connection_lost(sink, context->reader->errstr);
            return;
        }
        if (!reply) {
            return;
        }
        take_next(sink);
        sink->reply =
            (Reply){.type = REDIS_REPLY_NIL}; /* a kind that has no function changes nothing */
    }
}

/* Forgets what has been handed to hiredis, so that a buffer that is never quite empty does not
 * grow. */
static void compact_commands(SinkRedis *sink)
{
    if (sink->sent == sink->commands.len) {
        buffer_clear(&sink->commands);
        sink->sent = 0;
    } else if (sink->sent > LIMIT_BUFFER_KEPT && sink->sent > sink->commands.len / 2) {
        sink->commands.len -= sink->sent;
        memmove(sink->commands.ptr, sink->commands.ptr + sink->sent, sink->commands.len);
        sink->sent = 0;
    }
}

static void write_commands(SinkRedis *sink)
{
    int done = 1;
    while (done && (sink->writing || sink->sent < sink->commands.len)) {
        size_t slice = sink->commands.len - sink->sent;
        slice = slice < WRITE_SLICE ? slice : WRITE_SLICE;
        if (!sink->writing) {
            if (redisAppendFormattedCommand(sink->context, sink->commands.ptr + sink->sent,
                                            slice) != REDIS_OK) {
                connection_lost(sink, sink->context->errstr);
                return;
            }
            sink->sent += slice;
        }
        if (redisBufferWrite(sink->context, &done) != REDIS_OK) {
            connection_lost(sink, sink->context->errstr);
            return;
        }
        sink->writing = !done;
    }
    compact_commands(sink);
    if (!watch_set(sink->watch, LOOP_READABLE | (sink->writing ? LOOP_WRITABLE : 0))) {
        connection_lost(sink, "out of memory");
    }
}

/* Sends what is not under way yet. */
static void flush(SinkRedis *sink)
{
    if (sink->state >= STATE_GREETING && !sink->writing && sink->sent < sink->commands.len) {
        write_commands(sink);
    }
}

/* After the events of a turn: its commands leave together. */
static void after_events(void *arg)
{
    flush(arg);
}

static bool start_tls(SinkRedis *sink)
{
#ifdef TICKSTREAM_REDIS_TLS
    if (sink->tls) {
        return redisInitiateSSLWithContext(sink->context, sink->tls) == REDIS_OK;
    }
#endif
    (void)sink;
    return true;
}

static void connected(SinkRedis *sink)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(sink->context->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        connection_lost(sink, strerror(error));
        return;
    }
    if (!start_tls(sink)) {
        connection_lost(sink, sink->context->errstr);
        return;
    }
    greet(sink);
}

static void on_ready(void *arg, int events)
{
    SinkRedis *sink = arg;
    redisContext *context = sink->context;
    if (sink->state == STATE_CONNECTING) {
        connected(sink);
        return;
    }
    if (events & LOOP_READABLE) {
        read_replies(sink);
    }
    if (events & LOOP_WRITABLE && sink->context == context) {
        write_commands(sink);
    }
}

static void use_context(SinkRedis *sink, redisContext *context)
{
    sink->context = context;
    if (!context || context->err) {
        connection_lost(sink, context ? context->errstr : "out of memory");
        return;
    }
    const int on = 1;
    fcntl(context->fd, F_SETFD, FD_CLOEXEC);
    if (!sink->url.unix_socket) {
        setsockopt(context->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    context->reader->fn = &reply_functions;
    context->reader->privdata = &sink->reply;
    begin_state(sink, STATE_CONNECTING);
    sink->watch = loop_watch(sink->loop, context->fd, LOOP_WRITABLE, on_ready, sink);
    if (!sink->watch) {
        connection_lost(sink, "out of memory");
    }
}

static void on_resolved(void *arg, const char *address)
{
    SinkRedis *sink = arg;
    sink->resolving = false;
    if (sink->state != STATE_RESOLVING) {
        return; /* too late: given up meanwhile */
    }
    if (!address) {
        connection_lost(sink, "the host name cannot be resolved");
        return;
    }
    use_context(sink, redisConnectNonBlock(address, atoi(sink->url.port)));
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static void start_connecting(void *arg)
{
    SinkRedis *sink = arg;
    log_line(LOG_DEBUG, "redis: connecting (%s)", sink->url.shown);
    if (sink->url.unix_socket) {
        use_context(sink, redisConnectUnixNonBlock(sink->url.host));
        return;
    }
    begin_state(sink, STATE_RESOLVING);
    if (is_address(sink->url.host)) {
        on_resolved(sink, sink->url.host);
    } else if (!sink->resolving) {
        sink->resolving =
            loop_resolve(sink->loop, sink->url.host, sink->failures, on_resolved, sink);
        if (!sink->resolving) {
            connection_lost(sink, "out of memory");
        }
    }
}

/* Time */

static bool has_expired(const Queue *queue, int64_t now)
{
    for (const Publication *p = queue->first; p; p = p->sink.next) {
        if (p->sink.deadline <= now) {
            return true;
        }
    }
    return false;
}

/* Sends again what has waited long enough; gives up what has waited too long. */
static void look_at_waiting(SinkRedis *sink, int64_t now)
{
    Queue waiting = sink->waiting;
    sink->waiting = (Queue){0};
    for (Publication *publication; (publication = queue_pop(&waiting));) {
        if (publication->sink.deadline <= now) {
            fail(publication, ERROR_UNAVAILABLE);
        } else if (publication->sink.retry_at <= now) {
            send_publication(sink, publication);
        } else {
            queue_push(&sink->waiting, publication);
        }
    }
}

static void on_tick(void *arg)
{
    SinkRedis *sink = arg;
    int64_t now = loop_now(sink->loop), since_last = now - sink->last_tick;
    sink->last_tick = now;
    if (since_last > LATE * TICK) {
        return; /* it was us who were late: the replies may be there, and are read first */
    }
    if (sink->state != STATE_OFF && sink->state != STATE_READY && sink->state_deadline <= now) {
        connection_lost(sink, "no connection in time");
    } else if (has_expired(&sink->in_flight, now)) {
        connection_lost(sink, "no reply in time");
    }
    look_at_waiting(sink, now);
    if (is_idle(sink)) {
        timer_stop(sink->tick);
    }
}

/* Publishing */

static void send_publication(SinkRedis *sink, Publication *publication)
{
    size_t replies = publication->payload
                         ? command_publish(&sink->commands, &sink->keys, publication)
                         : command_probe(&sink->commands, &sink->keys);
    if (replies == 0) {
        fail(publication, ERROR_NO_MEMORY);
        return;
    }
    publication->sink.replies = replies;
    publication->sink.rule = NULL;
    queue_push(&sink->in_flight, publication);
    start_ticking(sink);
}

static void publish(Sink *base, Publication *publication)
{
    SinkRedis *sink = (SinkRedis *)base;
    const Payload *payload = publication->payload;
    memset(&publication->sink, 0, sizeof(publication->sink));
    if (payload && command_entries(&sink->keys, payload) == 0) {
        publication->done(publication, ERROR_NONE, &publication->sink.result);
        return;
    }
    if (sink->state != STATE_READY) {
        fail(publication, ERROR_UNAVAILABLE);
        return;
    }
    if (payload && sink->keys.window &&
        !dedupe_digests(payload, publication->arena, &publication->sink.seen)) {
        fail(publication, ERROR_NO_MEMORY);
        return;
    }
    publication->sink.deadline = loop_now(sink->loop) + sink->timeout;
    send_publication(sink, publication);
    if (sink->commands.len - sink->sent >= WRITE_SLICE) {
        flush(sink); /* Redis works on it while the rest of the turn is decoded */
    }
}

static bool is_connected(const Sink *base)
{
    return ((const SinkRedis *)base)->state == STATE_READY;
}

bool sink_redis_has_tls(void)
{
#ifdef TICKSTREAM_REDIS_TLS
    return true;
#else
    return false;
#endif
}

static bool make_tls(SinkRedis *sink)
{
#ifdef TICKSTREAM_REDIS_TLS
    if (sink->url.tls) {
        redisInitOpenSSL();
        sink->tls = redisCreateSSLContext(NULL, "/etc/ssl/certs", NULL, NULL, sink->url.host, NULL);
        return sink->tls != NULL;
    }
#endif
    return !sink->url.tls;
}

Sink *sink_redis_open(Loop *loop, const RedisUrl *url, const RedisKeys *keys, int64_t timeout)
{
    SinkRedis *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return NULL;
    }
    sink->base = (Sink){.publish = publish, .is_connected = is_connected};
    sink->loop = loop;
    sink->url = *url;
    sink->keys = *keys;
    sink->timeout = timeout;
    sink->reconnect = loop_timer(loop, start_connecting, sink);
    sink->tick = loop_timer(loop, on_tick, sink);
    if (!sink->reconnect || !sink->tick || !loop_after_events(loop, after_events, sink) ||
        !make_tls(sink)) {
        return sink_redis_close(&sink->base);
    }
    timer_start(sink->reconnect, 0, 0);
    return &sink->base;
}

void sink_redis_when_settled(Sink *base, void (*settled)(void *arg), void *arg)
{
    SinkRedis *sink = (SinkRedis *)base;
    sink->settled = settled;
    sink->settled_arg = arg;
}

Sink *sink_redis_close(Sink *base)
{
    SinkRedis *sink = (SinkRedis *)base;
    if (sink) {
        drop_connection(sink);
        fail_all(&sink->in_flight);
        fail_all(&sink->waiting);
        timer_close(sink->reconnect);
        timer_close(sink->tick);
        buffer_free(&sink->commands);
#ifdef TICKSTREAM_REDIS_TLS
        if (sink->tls) {
            redisFreeSSLContext(sink->tls);
        }
#endif
        free(sink);
    }
    return NULL;
}
