/*
 * Publishes statuses through the sink, as a worker does, and nothing else: what a server of Redis
 * spends on them is counted there (see redis_cost.py).
 *
 *     bench-redis URL WINDOW N K VARY STATUSES FIRST
 *
 * Publications of N statuses each are published K in one turn of the loop; when all have ended come
 * the next K, until there were STATUSES (rounded up to a turn). WINDOW 0: without dedupe. No id
 * comes twice: they are numbered from FIRST on. VARY says what else differs from one status to the
 * next:
 *
 *     0  nothing
 *     1  status, timestamp and recipient
 *     2  also errors and extra, none of which repeats
 *
 * Prints a JSON object: statuses, accepted, seconds.
 */
#include "redis/sink_redis.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT = 60000, TEXT = 256 };

/* As a "delivered" of the Cloud API. */
static const char id_form[] = "wamid.HBgLMTIwMjU1NTAxMjMVAgARGBI%012zuAA==";
#define EXTRA(conversation)                                                                        \
    "{\"conversation\":{\"id\":\"0f1e2d3c4b5a69788796" conversation                                \
    "\",\"origin\":{\"type\":\"marketing\"}},\"pricing\":{\"billable\":true,"                      \
    "\"pricing_model\":\"PMP\",\"category\":\"marketing\",\"type\":\"regular\"}}"
static const char same_extra[] = EXTRA("a5b4c3d2e1f0"), other_extra[] = EXTRA("%012zu");
static const char other_errors[] =
    "[{\"code\":131026,\"title\":\"Message undeliverable\",\"trace\":\"%012zu\"}]";
static const char *const states[] = {"sent", "delivered", "read"};

typedef struct {
    Publication publication;
    Payload payload;
    char request_id[40];
} Request;

typedef struct {
    size_t n, k;
    unsigned vary;
    size_t next, end; /* numbers of statuses */
    size_t under_way; /* requests of this turn */
    size_t accepted;
    char received_at[32]; /* of all requests of a turn */
    Request *requests;
    Sink *sink;
    Loop *loop;
} Bench;

static Bench bench;

static void fail(const char *what)
{
    fprintf(stderr, "bench-redis: %s\n", what);
    exit(1);
}

static void *need(void *made)
{
    if (!made) {
        fail("no memory");
    }
    return made;
}

/* What a status is made of */

__attribute__((format(printf, 2, 3))) static Str text(Arena *arena, const char *format, ...)
{
    char made[TEXT];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(made, sizeof(made), format, args);
    va_end(args);
    const Str copy = arena_copy(arena, (Str){made, (size_t)len});
    if (!copy.ptr) {
        fail("no memory");
    }
    return copy;
}

static StatusUpdate status_of(Arena *arena, const Change *change, size_t number)
{
    const size_t varied = bench.vary ? number : 0;
    return (StatusUpdate){
        .change = change,
        .id = text(arena, id_form, number),
        .status = str_from(states[(varied + 1) % 3]),
        .timestamp = text(arena, "%zu", 1771000100 + varied % 1000000),
        .recipient_id = text(arena, "1202%07zu", (5550123 + varied * 7919) % 10000000),
        .errors = bench.vary > 1 ? text(arena, other_errors, number) : STR("[]"),
        .extra = bench.vary > 1 ? text(arena, other_extra, number) : str_from(same_extra),
    };
}

static Payload payload_of(Arena *arena)
{
    static const Account account = {.id = STR_INIT("900100200300401")};
    static const Change change = {.account = &account,
                                  .field = STR_INIT("messages"),
                                  .messaging_product = STR_INIT("whatsapp"),
                                  .display_phone_number = STR_INIT("12025550100"),
                                  .phone_number_id = STR_INIT("800700600500401"),
                                  .has_statuses = true};
    StatusUpdate *statuses = need(arena_alloc(arena, bench.n * sizeof(*statuses)));
    for (size_t i = 0; i < bench.n; i++) {
        statuses[i] = status_of(arena, &change, bench.next++);
    }
    return (Payload){
        .object = STR("whatsapp_business_account"), .statuses = statuses, .status_count = bench.n};
}

