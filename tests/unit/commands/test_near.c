#include "unit.h"

#include "commands/near.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"127.0.0.1", true},       {"127.255.255.255", true}, {"10.1.2.3", true},
        {"172.16.0.1", true},      {"172.31.255.1", true},    {"172.32.0.1", false},
        {"172.15.0.1", false},     {"192.168.0.1", true},     {"192.169.0.1", false},
        {"169.254.1.1", true},     {"11.0.0.1", false},       {"8.8.8.8", false},
        {"126.0.0.1", false},      {"0.0.0.0", false},        {"::1", true},
        {"fe80::1", true},         {"fd00::1", true},         {"fc00::1", true},
        {"2001:db8::1", false},    {"fb00::1", false},        {"::ffff:10.0.0.1", true},
        {"::ffff:8.8.8.8", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sockaddr_in four = {.sin_family = AF_INET};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};
        const bool is_four = inet_pton(AF_INET, cases[i].text, &four.sin_addr) == 1;
        assert_true(is_four || inet_pton(AF_INET6, cases[i].text, &six.sin6_addr) == 1);
        const struct sockaddr *address =
            is_four ? (const struct sockaddr *)&four : (const struct sockaddr *)&six;
        print_message("  %s\n", cases[i].text);
        assert_int_equal(near_address(address), cases[i].want);
        assert_int_equal(near_text(cases[i].text), cases[i].want);
    }
    assert_false(near_text(""));
    assert_false(near_text("localhost"));
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want; /* NULL: none */
    } cases[] = {
        {"http://a", "a"},
        {"HTTPS://a.example:8443/p?q#f", "a.example"},
        {"http://u:p@b/", "b"},
        {"http://127.0.0.1@b/", "b"},
        {"http://a@b@c/", "c"},
        {"http://b?x@127.0.0.1", "b"},
        {"http://b#@127.0.0.1", "b"},
        {"http://[::1]:80/", "::1"},
        {"http://", NULL},
        {"http:///x", NULL},
        {"ftp://a", NULL},
        {"a", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Str host = near_host(str_from(cases[i].url));
        print_message("  %s\n", cases[i].url);
        assert_int_equal(host.ptr == NULL, cases[i].want == NULL);
        assert_true(!cases[i].want || str_eq(host, str_from(cases[i].want)));
    }
}

static void test_urls(void **state)
{
    (void)state;
    Error error;
    bool is_near = false;
    assert_true(near_url("http://127.0.0.1:1/", &is_near, &error));
    assert_true(is_near);
    assert_true(near_url("http://[2001:db8::1]/", &is_near, &error));
    assert_false(is_near);
    assert_false(near_url("mailto:x", &is_near, &error));
    assert_int_equal(error.code, ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses),
                                       cmocka_unit_test(test_hosts), cmocka_unit_test(test_urls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
