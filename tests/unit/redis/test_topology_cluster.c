#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/topology.h"
#include "stats/stats.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, PARTITIONS = 4, MAP = 512 };

/* Two partitions are in the same slot. */
static const uint16_t slots[PARTITIONS] = {100, 200, 300, 200};

/* Nodes A, B and C, of which a topology knows the first as seed, and what it has reported. */
typedef struct {
    Loop *loop;
    FakeRedis nodes[NODES];
    FakeAnswer habits[NODES];
    char maps[NODES][MAP];
    RedisServers servers;
    Topology *topology;
    size_t changes;
    bool closes; /* from inside of changed() */
    uint64_t told, failed, moves;
} Scene;

static Scene scene; /* too large for a stack */

static Address address_of(char node)
{
    if (node == '-') { /* nobody has port 1 */
        return (Address){.host = "127.0.0.1", .port = 1};
    }
    return redis_url_address(&scene.nodes[node - 'A'].url);
}

/* How a node answers to CLUSTER SLOTS from now on; NULL: hangs up. */
static void answers(char node, const char *text)
{
    FakeAnswer *habit = &scene.habits[node - 'A'];
    *habit = (FakeAnswer){"CLUSTER", text};
    scene.nodes[node - 'A'].habits = habit;
    scene.nodes[node - 'A'].habit_count = 1;
}

/* A map: the owners of the slots up to 100, 200 and 300, '.' = none. */
static const char *map(const char *owners, char text[MAP])
{
    size_t used = 0, count = 0;
    char ranges[MAP] = "";
    for (size_t i = 0; i < 3; i++) {
        if (owners[i] != '.') {
            Address owner = address_of(owners[i]);
            used +=
                (size_t)snprintf(ranges + used, sizeof(ranges) - used,
                                 "*3\r\n:%zu\r\n:%zu\r\n*2\r\n$%zu\r\n%s\r\n:%u\r\n", 1 + i * 100,
                                 100 + i * 100, strlen(owner.host), owner.host, owner.port);
            count++;
        }
    }
    snprintf(text, MAP, "*%zu\r\n%.*s", count, MAP - 8, ranges);
    return text;
}

static void answers_map(char node, const char *owners)
{
    answers(node, map(owners, scene.maps[node - 'A']));
}

static void on_changed(void *arg)
{
    assert_ptr_equal(arg, &scene);
    scene.changes++;
    if (scene.closes) {
        scene.topology = topology_close(scene.topology);
    }
}

static Topology *open_topology(void)
{
    const TopologySettings settings = {
        .servers = &scene.servers, .slots = slots, .count = PARTITIONS};
    return topology_open(scene.loop, &settings, on_changed, &scene);
}

static void open_scene(void)
{
    memset(&scene, 0, sizeof(scene));
    scene.loop = loop_new();
    assert_non_null(scene.loop);
    for (size_t i = 0; i < NODES; i++) {
        fake_redis_open_tcp(&scene.nodes[i], scene.loop);
    }
    scene.servers = (RedisServers){.kind = SERVERS_CLUSTER, .seed_count = 1};
    scene.servers.seeds[0] = address_of('A');
    redis_url_at(&scene.servers.server, &scene.servers.seeds[0], &scene.servers.server);
    scene.told = stats_of(0, STAT_REDIS_LOOKUPS);
    scene.failed = stats_of(0, STAT_REDIS_LOOKUPS + 1);
    scene.moves = stats_of(0, STAT_REDIS_OWNER_CHANGES);
}

static void close_scene(void)
{
    scene.topology = topology_close(scene.topology);
    for (size_t i = 0; i < NODES; i++) {
        fake_redis_close(&scene.nodes[i]);
    }
    scene.loop = loop_free(scene.loop);
}

static uint64_t told(void)
{
    return stats_of(0, STAT_REDIS_LOOKUPS) - scene.told;
}

static uint64_t failed(void)
{
    return stats_of(0, STAT_REDIS_LOOKUPS + 1) - scene.failed;
}

static uint64_t moves(void)
{
    return stats_of(0, STAT_REDIS_OWNER_CHANGES) - scene.moves;
}

/* Of each partition; '.' = not known. */
static const char *owners(void)
{
    static char text[PARTITIONS + 1];
    for (size_t i = 0; i < PARTITIONS; i++) {
        const Address *owner = topology_owner(scene.topology, i);
        text[i] = owner ? '?' : '.';
        for (char node = 'A'; owner && node < 'A' + NODES; node++) {
            const Address address = address_of(node);
            text[i] = address_eq(owner, &address) ? node : text[i];
        }
    }
    return text;
}

static bool has_owners(void *arg)
{
    return strcmp(owners(), arg) == 0;
}

