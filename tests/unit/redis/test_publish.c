#include "unit.h"

#include "failing_malloc.h"
#include "redis/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A payload with one of each kind: two statuses of one change, a quarantined one, an event. */
static const Account account = {.id = STR_INIT("E")};
static const Change change = {.account = &account,
                              .field = STR_INIT("messages"),
                              .messaging_product = STR_INIT("whatsapp"),
                              .display_phone_number = STR_INIT("+1 2"),
                              .phone_number_id = STR_INIT("P")};
static const Change other_change = {.account = &account, .field = STR_INIT("f")};
static StatusUpdate statuses[] = {
    {&change, STR_INIT("a"), STR_INIT("sent"), STR_INIT("7"), STR_INIT("r"), STR_INIT("[]"),
     STR_INIT("{}")},
    {&change,
     STR_INIT("b\r\n"),
     STR_INIT("read"),
     {NULL, 0},
     {NULL, 0},
     STR_INIT("[1]"),
     STR_INIT("{\"x\":1}")},
};
static Quarantined quarantined[] = {
    {REASON_MISSING_ID, STR_INIT("why"), STR_INIT("/entry/0"), STR_INIT("{}")}};
static Event events[] = {{&other_change, STR_INIT("{\"field\":\"f\"}")}};
static const char seen[4][32] = {
    "00000000000000000000000000000000", "11111111111111111111111111111111",
    "22222222222222222222222222222222", "33333333333333333333333333333333"};

static RedisKeys keys_with(unsigned window, bool with_events)
{
    RedisKeys keys = {.stream = STR("s"),
                      .quarantine = STR("{s}:q"),
                      .seen_prefix = STR("{s}:seen:"),
                      .probe = STR("{s}:probe"),
                      .window = window,
                      .script_sha = "0123456789abcdef0123456789abcdef01234567"};
    keys.events = with_events ? STR("ev") : (Str){NULL, 0};
    return keys;
}

static Publication publication_of(const Payload *payload)
{
    return (Publication){.payload = payload,
                         .content_type = STR("application/json"),
                         .request_id = STR("id-1"),
                         .received_at = 1700000000123,
                         .sink.seen = seen};
}

/* RESP from words: "a|b" as an array of bulk strings; each line of the text is one command. */
static char *resp(const char *commands)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (Str lines = str_from(commands); lines.ptr;) {
        Str line = str_split(&lines, '\n');
        size_t words = 1;
        for (size_t i = 0; i < line.len; i++) {
            words += line.ptr[i] == '|';
        }
        fprintf(out, "*%zu\r\n", words);
        while (line.ptr) {
            Str word = str_split(&line, '|');
            /* ~ stands for a line end inside a word */
            bool has_end = word.len && word.ptr[word.len - 1] == '~';
            fprintf(out, "$%zu\r\n%.*s%s\r\n", word.len + has_end, (int)word.len - has_end,
                    word.ptr, has_end ? "\r\n" : "");
        }
    }
    fclose(out);
    return text;
}

static void assert_commands(const Buffer *buffer, const char *commands)
{
    char *text = resp(commands);
    const Str want = str_from(text), got = {buffer->ptr, buffer->len};
    if (!str_eq(got, want)) {
        fail_msg("want: %.*s\ngot:  %.*s\n", STR_ARG(want), STR_ARG(got));
    }
    free(text);
}

static void assert_published(const RedisKeys *keys, const Publication *publication, size_t replies,
                             const char *commands)
{
    Buffer buffer = {0};
    assert_int_equal(command_publish(&buffer, keys, publication), replies);
    assert_commands(&buffer, commands);
    buffer_free(&buffer);
}

#define STATUS_A                                                                                   \
    "XADD|s|*|id|a|status|sent|timestamp|7|recipient_id|r|phone_number_id|P|display_phone_number|" \
    "+1 2|entry_id|E|field|messages|messaging_product|whatsapp|object|o|errors|[]|extra|{}|"       \
    "received_at|1700000000123|request_id|id-1"
