#include "unit.h"

#include "redis/url.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *url;
    const char *want; /* user|password|host|port|db|shown; NULL: refused */
} cases[] = {
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
    {"unix://", NULL},
    {"unix://relative", NULL},
    {"unix://relative/path", NULL},
    {"unix://password@/run/redis.sock", NULL},
    {"unix:/run/redis.sock", NULL},
    {"unix:///s?db=", NULL},
    {"unix:///s?x=1", NULL},
};

static void test_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        RedisUrl url;
        Error error = {.code = ERROR_NONE};
        char got[2048] = "refused";
        bool ok = redis_url_parse(str_from(cases[i].url), &url, &error);
        if (ok) {
            snprintf(got, sizeof(got), "%s|%s|%s|%u|%u|%s", url.user, url.password, url.host,
                     url.port, url.db, url.shown);
            assert_int_equal(url.tls, strncmp(cases[i].url, "rediss:", 7) == 0);
            assert_int_equal(url.unix_socket, strncmp(cases[i].url, "unix:", 5) == 0);
        } else {
            assert_int_equal(error.code, ERROR_SETUP);
            assert_true(error.text[0] != '\0');
        }
        if (strcmp(got, cases[i].want ? cases[i].want : "refused") != 0) {
            fail_msg("%s: %s", cases[i].url, got);
        }
    }
}

/* Parts that are too long are refused, never cut. */
static void test_long(void **state)
{
    (void)state;
    RedisUrl url;
    Error error;
    char text[1024], part[600];
    static const struct {
        const char *format;
        int fits;
    } parts[] = {{"redis://%.*s", 255},
                 {"redis://%.*s:p@h", 127},
                 {"redis://u:%.*s@h", 511},
                 {"unix:///%.*s", 106}};
    memset(part, 'x', sizeof(part));
    for (size_t i = 0; i < COUNT(parts); i++) {
        for (int more = 0; more < 2; more++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof(text), parts[i].format, parts[i].fits + more, part);
#pragma GCC diagnostic pop
            assert_int_equal(redis_url_parse(str_from(text), &url, &error), more == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
