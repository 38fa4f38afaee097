#include "unit.h"

#include "redis/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The slots of keys are those that CLUSTER KEYSLOT of Redis tells. */
static void test_slot_of(void **state)
{
    (void)state;
    static const struct {
        Str key;
        unsigned want;
    } cases[] = {
        {STR_INIT("123456789"), 12739},
        {STR_INIT(""), 0},
        {STR_INIT("whatsapp:statuses"), 12483},
        {STR_INIT("{whatsapp:statuses}:quarantine"), 12483},
        {STR_INIT("whatsapp:statuses:3"), 3352},
        {STR_INIT("{whatsapp:statuses:3}:seen:0"), 3352},
        {STR_INIT("foo{bar}{zap}"), 5061}, /* the first tag */
        {STR_INIT("bar"), 5061},
        {STR_INIT("foo{{bar}}zap"), 4015}, /* "{bar" */
        {STR_INIT("{bar"), 4015},
        {STR_INIT("foo{}{bar}"), 8363}, /* all of it: the first tag has nothing */
        {STR_INIT("{}x"), 10595},
        {STR_INIT("foo{bar"), 15278},
        {STR_INIT("foo}bar{"), 11073},
        {STR_INIT("}a{b}"), 3300},
        {STR_INIT("b"), 3300},
        {STR_INIT("{\xFF}"), 7920},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (slot_of(cases[i].key) != cases[i].want) {
            fail_msg("%.*s: %u", STR_ARG(cases[i].key), slot_of(cases[i].key));
        }
    }
}

/* nil, numbers, "" for an empty text, +OK for a status; other words are texts. */
static Reply reply_of_word(Str word)
{
    Reply reply = {.kind = REPLY_TEXT, .text = word};
    char *end;
    reply.integer = strtoll(word.ptr, &end, 10);
    if (str_eq(word, STR("nil"))) {
        reply.kind = REPLY_NIL;
    } else if (end == word.ptr + word.len) {
        reply.kind = REPLY_INTEGER;
    } else if (str_eq(word, STR("\"\""))) {
        reply.text = STR("");
    } else if (word.ptr[0] == '+') {
        reply.kind = REPLY_STATUS;
    }
    return reply;
}

/* Takes the next reply off a text, in which lists stand in brackets. */
static Reply reply_of(Arena *arena, const char **text)
{
    Reply items[64];
    Reply reply = {.kind = REPLY_LIST};
    *text += strspn(*text, " ");
    if (**text != '[') {
        Str word = {*text, strcspn(*text, " ]")};
        *text += word.len;
        return reply_of_word(word);
    }
    for (++*text; *(*text += strspn(*text, " ")) != ']';) {
        assert_true(reply.count < COUNT(items));
        items[reply.count++] = reply_of(arena, text);
    }
    ++*text;
    reply.items = arena_alloc(arena, reply.count * sizeof(items[0]));
    if (reply.count) {
        memcpy(reply.items, items, reply.count * sizeof(items[0]));
    }
    return reply;
}

/* What is asked for; the owner of each is "old:1" before. */
static const uint16_t ours[] = {0, 1000, 5461, 16383, 1000};

#define OLD "old:1 "
#define NONE "[]"

