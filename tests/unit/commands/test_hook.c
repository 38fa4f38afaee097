#include "unit.h"

#include "commands/hook.h"

static void test_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want;
    } cases[] = {
        {"https://host", "https://host/api/webhook/whatsapp"},
        {"https://host/", "https://host/api/webhook/whatsapp"},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080/api/webhook/whatsapp"},
        {"http://host/another", "http://host/another"},
        {"http://host?query", "http://host?query"},
        {"http://[::1]/", "http://[::1]/api/webhook/whatsapp"},
        {"host", "host/api/webhook/whatsapp"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char url[100];
        hook_url(cases[i].url, url, sizeof(url));
        assert_string_equal(url, cases[i].want);
    }
    char small[8];
    hook_url("https://host", small, sizeof(small));
    assert_string_equal(small, "https:/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_url)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
