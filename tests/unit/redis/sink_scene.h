/*
 * A sink before a server of the same loop that does as it was told, requests to it, and a log of
 * how each has ended.
 */
#ifndef TICKSTREAM_SINK_SCENE_H
#define TICKSTREAM_SINK_SCENE_H

#include "unit.h"

#include "base/owner.h"
#include "fake_redis.h"
#include "redis/call.h"
#include "redis/sink_redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG = 30000, MOST = 8 };

static const Account account = {.id = STR_INIT("E")};
static const Change change = {.account = &account, .field = STR_INIT("messages")};
static StatusUpdate status = {&change,   STR_INIT("a"),  STR_INIT("sent"), {NULL, 0},
                              {NULL, 0}, STR_INIT("[]"), STR_INIT("{}")};
static const Payload payload = {.statuses = &status, .status_count = 1};

typedef struct {
    Publication publication;
    bool again; /* publishes the next one from within done() */
} Request;

/* A sink before a server that does as it was told; how each request has ended, in this order. */
typedef struct {
    Loop *loop;
    FakeRedis fake;
    StreamKeys keys, *key_list[1];
    Partitions partitions;
    RedisServers servers;
    Ack ack;
    const Keep *keep; /* NULL: no upkeep comes in between */
    Sink *sink;
    Arena *arena;
    Request requests[MOST];
    Probe probe;
    char log[256]; /* "0=stored 1=refused" */
    size_t told;
    int settled;
    bool requires_durable;
} Scene;

static Scene scene; /* too large for a stack */

static inline void note(const char *who, ErrorCode code)
{
    size_t used = strlen(scene.log);
    const char *how = code == ERROR_NONE          ? "stored"
                      : code == ERROR_UNAVAILABLE ? "refused"
                      : code == ERROR_NO_MEMORY   ? "no memory"
                                                  : "?";
    snprintf(scene.log + used, sizeof(scene.log) - used, "%s%s=%s", used ? " " : "", who, how);
    scene.told++;
}

static inline void note_request(const Request *request)
{
    char who[8];
    snprintf(who, sizeof(who), "%d", (int)(request - scene.requests));
    note(who, request->publication.code);
}

static inline void publish_payload(size_t i, const Payload *what);

static inline void on_done(Publication *publication)
{
    Request *request = OWNER_OF(publication, Request, publication);
    note_request(request);
    if (request->again) {
        publish_payload((size_t)(request - scene.requests) + 1, &payload);
    }
}

static inline void publish_payload(size_t i, const Payload *what)
{
    Publication *publication = &scene.requests[i].publication;
    *publication = (Publication){.payload = what, .arena = scene.arena, .done = on_done};
    if (scene.sink->publish(scene.sink, publication) == SINK_DONE) {
        note_request(&scene.requests[i]);
    }
}

static inline void publish(size_t i)
{
    publish_payload(i, &payload);
}

static inline void on_probed(Probe *probe)
{
    note("probe", probe->code);
}

static inline void ask(void)
{
    scene.probe = (Probe){.done = on_probed};
    if (scene.sink->probe(scene.sink, &scene.probe) == SINK_DONE) {
        note("probe", scene.probe.code);
    }
}

static inline void on_settled(void *arg)
{
    (void)arg;
    scene.settled++;
}

static inline void open_scene(unsigned window)
{
    memset(&scene, 0, sizeof(scene));
    signal(SIGPIPE, SIG_IGN);
    scene.loop = loop_new();
    scene.arena = arena_new();
    assert_true(scene.loop && scene.arena);
    fake_redis_open(&scene.fake, scene.loop);
    scene.keys = (StreamKeys){.stream = STR("s"),
                              .quarantine = STR("{s}:q"),
                              .seen = {STR("{s}:seen:0"), STR("{s}:seen:1")},
                              .seen_state = STR("{s}:seen"),
                              .probe = STR("{s}:probe"),
                              .upkeep = STR("{s}:upkeep"),
                              .window = window};
}

static inline bool connect_within(int64_t timeout)
{
    scene.key_list[0] = &scene.keys;
    scene.partitions = (Partitions){1, scene.key_list, STR("{s}:partitions")};
    scene.servers = (RedisServers){
        .server = scene.fake.url, .seed_count = 1, .seeds = {redis_url_address(&scene.fake.url)}};
    const SinkSettings settings = {.servers = &scene.servers,
                                   .sentinel_user = "",
                                   .sentinel_password = "",
                                   .partitions = &scene.partitions,
                                   .ack = scene.ack,
                                   .keep = scene.keep,
                                   .timeout = timeout,
                                   .requires_durable = scene.requires_durable};
    scene.sink = sink_redis_open(scene.loop, &settings);
    return scene.sink != NULL;
}

static inline void close_sink(void)
{
    if (scene.sink) {
        scene.sink->close(scene.sink);
    }
    scene.sink = NULL;
}

static inline void close_scene(void)
{
    close_sink();
    fake_redis_close(&scene.fake);
    scene.loop = loop_free(scene.loop);
    scene.arena = arena_free(scene.arena);
}

static inline bool is_connected(void *arg)
{
    (void)arg;
    return scene.sink->is_connected(scene.sink);
}

static inline void ready_scene(unsigned window, int64_t timeout)
{
    open_scene(window);
    assert_true(connect_within(timeout));
    run_until(scene.loop, is_connected, NULL);
}

static inline bool is_told(void *arg)
{
    const size_t *count = arg;
    return scene.told >= *count;
}

static inline void run_until_told(size_t count)
{
    run_until(scene.loop, is_told, &count);
}

static const char *heard; /* names of commands */

static inline bool has_heard(void *arg)
{
    (void)arg;
    return strstr(scene.fake.commands, heard) != NULL;
}

static inline void run_until_heard(const char *commands)
{
    heard = commands;
    run_until(scene.loop, has_heard, NULL);
}

static inline void assert_log(const char *log)
{
    run_until_told(1);
    run_for(scene.loop, 5); /* nothing is told twice */
    assert_string_equal(scene.log, log);
}

/* How many commands of this name the newest connection has had. */
static inline size_t count_heard(const char *name)
{
    size_t count = 0, len = strlen(name);
    for (Str rest = str_from(scene.fake.commands); rest.ptr;) {
        const Str command = str_split(&rest, ' ');
        count += command.len == len && memcmp(command.ptr, name, len) == 0;
    }
    return count;
}

#endif
