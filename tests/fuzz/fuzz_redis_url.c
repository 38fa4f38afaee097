/*
 * TICKSTREAM_REDIS_URL: what is shown in logs never holds the password.
 */
#include "fuzz.h"
#include "redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RedisUrl url;
    Error error;
    if (!redis_url_parse(fuzz_text(data, size), &url, &error)) {
        CHECK(error.code == ERROR_SETUP);
        return 0;
    }
    CHECK(url.host[0] != '\0' && (url.unix_socket || url.port != 0));
    CHECK(memchr(url.host, '\0', sizeof(url.host)) && memchr(url.user, '\0', sizeof(url.user)));
    CHECK(memchr(url.password, '\0', sizeof(url.password)));
    /* what logs show is host and port, and so neither user nor password */
    char shown[sizeof(url.shown)];
    bool is_ipv6 = strchr(url.host, ':') != NULL;
    int len = url.unix_socket ? snprintf(shown, sizeof(shown), "unix:%s", url.host)
                              : snprintf(shown, sizeof(shown), is_ipv6 ? "[%s]:%u" : "%s:%u",
                                         url.host, url.port);
    CHECK(len > 0 && (size_t)len < sizeof(shown) && strcmp(shown, url.shown) == 0);
    return 0;
}
