#include "unit.h"

#include "base/digest.h"
#include "endpoints/handshake.h"

#include <string.h>

/* What a query is answered with: its challenge (code ERROR_NONE) or an error. */
static const struct {
    const char *label, *query;
    ErrorCode code;
    const char *challenge;
} cases[] = {
#define OK "hub.mode=subscribe&hub.verify_token=token&hub.challenge="
    {"good", OK "1158201444", ERROR_NONE, "1158201444"},
    {"in any order", "hub.challenge=1&hub.verify_token=token&hub.mode=subscribe", ERROR_NONE, "1"},
    {"names percent-encoded", "hub%2Emode=subscribe&hub.verify%5ftoken=token&hub.challenge=1",
     ERROR_NONE, "1"},
    {"values are decoded once", OK "a%2Bb+c%2541", ERROR_NONE, "a+b c%41"},
    {"a + in a token is a blank", "hub.mode=subscribe&hub.verify_token=a+b&hub.challenge=1",
     ERROR_NONE, "1"},
    {"markup is only text", OK "%3Cb%3E", ERROR_NONE, "<b>"},
    {"UTF-8", OK "%C3%A9", ERROR_NONE, "\xC3\xA9"},
    {"an = in a value", OK "a=b=", ERROR_NONE, "a=b="},
    {"other parameters are ignored", "x=1&&y&" OK "1", ERROR_NONE, "1"},
    {"an empty pair first", "&" OK "1", ERROR_NONE, "1"},
    {"also when they are repeated", "x=1&x=2&" OK "1", ERROR_NONE, "1"},
    {"another token", "hub.mode=subscribe&hub.verify_token=tokem&hub.challenge=1", ERROR_FORBIDDEN,
     NULL},
    {"the beginning of one", "hub.mode=subscribe&hub.verify_token=toke&hub.challenge=1",
     ERROR_FORBIDDEN, NULL},
    {"one and a NUL", "hub.mode=subscribe&hub.verify_token=token%00&hub.challenge=1",
     ERROR_FORBIDDEN, NULL},
    {"no token", "hub.mode=subscribe&hub.challenge=1", ERROR_FORBIDDEN, NULL},
    {"an empty one", "hub.mode=subscribe&hub.verify_token=&hub.challenge=1", ERROR_FORBIDDEN, NULL},
    {"another mode", "hub.mode=unsubscribe&hub.verify_token=token&hub.challenge=1", ERROR_FORBIDDEN,
     NULL},
    {"a mode in capitals", "hub.mode=SUBSCRIBE&hub.verify_token=token&hub.challenge=1",
     ERROR_FORBIDDEN, NULL},
    {"no mode", "hub.verify_token=token&hub.challenge=1", ERROR_FORBIDDEN, NULL},
    {"a wrong token and no challenge: the token is told first", "hub.mode=subscribe",
     ERROR_FORBIDDEN, NULL},
    {"names have a case", "Hub.Mode=subscribe&hub.verify_token=token&hub.challenge=1",
     ERROR_FORBIDDEN, NULL},
    {"no challenge", "hub.mode=subscribe&hub.verify_token=token", ERROR_INVALID, NULL},
    {"an empty one", OK "", ERROR_INVALID, NULL},
    {"a line end", OK "1%0d%0aSet-Cookie:x", ERROR_INVALID, NULL},
    {"NUL", OK "1%00", ERROR_INVALID, NULL},
    {"DEL", OK "1%7f", ERROR_INVALID, NULL},
    {"two challenges", OK "1&hub.challenge=1", ERROR_INVALID, NULL},
    {"two tokens", OK "1&hub.verify_token=token", ERROR_INVALID, NULL},
    {"two modes, one empty", "hub.mode&" OK "1", ERROR_INVALID, NULL},
    {"nothing", "", ERROR_INVALID, NULL},
    {"a bad escape", OK "%4", ERROR_INVALID, NULL},
    {"one that is not hex", OK "%4g", ERROR_INVALID, NULL},
    {"in a parameter that nobody knows", "x=%&" OK "1", ERROR_INVALID, NULL},
};

static const Secrets tokens = {.count = 2, .texts = {STR_INIT("a b"), STR_INIT("token")}};

static ErrorCode answer(Str query, Arena *arena, const Secrets *known, Handshake *handshake)
{
    Error error;
    arena_reset(arena);
    return handshake_parse(query, arena, handshake, &error) &&
                   handshake_check(handshake, known, &error)
               ? ERROR_NONE
               : error.code;
}

static void test_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Handshake handshake;
        Arena *arena = arena_new(); /* a new one: the first allocation may be of no bytes */
        assert_non_null(arena);
        ErrorCode code = answer(str_from(cases[i].query), arena, &tokens, &handshake);
        if (code != cases[i].code ||
            (cases[i].challenge && !str_eq(handshake.challenge, str_from(cases[i].challenge)))) {
            fail_msg("%s: %d", cases[i].label, (int)code);
        }
        arena_free(arena);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    char query[LIMIT_QUERY + 2];
    Handshake handshake;
    Arena *arena = arena_new();
    assert_non_null(arena);
    memset(query, '7', sizeof(query));
    memcpy(query, OK, sizeof(OK) - 1);
    const size_t before = sizeof(OK) - 1;
    assert_int_equal(answer((Str){query, before + LIMIT_CHALLENGE}, arena, &tokens, &handshake),
                     ERROR_NONE);
    assert_int_equal(answer((Str){query, before + LIMIT_CHALLENGE + 1}, arena, &tokens, &handshake),
                     ERROR_INVALID);
    assert_int_equal(answer((Str){query, LIMIT_QUERY + 1}, arena, &tokens, &handshake),
                     ERROR_INVALID);
    arena_free(arena);
}

/* Without a configured token none is right, not even none. */
static void test_no_token_configured(void **state)
{
    (void)state;
    const Secrets none = {0};
    Handshake handshake;
    Arena *arena = arena_new();
    assert_non_null(arena);
    assert_int_equal(answer(STR(OK "1"), arena, &none, &handshake), ERROR_FORBIDDEN);
    assert_int_equal(answer(STR("hub.mode=subscribe&hub.verify_token=&hub.challenge=1"), arena,
                            &none, &handshake),
                     ERROR_FORBIDDEN);
    arena_free(arena);
}

static int shut_down(void **state)
{
    (void)state;
    digest_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_no_token_configured),
    };
    return cmocka_run_group_tests(tests, NULL, shut_down);
}
