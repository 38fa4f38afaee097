#include "unit.h"

#include "commands/tail_line.h"
#include "failing_malloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIELDS_MOST = 40, NOW_S = 1767222000 }; /* 2026-01-01 00:00:00 of the zone below */

/* An entry of names and values with '|' between them; "" = it was deleted. */
static const Reply *fields_of(const char *text, Reply items[FIELDS_MOST], Reply *list)
{
    Str rest = str_from(text);
    *list = (Reply){.kind = REPLY_LIST, .items = items};
    while (rest.ptr && text[0]) {
        assert_true(list->count < FIELDS_MOST);
        items[list->count++] = (Reply){.kind = REPLY_TEXT, .text = str_split(&rest, '|')};
    }
    return text[0] ? list : NULL;
}

static void assert_line(const char *fields, const TailStyle *style, const char *consumer,
                        const char *want)
{
    Reply items[FIELDS_MOST], list;
    Arena *arena = arena_new();
    const TailEntry entry = {.stream = STR("s:3"),
                             .id = STR("1767221990123-7"),
                             .fields = fields_of(fields, items, &list),
                             .consumer = str_from(consumer),
                             .deliveries = 3,
                             .idle_ms = 65432};
    const Str line = tail_line(&entry, style, arena);
    if (!str_eq(line, str_from(want))) {
        fail_msg("%s\n is: %.*s\nnot: %s", fields, STR_ARG(line), want);
    }
    arena_free(arena);
}

#define PLAIN                                                                                      \
    "|recipient_id|12025550123|display_phone_number|15550001|phone_number_id|7|errors|[]"          \
    "|extra|{}|received_at|1767221990123"
#define FAILED(errors)                                                                             \
    "id|w|status|failed|timestamp|1767221999|recipient_id|12025550123|errors|" errors              \
    "|received_at|1767221990123"
#define FAILS(told)                                                                                \
    "2025-12-31 23:59:59  9 s          failed     ***0123       -             w  " told "\n"

static void test_for_a_person(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *consumer, *want;
    } cases[] = {
        {"id|wamid.A==|status|delivered|timestamp|1767221999" PLAIN, NULL,
         "2025-12-31 23:59:59  9 s          delivered  ***0123       15550001      wamid.A==\n"},
        /* The time when it came is better than none. */
        {"id|w|status|read|timestamp|soon" PLAIN, NULL,
         "2025-12-31 23:59:50  9 s          read       ***0123       15550001      w\n"},
        {"id|w|status|read", NULL,
         "2025-12-31 23:59:50  9 s          read       -             -             w\n"},
        {"id|w|status|sent|timestamp|99999999999999999|recipient_id|1|phone_number_id|70", NULL,
         "@99999999999999999   9 s          sent       ***           70            w\n"},
        {"id|w|status|sent|recipient_id|123456|received_at|1767221870123", NULL,
         "2025-12-31 23:57:50  2 min 9 s    sent       ***456        -             w\n"},
        {"id||status||timestamp||recipient_id||errors||received_at|x", NULL,
         "2025-12-31 23:59:50  9 s          -          -             -             -\n"},
        {"other", NULL,
         "2025-12-31 23:59:50  9 s          -          -             -             -\n"},
        {"id|w|status|a long word of a status|recipient_id|US.13491208655302741918", NULL,
         "2025-12-31 23:59:50  9 s          a long word of..  ***1918       -             w\n"},
        /* What would steer a terminal. */
        {"id|\x1b[2J\x7f\xc2\x9b|status|r\n\te|recipient_id|\xff\xc3\xa9|errors|x", NULL,
         "2025-12-31 23:59:50  9 s          r\\x0a\\x09e  ***           -             "
         "\\x1b[2J\\x7f\\u009b\n"},
        {"id|\xe2\x80\xae\xf0\x9f\x98\x80\xf0\x9f|status|read", NULL,
         "2025-12-31 23:59:50  9 s          read       -             -             "
         "\\u202e\\u1f600\\xf0\\x9f\n"},
        /* Of a group. */
        {"id|w|status|read", "worker\n1",
         "2025-12-31 23:59:50  9 s          read       -             -             w  pending on "
         "worker\\x0a1 for 1 min 5 s, 3 deliveries\n"},
        {"", "me",
         "2025-12-31 23:59:50  9 s          deleted    -             -             "
         "1767221990123-7  pending on "
         "me for 1 min 5 s, 3 deliveries\n"},
        /* Errors. */
        {FAILED("[{\"code\":131026,\"title\":\"Message undeliverable\"}]"), NULL,
         FAILS("131026 not on WhatsApp, terms not accepted, or an old app (retry never; "
               "recipient)")},
        {FAILED(" [ {\"error_data\":{\"details\":[1]},\"code\":\"131056\"},{},7 ] "), NULL,
         FAILS("131056 too many messages to this user at once (retry later; pace), and 2 more")},
        {FAILED("[{\"code\":999999,\"message\":\"m\",\"title\":\"A \\u001b title\"}]"), NULL,
         FAILS("999999 A \\x1b title (unknown)")},
        {FAILED("[{\"code\":99999999999,\"message\":\"m\"}]"), NULL,
         FAILS("99999999999 m (unknown)")},
        {FAILED("[{}]"), NULL, FAILS("- - (unknown)")},
        {FAILED("[7]"), NULL, FAILS("- - (unknown)")},
        {FAILED("[{\"code\":131026}"), NULL,
         "2025-12-31 23:59:59  9 s          failed     ***0123       -             w\n"},
        {FAILED("{\"code\":131026}"), NULL,
         "2025-12-31 23:59:59  9 s          failed     ***0123       -             w\n"},
    };
    const TailStyle style = {.now = NOW_S * 1000LL};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_line(cases[i].fields, &style, cases[i].consumer, cases[i].want);
    }
}