#define STATUS_B                                                                                   \
    "XADD|s|*|id|b~|status|read|timestamp||recipient_id||phone_number_id|P|display_phone_number|"  \
    "+1 2|entry_id|E|field|messages|messaging_product|whatsapp|object|o|errors|[1]|extra|"         \
    "{\"x\":1}|received_at|1700000000123|request_id|id-1"
#define QUARANTINED                                                                                \
    "XADD|{s}:q|*|reason|missing_id|detail|why|pointer|/entry/0|raw|{}|content_type|"              \
    "application/json|received_at|1700000000123|request_id|id-1"
#define EVENT                                                                                      \
    "XADD|ev|*|field|f|entry_id|E|phone_number_id||raw|{\"field\":\"f\"}|"                         \
    "received_at|1700000000123|request_id|id-1"

static const Payload all = {.object = STR_INIT("o"),
                            .statuses = statuses,
                            .status_count = 2,
                            .quarantined = quarantined,
                            .quarantined_count = 1,
                            .events = events,
                            .event_count = 1};

/* Without a window, one entry: a lone XADD. The fields and their order are the stream contract. */
static void test_one_entry(void **state)
{
    (void)state;
    const Payload one = {.object = STR("o"), .statuses = statuses, .status_count = 1};
    const RedisKeys keys = keys_with(0, false);
    const Publication publication = publication_of(&one);
    assert_int_equal(command_entries(&keys, &one), 1);
    assert_published(&keys, &publication, 1, STATUS_A);
}

/* Several: all or nothing. */
static void test_transaction(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const RedisKeys with = keys_with(0, true), without = keys_with(0, false);
    assert_int_equal(command_entries(&with, &all), 4);
    assert_published(&with, &publication, 6,
                     "MULTI\n" STATUS_A "\n" STATUS_B "\n" QUARANTINED "\n" EVENT "\nEXEC");
    assert_int_equal(command_entries(&without, &all), 3);
    assert_published(&without, &publication, 5,
                     "MULTI\n" STATUS_A "\n" STATUS_B "\n" QUARANTINED "\nEXEC");
}

/* Many: the script, without keys to look up. */
static void test_many_entries(void **state)
{
    (void)state;
    static StatusUpdate many[129];
    const RedisKeys keys = keys_with(0, false), with_window = keys_with(60, false);
    Payload payload = {.object = STR("o"), .statuses = many, .status_count = 128};
    const Publication publication = publication_of(&payload);
    Buffer buffer = {0};
    for (size_t i = 0; i < 129; i++) {
        many[i] = statuses[0];
    }
    assert_true(command_is_script(&with_window, &payload));
    assert_false(command_is_script(&keys, &payload));
    assert_int_equal(command_publish(&buffer, &keys, &publication), 130);
    buffer_clear(&buffer);
    payload.status_count = 129;
    assert_true(command_is_script(&keys, &payload));
    assert_int_equal(command_publish(&buffer, &keys, &publication), 1);
    const char begin[] =
        "*794\r\n$7\r\nEVALSHA\r\n$40\r\n0123456789abcdef0123456789abcdef01234567\r\n"
        "$1\r\n3\r\n$1\r\ns\r\n$5\r\n{s}:q\r\n$5\r\n{s}:q\r\n$1\r\n0\r\n";
    assert_memory_equal(buffer.ptr, begin, sizeof(begin) - 1);
    buffer_free(&buffer);
}

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define SEEN(digit) "{s}:seen:" digit digit digit digit digit digit digit digit
#define HEAD "|60|1700000000123|id-1|o|application/json"
#define GROUP "|1|2|P|+1 2|E|messages|whatsapp|a|sent|7|r|[]|{}|b~|read|||[1]|{\"x\":1}"