static const struct {
    const char *label;
    const char *reply; /* of the node at asked:9 */
    const char *want;  /* NULL: it makes no sense */
} maps[] = {
    {"three masters with replicas",
     "[[0 5460 [a 7000 id1] [b 7003 id4]] [5461 10922 [b 7001 id2] [c 7004 id5]]"
     " [10923 16383 [c 7002 id3] [a 7005 id6]]]",
     "a:7000 a:7000 b:7001 c:7002 a:7000 "},
    {"a master has several ranges, in any order",
     "[[16383 16383 [a 1 id]] [1 16382 [b 2 id]] [0 0 [a 1 id]]]", "a:1 b:2 b:2 a:1 b:2 "},
    {"with metadata, as from Redis 7.0 on",
     "[[0 16383 [10.0.0.1 7000 id [hostname h]] [10.0.0.2 7001 id [ip 10.0.0.3 hostname g]]]]",
     "10.0.0.1:7000 10.0.0.1:7000 10.0.0.1:7000 10.0.0.1:7000 10.0.0.1:7000 "},
    {"elements that nobody knows yet", "[[0 16383 [a 1 id [] more [1 [2]]] more 1 nil [[x]]]]",
     "a:1 a:1 a:1 a:1 a:1 "},
    {"an IPv6 address", "[[0 16383 [fe80::1 1 id]]]",
     "[fe80::1]:1 [fe80::1]:1 [fe80::1]:1 [fe80::1]:1 [fe80::1]:1 "},
    {"the node that was asked, by nil", "[[0 999 [nil 1 id]]]", "asked:1 " OLD OLD OLD OLD},
    {"the node that was asked, by nothing", "[[0 999 [\"\" 1 id]]]", "asked:1 " OLD OLD OLD OLD},
    {"a node whose address is not known", "[[0 999 [? 1 id]] [1000 1000 [a 1 id]]]",
     OLD "a:1 " OLD OLD "a:1 "},
    {"slots without owner", "[[0 1 [a 1 id]] [16383 16383 [a 65535 id]]]",
     "a:1 " OLD OLD "a:65535 " OLD},
    {"nothing", NONE, OLD OLD OLD OLD OLD},
    {"slots that are not ours", "[[2 3 [a 1 id]]]", OLD OLD OLD OLD OLD},
    {"before cluster-announce: no id", "[[0 0 [a 1]]]", "a:1 " OLD OLD OLD OLD},

    {"no list", "+OK", NULL},
    {"nil", "nil", NULL},
    {"a number", "0", NULL},
    {"a list of numbers", "[0 1 2]", NULL},
    {"a range is a text", "[range]", NULL},
    {"a range without master", "[[0 1]]", NULL},
    {"an empty range", "[[]]", NULL},
    {"a range from nowhere", "[[nil 1 [a 1 id]]]", NULL},
    {"a range to a text", "[[0 x [a 1 id]]]", NULL},
    {"a slot below", "[[-1 1 [a 1 id]]]", NULL},
    {"a slot too many", "[[0 16384 [a 1 id]]]", NULL},
    {"far too many", "[[0 9223372036854775807 [a 1 id]]]", NULL},
    {"it ends before it begins", "[[2 1 [a 1 id]]]", NULL},
    {"a master that is no list", "[[0 1 a 1]]", NULL},
    {"a master without port", "[[0 1 [a]]]", NULL},
    {"an empty master", "[[0 1 []]]", NULL},
    {"a host that is a number", "[[0 1 [1 1 id]]]", NULL},
    {"a host that is a list", "[[0 1 [[a] 1 id]]]", NULL},
    {"a host that is no name", "[[0 1 [a\nb 1 id]]]", NULL},
    {"a port that is a text", "[[0 1 [a x id]]]", NULL},
    {"no port", "[[0 1 [a nil id]]]", NULL},
    {"port 0", "[[0 1 [a 0 id]]]", NULL},
    {"a port below", "[[0 1 [a -1 id]]]", NULL},
    {"a port too large", "[[0 1 [a 65536 id]]]", NULL},
    {"a port of 32 bits more", "[[0 1 [a 4294967297 id]]]", NULL},
    {"two owners", "[[0 1000 [a 1 id]] [1000 2000 [b 1 id]]]", NULL},
    {"the same range twice", "[[0 1 [a 1 id]] [0 1 [a 1 id]]]", NULL},
    {"one in the other", "[[5 6 [a 1 id]] [0 16383 [? 1 id]]]", NULL},
    {"the last makes no sense", "[[0 16382 [a 1 id]] [16383 16383 [b 0 id]]]", NULL},
};

static void show(const Address *owners, size_t count, char *to, size_t room)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char text[ADDRESS_TEXT];
        address_show(&owners[i], text);
        len += (size_t)snprintf(to + len, room - len, "%s ", text);
    }
}

static void test_maps(void **state)
{
    (void)state;
    static const Address asked = {"asked", 9};
    Arena *arena = arena_new();
    for (size_t i = 0; i < COUNT(maps); i++) {
        Address owners[COUNT(ours)];
        char got[512];
        const char *text = maps[i].reply;
        const Reply reply = reply_of(arena, &text);
        assert_int_equal(*text, '\0');
        for (size_t k = 0; k < COUNT(ours); k++) {
            owners[k] = (Address){"old", 1};
        }
        bool ok = slots_read(&reply, &asked, ours, COUNT(ours), owners);
        show(owners, COUNT(ours), got, sizeof(got));
        if (ok != (maps[i].want != NULL) ||
            strcmp(got, maps[i].want ? maps[i].want : OLD OLD OLD OLD OLD) != 0) {
            fail_msg("%s: %d, %s", maps[i].label, ok, got);
        }
    }
    arena_free(arena);
}

