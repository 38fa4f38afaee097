#include "unit.h"

#include "payload/codec.h"
#include "base/digest.h"
#include "failing_malloc.h"
#include "stream/dedupe.h"
#include "small_arena.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 32 };

/* The digests of a JSON body. */
typedef struct {
    size_t count;
    char digests[MOST][DEDUPE_DIGEST];
} Seen;

static Seen seen_of(const char *body)
{
    Arena *arena = arena_new();
    Payload payload;
    Error error;
    const Digest *digests;
    Seen seen;
    assert_non_null(arena);
    assert_true(json_decode(str_from(body), arena, &payload, &error));
    assert_true(dedupe_digests(&payload, arena, &digests));
    seen.count = payload.status_count + payload.quarantined_count + payload.event_count;
    assert_true(seen.count <= MOST);
    memcpy(seen.digests, digests, seen.count * DEDUPE_DIGEST);
    arena_free(arena);
    return seen;
}

static bool same(const char *a, const char *b)
{
    return memcmp(a, b, DEDUPE_DIGEST) == 0;
}

#define BODY(statuses)                                                                             \
    "{\"object\":\"o\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"f\",\"value\":{"         \
    "\"statuses\":[" statuses "]}}]}]}"
#define A "{\"id\":\"a\",\"status\":\"s\"}"
#define B "{\"id\":\"b\",\"status\":\"s\"}"

/* A digest is 14 bytes, of any value: over some hundreds of them there is each. */
static void test_form(void **state)
{
    (void)state;
    bool is_there[256] = {false};
    assert_int_equal(sizeof(Digest), 14);
    for (int i = 0; i < 300; i++) {
        char body[256];
        snprintf(body, sizeof(body), BODY("{\"id\":\"%d\",\"status\":\"s\"}"), i);
        const Seen seen = seen_of(body);
        assert_int_equal(seen.count, 1);
        for (size_t k = 0; k < DEDUPE_DIGEST; k++) {
            is_there[(unsigned char)seen.digests[0][k]] = true;
        }
    }
    for (size_t i = 0; i < COUNT(is_there); i++) {
        assert_true(is_there[i]);
    }
}

/* Equal statuses of one body are told apart by their ordinal, the same way in every body. */
static void test_equal_ones(void **state)
{
    (void)state;
    Seen three = seen_of(BODY(A "," B "," A "," A)), again = seen_of(BODY(A "," B "," A "," A)),
         other = seen_of(BODY(B "," A "," A));
    assert_memory_equal(three.digests, again.digests, 4 * DEDUPE_DIGEST);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_false(same(three.digests[i], three.digests[k]));
        }
    }
    /* among others and in another order: the first A is the first A */
    assert_true(same(other.digests[0], three.digests[1]));
    assert_true(same(other.digests[1], three.digests[0]));
    assert_true(same(other.digests[2], three.digests[2]));
}

/* What is the same status, and what is another one than the first. */
static void test_same_and_different(void **state)
{
    (void)state;
    static const char full[] =
        "{\"object\":\"o\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"f\",\"value\":{"
        "\"messaging_product\":\"m\",\"metadata\":{\"display_phone_number\":\"d\","
        "\"phone_number_id\":\"p\"},\"statuses\":[{\"id\":\"a\",\"status\":\"s\","
        "\"timestamp\":\"7\",\"recipient_id\":\"r\",\"errors\":[1],\"x\":\"y\"}]}}]}]}";
    static const char *const parts[][2] = {
        {"\"object\":\"o\"", "\"object\":\"O\""},
        {"\"id\":\"1\"", "\"id\":\"2\""},
        {"\"field\":\"f\"", "\"field\":\"g\""},
        {"\"messaging_product\":\"m\"", "\"messaging_product\":\"\""},
        {"\"display_phone_number\":\"d\"", "\"display_phone_number\":\"e\""},
        {"\"phone_number_id\":\"p\"", "\"phone_number_id\":\"q\""},
        {"\"id\":\"a\"", "\"id\":\"b\""},
        {"\"status\":\"s\"", "\"status\":\"t\""},
        {"\"timestamp\":\"7\"", "\"timestamp\":\"8\""},
        {"\"recipient_id\":\"r\"", "\"recipient_id\":\"R\""},
        {"\"errors\":[1]", "\"errors\":[2]"},
        {"\"x\":\"y\"", "\"x\":\"z\""},
        {"\"id\":\"a\",\"status\":\"s\"", "\"id\":\"as\",\"status\":\"\\u0000\""},
    };
    Seen first = seen_of(full);
    for (size_t i = 0; i < COUNT(parts); i++) {
        char body[sizeof(full) + 64];
        const char *at = strstr(full, parts[i][0]);
        assert_non_null(at);
        snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - full), full, parts[i][1],
                 at + strlen(parts[i][0]));
        if (same(seen_of(body).digests[0], first.digests[0])) {
            fail_msg("%s", parts[i][1]);
        }
    }
    /* a text moves from one field to its neighbour */
    assert_false(same(seen_of(BODY("{\"id\":\"ab\",\"status\":\"c\"}")).digests[0],
                      seen_of(BODY("{\"id\":\"a\",\"status\":\"bc\"}")).digests[0]));
    /* order and layout of members, null and missing ones: the same status */
    assert_true(
        same(seen_of(BODY("{ \"status\":\"s\", \"timestamp\":7, \"id\":\"a\" }")).digests[0],
             seen_of(BODY("{\"id\":\"a\",\"status\":\"s\",\"timestamp\":\"7\","
                          "\"errors\":null}"))
                 .digests[0]));
}

