#include "unit.h"

#include "redis/rights.h"

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *url, *stream, *events;
        unsigned window;
        const char *want;
    } cases[] = {
        {"redis://h", "whatsapp:statuses", "", 60,
         "ACL SETUSER tickstream on >PASSWORD \"~whatsapp:statuses\" \"~{whatsapp:statuses}:*\" "
         "+evalsha +eval +script|load +xadd +set +type +get +time +smismember +sadd +unlink +info "
         "+role +client|setname\n"},
        {"redis://me:secret@h/3", "s", "ev x", 0,
         "ACL SETUSER me on >PASSWORD \"~s\" \"~{s}:*\" \"~ev x\" +evalsha +eval +script|load "
         "+xadd +set +type +multi +exec +info +role +client|setname +select\n"},
        {"redis://h", "a*[b]?\\\"c", "", 60,
         "ACL SETUSER tickstream on >PASSWORD \"~a\\\\*\\\\[b\\\\]\\\\?\\\\\\\\\\\"c\" "
         "\"~{a\\\\*\\\\[b\\\\]\\\\?\\\\\\\\\\\"c}:*\" "
         "+evalsha +eval +script|load +xadd +set +type +get +time +smismember +sadd +unlink +info "
         "+role +client|setname\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        RedisUrl url;
        Error error;
        Arena *arena = arena_new();
        assert_true(redis_url_parse(str_from(cases[i].url), &url, &error));
        StreamKeys *keys = stream_keys_new(cases[i].stream, cases[i].events, cases[i].window);
        Text text = text_begin(arena);
        rights_describe(&text, &url, keys);
        text_add(&text, (Str){"", 1});
        assert_string_equal(text_finish(&text).ptr, cases[i].want);
        stream_keys_free(keys);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
