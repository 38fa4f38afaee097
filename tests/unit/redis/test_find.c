#include "unit.h"

#include "failing_malloc.h"
#include "redis/find.h"
#include "redis/slots.h"
#include "scripted_redis.h"

#include <stdio.h>
#include <string.h>

enum { LONG = 30000, SEEDS = 2 };

#define GREETED                                                                                    \
    {                                                                                              \
        "tickstream", "+OK\r\n"                                                                    \
    }
#define SENTINEL(answer)                                                                           \
    {                                                                                              \
        GREETED, {"my-master", answer},                                                            \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
#define NODE(answer)                                                                               \
    {                                                                                              \
        GREETED, {"SLOTS", answer},                                                                \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }
/* Of CLUSTER SLOTS: a range, and its master. */
#define RANGE(first, last, port) "*3\r\n:" first "\r\n:" last "\r\n*2\r\n$1\r\nh\r\n:" port "\r\n"

static struct {
    ScriptedRedis seeds[SEEDS];
    RedisServers servers;
    FindTarget target;
    Address owners[2];
    Error error;
} scene;

/* Each seed plays a script. */
static void open_scene(ServersKind kind, const Step *first, const Step *second)
{
    const Step *const scripts[SEEDS] = {first, second};
    memset(&scene, 0, sizeof(scene));
    scene.servers = (RedisServers){.kind = kind, .seed_count = SEEDS, .master = "my-master"};
    for (size_t i = 0; i < SEEDS; i++) {
        scripted_redis_open(&scene.seeds[i], scripts[i]);
        memcpy(scene.servers.seeds[i].host, scene.seeds[i].url.host,
               sizeof(scene.servers.seeds[i].host));
    }
    scene.servers.server.unix_socket = true;
    scene.target = (FindTarget){
        .servers = &scene.servers, .sentinel_user = "", .sentinel_password = "", .timeout = LONG};
}

static void close_scene(void)
{
    for (size_t i = 0; i < SEEDS; i++) {
        scripted_redis_close(&scene.seeds[i]);
    }
}

/* The owners of two slots. */
static bool find(uint16_t one, uint16_t other)
{
    const uint16_t slots[] = {one, other};
    return redis_find(&scene.target, slots, 2, scene.owners, &scene.error);
}

static const char *owner(size_t i)
{
    static char text[ADDRESS_TEXT];
    address_show(&scene.owners[i], text);
    return scene.owners[i].host[0] ? text : "nobody";
}

/* Who is one server is asked nothing. */
static void test_one(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof(scene));
    assert_true(redis_servers_parse(STR("redis://nowhere.test:7"), &scene.servers, &scene.error));
    scene.target = (FindTarget){.servers = &scene.servers};
    assert_true(find(0, SLOTS - 1));
    assert_string_equal(owner(0), "nowhere.test:7");
    assert_string_equal(owner(1), "nowhere.test:7");
}