/* statuses, then quarantined elements, then events */
static void test_kinds(void **state)
{
    (void)state;
    Seen seen = seen_of("{\"entry\":[{\"changes\":[{\"field\":\"g\"},{\"value\":{\"statuses\":["
                        "1," A ",1]}},{\"field\":\"g\"}]}]}");
    assert_int_equal(seen.count, 5);
    assert_true(same(
        seen.digests[0],
        seen_of("{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[" A "]}}]}]}").digests[0]));
    assert_false(same(seen.digests[1], seen.digests[2])); /* by their ordinals */
    assert_false(same(seen.digests[3], seen.digests[4])); /* by their ordinals */
    Seen again = seen_of("{\"entry\":[{\"changes\":[0,{\"value\":{\"statuses\":[1,0,1]}}]}]}");
    assert_true(same(again.digests[1], seen.digests[1]));
    assert_false(same(again.digests[2], seen.digests[2]));
}

/* A quarantined element is known by its bytes, its place and whose it is, wherever in its list it
 * stands. */
static void test_quarantined(void **state)
{
    (void)state;
#define QUARANTINED(entry, field, phone, statuses)                                                 \
    "{\"entry\":[{\"id\":\"" entry "\",\"changes\":[{\"field\":\"" field "\",\"value\":{"          \
    "\"metadata\":{\"phone_number_id\":\"" phone "\"},\"statuses\":[" statuses "]}}]}]}"
    static const struct {
        const char *body;
        bool same;
    } cases[] = {
        {QUARANTINED("1", "f", "p", "7"), true},
        {"{\"entry\":[null,{\"id\":1,\"changes\":[null,{\"value\":{\"statuses\":[7],\"metadata\":{"
         "\"phone_number_id\":\"p\"}},\"field\":\"f\"}]}]}",
         true},
        {QUARANTINED("2", "f", "p", "7"), false},
        {QUARANTINED("1", "g", "p", "7"), false},
        {QUARANTINED("1", "f", "q", "7"), false},
        {QUARANTINED("1", "f", "p", "8"), false},
        {"{\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"f\",\"value\":{"
         "\"metadata\":{\"phone_number_id\":\"p\"},\"statuses\":7}}]}]}",
         false}, /* the list, not an element of it */
    };
    const Seen first = seen_of(cases[0].body);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Seen seen = seen_of(cases[i].body);
        assert_int_equal(seen.count, 1);
        if (same(seen.digests[0], first.digests[0]) != cases[i].same) {
            fail_msg("%s", cases[i].body);
        }
    }
}

static void assert_digest(const char *digest, const char *want)
{
    char hex[2 * DEDUPE_DIGEST + 1];
    for (size_t i = 0; i < DEDUPE_DIGEST; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)digest[i]);
    }
    assert_string_equal(hex, want);
}

/* What an earlier version has stored must be known to this one. */
static void test_unchanged(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Payload payload;
    const Digest *digests;
    const Error error = {.code = ERROR_MALFORMED, .kind = REASON_SYNTAX};
    assert_non_null(arena);
    Seen seen = seen_of(BODY(A "," A));
    assert_digest(seen.digests[0], "eb4201fafff389ba18589df06996");
    assert_digest(seen.digests[1], "f8810e8f8a884dc01f566ad3c781");
    seen = seen_of("{\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"f\"}]}]}");
    assert_digest(seen.digests[0], "7259e34b985a0cf85802ece2de8d");
    assert_true(payload_quarantine_body(&payload, arena, STR("{"), &error));
    assert_true(dedupe_digests(&payload, arena, &digests));
    assert_digest(digests[0].bytes, "ffbcf2d66dc9c57be1fdfddc5ca7");
    arena_free(arena);
}