/* Turns */

static void publish(Request *request)
{
    Publication *publication = &request->publication;
    arena_reset(publication->arena);
    request->payload = payload_of(publication->arena);
    snprintf(request->request_id, sizeof(request->request_id), "0123456789abcdef%016zx",
             bench.next);
    publication->delivery.received_at = str_from(bench.received_at);
    publication->delivery.request_id = str_from(request->request_id);
    if (bench.sink->publish(bench.sink, publication) == SINK_DONE) {
        fail("a publication was refused");
    }
}

static void publish_turn(void)
{
    bench.under_way = bench.k;
    snprintf(bench.received_at, sizeof(bench.received_at), "%zu", 1771000100000 + bench.next);
    for (size_t i = 0; i < bench.k; i++) {
        publish(&bench.requests[i]);
    }
}

static void on_done(Publication *publication)
{
    if (publication->code != ERROR_NONE) {
        fail("a publication was not stored");
    }
    bench.accepted += publication->result.accepted;
    if (--bench.under_way) {
        return;
    }
    if (bench.next < bench.end) {
        publish_turn();
    } else {
        loop_stop(bench.loop);
    }
}

static void on_settled(void *arg)
{
    (void)arg;
    if (!bench.sink->is_connected(bench.sink)) {
        fail("cannot connect");
    }
    publish_turn();
}

static void make_requests(void)
{
    bench.requests = need(calloc(bench.k, sizeof(*bench.requests)));
    for (size_t i = 0; i < bench.k; i++) {
        Request *request = &bench.requests[i];
        request->publication = (Publication){
            .payload = &request->payload, .arena = need(arena_new()), .done = on_done};
        request->publication.delivery.content_type = STR("application/json");
    }
}

static void run(const RedisServers *servers, const Partitions *partitions)
{
    const SinkSettings settings = {.servers = servers,
                                   .sentinel_user = "",
                                   .sentinel_password = "",
                                   .partitions = partitions,
                                   .timeout = TIMEOUT};
    const size_t first = bench.next;
    bench.loop = need(loop_new());
    bench.sink = need(sink_redis_open(bench.loop, &settings));
    sink_redis_when_settled(bench.sink, on_settled, NULL);
    const uint64_t begin = loop_clock_ns();
    loop_run(bench.loop);
    printf("{\"statuses\": %zu, \"accepted\": %zu, \"seconds\": %.3f}\n", bench.next - first,
           bench.accepted, (double)(loop_clock_ns() - begin) / 1e9);
    bench.sink->close(bench.sink);
    loop_free(bench.loop);
}

static void free_requests(void)
{
    for (size_t i = 0; i < bench.k; i++) {
        arena_free(bench.requests[i].publication.arena);
    }
    free(bench.requests);
}

int main(int argc, char **argv)
{
    RedisServers servers;
    Error error;
    if (argc != 8) {
        fprintf(stderr, "usage: bench-redis URL WINDOW N K VARY STATUSES FIRST\n");
        return 2;
    }
    if (!redis_servers_parse(str_from(argv[1]), &servers, &error)) {
        fail("the URL cannot be read");
    }
    Partitions *partitions =
        need(partitions_new("whatsapp:statuses", 1, "", (unsigned)strtoul(argv[2], NULL, 10)));
    bench.n = strtoul(argv[3], NULL, 10);
    bench.k = strtoul(argv[4], NULL, 10);
    bench.vary = (unsigned)strtoul(argv[5], NULL, 10);
    bench.next = strtoul(argv[7], NULL, 10);
    bench.end = bench.next + strtoul(argv[6], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    make_requests();
    run(&servers, partitions);
    free_requests();
    partitions_free(partitions);
    return 0;
}