/* The first who tells is believed; want NULL: both owners are. */
static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        ServersKind kind;
        Step first[3], second[3];
        const char *owners[2]; /* of slots 0 and 16383 */
        const char *why;       /* nobody tells */
        ErrorCode code;
    } cases[] = {
        {"a sentinel names it",
         SERVERS_SENTINEL,
         SENTINEL("*2\r\n$1\r\nm\r\n$4\r\n6379\r\n"),
         SENTINEL("$-1\r\n"),
         {"m:6379", "m:6379"},
         NULL,
         ERROR_NONE},
        {"the second sentinel does",
         SERVERS_SENTINEL,
         SENTINEL("$-1\r\n"),
         SENTINEL("*2\r\n$1\r\nm\r\n$4\r\n6379\r\n"),
         {"m:6379", "m:6379"},
         NULL,
         ERROR_NONE},
        {"none knows the name",
         SERVERS_SENTINEL,
         SENTINEL("$-1\r\n"),
         SENTINEL("$-1\r\n"),
         {NULL, NULL},
         "no sentinel answers (2 tried): it knows no master my-master (",
         ERROR_SETUP},
        {"they are none",
         SERVERS_SENTINEL,
         SENTINEL("-ERR unknown command 'SENTINEL'\r\n"),
         SENTINEL("-ERR unknown command 'SENTINEL'\r\n"),
         {NULL, NULL},
         "no sentinel answers (2 tried): ERR unknown command 'SENTINEL' (",
         ERROR_SETUP},
        {"a port that is none",
         SERVERS_SENTINEL,
         SENTINEL("*2\r\n$1\r\nm\r\n$1\r\n0\r\n"),
         SENTINEL(NULL),
         {NULL, NULL},
         "no sentinel answers (2 tried): the server has closed the connection (",
         ERROR_UNAVAILABLE},
        {"a node knows all",
         SERVERS_CLUSTER,
         NODE("*2\r\n" RANGE("0", "99", "1") RANGE("100", "16383", "2")),
         NODE(NULL),
         {"h:1", "h:2"},
         NULL,
         ERROR_NONE},
        {"each knows some",
         SERVERS_CLUSTER,
         NODE("*1\r\n" RANGE("0", "99", "1")),
         NODE("*1\r\n" RANGE("100", "16383", "2")),
         {"h:1", "h:2"},
         NULL,
         ERROR_NONE},
        {"nobody owns the last slot",
         SERVERS_CLUSTER,
         NODE("*1\r\n" RANGE("0", "99", "1")),
         NODE("-LOADING\r\n"),
         {"h:1", "nobody"},
         NULL,
         ERROR_NONE},
        {"one is loading, one is no cluster",
         SERVERS_CLUSTER,
         NODE("-LOADING Redis is loading\r\n"),
         NODE("-ERR This instance has cluster support disabled\r\n"),
         {NULL, NULL},
         "no node of the cluster answers (2 tried): ERR This instance has cluster support disabled "
         "(",
         ERROR_SETUP},
        {"nonsense",
         SERVERS_CLUSTER,
         NODE("+OK\r\n"),
         NODE("*1\r\n:1\r\n"),
         {NULL, NULL},
         "no node of the cluster answers (2 tried): its answer to CLUSTER SLOTS makes no sense (",
         ERROR_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("  %s\n", cases[i].label);
        open_scene(cases[i].kind, cases[i].first, cases[i].second);
        assert_int_equal(find(0, SLOTS - 1), cases[i].why == NULL);
        if (cases[i].why) {
            assert_memory_equal(scene.error.text, cases[i].why, strlen(cases[i].why));
            assert_int_equal(scene.error.code, cases[i].code);
        } else {
            assert_string_equal(owner(0), cases[i].owners[0]);
            assert_string_equal(owner(1), cases[i].owners[1]);
        }
        close_scene();
    }
}

/* Sentinels have a user of their own, and are not asked for a database. */
static void test_user_of_sentinels(void **state)
{
    (void)state;
    static const Step steps[] = {
        {"AUTH", ""}, {"watcher", ""},  {"hunter2", "+OK\r\n"},
        GREETED,      {"SENTINEL", ""}, {"my-master", "*2\r\n$1\r\nm\r\n$1\r\n7\r\n"},
        {NULL, NULL}};
    open_scene(SERVERS_SENTINEL, steps, steps);
    RedisUrl *url = &scene.servers.server;
    url->db = 3;
    snprintf(url->user, sizeof(url->user), "of-redis");
    snprintf(url->password, sizeof(url->password), "of-redis");
    scene.target.sentinel_user = "watcher";
    scene.target.sentinel_password = "hunter2";
    assert_true(find(0, 1));
    assert_string_equal(owner(0), "m:7");
    close_scene();
}

/* What is found, or an error, and no leak, whatever is missing; nothing is told by half. */
static void test_failing_malloc(void **state)
{
    (void)state;
    static const Step steps[] = NODE("*1\r\n" RANGE("0", "16383", "1"));
    open_scene(SERVERS_CLUSTER, steps, steps);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        memset(scene.owners, 0, sizeof(scene.owners));
        failing_malloc_begin(n, FAIL_FOREVER);
        const bool found = find(0, 1);
        failed = failing_malloc_end();
        assert_int_equal(found, !failed);
        assert_string_equal(owner(0), found ? "h:1" : "nobody");
    }
    close_scene();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_user_of_sentinels),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
