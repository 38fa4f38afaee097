#include "unit.h"

#include "redis/url.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *url;
    const char *want; /* user|password|host|port|db|shown; NULL: refused */
} of_one[] = {
    {"redis://h", "||h|6379|0|h:6379"},
    {"redis://h/", "||h|6379|0|h:6379"},
    {"redis://h:1", "||h|1|0|h:1"},
    {"redis://127.0.0.1:65535/15", "||127.0.0.1|65535|15|127.0.0.1:65535"},
    {"redis://:p@h", "|p|h|6379|0|h:6379"},
    {"redis://u:p@h:1/2", "u|p|h|1|2|h:1"},
    {"redis://u%40:p%3A%2F@h", "u@|p:/|h|6379|0|h:6379"},
    {"redis://u:p@q@h", "u|p@q|h|6379|0|h:6379"}, /* the last @ ends the password */
    {"redis://u:p:q@h", "u|p:q|h|6379|0|h:6379"},
    {"redis://:@h", "||h|6379|0|h:6379"},
    {"redis://[::1]", "||::1|6379|0|[::1]:6379"},
    {"redis://[::1]:6380/1", "||::1|6380|1|[::1]:6380"},
    {"rediss://h", "||h|6379|0|h:6379"},
    {"unix:///run/redis.sock", "||/run/redis.sock|0|0|unix:/run/redis.sock"},
    {"unix:///run/redis.sock?db=7", "||/run/redis.sock|0|7|unix:/run/redis.sock"},
    {"unix://me:s%40cret@/run/redis.sock", "me|s@cret|/run/redis.sock|0|0|unix:/run/redis.sock"},
    {"unix:///a%20b", "||/a b|0|0|unix:/a b"},
    {"", NULL},
    {"h", NULL},
    {"h:6379", NULL},
    {"http://h", NULL},
    {"Redis://h", NULL},
    {"redis:h", NULL},
    {"redis://", NULL},
    {"redis:///0", NULL},
    {"redis://:6379", NULL},
    {"redis://h:", NULL},
    {"redis://h:0", NULL},
    {"redis://h:65536", NULL},
    {"redis://h:x", NULL},
    {"redis://h:1x", NULL},
    {"redis://h/x", NULL},
    {"redis://h/-1", NULL},
    {"redis://h/99999999999", NULL},
    {"redis://password@h", NULL}, /* neither user nor password by its form */
    {"redis://u:%4@h", NULL},
    {"redis://u:%zz@h", NULL},
    {"redis://u:%00@h", NULL},
    {"redis://[::1", NULL},
    {"redis://[::1]x:6379", NULL},
    {"redis://[]", NULL},
    {"redis://a,b", NULL}, /* several are sentinels or nodes */
    {"redis://h/0/1", NULL},
    {"redis+other://h", NULL},
    {"redis+unix:///s", NULL},
    {"unix+sentinel:///s/m", NULL},
    {"unix://", NULL},
    {"unix://relative", NULL},
    {"unix://relative/path", NULL},
    {"unix://password@/run/redis.sock", NULL},
    {"unix:/run/redis.sock", NULL},
    {"unix:///s?db=", NULL},
    {"unix:///s?x=1", NULL},
};

