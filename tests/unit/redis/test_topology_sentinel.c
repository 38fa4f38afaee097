#include "unit.h"

#include "failing_malloc.h"
#include "fake_redis.h"
#include "redis/topology.h"
#include "stats/stats.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTINELS = 3, PARTITIONS = 2, ANSWER = 128 };

static const uint16_t slots[PARTITIONS] = {100, 200};

/* How a sentinel answers to both questions. */
typedef struct {
    FakeAnswer habits[2];
    char address[ANSWER], state[ANSWER];
} Said;

/* Three sentinels, and what a topology has reported. */
typedef struct {
    Loop *loop;
    FakeRedis sentinels[SENTINELS];
    Said said[SENTINELS];
    RedisServers servers;
    const char *user, *password;
    Topology *topology;
    size_t changes;
    bool closes; /* from inside of changed() */
    uint64_t told, failed, moves;
} Scene;

static Scene scene; /* too large for a stack */

/*
 * What a sentinel says, in a word:
 *
 *   a5   the master is at host a, of epoch 5      a?    it does not tell the epoch
 *   a    and its epoch makes no sense             nil   it knows no such master
 *   x    it hangs up                              -     it is silent
 */
static void say(size_t i, const char *word)
{
    Said *said = &scene.said[i];
    const char *address = said->address, *state = said->state;
    snprintf(said->address, ANSWER, "*2\r\n$1\r\n%c\r\n$4\r\n6379\r\n", word[0]);
    if (word[1] == '?') {
        state = "-NOPERM this user has no permissions to run the 'sentinel|master' command\r\n";
    } else {
        snprintf(
            said->state, ANSWER,
            "*6\r\n$4\r\nname\r\n$2\r\nmy\r\n$12\r\nconfig-epoch\r\n$1\r\n%c\r\n$5\r\nflags\r\n"
            "$6\r\nmaster\r\n",
            word[1] ? word[1] : 'z');
    }
    if (strcmp(word, "nil") == 0) {
        address = "*-1\r\n";
        state = "-ERR No such master with that name\r\n";
    }
    address = word[0] == '-' ? "" : word[0] == 'x' ? NULL : address;
    said->habits[0] = (FakeAnswer){"GET-MASTER-ADDR-BY-NAME", address};
    said->habits[1] = (FakeAnswer){"MASTER", word[0] == '-' ? "" : state};
    scene.sentinels[i].habits = said->habits;
    scene.sentinels[i].habit_count = 2;
}

/* A word for each. */
static void all_say(const char *words)
{
    Str rest = str_from(words);
    for (size_t i = 0; i < SENTINELS; i++) {
        char word[8];
        *str_put(word, str_split(&rest, ' ')) = '\0';
        say(i, word);
    }
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
    const TopologySettings settings = {.servers = &scene.servers,
                                       .sentinel_user = scene.user,
                                       .sentinel_password = scene.password,
                                       .slots = slots,
                                       .count = PARTITIONS};
    return topology_open(scene.loop, &settings, on_changed, &scene);
}

static void open_scene(const char *words)
{
    memset(&scene, 0, sizeof(scene));
    scene.loop = loop_new();
    assert_non_null(scene.loop);
    scene.servers = (RedisServers){
        .kind = SERVERS_SENTINEL,
        .seed_count = SENTINELS,
        .server = {.user = "worker", .password = "of redis", .db = 3},
        .master = "my",
    };
    for (size_t i = 0; i < SENTINELS; i++) {
        fake_redis_open_tcp(&scene.sentinels[i], scene.loop);
        scene.servers.seeds[i] = redis_url_address(&scene.sentinels[i].url);
    }
    scene.user = scene.password = "";
    all_say(words);
    scene.told = stats_of(0, STAT_REDIS_LOOKUPS);
    scene.failed = stats_of(0, STAT_REDIS_LOOKUPS + 1);
    scene.moves = stats_of(0, STAT_REDIS_OWNER_CHANGES);
}