/* With a change that is told. */
static void run_until_owners(const char *wanted)
{
    char text[PARTITIONS + 1];
    snprintf(text, sizeof(text), "%s", wanted);
    run_until(scene.loop, has_owners, text);
    run_for(scene.loop, 5);
}

static bool has_looked(void *arg)
{
    const uint64_t *count = arg;
    return told() + failed() >= *count;
}

static void run_until_looked(uint64_t count)
{
    run_until(scene.loop, has_looked, &count);
    run_for(scene.loop, 5);
}

static void suspect(char hint)
{
    const Address address = address_of(hint ? hint : 'A');
    topology_suspect(scene.topology, hint ? &address : NULL);
}

static void moved(size_t i, char to)
{
    const Address address = address_of(to);
    topology_moved(scene.topology, i, &address);
}

/* Knows a map, and has been quiet for longer than the first pause. */
static void open_known(const char *known)
{
    open_scene();
    answers_map('A', known);
    answers_map('B', known);
    answers_map('C', known);
    scene.topology = open_topology();
    assert_non_null(scene.topology);
    run_until_looked(1);
    run_for(scene.loop, 60);
    scene.changes = 0;
}

static void test_learns_at_the_start(void **state)
{
    (void)state;
    open_scene();
    answers_map('A', "ABC");
    scene.topology = open_topology();
    assert_string_equal(owners(), "...."); /* nothing from inside */
    assert_int_equal(scene.changes, 0);
    run_until_owners("ABCB");
    run_for(scene.loop, 60);
    assert_int_equal(scene.changes, 1);
    assert_int_equal(told(), 1);
    assert_int_equal(failed(), 0);
    assert_int_equal(moves(), 0);
    assert_int_equal(scene.nodes[0].accepted, 1);
    assert_string_equal(scene.nodes[0].commands, "CLIENT CLUSTER ");
    assert_int_equal(scene.nodes[1].accepted + scene.nodes[2].accepted, 0);
    close_scene();
}

/* One that does this is asked first: the next one is asked, and tells. */
typedef struct {
    const char *label;
    bool is_absent, is_deaf, hangs_up;
    const char *text;
} Lie;

static const Lie lies[] = {
    {"absent", .is_absent = true, .text = ""},
    {"deaf", .is_deaf = true, .text = ""},
    {"silent", .text = ""},
    {"hangs up at once", .hangs_up = true, .text = ""},
    {"hangs up", .text = NULL},
    {"says half", .text = "*1\r\n*3\r\n:0\r\n"},
    {"is no cluster", .text = "-ERR This instance has cluster support disabled\r\n"},
    {"forbids", .text = "-NOPERM this user has no permissions\r\n"},
    {"knows nothing", .text = "*0\r\n"},
    {"says nil", .text = "*-1\r\n"},
    {"says OK", .text = "+OK\r\n"},
    {"speaks no Redis", .text = "HTTP/1.1 400 Bad Request\r\n"},
    {"knows other slots", .text = "*1\r\n*3\r\n:400\r\n:500\r\n*2\r\n$1\r\na\r\n:1\r\n"},
    {"knows no address", .text = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\n?\r\n:6379\r\n"},
    {"has port 0", .text = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:0\r\n"},
    {"tells a slot twice",
     .text = "*2\r\n*3\r\n:0\r\n:300\r\n*2\r\n$1\r\na\r\n:1\r\n*3\r\n:200\r\n:400\r\n*2\r\n$1\r\nb"
             "\r\n:2\r\n"},
};

static void tell_lies(char node, const Lie *lie)
{
    FakeRedis *fake = &scene.nodes[node - 'A'];
    fake_redis_hang_up(fake);
    answers(node, lie->text);
    fake->hangs_up = lie->hangs_up;
    fake->deaf = lie->is_deaf;
    if (lie->is_absent) {
        fake_redis_stop_listening(fake);
    }
}

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        open_known("AAA");
        tell_lies('B', &lies[i]);
        answers_map('A', "AAC");
        suspect('B');
        assert_int_equal(told(), 1);
        run_until_owners("AACA");
        assert_int_equal(scene.changes, 1);
        assert_int_equal(told(), 2);
        assert_int_equal(failed(), 0);
        assert_int_equal(moves(), 1);
        assert_int_equal(scene.nodes[1].accepted, lies[i].is_absent ? 0 : 1);
        close_scene();
    }
}

