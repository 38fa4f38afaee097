/*
 * TICKSTREAM_REDIS_URL: what is shown in logs never holds the password.
 */
#include "fuzz.h"
#include "redis/url.h"

static bool is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

/* Another server has all of the URL but the address, and a URL has its own. */
static void check_another(const RedisUrl *url, const Address *address)
{
    RedisUrl other;
    char shown[ADDRESS_TEXT];
    redis_url_at(url, address, &other);
    const Address got = redis_url_address(&other);
    address_show(address, shown);
    CHECK(address_eq(&got, address) && strcmp(other.shown, shown) == 0);
    CHECK(other.tls == url->tls && other.db == url->db);
    CHECK(strcmp(other.user, url->user) == 0 && strcmp(other.password, url->password) == 0);
}

/* What logs show is made of addresses and the master's name, and so neither of user nor of
 * password. */
static void check_shown(const RedisServers *servers)
{
    const RedisUrl *url = &servers->server;
    const char *seeds = servers->shown;
    CHECK(is_text(servers->shown, sizeof(servers->shown)));
    CHECK(is_text(url->shown, sizeof(url->shown)));
    if (servers->kind == SERVERS_SENTINEL) {
        const size_t name = strlen(servers->master);
        CHECK(memcmp(seeds, "master ", 7) == 0 && memcmp(seeds + 7, servers->master, name) == 0);
        CHECK(memcmp(seeds + 7 + name, " of the sentinels ", 18) == 0);
        seeds += 7 + name + 18;
    } else if (servers->kind == SERVERS_CLUSTER) {
        CHECK(memcmp(seeds, "cluster ", 8) == 0);
        seeds += 8;
    } else {
        CHECK(strcmp(servers->shown, url->shown) == 0);
    }
    for (size_t i = 0; i < servers->seed_count && strcmp(seeds, "...") != 0; i++) {
        char text[ADDRESS_TEXT];
        address_show(&servers->seeds[i], text);
        CHECK(strncmp(seeds, text, strlen(text)) == 0);
        seeds += strlen(text);
        CHECK(*seeds == (i + 1 < servers->seed_count ? ',' : '\0'));
        seeds += *seeds == ',';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RedisServers servers;
    const RedisUrl *url = &servers.server;
    Error error;
    if (!redis_servers_parse(fuzz_text(data, size), &servers, &error)) {
        CHECK(error.code == ERROR_SETUP);
        return 0;
    }
    CHECK(servers.seed_count >= 1 && servers.seed_count <= LIMIT_SEEDS);
    CHECK(servers.kind == SERVERS_CLUSTER || servers.kind == SERVERS_SENTINEL ||
          servers.seed_count == 1);
    CHECK((servers.kind == SERVERS_SENTINEL) == (servers.master[0] != '\0'));
    CHECK(servers.kind != SERVERS_CLUSTER || url->db == 0);
    CHECK(is_text(url->user, sizeof(url->user)) && is_text(url->password, sizeof(url->password)));
    for (size_t i = 0; i < servers.seed_count; i++) {
        const Address *seed = &servers.seeds[i];
        CHECK(is_text(seed->host, sizeof(seed->host)) && seed->host[0] != '\0');
        CHECK(url->unix_socket == (seed->port == 0));
        check_another(url, seed);
    }
    check_shown(&servers);
    return 0;
}