/* The node that was asked may be one of the owners that are told. */
static void test_asked_is_an_owner(void **state)
{
    (void)state;
    static const uint16_t slots[] = {0, 1};
    Address owners[] = {{"a", 1}, {"old", 1}};
    Arena *arena = arena_new();
    const char *text = "[[0 0 [b 2 id]] [1 1 [nil 3 id]]]";
    const Reply reply = reply_of(arena, &text);
    char got[64];
    assert_true(slots_read(&reply, &owners[0], slots, 2, owners));
    show(owners, 2, got, sizeof(got));
    assert_string_equal(got, "b:2 a:3 ");
    assert_true(slots_read(&reply, &owners[0], NULL, 0, NULL)); /* only looked through */
    arena_free(arena);
}

/* 255 bytes are a host, 256 are not. */
static void test_long_hosts(void **state)
{
    (void)state;
    static const uint16_t slot = 0;
    static const Address asked = {"asked", 9};
    Address owner = {"", 0};
    char host[256], error[300];
    memset(host, 'x', sizeof(host));
    for (size_t len = 255; len <= 256; len++) {
        Reply node[] = {{.kind = REPLY_TEXT, .text = {host, len}},
                        {.kind = REPLY_INTEGER, .integer = 1}};
        Reply range[] = {{.kind = REPLY_INTEGER},
                         {.kind = REPLY_INTEGER},
                         {.kind = REPLY_LIST, .items = node, .count = 2}};
        Reply ranges = {.kind = REPLY_LIST, .items = range, .count = 3};
        const Reply reply = {.kind = REPLY_LIST, .items = &ranges, .count = 1};
        uint16_t redirected;
        assert_int_equal(slots_read(&reply, &asked, &slot, 1, &owner), len == 255);
        snprintf(error, sizeof(error), "MOVED 1 %.*s:1", (int)len, host);
        assert_int_equal(slots_redirect(str_from(error), &asked, &redirected, &owner), len == 255);
        assert_int_equal(strlen(owner.host), 255);
    }
}

static void test_redirects(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        const char *want; /* slot address; NULL: it is none */
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6380", "3999 127.0.0.1:6380"},
        {"MOVED 0 redis-1.example:1", "0 redis-1.example:1"},
        {"MOVED 16383 a:65535", "16383 a:65535"},
        {"ASK 3999 127.0.0.1:6380", "3999 127.0.0.1:6380"},
        {"MOVED 3999 :6380", "3999 asked:6380"},
        {"ASK 3999 :6380", "3999 asked:6380"},
        {"MOVED 1 ::1:6381", "1 [::1]:6381"}, /* the last colon splits */
        {"ASK 1 2001:db8::7:6381", "1 [2001:db8::7]:6381"},
        {"MOVED 3999 ?:6380", NULL},
        {"MOVED 3999 127.0.0.1:0", NULL},
        {"MOVED 3999 127.0.0.1:", NULL},
        {"MOVED 3999 127.0.0.1", NULL},
        {"MOVED 3999 127.0.0.1:65536", NULL},
        {"MOVED 3999 127.0.0.1:-1", NULL},
        {"MOVED 3999 127.0.0.1:x", NULL},
        {"MOVED 3999 127.0.0.1:1 ", NULL},
        {"MOVED 3999 127.0.0.1:1\r\n", NULL},
        {"MOVED 3999 a b:1", NULL},
        {"MOVED 3999 a\nb:1", NULL},
        {"MOVED 3999 ", NULL},
        {"MOVED 3999", NULL},
        {"MOVED 16384 a:1", NULL},
        {"MOVED 4294967296 a:1", NULL},
        {"MOVED -1 a:1", NULL},
        {"MOVED x a:1", NULL},
        {"MOVED  1 a:1", NULL},
        {"MOVED", NULL},
        {"MOVEDTO 1 a:1", NULL},
        {"moved 1 a:1", NULL},
        {"ASKING 1 a:1", NULL},
        {"TRYAGAIN Multiple keys request during rehashing of slot", NULL},
        {"CLUSTERDOWN Hash slot not served", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        static const Address before = {"asked", 9};
        Address to = before;
        uint16_t slot = 4711;
        char got[ADDRESS_TEXT + 8] = "none", text[ADDRESS_TEXT];
        if (slots_redirect(str_from(cases[i].error), &to, &slot, &to)) { /* also in place */
            address_show(&to, text);
            snprintf(got, sizeof(got), "%u %s", slot, text);
        } else {
            assert_true(slot == 4711 && address_eq(&to, &before));
        }
        if (strcmp(got, cases[i].want ? cases[i].want : "none") != 0) {
            fail_msg("%s: %s", cases[i].error, got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slot_of),           cmocka_unit_test(test_maps),
        cmocka_unit_test(test_asked_is_an_owner), cmocka_unit_test(test_long_hosts),
        cmocka_unit_test(test_redirects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