/* The only one does this: it is asked again and again, until it tells. */
static void test_nobody_tells(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        open_scene();
        tell_lies('A', &lies[i]);
        scene.topology = open_topology();
        run_until_looked(2);
        assert_int_equal(told(), 0);
        assert_int_equal(scene.changes, 0);
        assert_string_equal(owners(), "....");
        scene.nodes[0].hangs_up = false;
        fake_redis_set_deaf(&scene.nodes[0], false);
        answers_map('A', "CBA");
        if (lies[i].is_absent) {
            fake_redis_listen(&scene.nodes[0]);
        }
        run_until_owners("CBAB");
        assert_int_equal(scene.changes, 1);
        assert_int_equal(told(), 1);
        close_scene();
    }
}

/* Nobody answers any more: what was known stays. */
static void test_keeps_what_was_known(void **state)
{
    (void)state;
    open_known("ABC");
    for (char node = 'A'; node <= 'C'; node++) {
        tell_lies(node, &lies[0]);
    }
    suspect('\0');
    run_until_looked(3); /* by itself */
    assert_int_equal(failed(), 2);
    assert_string_equal(owners(), "ABCB");
    assert_int_equal(scene.changes, 0);
    close_scene();
}

static void test_seeds(void **state)
{
    (void)state;
    open_scene(); /* one of them is enough, whatever its place */
    scene.servers.seed_count = 3;
    scene.servers.seeds[0] = scene.servers.seeds[1] = address_of('-');
    scene.servers.seeds[2] = address_of('B');
    answers_map('B', "BBB");
    scene.topology = open_topology();
    run_until_owners("BBBB");
    assert_int_equal(failed(), 0);

    tell_lies('B', &lies[0]); /* the owner has gone for good, and a seed is back */
    scene.servers.seeds[1] = address_of('C');
    answers_map('C', "CCC");
    suspect('\0');
    run_until_owners("CCCC");
    assert_int_equal(failed(), 0);
    close_scene();
}

/* Who is asked last is asked over the same connection when it is its turn again. */
static void test_keeps_its_connection(void **state)
{
    (void)state;
    open_known("AAA");
    suspect('\0');
    run_until_looked(2);
    assert_int_equal(scene.nodes[0].accepted, 1);
    assert_string_equal(scene.nodes[0].commands, "CLIENT CLUSTER CLUSTER ");
    close_scene();
}

/* What the next answer makes of what was known. */
static const struct {
    const char *known, *told, *owners;
    size_t moves;
} answers_table[] = {
    {"ABC", "ABC", "ABCB", 0}, {"ABC", "ABB", "ABBB", 1}, {"ABC", "ACC", "ACCC", 2},
    {"ABC", "CCC", "CCCC", 3}, {"ABC", "A.C", "ABCB", 0}, {"ABC", "..A", "ABAB", 1},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers_table); i++) {
        open_known(answers_table[i].known);
        for (char node = 'A'; node <= 'C'; node++) {
            answers_map(node, answers_table[i].told);
        }
        suspect('\0');
        run_until_looked(2);
        assert_string_equal(owners(), answers_table[i].owners);
        assert_int_equal(moves(), answers_table[i].moves);
        assert_int_equal(scene.changes, answers_table[i].moves ? 1 : 0);
        close_scene();
    }
}

/* A slot without an owner is asked for until it has one. */
static void test_learns_the_rest(void **state)
{
    (void)state;
    open_scene();
    answers_map('A', "A..");
    scene.topology = open_topology();
    run_until_owners("A...");
    answers_map('A', "A.A");
    run_until_owners("A.A.");
    answers_map('A', "AAA");
    run_until_owners("AAAA");
    run_for(scene.loop, 100);
    const uint64_t looked = told();
    run_for(scene.loop, 500); /* and then not any more */
    assert_in_range(told(), looked, looked + 1);
    close_scene();
}

static void test_moved(void **state)
{
    (void)state;
    open_known("AAA");
    answers_map('B', "ABA");
    moved(1, 'B');
    assert_string_equal(owners(), "ABAB"); /* at once, and all of the slot */
    assert_int_equal(scene.changes, 0);
    assert_int_equal(moves(), 2);
    run_until_looked(2); /* who is asked is B */
    assert_int_equal(scene.nodes[1].accepted, 1);
    assert_int_equal(scene.changes, 1);
    assert_string_equal(owners(), "ABAB");

    answers_map('B', "AAA"); /* it has lied; it is believed until asked */
    run_for(scene.loop, 100);
    moved(0, 'B');
    assert_string_equal(owners(), "BBAB");
    run_until_owners("AAAA");
    close_scene();
}