static void close_scene(void)
{
    scene.topology = topology_close(scene.topology);
    for (size_t i = 0; i < SENTINELS; i++) {
        fake_redis_close(&scene.sentinels[i]);
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

/* The first letter of the master's host; "." = not known. */
static const char *master(void)
{
    static char text[2];
    const Address *owner = topology_owner(scene.topology, 0);
    const Address *other = topology_owner(scene.topology, 1);
    assert_true(owner ? address_eq(owner, other) && owner->port == 6379 : !other);
    text[0] = owner ? owner->host[0] : '.';
    return text;
}

static bool has_master(void *arg)
{
    return strcmp(master(), arg) == 0;
}

/* With a change that is told. */
static void run_until_master(const char *wanted)
{
    char text[2] = {wanted[0]};
    run_until(scene.loop, has_master, text);
    run_for(scene.loop, 5);
}

static bool has_looked(void *arg)
{
    const uint64_t *count = arg;
    return told() + failed() >= *count;
}

/* Until all have been asked once more, after those that are being asked. */
static void ask_all(void)
{
    for (int i = 0; i < 2; i++) {
        uint64_t count = told() + failed() + 1;
        topology_suspect(scene.topology, NULL);
        run_until(scene.loop, has_looked, &count);
    }
    run_for(scene.loop, 5);
}

static void open_known(const char *words)
{
    open_scene(words);
    scene.topology = open_topology();
    assert_non_null(scene.topology);
    ask_all();
    scene.changes = 0;
}

/* What is believed at the start. */
static const struct {
    const char *said, *master;
} starts[] = {
    {"a5 a5 a5", "a"},    {"a5 a5 b6", "b"}, {"b6 a5 a5", "b"},   {"a4 b5 b5", "b"},
    {"a? a? b?", "a"},    {"b a a", "a"},    {"nil a5 nil", "a"}, {"x x a5", "a"},
    {"nil nil nil", "."}, {"x x x", "."},    {"x nil x", "."},    {"- - a5", "a"},
};

static void test_starts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) {
        open_scene(starts[i].said);
        scene.topology = open_topology();
        assert_string_equal(master(), "."); /* nothing from inside */
        uint64_t once = 1;
        run_until(scene.loop, has_looked, &once);
        run_for(scene.loop, 5);
        const bool is_known = starts[i].master[0] != '.';
        assert_string_equal(master(), starts[i].master);
        assert_int_equal(told(), is_known ? 1 : 0);
        assert_int_equal(failed(), is_known ? 0 : 1);
        close_scene();
    }
}

/* One that lags behind, and answers first, is not believed: most have to answer. */
static void test_first_is_not_all(void **state)
{
    (void)state;
    open_scene("a4 - -");
    scene.topology = open_topology();
    while (!strstr(scene.sentinels[1].commands, " MASTER ") ||
           !strstr(scene.sentinels[0].commands, " MASTER ")) {
        run_for(scene.loop, 1);
    }
    run_for(scene.loop, 5);
    assert_string_equal(master(), ".");
    say(1, "b5");
    fake_redis_say(&scene.sentinels[1], scene.said[1].address);
    fake_redis_say(&scene.sentinels[1], scene.said[1].state);
    run_until_master("b");
    assert_int_equal(scene.changes, 1);
    assert_int_equal(told() + failed(), 0); /* the third is still waited for */
    close_scene();
}

/* What is believed later. */
static const struct {
    const char *known, *said, *master;
} changes[] = {
    {"a5 a5 a5", "a5 a5 a5", "a"},    {"a5 a5 a5", "b6 a5 a5", "b"}, /* the greatest epoch */
    {"a5 a5 a5", "x b6 x", "b"},      {"a5 a5 a5", "a6 a6 b5", "a"},
    {"a5 a5 a5", "b4 a5 a5", "a"}, /* behind */
    {"a5 a5 a5", "b4 x x", "a"},      {"a5 a5 a5", "b4 b4 b4", "a"},
    {"a5 a5 a5", "b5 b5 a5", "b"}, /* of the same epoch: most of them */
    {"a5 a5 a5", "b5 a5 x", "a"},     {"a5 a5 a5", "b5 c5 a5", "a"},
    {"a5 a5 a5", "b5 x x", "b"},      {"a? a? a?", "b? a? a?", "a"}, /* of none */
    {"a? a? a?", "b? b? a?", "b"},    {"a5 a5 a5", "b? a5 a5", "a"},
    {"a5 a5 a5", "b? b? b?", "b"},    {"a5 a5 a5", "b6 a? a?", "a"},
    {"a5 a5 a5", "nil nil nil", "a"}, /* nobody */
    {"a5 a5 a5", "x x x", "a"},       {"a5 a5 a5", "- - -", "a"},
    {"a5 a5 a5", "nil x b6", "b"},
};

static void test_changes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        open_known(changes[i].known);
        assert_string_equal(master(), "a");
        all_say(changes[i].said);
        ask_all();
        const bool is_new = changes[i].master[0] != 'a';
        assert_string_equal(master(), changes[i].master);
        assert_int_equal(scene.changes, is_new ? 1 : 0);
        assert_int_equal(stats_of(0, STAT_REDIS_OWNER_CHANGES) - scene.moves,
                         is_new ? PARTITIONS : 0);
        close_scene();
    }
}

/* Answers that make no sense are none. */
static const char *const nonsense[] = {
    "+OK\r\n",
    ":1\r\n",
    "*0\r\n",
    "*1\r\n$1\r\na\r\n",
    "*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n",
    "*2\r\n$1\r\na\r\n:6379\r\n",
    "*2\r\n$1\r\na\r\n$1\r\n0\r\n",
    "*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
    "*2\r\n$0\r\n\r\n$4\r\n6379\r\n",
    "*2\r\n$3\r\na b\r\n$4\r\n6379\r\n",
    "*2\r\n*0\r\n*0\r\n",
    "hello\r\n",
    "-NOPERM this user has no permissions\r\n",
};