/* Many equal ones among many others: all differ, and it does not take a time that grows with the
 * square. */
static void test_many(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Payload payload;
    Error error;
    const Digest *digests;
    assert_non_null(arena);
    Text text = text_begin(arena);
    text_add(&text, STR("{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":["));
    for (int i = 0; i < 2000; i++) {
        text_add_format(&text, "%s{\"id\":%d,\"status\":1}", i ? "," : "", i % 20);
    }
    text_add(&text, STR("]}}]}]}"));
    assert_true(json_decode(text_finish(&text), arena, &payload, &error));
    assert_true(dedupe_digests(&payload, arena, &digests));
    for (size_t i = 0; i < 2000; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_false(same(digests[i].bytes, digests[k].bytes));
        }
    }
    arena_free(arena);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    const char *body = BODY(A "," A "," B ",1");
    Seen want = seen_of(body);
    bool ok = false;
    for (size_t left = 0; !ok; left += SMALL_ARENA_STEP) {
        Arena *arena = arena_new(), *small = small_arena(left);
        Payload payload;
        Error error;
        const Digest *digests;
        assert_non_null(arena);
        assert_true(json_decode(str_from(body), arena, &payload, &error));
        failing_malloc_begin(0, FAIL_FOREVER);
        ok = dedupe_digests(&payload, small, &digests);
        failing_malloc_end();
        if (ok) {
            assert_memory_equal(digests, want.digests, want.count * DEDUPE_DIGEST);
        }
        assert_true(!ok || left > want.count * DEDUPE_DIGEST);
        arena_free(arena);
        arena_free(small);
    }
}

static void test_state(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        DedupeState want;
    } cases[] = {
        {"0 0 1700000000 0086400 1699990000 0003600",
         true,
         {0, false, {1700000000, 1699990000}, {86400, 3600}}},
        {"1 1 0000000001 0000002 0000000003 0000004", true, {1, true, {3, 1}, {4, 2}}},
        {"1 0 9999999999 9999999 0000000000 0000000",
         true,
         {1, false, {0, 9999999999}, {0, 9999999}}},
        {"2 0 1700000000 0086400 1699990000 0003600", false, {0}},
        {"0 2 1700000000 0086400 1699990000 0003600", false, {0}},
        {"0 0 1700000000 0086400 1699990000 0003600 ", false, {0}},
        {"0 0 1700000000 0086400 1699990000 00036000", false, {0}},
        {"0 0 1700000000 0086400 1699990000", false, {0}},
        {"0 0 1700000000 0086400 1699990000 ", false, {0}},
        {"0 0 170000000 00086400 1699990000 0003600", false, {0}},
        {"0 0 1700000000 86400 1699990000 3600", false, {0}},
        {"0 0  1700000000 0086400 1699990000 0003600", false, {0}},
        {"0 0 -700000000 0086400 1699990000 0003600", false, {0}},
        {"0 0 1700000000 0086.00 1699990000 0003600", false, {0}},
        {"0", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        DedupeState got;
        memset(&got, 'x', sizeof(got));
        const DedupeState untouched = got;
        const DedupeState *want = cases[i].ok ? &cases[i].want : &untouched;
        bool ok = dedupe_read_state(str_from(cases[i].text), &got);
        if (ok != cases[i].ok || got.current != want->current || got.is_kept != want->is_kept ||
            memcmp(got.last, want->last, sizeof(got.last)) != 0 ||
            memcmp(got.window, want->window, sizeof(got.window)) != 0) {
            fail_msg("%s", cases[i].text);
        }
    }
    DedupeState got;
    assert_false(dedupe_read_state((Str){NULL, 0}, &got));
    assert_false(
        dedupe_read_state((Str){"0 0 1700000000 0086400 1699990000 000360\000", 41}, &got));
}

/* A 64th of the window, within bounds. */
static void test_lease(void **state)
{
    (void)state;
    static const struct {
        unsigned window, want;
    } cases[] = {
        {0, 1},   {1, 1},     {63, 1},    {64, 1},    {127, 1},    {128, 2},
        {600, 9}, {3839, 59}, {3840, 60}, {3904, 60}, {86400, 60}, {30 * 86400, 60},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (dedupe_lease(cases[i].window) != cases[i].want) {
            fail_msg("%u s: %u s", cases[i].window, dedupe_lease(cases[i].window));
        }
    }
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
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_equal_ones),
        cmocka_unit_test(test_same_and_different),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_quarantined),
        cmocka_unit_test(test_unchanged),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_failing_malloc),
        cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, shut_down);
}