/* A map that was asked for before the MOVED does not undo it, and what else it tells counts. */
static void test_moved_while_it_is_asked(void **state)
{
    static char text[MAP];
    (void)state;
    open_known("AAA");
    answers('A', "");
    answers_map('B', "CBA");
    suspect('\0');
    while (strcmp(scene.nodes[0].commands, "CLIENT CLUSTER CLUSTER ") != 0) {
        run_for(scene.loop, 1);
    }
    moved(1, 'B');
    fake_redis_say(&scene.nodes[0], map("CAA", text));
    run_until_owners("CBAB");
    assert_int_equal(moves(), 3);
    run_until_looked(3); /* B, and it agrees */
    assert_int_equal(scene.nodes[1].accepted, 1);
    assert_string_equal(owners(), "CBAB");
    assert_int_equal(failed(), 0);
    close_scene();
}

/* A hint that comes while somebody silent is asked is the next. */
static void test_hint_comes_first(void **state)
{
    (void)state;
    open_known("AAA");
    answers('A', "");
    scene.servers.seed_count = 2;
    scene.servers.seeds[1] = address_of('B');
    suspect('\0');
    run_for(scene.loop, 20);
    answers_map('C', "CCC");
    suspect('C');
    run_until_owners("CCCC");
    assert_int_equal(scene.nodes[1].accepted, 0);
    close_scene();
}

/* Whatever is told or suspected, and however often, questions are few. */

static void circle(void *arg)
{
    size_t *turn = arg;
    moved(0, (*turn)++ % 2 ? 'A' : 'B');
    suspect(*turn % 3 ? 'C' : '\0');
}

static void test_no_busy_loop(void **state)
{
    (void)state;
    for (int lies_too = 0; lies_too < 2; lies_too++) {
        open_known("AAA");
        if (lies_too) {
            for (char node = 'A'; node <= 'C'; node++) {
                answers(node, "*0\r\n");
            }
        }
        size_t turn = 0;
        Timer *timer = loop_timer(scene.loop, circle, &turn);
        timer_start(timer, 1, 1);
        run_for(scene.loop, 1000);
        timer_close(timer);
        assert_in_range(turn, 100, 2000);
        /* after 25..50, 50..100, 100..200, ... */
        assert_in_range(told() + failed(), 3, 8);
        close_scene();
    }
}

/* At most one question at a time. */
static void test_one_question_at_a_time(void **state)
{
    (void)state;
    open_known("AAA");
    answers('A', "");
    for (int i = 0; i < 20; i++) {
        suspect('A');
        run_for(scene.loop, 10);
    }
    assert_string_equal(scene.nodes[0].commands, "CLIENT CLUSTER CLUSTER ");
    assert_int_equal(scene.nodes[0].accepted, 1);
    close_scene();
}

static void test_closed(void **state)
{
    (void)state;
    open_scene(); /* before anything */
    scene.topology = open_topology();
    close_scene();

    open_scene(); /* while somebody is asked */
    answers('A', "");
    scene.topology = open_topology();
    run_for(scene.loop, 10);
    close_scene();

    open_known("AAA"); /* before a change is told */
    moved(0, 'B');
    scene.topology = topology_close(scene.topology);
    run_for(scene.loop, 100);
    assert_int_equal(scene.changes, 0);
    close_scene();

    open_known("AAA"); /* while it is told */
    scene.closes = true;
    moved(0, 'B');
    run_for(scene.loop, 100);
    assert_int_equal(scene.changes, 1);
    close_scene();

    assert_null(topology_close(NULL));
}

/* Whatever allocation fails, it is not opened, or learns all the same. */

static size_t allocations; /* that succeed */

static void open_without_memory(void *arg)
{
    bool *is_tried = arg;
    *is_tried = true;
    failing_malloc_begin(allocations, FAIL_ONCE);
    scene.topology = open_topology();
}

static bool is_decided(void *arg)
{
    const bool *is_tried = arg;
    return *is_tried && (!scene.topology || strcmp(owners(), "ABCB") == 0);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    size_t unopened = 0, unasked = 0;
    bool has_failed = true;
    for (allocations = 0; has_failed; allocations++) {
        bool is_tried = false;
        open_scene();
        answers_map('A', "ABC");
        Timer *timer = loop_timer(scene.loop, open_without_memory, &is_tried);
        timer_start(timer, 0, 0);
        run_until(scene.loop, is_decided, &is_tried);
        has_failed = failing_malloc_end();
        unopened += !scene.topology;
        unasked += failed() > 0;
        close_scene();
    }
    assert_int_equal(unopened, 8);
    assert_true(unasked >= 5);
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (!stats_open(1)) {
        return -1;
    }
    stats_use(0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_at_the_start),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_nobody_tells),
        cmocka_unit_test(test_keeps_what_was_known),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_keeps_its_connection),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_learns_the_rest),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_moved_while_it_is_asked),
        cmocka_unit_test(test_hint_comes_first),
        cmocka_unit_test(test_no_busy_loop),
        cmocka_unit_test(test_one_question_at_a_time),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
