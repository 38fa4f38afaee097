/*
 * /livez: does the process serve? /readyz: would a status be stored now?
 */
#include "endpoints/endpoint.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/media_type.h"
#include "base/owner.h"
#include "base/text.h"
#include "stats/groups.h"
#include "stats/stats.h"

enum { GOOD_FOR = 250 }; /* milliseconds that an answer of the sink is used */

static const Str plain_text = STR_INIT(MEDIA_PLAIN);

Served livez_get(Exchange *exchange)
{
    exchange_answer(exchange, 200, plain_text, STR("ok\n"));
    return ANSWERED;
}

static void describe_group(Text *text, const GroupFigures *group)
{
    const int64_t now = clock_unix_ms();
    text_add_format(text, "group %s: %lld pending", group->name, (long long)group->pending);
    if (group->oldest && now > group->oldest) {
        text_add_format(text, ", the oldest %lld s old", (long long)(now - group->oldest) / 1000);
    }
    if (group->lag >= 0) {
        text_add_format(text, ", lag %lld", (long long)group->lag);
    }
    text_add(text, STR("\n"));
}

/* What the workers of this handler know of the partitions that they look after. */
static void describe_fullness(Text *text)
{
    GroupFigures groups[STATS_GROUPS];
    const size_t count = stats_groups(groups);
    const unsigned long long fill = stats_total(STAT_REDIS_FILL);
    text_add_format(text, "looked after: %llu partitions\n",
                    (unsigned long long)stats_total(STAT_UPKEEP_PARTITIONS));
    text_add_format(text, "redis memory: %llu bytes, %llu.%llu %% of maxmemory\n",
                    (unsigned long long)stats_total(STAT_REDIS_MEMORY), fill / 10, fill % 10);
    text_add_format(text, "stream: %llu entries, %llu bytes, the oldest %llu s old\n",
                    (unsigned long long)stats_total(STAT_STREAM_ENTRIES),
                    (unsigned long long)stats_total(STAT_STREAM_BYTES),
                    (unsigned long long)stats_total(STAT_STREAM_AGE));
    text_add_format(text, "quarantine: %llu entries, %llu bytes\n",
                    (unsigned long long)stats_total(STAT_QUARANTINE_ENTRIES),
                    (unsigned long long)stats_total(STAT_QUARANTINE_BYTES));
    text_add_format(text, "remembered: %llu digests\n",
                    (unsigned long long)stats_total(STAT_DIGESTS));
    for (size_t i = 0; i < count; i++) {
        describe_group(text, &groups[i]);
    }
}

static void answer_verbosely(Exchange *exchange, bool ready)
{
    const Server *server = exchange->server;
    bool connected = server->sink->is_connected(server->sink);
    Text text = text_begin(exchange->arena);
    text_add_format(&text,
                    "redis connection: %s\nredis write: %s\nredis durable: %s\ndraining: %s\n"
                    "requests in flight: %zu\n",
                    connected ? "ok" : "failed", ready ? "ok" : "failed",
                    server->sink->durability(server->sink), server->draining ? "yes" : "no",
                    server->admission.requests);
    server->sink->describe(server->sink, &text);
    describe_fullness(&text);
    text_add_format(&text, "%s\n", ready ? "ready" : "not ready");
    exchange_answer(exchange, ready ? 200 : 503, plain_text, text_finish(&text));
}

static void answer(Exchange *exchange, ErrorCode code)
{
    Error error;
    if (str_eq(exchange->request.query, STR("verbose"))) {
        answer_verbosely(exchange, code == ERROR_NONE);
    } else if (code == ERROR_NONE) {
        exchange_answer(exchange, 200, plain_text, STR("ok\n"));
    } else {
        error_set(&error, ERROR_UNAVAILABLE, "Redis does not take writes");
        exchange_answer_problem(exchange, &error, (Str){NULL, 0});
    }
}

static void note_answer(Server *server, ErrorCode code)
{
    Readiness *readiness = &server->readiness;
    readiness->code = code;
    readiness->connected = server->sink->is_connected(server->sink);
    readiness->answered = loop_clock_ms();
}

static bool is_fresh(const Server *server)
{
    const Readiness *readiness = &server->readiness;
    return readiness->answered && loop_clock_ms() - readiness->answered < GOOD_FOR &&
           readiness->connected == server->sink->is_connected(server->sink);
}

static void finish(Exchange *exchange)
{
    admission_leave(&exchange->server->admission, exchange->charged);
    answer(exchange, exchange->server->readiness.code);
}

/* Whoever is answered may ask again: then another probe begins. */
static void on_probed(Probe *probe)
{
    Readiness *readiness = OWNER_OF(probe, Readiness, probe);
    Server *server = OWNER_OF(readiness, Server, readiness);
    Exchange *exchange = readiness->waiting;
    readiness->waiting = NULL;
    note_answer(server, probe->code);
    for (Exchange *next; exchange; exchange = next) {
        next = exchange->next;
        finish(exchange);
        server->answered(exchange);
    }
}

/* Waits for the probe that is under way, or for one of its own. */
static Served ask(Exchange *exchange)
{
    Server *server = exchange->server;
    Readiness *readiness = &server->readiness;
    bool is_first = !readiness->waiting;
    exchange->charged = arena_size(exchange->arena);
    admission_enter(&server->admission, exchange->charged);
    exchange->next = readiness->waiting;
    readiness->waiting = exchange;
    if (!is_first) {
        return LATER;
    }
    readiness->probe = (Probe){.done = on_probed};
    if (server->sink->probe(server->sink, &readiness->probe) == SINK_LATER) {
        return LATER;
    }
    readiness->waiting = NULL;
    note_answer(server, readiness->probe.code);
    finish(exchange);
    return ANSWERED;
}

Served readyz_get(Exchange *exchange)
{
    const Server *server = exchange->server;
    Error error;
    if (is_fresh(server)) {
        answer(exchange, server->readiness.code);
        return ANSWERED;
    }
    if (!admission_check(&server->admission, &error)) {
        exchange_answer_problem(exchange, &error, (Str){NULL, 0});
        return ANSWERED;
    }
    return ask(exchange);
}
