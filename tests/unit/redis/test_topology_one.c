#include "unit.h"

#include "fake_redis.h"
#include "redis/topology.h"

#include <string.h>

static const uint16_t slots[] = {100, 200};

static const char *const urls[] = {"redis://db.test:7000", "redis://[::1]",
                                   "unix:///run/redis.sock"};

static void on_changed(void *arg)
{
    (void)arg;
    fail_msg("nothing ever changes");
}

/* The server of the URL owns all from the beginning, whatever is said. */
static void test_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        Error error;
        RedisServers servers;
        Loop *loop = loop_new();
        assert_true(redis_servers_parse(str_from(urls[i]), &servers, &error));
        const TopologySettings settings = {.servers = &servers, .slots = slots, .count = 2};
        Topology *topology = topology_open(loop, &settings, on_changed, NULL);
        assert_non_null(topology);
        const Address other = {.host = "other.test", .port = 1};
        topology_suspect(topology, NULL);
        topology_suspect(topology, &other);
        topology_moved(topology, 1, &other);
        run_for(loop, 5);
        for (size_t slot = 0; slot < 2; slot++) {
            const Address *owner = topology_owner(topology, slot);
            assert_string_equal(owner->host, servers.server.host);
            assert_int_equal(owner->port, servers.server.port);
        }
        assert_null(topology_close(topology));
        loop_free(loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