/* With a window: one call of the script. */
static void test_script(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const RedisKeys with = keys_with(60, true), without = keys_with(60, false);
    assert_published(&with, &publication, 1,
                     "EVALSHA|" SHA "|7|s|{s}:q|ev|" SEEN("0000") "|" SEEN("1111") "|" SEEN(
                         "2222") "|" SEEN("3333") HEAD GROUP
                     "|1|missing_id|why|/entry/0|{}|1|f|E||{\"field\":\"f\"}");
    assert_published(&without, &publication, 1,
                     "EVALSHA|" SHA
                     "|6|s|{s}:q|{s}:q|" SEEN("0000") "|" SEEN("1111") "|" SEEN("2222") HEAD GROUP
                     "|1|missing_id|why|/entry/0|{}|0");
}

/* Statuses of different changes are different groups, also of changes that are equal. */
static void test_groups(void **state)
{
    (void)state;
    const Change twin = change;
    StatusUpdate three[] = {statuses[0], statuses[0], statuses[0]};
    three[1].change = &twin;
    const Payload payload = {.object = STR("o"), .statuses = three, .status_count = 3};
    const Publication publication = publication_of(&payload);
    const RedisKeys keys = keys_with(60, false);
#define ONE "|1|P|+1 2|E|messages|whatsapp|a|sent|7|r|[]|{}"
    assert_published(&keys, &publication, 1,
                     "EVALSHA|" SHA
                     "|6|s|{s}:q|{s}:q|" SEEN("0000") "|" SEEN("1111") "|" SEEN("2222") HEAD
                     "|3" ONE ONE ONE "|0|0");
}

/* A server that does not know the script gets its source. */
static void test_source(void **state)
{
    (void)state;
    Publication publication = publication_of(&all);
    const RedisKeys keys = keys_with(60, true);
    Buffer buffer = {0};
    char begin[64];
    publication.sink.with_source = true;
    assert_int_equal(command_publish(&buffer, &keys, &publication), 1);
    int len = snprintf(begin, sizeof(begin), "*44\r\n$4\r\nEVAL\r\n$%zu\r\n", publish_script.len);
    assert_true(str_starts_with((Str){buffer.ptr, buffer.len}, str_from(begin)));
    assert_memory_equal(buffer.ptr + len, publish_script.ptr, publish_script.len);
    buffer_free(&buffer);
}

static void test_simple(void **state)
{
    (void)state;
    const RedisKeys keys = keys_with(0, false);
    const Str words[] = {STR("SELECT"), STR("1"), STR("")};
    Buffer buffer = {0};
    assert_int_equal(command_probe(&buffer, &keys), 1);
    assert_int_equal(command_simple(&buffer, words, 3), 1); /* is appended */
    assert_commands(&buffer, "SET|{s}:probe|1|PX|1000\nSELECT|1|");
    buffer_clear(&buffer);
    assert_int_equal(buffer.len, 0);
    assert_true(buffer.room > 0);
    assert_true(buffer_reserve(&buffer, 2 << 20));
    buffer_clear(&buffer);
    assert_int_equal(buffer.room, 0); /* a big one goes back */
}

/* Whatever allocation fails, what was in the buffer before stays as it was. */
static void test_failing_malloc(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    for (unsigned window = 0; window < 2; window++) {
        const RedisKeys keys = keys_with(window * 60, true);
        for (size_t n = 0;; n++) {
            Buffer buffer = {0};
            assert_int_equal(command_probe(&buffer, &keys), 1);
            size_t before = buffer.len;
            failing_malloc_begin(n, FAIL_ONCE);
            size_t replies = command_publish(&buffer, &keys, &publication);
            bool failed = failing_malloc_end();
            assert_int_equal(replies == 0, failed);
            assert_true(failed ? buffer.len == before : buffer.len > before);
            buffer.len = before;
            assert_commands(&buffer, "SET|{s}:probe|1|PX|1000");
            buffer_free(&buffer);
            if (!failed) {
                assert_true(n > 0);
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_entry),    cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_many_entries), cmocka_unit_test(test_script),
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_source),
        cmocka_unit_test(test_simple),       cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