static const struct {
    const char *url;
    const char *want; /* user|password|db|shown, of the server; master|shown; NULL: refused */
} of_many[] = {
    {"redis+sentinel://h/m", "||0|h:26379|m|master m of the sentinels h:26379"},
    {"redis+sentinel://h/m/", "||0|h:26379|m|master m of the sentinels h:26379"},
    {"redis+sentinel://u:p@a,b:1,[::1],[::2]:2/my-master.1/3",
     "u|p|3|a:26379|my-master.1|"
     "master my-master.1 of the sentinels a:26379,b:1,[::1]:26379,[::2]:2"},
    {"rediss+sentinel://:p,@q@h/a%2Fb", "|p,@q|0|h:26379|a/b|master a/b of the sentinels h:26379"},
    {"redis+cluster://h", "||0|h:6379||cluster h:6379"},
    {"redis+cluster://h/", "||0|h:6379||cluster h:6379"},
    {"redis+cluster://h/0", "||0|h:6379||cluster h:6379"},
    {"redis+cluster://u:p@a,b:7001", "u|p|0|a:6379||cluster a:6379,b:7001"},
    {"rediss+cluster://[::1]:1,a", "||0|[::1]:1||cluster [::1]:1,a:6379"},
    {"redis+cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
     "||0|1:6379||cluster 1:6379,2:6379,3:6379,4:6379,5:6379,6:6379,7:6379,8:6379,9:6379,10:6379,"
     "11:6379,12:6379,13:6379,14:6379,15:6379,16:6379"},
    {"redis+cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", NULL},
    {"redis+sentinel://h", NULL},
    {"redis+sentinel://h/", NULL},
    {"redis+sentinel://h//0", NULL},
    {"redis+sentinel://h/m/x", NULL},
    {"redis+sentinel://h/m/0/1", NULL},
    {"redis+sentinel://h/%00", NULL},
    {"redis+sentinel:///m", NULL},
    {"redis+sentinel://,/m", NULL},
    {"redis+sentinel://a,,b/m", NULL},
    {"redis+sentinel://a,/m", NULL},
    {"redis+sentinel://a,b:0/m", NULL},
    {"redis+sentinel://a,u:p@b:x/m", NULL}, /* u is no user: what is in front of @ is a,u */
    {"redis+sentinel://password@h/m", NULL},
    {"redis+cluster://", NULL},
    {"redis+cluster://u:p@", NULL},
    {"redis+cluster://h/1", NULL}, /* there is one database */
    {"redis+cluster://h/00x", NULL},
    {"redis+cluster://h/m", NULL},
    {"redis+cluster://a,b:65536", NULL},
    {"redis+cluster://a,[::1", NULL},
    {"redis+cluster://a b,/run/redis.sock", NULL},
    {"redis+clusters://h", NULL},
    {"Redis+cluster://h", NULL},
};

/* What logs show is neither user nor password. */
static void check(const char *url, bool ok, const Error *error, const char *got, const char *want)
{
    if (!ok) {
        assert_int_equal(error->code, ERROR_SETUP);
        assert_string_equal(error->text, "must be " REDIS_SERVERS_FORMS); /* none of it is cut */
    }
    got = ok ? got : "refused";
    if (strcmp(got, want ? want : "refused") != 0) {
        fail_msg("%s: %s", url, got);
    }
}

static void test_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(of_one); i++) {
        RedisServers servers = {.kind = SERVERS_CLUSTER};
        const RedisUrl *url = &servers.server;
        Error error = {.code = ERROR_NONE};
        char got[2048] = "";
        bool ok = redis_servers_parse(str_from(of_one[i].url), &servers, &error);
        if (ok) {
            const Address address = redis_url_address(url);
            snprintf(got, sizeof(got), "%s|%s|%s|%u|%u|%s", url->user, url->password, url->host,
                     url->port, url->db, url->shown);
            assert_int_equal(url->tls, strncmp(of_one[i].url, "rediss:", 7) == 0);
            assert_int_equal(url->unix_socket, strncmp(of_one[i].url, "unix:", 5) == 0);
            assert_int_equal(servers.kind, SERVERS_ONE);
            assert_int_equal(servers.seed_count, 1);
            assert_true(address_eq(&servers.seeds[0], &address));
            assert_string_equal(servers.shown, url->shown);
            assert_string_equal(servers.master, "");
        }
        check(of_one[i].url, ok, &error, got, of_one[i].want);
    }
}

static void test_many(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(of_many); i++) {
        RedisServers servers = {.kind = SERVERS_ONE};
        const RedisUrl *url = &servers.server;
        Error error = {.code = ERROR_NONE};
        char got[4096] = "";
        bool ok = redis_servers_parse(str_from(of_many[i].url), &servers, &error);
        if (ok) {
            const Address address = redis_url_address(url);
            snprintf(got, sizeof(got), "%s|%s|%u|%s|%s|%s", url->user, url->password, url->db,
                     url->shown, servers.master, servers.shown);
            assert_int_equal(url->tls, strncmp(of_many[i].url, "rediss", 6) == 0);
            assert_false(url->unix_socket);
            assert_int_equal(servers.kind, strstr(of_many[i].url, "cluster") ? SERVERS_CLUSTER
                                                                             : SERVERS_SENTINEL);
            assert_true(address_eq(&servers.seeds[0], &address));
        }
        check(of_many[i].url, ok, &error, got, of_many[i].want);
    }
}

/* Text with '#' in place of as many x. */
static const char *filled(const char *format, int count)
{
    static char text[2048];
    char part[1024];
    memset(part, 'x', sizeof(part));
    size_t before = strcspn(format, "#");
    snprintf(text, sizeof(text), "%.*s%.*s%s", (int)before, format, count, part,
             format + before + 1);
    return text;
}