/* Ages are not negative, numbers may be shown, and columns are those of the head. */
static void test_styles(void **state)
{
    (void)state;
    static const char *const fields = "id|w|status|failed|timestamp|1767221999" PLAIN;
    const TailStyle early = {.now = 1}, clear = {.now = NOW_S * 1000LL, .is_clear = true},
                    colour = {.now = NOW_S * 1000LL, .has_colour = true};
    assert_line(fields, &early, NULL,
                "2025-12-31 23:59:59  0 s          failed     ***0123       15550001      w\n");
    assert_line(fields, &clear, NULL,
                "2025-12-31 23:59:59  9 s          failed     12025550123   15550001      w\n");
    assert_line(fields, &colour, NULL,
                "2025-12-31 23:59:59  9 s          \x1b[1;31mfailed     \x1b[0m***0123       "
                "15550001      w\n");
    assert_memory_equal(tail_head.ptr,
                        "time                 age          status     recipient     number        "
                        "id, error\n",
                        tail_head.len);
}

#define OBJECT(rest) "{\"stream\":\"s:3\",\"entry\":\"1767221990123-7\"" rest "}\n"
#define PHONE "12025550123"

static void test_for_programs(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *consumer, *want;
    } cases[] = {
        {"id|w|recipient_id|" PHONE "|errors|[]|extra|{\"a\": [1,\n2]}", NULL,
         OBJECT(",\"id\":\"w\",\"recipient_id\":\"***0123\",\"errors\":[],\"extra\":{\"a\": [1, "
                "2]}")},
        {"errors|[{\"code\":131026}]", NULL,
         OBJECT(",\"errors\":[{\"code\":131026}],\"error\":{\"code\":131026,\"meaning\":\"not on "
                "WhatsApp, terms not accepted, or an old app\",\"retry\":\"never\",\"mends\":"
                "\"recipient\"}")},
        {"errors|[{\"code\":\"007\"}]|extra|", NULL,
         OBJECT(",\"errors\":[{\"code\":\"007\"}],\"extra\":\"\"")},
        {"extra|{\"a\":}", NULL, OBJECT(",\"extra\":\"{\\\"a\\\":}\"")},
        /* The number again, and other people's. */
        {"recipient_id|" PHONE "|extra|{\"wa_id\":\"4917012345\",\"x\":{\"to\":\"" PHONE
         "\",\"t\":1700000000,\"recipient_id\" : 4917012345}}",
         NULL,
         OBJECT(",\"recipient_id\":\"***0123\",\"extra\":{\"wa_id\":\"***2345\",\"x\":{\"to\":"
                "\"***0123\",\"t\":1700000000,\"recipient_id\" : \"***2345\"}}")},
        {"recipient_id|" PHONE "|errors|[{\"details\":\"\\u00e9\\\"to +" PHONE " it\",\"n\":" PHONE
         "}]|extra|{\"n\":" PHONE "7}",
         NULL,
         OBJECT(",\"recipient_id\":\"***0123\",\"errors\":[{\"details\":\"\\u00e9\\\"to +***0123 "
                "it\",\"n\":\"***0123\"}],\"extra\":{\"n\":" PHONE "7}")},
        /* What would steer a terminal, in texts and in JSON that is valid all the same. */
        {"id|\x1b\n\"\x7f|status|\xc2\x9b\xff|extra|{\"a\":\"\x7f\xc2\x85\xc3\xa9\"}", NULL,
         OBJECT(",\"id\":\"\\u001b\\n\\\"\\u007f\",\"status\":\"\\u009b\xef\xbf\xbd\",\"extra\":"
                "{\"a\":\"\\u007f\\u0085\xc3\xa9\"}")},
        {"id|w", "a\"b",
         OBJECT(",\"id\":\"w\",\"pending\":{\"consumer\":\"a\\\"b\",\"deliveries\":3,\"idle_ms\":"
                "65432}")},
        {"", "me", OBJECT(",\"pending\":{\"consumer\":\"me\",\"deliveries\":3,\"idle_ms\":65432}")},
    };
    const TailStyle style = {.as_json = true}, clear = {.as_json = true, .is_clear = true};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_line(cases[i].fields, &style, cases[i].consumer, cases[i].want);
    }
    assert_line("recipient_id|" PHONE "|extra|{\"wa_id\":\"4917012345\"}", &clear, NULL,
                OBJECT(",\"recipient_id\":\"" PHONE "\",\"extra\":{\"wa_id\":\"4917012345\"}"));
}

