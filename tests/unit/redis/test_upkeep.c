#include "unit.h"

#include "failing_malloc.h"
#include "redis/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call */

static const StreamKeys plain = {.stream = STR_INIT("s"),
                                 .quarantine = STR_INIT("{s}:q"),
                                 .upkeep = STR_INIT("{s}:upkeep"),
                                 .room = STR_INIT("{s}:room"),
                                 .dead = STR_INIT("{s}:dead"),
                                 .seen = {STR_INIT("{s}:seen:0"), STR_INIT("{s}:seen:1")}};
static const StreamKeys with_events = {
    .stream = STR_INIT("s:3"),
    .quarantine = STR_INIT("{s:3}:q"),
    .events = STR_INIT("{s:3}:events"),
    .upkeep = STR_INIT("{s:3}:upkeep"),
    .room = STR_INIT("{s:3}:room"),
    .dead = STR_INIT("{s:3}:dead"),
    .seen = {STR_INIT("{s:3}:seen:0"), STR_INIT("{s:3}:seen:1")}};

#define KEYS "8 s {s}:upkeep {s}:q {s}:upkeep {s}:dead {s}:room {s}:seen:0 {s}:seen:1 "
#define KEYS_OF_3                                                                                  \
    "8 s:3 {s:3}:upkeep {s:3}:q {s:3}:events {s:3}:dead {s:3}:room {s:3}:seen:0 {s:3}:seen:1 "

/* What is asked, and the words after the script with a blank after each. */
static const struct {
    const StreamKeys *keys;
    Keep keep;
    bool is_dry;
    size_t partitions;
    const char *want;
} calls[] = {
    /* Off: all stays in the stream. Without events, a key that is no stream stands for theirs. */
    {&plain,
     {.trim = TRIM_OFF, .keep = 5, .quarantine = 7},
     false,
     0,
     KEYS "me 30000 -1 0 1000 7 0 0 0 0 1 "},
    {&with_events,
     {.trim = TRIM_ACKED, .keep = 86400000, .dead_group = 99, .events = 8},
     false,
     16,
     KEYS_OF_3 "me 30000 86400000 99 1000 0 8 0 0 0 16 "},
    {&plain,
     {.trim = TRIM_ACKED, .quarantine_most = {.percent = 10}, .events_most = {.bytes = 5000}},
     true,
     1,
     KEYS "me 30000 0 0 1000 0 0 1 10% 5000 1 "},
    {&plain,
     {.trim = TRIM_ACKED,
      .keep = 31622400000,
      .groups = STR_INIT("billing, ,crm"),
      .quarantine = 31622400000},
     false,
     1,
     KEYS "me 30000 31622400000 0 1000 31622400000 0 0 0 0 1 billing crm "},
};

/* The words of the one command that the buffer holds, behind the first two, with a blank after
 * each; how many it has. */
static size_t words_of(const Buffer *buffer, char *ret, size_t room)
{
    const char *at = buffer->ptr, *end = buffer->ptr + buffer->len;
    char *rest;
    assert_true(buffer->len && at[0] == '*');
    const size_t count = strtoul(at + 1, &rest, 10);
    at = rest + 2;
    ret[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        assert_true(at < end && *at == '$');
        const size_t len = strtoul(at + 1, &rest, 10);
        const Str word = {rest + 2, len};
        at = word.ptr + len + 2;
        if (i == 0) {
            assert_true(str_eq(word, STR("EVAL")));
        } else if (i == 1) {
            assert_true(str_eq(word, upkeep_script));
        } else {
            const size_t used = strlen(ret);
            snprintf(ret + used, room - used, "%.*s ", STR_ARG(word));
        }
    }
    assert_ptr_equal(at, end);
    return count;
}

static void test_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        Buffer buffer = {0};
        char got[512];
        const UpkeepCaller caller = {
            .who = STR("me"), .is_dry = calls[i].is_dry, .partitions = calls[i].partitions};
        assert_true(upkeep_write(&buffer, calls[i].keys, &calls[i].keep, &caller));
        words_of(&buffer, got, sizeof(got));
        assert_string_equal(got, calls[i].want);
        buffer_free(&buffer);
    }
}

/* More names than there may be are left out. */
static void test_many_groups(void **state)
{
    (void)state;
    static char list[4 * KEEP_GROUPS + 64], got[1024];
    for (size_t i = 0; i < KEEP_GROUPS + 8; i++) {
        strcat(list, "g,");
    }
    const Keep keep = {.trim = TRIM_ACKED, .groups = str_from(list)};
    const UpkeepCaller caller = {.who = STR("me")};
    Buffer buffer = {0};
    assert_true(upkeep_write(&buffer, &plain, &keep, &caller));
    assert_int_equal(words_of(&buffer, got, sizeof(got)), 22 + KEEP_GROUPS);
    buffer_free(&buffer);
}