/* Parts that are too long are refused, never cut. */
static void test_long(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        int fits;
    } parts[] = {{"redis://#", 255},
                 {"redis://#:p@h", 127},
                 {"redis://u:#@h", 511},
                 {"unix:///#", 106},
                 {"redis+cluster://a,#:1", 255},
                 {"redis+sentinel://[#]/m", 255},
                 {"redis+sentinel://h/#/1", 127}};
    for (size_t i = 0; i < COUNT(parts); i++) {
        for (int more = 0; more < 2; more++) {
            RedisServers servers;
            Error error;
            const char *text = filled(parts[i].format, parts[i].fits + more);
            assert_int_equal(redis_servers_parse(str_from(text), &servers, &error), more == 0);
        }
    }
}

/* What is shown ends with whole addresses and "..." when there is no room for all. */
static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int count;
        const char *end;
    } cases[] = {
        {"redis+cluster://#,b", 255, "x:6379,b:6379"},
        {"redis+cluster://a,#", 255, "xx:6379"},
        {"redis+cluster://#,bcdef,ghijklm,nopqrst", 250, "x:6379,bcdef:6379,ghijklm:6379,..."},
        {"redis+cluster://#,bcdef,ghijklm,nopqrst", 249,
         "x:6379,bcdef:6379,ghijklm:6379,nopqrst:6379"},
        {"redis+cluster://abcdefghijklmnopqrstuvwxyz,#,b", 255,
         "cluster abcdefghijklmnopqrstuvwxyz:6379,..."},
        {"redis+sentinel://#/m", 255, "x:26379"},
        {"redis+sentinel://#,b,c/my", 255, "x:26379,..."},
        {"redis+sentinel://#/a-rather-long-name", 255,
         "master a-rather-long-name of the sentinels ..."},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        RedisServers servers;
        Error error;
        assert_true(
            redis_servers_parse(str_from(filled(cases[i].url, cases[i].count)), &servers, &error));
        size_t len = strlen(servers.shown), end = strlen(cases[i].end);
        bool ends_so = len >= end && strcmp(servers.shown + len - end, cases[i].end) == 0;
        if (!ends_so) {
            fail_msg("%s: %s", cases[i].url, servers.shown);
        }
    }
}

static void test_another_server(void **state)
{
    (void)state;
    static const struct {
        const char *like;
        Address address;
        const char *want; /* user|password|host|port|db|shown|unix|tls */
    } cases[] = {
        {"redis://u:p@h:1/2", {"g", 3}, "u|p|g|3|2|g:3|0|0"},
        {"rediss+sentinel://:p@h/m/4", {"::1", 6379}, "|p|::1|6379|4|[::1]:6379|0|1"},
        {"redis+cluster://h", {"g", 1}, "||g|1|0|g:1|0|0"},
        {"unix:///s?db=1", {"/t", 0}, "||/t|0|1|unix:/t|1|0"},
        {"unix://u:p@/s?db=1", {"h", 1}, "u|p|h|1|1|h:1|0|0"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        RedisServers servers;
        Error error;
        char got[2048];
        assert_true(redis_servers_parse(str_from(cases[i].like), &servers, &error));
        RedisUrl url = servers.server;
        redis_url_at(&url, &cases[i].address, &url); /* also in place */
        snprintf(got, sizeof(got), "%s|%s|%s|%u|%u|%s|%d|%d", url.user, url.password, url.host,
                 url.port, url.db, url.shown, url.unix_socket, url.tls);
        assert_string_equal(got, cases[i].want);
        const Address address = redis_url_address(&url);
        assert_true(address_eq(&address, &cases[i].address));
    }
}

static void test_address_eq(void **state)
{
    (void)state;
    static const struct {
        Address a, b;
        bool want;
    } cases[] = {
        {{"h", 1}, {"h", 1}, true},   {{"Redis-1.example", 1}, {"redis-1.EXAMPLE", 1}, true},
        {{"h", 1}, {"h", 2}, false},  {{"h", 1}, {"g", 1}, false},
        {{"h", 1}, {"h.", 1}, false}, {{"/Run/s", 0}, {"/run/s", 0}, false},
        {{"", 1}, {"h", 1}, false},   {{"/run/s", 0}, {"/run/s", 0}, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(address_eq(&cases[i].a, &cases[i].b), cases[i].want);
        assert_int_equal(address_eq(&cases[i].b, &cases[i].a), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_another_server),
        cmocka_unit_test(test_address_eq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