/* A status of 10 KiB in each field is a line that can be read. */
static void test_long(void **state)
{
    (void)state;
    static char fields[16 << 10], text[10 << 10];
    Reply items[FIELDS_MOST], list;
    Arena *arena = arena_new();
    memset(text, '7', sizeof(text) - 1);
    snprintf(fields, sizeof(fields), "id|%s|status|x", text);
    const TailEntry entry = {.id = STR("1-1"), .fields = fields_of(fields, items, &list)};
    const TailStyle style = {.now = 1};
    const Str line = tail_line(&entry, &style, arena);
    assert_in_range(line.len, 150, 200);
    assert_memory_equal(line.ptr + line.len - 4, "7..\n", 4);
    arena_free(arena);
}

/* No memory: no line. */
static void test_no_memory(void **state)
{
    (void)state;
    Reply items[FIELDS_MOST], list;
    const TailEntry entry = {.stream = STR("s"),
                             .id = STR("1-1"),
                             .fields = fields_of(FAILED("[{\"code\":131026}]"), items, &list)};
    const TailStyle styles[] = {{.now = 1}, {.as_json = true}};
    for (size_t i = 0; i < COUNT(styles); i++) {
        Arena *arena = arena_new();
        failing_malloc_begin(0, FAIL_FOREVER);
        const Str line = tail_line(&entry, &styles[i], arena);
        failing_malloc_end();
        assert_null(line.ptr);
        arena_free(arena);
    }
}

int main(void)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for_a_person), cmocka_unit_test(test_styles),
        cmocka_unit_test(test_for_programs), cmocka_unit_test(test_long),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