static void test_no_memory(void **state)
{
    (void)state;
    Buffer buffer = {0};
    failing_malloc_begin(0, FAIL_ONCE);
    const bool ok =
        upkeep_write(&buffer, &plain, &calls[0].keep, &(UpkeepCaller){.who = STR("me")});
    assert_true(failing_malloc_end());
    assert_false(ok);
    assert_int_equal(buffer.len, 0);
    buffer_free(&buffer);
}

/* The reply */

static bool read_reply(ReplyReader *reader, const char *text, Upkept *ret)
{
    const char *why;
    assert_null(reply_reader_feed(reader, str_from(text)));
    const Reply *reply = reply_reader_next(reader, &why);
    assert_non_null(reply);
    return upkeep_read(reply, ret);
}

static void test_theirs(void **state)
{
    (void)state;
    ReplyReader *reader = reply_reader_new();
    Upkept upkept;
    assert_true(read_reply(reader, "*1\r\n:0\r\n", &upkept));
    assert_false(upkept.is_ours);
    assert_int_equal(upkept.listed_count, 0);
    reply_reader_free(reader);
}

#define REMOVED ":1\r\n:9\r\n:2\r\n:3\r\n:4\r\n"
#define LENGTHS ":70\r\n:8\r\n:-1\r\n:6\r\n"
#define BYTES ":7000\r\n:4096\r\n:-1\r\n:600\r\n"
#define CUT ":11\r\n:12\r\n"
#define MEMORY ":5000\r\n:10000\r\n:33\r\n$3\r\n7.2\r\n"
#define OLDEST "$3\r\n5-0\r\n"
#define WHY "$8\r\nno group\r\n"
#define FIGURES REMOVED ":1\r\n" LENGTHS BYTES CUT MEMORY
#define BILLING "*8\r\n$7\r\nbilling\r\n:4\r\n:-1\r\n$3\r\n6-1\r\n$3\r\n7-0\r\n:2\r\n:1\r\n:1\r\n"
#define CRM "*8\r\n$3\r\ncrm\r\n:0\r\n:5\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:2\r\n:0\r\n"

static void test_ours(void **state)
{
    (void)state;
    ReplyReader *reader = reply_reader_new();
    Upkept upkept;
    assert_true(read_reply(reader, "*23\r\n" FIGURES OLDEST WHY ":40\r\n", &upkept));
    assert_true(upkept.is_ours && upkept.has_more);
    static const long long removed[UPKEPT_STREAMS] = {9, 2, 3, 4}, length[] = {70, 8, -1, 6},
                           bytes[] = {7000, 4096, -1, 600};
    for (size_t i = 0; i < UPKEPT_STREAMS; i++) {
        assert_int_equal(upkept.removed[i], removed[i]);
        assert_int_equal(upkept.length[i], length[i]);
        assert_int_equal(upkept.bytes[i], bytes[i]);
    }
    assert_int_equal(upkept.cut[ENTRY_QUARANTINED], 11);
    assert_int_equal(upkept.cut[ENTRY_EVENT], 12);
    assert_int_equal(upkept.used, 5000);
    assert_int_equal(upkept.most, 10000);
    assert_int_equal(upkept.digests, 33);
    assert_true(str_eq(upkept.version, STR("7.2")));
    assert_true(str_eq(upkept.oldest, STR("5-0")));
    assert_true(str_eq(upkept.why, STR("no group")));
    assert_int_equal(upkept.groups, 40);
    assert_int_equal(upkept.listed_count, 0);
    reply_reader_free(reader);
}

static void test_groups(void **state)
{
    (void)state;
    ReplyReader *reader = reply_reader_new();
    Upkept upkept;
    UpkeepGroup group;
    assert_true(read_reply(reader, "*25\r\n" FIGURES OLDEST WHY ":2\r\n" BILLING CRM, &upkept));
    assert_int_equal(upkept.listed_count, 2);
    assert_true(upkeep_read_group(&upkept, 0, &group));
    assert_true(str_eq(group.name, STR("billing")));
    assert_int_equal(group.pending, 4);
    assert_int_equal(group.lag, -1);
    assert_int_equal(group.consumers, 2);
    assert_true(str_eq(group.oldest, STR("6-1")));
    assert_true(str_eq(group.last, STR("7-0")));
    assert_int_equal(group.state, GROUP_IDLE);
    assert_true(group.holds);
    assert_true(upkeep_read_group(&upkept, 1, &group));
    assert_true(str_eq(group.name, STR("crm")) && str_is_empty(group.oldest));
    assert_int_equal(group.state, GROUP_DEAD);
    assert_false(group.holds);
    reply_reader_free(reader);
}

