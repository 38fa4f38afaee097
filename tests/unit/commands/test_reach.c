#include "unit.h"

#include "commands/reach.h"
#include "scripted_redis.h"

#include <stdlib.h>
#include <string.h>

enum { SERVERS = REACH_CLIENTS + 2 };

static const Step steps[] = {{"ROLE", "+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"}, {NULL, NULL}};

static struct {
    Config config;
    ScriptedRedis servers[SERVERS];
    Reach reach;
    Error error;
} scene;

static void open_scene(size_t count)
{
    memset(&scene, 0, sizeof(scene));
    scene.config.redis_timeout = 30000;
    scene.config.redis.server.unix_socket = true;
    scene.reach.config = &scene.config;
    for (size_t i = 0; i < count; i++) {
        scripted_redis_open(&scene.servers[i], steps);
    }
}

static void close_scene(size_t count)
{
    reach_close(&scene.reach);
    for (size_t i = 0; i < count; i++) {
        scripted_redis_close(&scene.servers[i]);
    }
}

static Client *open_client(size_t i)
{
    const Address owner = redis_url_address(&scene.servers[i].url);
    Client *client = reach_open(&scene.reach, &owner, &scene.error);
    if (!client) {
        fail_msg("%zu: %s", i, scene.error.text);
    }
    assert_string_equal(scene.reach.url.host, owner.host);
    return client;
}

static size_t count_clients(void)
{
    size_t count = 0;
    for (size_t i = 0; i < REACH_CLIENTS; i++) {
        count += scene.reach.clients[i].client != NULL;
    }
    return count;
}

/* Each server has one connection, however often it is its turn. */
static void test_kept(void **state)
{
    (void)state;
    open_scene(2);
    Client *first = open_client(0), *second = open_client(1);
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(open_client(0), first);
    assert_ptr_equal(open_client(1), second);
    assert_int_equal(count_clients(), 2);
    close_scene(2);
    assert_int_equal(count_clients(), 0);
}

static void test_dropped(void **state)
{
    (void)state;
    open_scene(2);
    const Address owner = redis_url_address(&scene.servers[0].url);
    Client *other = open_client(1);
    open_client(0);
    reach_drop(&scene.reach, &owner);
    assert_int_equal(count_clients(), 1);
    reach_drop(&scene.reach, &owner);
    assert_ptr_equal(open_client(1), other);
    open_client(0);
    assert_int_equal(count_clients(), 2);
    close_scene(2);
}

/* What was not asked for long may be gone; it is connected to again. */
static void test_idle(void **state)
{
    (void)state;
    open_scene(1);
    open_client(0);
    ReachClient *place = &scene.reach.clients[0];
    place->used_at -= REACH_IDLE_MS - 10000;
    place->url.db = 7; /* of the old one */
    open_client(0);
    assert_int_equal(place->url.db, 7);
    place->used_at -= REACH_IDLE_MS + 1000;
    open_client(0);
    assert_int_equal(place->url.db, 0);
    assert_int_equal(count_clients(), 1);
    close_scene(1);
}

/* One more than there are places for: who was not asked for longest has to go. */
static void test_bounded(void **state)
{
    (void)state;
    open_scene(SERVERS);
    Client *clients[SERVERS];
    for (size_t i = 0; i < REACH_CLIENTS; i++) {
        clients[i] = open_client(i);
        scene.reach.clients[i].used_at -= (int64_t)(100 - i);
    }
    assert_ptr_equal(open_client(0), clients[0]);
    open_client(REACH_CLIENTS);
    assert_int_equal(count_clients(), REACH_CLIENTS);
    assert_ptr_equal(open_client(0), clients[0]);
    assert_ptr_equal(open_client(2), clients[2]);
    const Address second = redis_url_address(&scene.servers[1].url);
    for (size_t i = 0; i < REACH_CLIENTS; i++) {
        const Address there = redis_url_address(&scene.reach.clients[i].url);
        assert_false(address_eq(&there, &second));
    }
    close_scene(SERVERS);
}

static void test_nobody(void **state)
{
    (void)state;
    open_scene(0);
    strcpy(scene.config.redis.shown, "redis+cluster://n1");
    const Address nobody = {.host = ""};
    assert_null(reach_open(&scene.reach, &nobody, &scene.error));
    assert_int_equal(scene.error.code, ERROR_UNAVAILABLE);
    assert_string_equal(scene.reach.url.shown, "redis+cluster://n1");
    const Address away = {.host = "/nowhere/redis.sock"};
    assert_null(reach_open(&scene.reach, &away, &scene.error));
    assert_int_equal(count_clients(), 0);
    close_scene(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_dropped),
                                       cmocka_unit_test(test_idle), cmocka_unit_test(test_bounded),
                                       cmocka_unit_test(test_nobody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