static void test_nonsense(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nonsense); i++) {
        open_known("a5 a5 a5");
        all_say("b6 x x");
        scene.said[0].habits[0].text = nonsense[i];
        ask_all();
        assert_string_equal(master(), "a");
        assert_true(failed() > 0);
        close_scene();
    }
    for (size_t i = 0; i + 2 < COUNT(nonsense); i++) { /* of the second answer: no epoch */
        open_known("a5 a5 a5");
        all_say("b6 x x");
        scene.said[0].habits[1].text = nonsense[i];
        ask_all();
        assert_string_equal(master(), "b");
        close_scene();
    }
}

/* By itself, and over the same connections. */
static void test_watches(void **state)
{
    (void)state;
    open_known("a5 a5 a5");
    all_say("b6 b6 b6");
    const int64_t began = loop_clock_ms();
    run_until_master("b");
    assert_in_range(loop_clock_ms() - began, 0, 5000);
    for (size_t i = 0; i < SENTINELS; i++) {
        assert_int_equal(scene.sentinels[i].accepted, 1);
        assert_int_equal(
            memcmp(scene.sentinels[i].commands, "CLIENT GET-MASTER-ADDR-BY-NAME MASTER GET-", 42),
            0);
    }
    close_scene();
}

/* Sentinels have users of their own. */
static void test_users(void **state)
{
    static const struct {
        const char *user, *password, *begins;
    } users[] = {
        {"", "", "CLIENT GET-MASTER"},
        {"", "secret", "AUTH CLIENT GET-MASTER"},
        {"watcher", "secret", "AUTH CLIENT GET-MASTER"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(users); i++) {
        open_scene("a5 a5 a5");
        scene.user = users[i].user;
        scene.password = users[i].password;
        scene.topology = open_topology();
        run_until_master("a");
        assert_int_equal(
            strncmp(scene.sentinels[0].commands, users[i].begins, strlen(users[i].begins)), 0);
        close_scene();
    }
    open_scene("a5 a5 a5"); /* a password that is wrong, and one that is missing */
    scene.password = "secret";
    fake_redis_answer(&scene.sentinels[0], "AUTH", "-WRONGPASS invalid password\r\n");
    fake_redis_answer(&scene.sentinels[1], "AUTH", "-NOAUTH Authentication required.\r\n");
    fake_redis_answer(&scene.sentinels[2], "AUTH", "-ERR AUTH <password> called without any\r\n");
    scene.topology = open_topology();
    run_until_master("a"); /* the next time */
    assert_int_equal(failed(), 1);
    close_scene();
}

static void on_suspect(void *arg)
{
    (void)arg;
    topology_suspect(scene.topology, NULL);
}

static void test_no_busy_loop(void **state)
{
    static const char *const said[] = {"a5 a5 a5", "x x x", "- a5 -"};
    (void)state;
    for (size_t i = 0; i < COUNT(said); i++) {
        open_known("a5 a5 a5");
        all_say(said[i]);
        const uint64_t before = told() + failed();
        Timer *timer = loop_timer(scene.loop, on_suspect, NULL);
        timer_start(timer, 1, 1);
        run_for(scene.loop, 500);
        timer_close(timer);
        assert_in_range(told() + failed() - before, 1, 12);
        close_scene();
    }
}

static void test_closed(void **state)
{
    (void)state;
    open_scene("a5 a5 a5"); /* before anything */
    scene.topology = open_topology();
    close_scene();

    open_scene("- - -"); /* while they are asked */
    scene.topology = open_topology();
    run_for(scene.loop, 10);
    close_scene();

    open_scene("a5 a5 a5"); /* while a change is told */
    scene.closes = true;
    scene.topology = open_topology();
    run_for(scene.loop, 600);
    assert_int_equal(scene.changes, 1);
    close_scene();
}

/* MOVED is nothing that a master of Sentinel says. */
static void test_moved(void **state)
{
    (void)state;
    open_known("a5 a5 a5");
    topology_moved(scene.topology, 0, &scene.servers.seeds[0]);
    assert_string_equal(master(), "a");
    close_scene();
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
    return *is_tried && (!scene.topology || (strcmp(master(), "a") == 0 && told() > 0));
}

static void test_failing_malloc(void **state)
{
    (void)state;
    size_t unopened = 0;
    bool has_failed = true;
    for (allocations = 0; has_failed; allocations++) {
        bool is_tried = false;
        open_scene("a5 a5 a5");
        Timer *timer = loop_timer(scene.loop, open_without_memory, &is_tried);
        timer_start(timer, 0, 0);
        run_until(scene.loop, is_decided, &is_tried);
        has_failed = failing_malloc_end();
        unopened += !scene.topology;
        close_scene();
    }
    assert_int_equal(unopened, 5 + 3 * SENTINELS);
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
        cmocka_unit_test(test_starts),       cmocka_unit_test(test_first_is_not_all),
        cmocka_unit_test(test_changes),      cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_watches),      cmocka_unit_test(test_users),
        cmocka_unit_test(test_no_busy_loop), cmocka_unit_test(test_closed),
        cmocka_unit_test(test_moved),        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