static void test_lies(void **state)
{
    (void)state;
    static const char *const lies[] = {
        ":1\r\n",
        "+OK\r\n",
        "$1\r\n1\r\n",
        "$-1\r\n",
        "-ERR no\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n$1\r\n0\r\n",
        "*1\r\n:1\r\n",
        "*22\r\n" FIGURES OLDEST WHY,
        "*23\r\n" FIGURES OLDEST WHY "$1\r\n2\r\n",
        "*23\r\n" FIGURES ":5\r\n" WHY ":0\r\n",
        "*23\r\n" FIGURES "$-1\r\n" WHY ":0\r\n",
        "*23\r\n" FIGURES OLDEST ":0\r\n:0\r\n",
        "*23\r\n" FIGURES OLDEST WHY ":-1\r\n",
        "*23\r\n:1\r\n:9\r\n:2\r\n:-1\r\n:4\r\n:1\r\n" LENGTHS BYTES CUT MEMORY OLDEST WHY ":0\r\n",
        "*23\r\n:1\r\n:9\r\n:2\r\n*0\r\n:4\r\n:1\r\n" LENGTHS BYTES CUT MEMORY OLDEST WHY ":0\r\n",
        "*23\r\n" REMOVED ":1\r\n:70\r\n:8\r\n:-2\r\n:6\r\n" BYTES CUT MEMORY OLDEST WHY ":0\r\n",
        "*23\r\n" REMOVED ":1\r\n" LENGTHS ":1\r\n$-1\r\n:1\r\n:1\r\n" CUT MEMORY OLDEST WHY
        ":0\r\n",
        "*23\r\n" REMOVED ":1\r\n" LENGTHS BYTES ":-1\r\n:0\r\n" MEMORY OLDEST WHY ":0\r\n",
        "*23\r\n" REMOVED ":1\r\n" LENGTHS BYTES CUT ":5\r\n:-2\r\n:5\r\n$0\r\n\r\n" OLDEST WHY
        ":0\r\n",
    };
    for (size_t i = 0; i < COUNT(lies); i++) {
        ReplyReader *reader = reply_reader_new();
        Upkept upkept;
        if (read_reply(reader, lies[i], &upkept)) {
            fail_msg("taken: %s", lies[i]);
        }
        reply_reader_free(reader);
    }
}

static void test_lies_about_groups(void **state)
{
    (void)state;
    static const char *const lies[] = {
        ":1\r\n",
        "*0\r\n",
        "*7\r\n$1\r\ng\r\n:0\r\n:0\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:0\r\n",
        "*8\r\n:1\r\n:0\r\n:0\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:0\r\n:0\r\n",
        "*8\r\n$1\r\ng\r\n$1\r\n0\r\n:0\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:0\r\n:0\r\n",
        "*8\r\n$1\r\ng\r\n:0\r\n:0\r\n:0\r\n$3\r\n0-0\r\n:0\r\n:0\r\n:0\r\n",
        "*8\r\n$1\r\ng\r\n:0\r\n:0\r\n$0\r\n\r\n$-1\r\n:0\r\n:0\r\n:0\r\n",
        "*8\r\n$1\r\ng\r\n:0\r\n:0\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:3\r\n:0\r\n",
        "*8\r\n$1\r\ng\r\n:0\r\n:0\r\n$0\r\n\r\n$3\r\n0-0\r\n:0\r\n:-1\r\n:0\r\n",
    };
    for (size_t i = 0; i < COUNT(lies); i++) {
        ReplyReader *reader = reply_reader_new();
        Upkept upkept;
        UpkeepGroup group;
        char text[512];
        snprintf(text, sizeof(text), "*24\r\n" FIGURES OLDEST WHY ":1\r\n%s", lies[i]);
        assert_true(read_reply(reader, text, &upkept));
        if (upkeep_read_group(&upkept, 0, &group)) {
            fail_msg("taken: %s", lies[i]);
        }
        reply_reader_free(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),     cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_theirs),
        cmocka_unit_test(test_ours),      cmocka_unit_test(test_groups),
        cmocka_unit_test(test_lies),      cmocka_unit_test(test_lies_about_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
