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
static Quarantined quarantined[] = {{REASON_MISSING_ID, STR_INIT("why"), STR_INIT("/entry/0"),
                                     STR_INIT("{}"), STR_INIT("5a"), STR_INIT("/entry/#"), &account,
                                     &change}};
static Event events[] = {{.change = &other_change, .raw = STR_INIT("{\"field\":\"f\"}")}};
static StreamKeys keys_with(unsigned window, bool with_events)
{
    StreamKeys keys = {.stream = STR("s"),
                       .quarantine = STR("{s}:q"),
                       .probe = STR("{s}:probe"),
                       .window = window};
    keys.events = with_events ? STR("ev") : (Str){NULL, 0};
    return keys;
}

static Publication publication_of(const Payload *payload)
{
    return (Publication){.payload = payload,
                         .delivery = {.received_at = STR("1700000000123"),
                                      .request_id = STR("id-1"),
                                      .content_type = STR("application/json")}};
}

/* Appends the commands of a publication; returns how many replies they will have. */
static size_t write_to(Buffer *buffer, const StreamKeys *keys, const Publication *publication)
{
    Publishing publishing = publishing_of(keys, publication->payload);
    bool ok = publish_write(&publishing, buffer, keys, publication);
    return ok ? publishing.replies : 0;
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

static void assert_published(const StreamKeys *keys, const Publication *publication, size_t replies,
                             const char *commands)
{
    Buffer buffer = {0};
    assert_int_equal(write_to(&buffer, keys, publication), replies);
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

static const Payload all = {.object = STR_INIT("o"),
                            .statuses = statuses,
                            .status_count = 2,
                            .quarantined = quarantined,
                            .quarantined_count = 1,
                            .events = events,
                            .event_count = 1},
                     two_statuses = {
                         .object = STR_INIT("o"), .statuses = statuses, .status_count = 2};

/* Without a window, one entry: a lone XADD. The fields and their order are the stream contract. */
static void test_one_entry(void **state)
{
    (void)state;
    const Payload one = {.object = STR("o"), .statuses = statuses, .status_count = 1};
    const StreamKeys keys = keys_with(0, false);
    const Publication publication = publication_of(&one);
    assert_published(&keys, &publication, 1, STATUS_A);
}

/* Several: all or nothing. */
static void test_transaction(void **state)
{
    (void)state;
    const Publication publication = publication_of(&two_statuses);
    const StreamKeys keys = keys_with(0, true);
    assert_published(&keys, &publication, 4, "MULTI\n" STATUS_A "\n" STATUS_B "\nEXEC");
}

/* Many go by the script, and so does everything that is looked up, and what is no status: the
 * script sees whether there is room for it. */
static void test_by_script(void **state)
{
    (void)state;
    static const struct {
        size_t statuses, quarantined, events;
        unsigned window;
        bool want;
    } cases[] = {
        {1, 0, 0, 0, false},   {128, 0, 0, 0, false}, {129, 0, 0, 0, true},
        {5000, 0, 0, 0, true}, {0, 1, 0, 0, true},    {1, 1, 0, 0, true},
        {0, 0, 1, 0, true},    {1, 0, 1, 0, true},    {1, 0, 0, 60, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const StreamKeys keys = keys_with(cases[i].window, true);
        const Payload payload = {.status_count = cases[i].statuses,
                                 .quarantined_count = cases[i].quarantined,
                                 .event_count = cases[i].events};
        if (publishing_of(&keys, &payload).by_script != cases[i].want) {
            fail_msg("%zu", i);
        }
    }
}

static void test_nothing_to_store(void **state)
{
    (void)state;
    const StreamKeys with = keys_with(0, true), without = keys_with(0, false);
    const Payload only_event = {.events = events, .event_count = 1};
    const Publishing kept = publishing_of(&with, &only_event),
                     ignored = publishing_of(&without, &only_event);
    assert_false(publishing_is_empty(&kept));
    assert_true(publishing_is_empty(&ignored));
}

/* What the replies to a publication mean; "why" instead of a verdict: they make no sense. */

#define STATUS_REPLY                                                                               \
    {                                                                                              \
        .kind = REPLY_STATUS, .text = STR_INIT("OK")                                               \
    }
#define ERROR_REPLY(words)                                                                         \
    {                                                                                              \
        .kind = REPLY_ERROR, .text = STR_INIT(words)                                               \
    }
#define NUMBER(n)                                                                                  \
    {                                                                                              \
        .kind = REPLY_INTEGER, .integer = (n)                                                      \
    }
#define ID                                                                                         \
    {                                                                                              \
        .kind = REPLY_TEXT, .text = STR_INIT("1-0")                                                \
    }
#define NIL                                                                                        \
    {                                                                                              \
        .kind = REPLY_NIL                                                                          \
    }
#define LIST(...)                                                                                  \
    {                                                                                              \
        .kind = REPLY_LIST, .items = (Reply[]){__VA_ARGS__},                                       \
        .count = sizeof((Reply[]){__VA_ARGS__}) / sizeof(Reply)                                    \
    }
#define EMPTY                                                                                      \
    {                                                                                              \
        .kind = REPLY_LIST                                                                         \
    }

enum { SENSELESS = -1 };

/* To publications without a window: of one element, or of two in a transaction. */
typedef struct {
    const char *label;
    size_t statuses;
    Reply replies[4];
    int verdict; /* or SENSELESS */
    PublishResult result;
} Answer;

#define QUEUED STATUS_REPLY, STATUS_REPLY, STATUS_REPLY
#define EXECABORT ERROR_REPLY("EXECABORT Transaction discarded")

static const Answer answers[] = {
    {"one XADD: its id", 1, {ID}, VERDICT_STORED, {1, 0, 0}},
    {"several: an id for each", 2, {QUEUED, LIST(ID, ID)}, VERDICT_STORED, {2, 0, 0}},

    {"nil for an id", 1, {NIL}, SENSELESS, {0}},
    {"a status for an id", 1, {STATUS_REPLY}, SENSELESS, {0}},
    {"a number for an id", 1, {NUMBER(1)}, SENSELESS, {0}},
    {"an empty list for an id", 1, {EMPTY}, SENSELESS, {0}},
    {"a list of nil for an id", 1, {LIST(NIL)}, SENSELESS, {0}},
    {"too many ids", 1, {LIST(ID, ID)}, SENSELESS, {0}},
    {"what only RESP3 knows for an id", 1, {{.kind = REPLY_OTHER}}, SENSELESS, {0}},
    {"an id too few", 2, {QUEUED, LIST(ID)}, SENSELESS, {0}},
    {"an id too many", 2, {QUEUED, LIST(ID, ID, ID)}, SENSELESS, {0}},
    {"nil among the ids", 2, {QUEUED, LIST(ID, NIL)}, SENSELESS, {0}},
    {"EXEC that was aborted by nobody", 2, {QUEUED, NIL}, SENSELESS, {0}},
    {"a queued command with an id", 2, {STATUS_REPLY, ID}, SENSELESS, {0}},
    {"EXEC went well although a command did not",
     2,
     {STATUS_REPLY, ERROR_REPLY("OOM"), STATUS_REPLY, LIST(ID, ID)},
     SENSELESS,
     {0}},

    {"full", 1, {ERROR_REPLY("OOM command not allowed")}, VERDICT_GIVE_UP, {0}},
    {"loading", 1, {ERROR_REPLY("LOADING Redis is loading")}, VERDICT_RETRY, {0}},
    {"a replica", 1, {ERROR_REPLY("READONLY You can't write")}, VERDICT_RECONNECT, {0}},
    {"another node's", 1, {ERROR_REPLY("MOVED 12483 127.0.0.1:7001")}, VERDICT_MOVED, {0}},
    {"a slot that moves", 1, {ERROR_REPLY("ASK 12483 127.0.0.1:7001")}, VERDICT_ASK, {0}},
    {"a transaction of another node",
     2,
     {STATUS_REPLY, ERROR_REPLY("MOVED 12483 127.0.0.1:7001"),
      ERROR_REPLY("MOVED 12483 127.0.0.1:7001"), EXECABORT},
     VERDICT_MOVED,
     {0}},
    {"a transaction in a slot that moves",
     2,
     {STATUS_REPLY, STATUS_REPLY, ERROR_REPLY("ASK 12483 127.0.0.1:7001"), EXECABORT},
     VERDICT_ASK,
     {0}},
    {"a transaction that is discarded at its end", 2, {QUEUED, EXECABORT}, VERDICT_GIVE_UP, {0}},
    {"a transaction that did not begin",
     2,
     {ERROR_REPLY("NOPERM no"), ERROR_REPLY("OOM no"), ERROR_REPLY("OOM no"),
      ERROR_REPLY("ERR EXEC without MULTI")},
     VERDICT_GIVE_UP,
     {0}},
    {"the first error counts",
     2,
     {STATUS_REPLY, ERROR_REPLY("LOADING no"), ERROR_REPLY("OOM no"), EXECABORT},
     VERDICT_RETRY,
     {0}},
    {"an error among the results of EXEC",
     2,
     {QUEUED, LIST(ID, ERROR_REPLY("WRONGTYPE Operation"))},
     VERDICT_GIVE_UP,
     {0}},
};

static void check_answer(const Answer *answer)
{
    const StreamKeys keys = keys_with(0, false);
    const Payload payload = {
        .object = STR("o"), .statuses = statuses, .status_count = answer->statuses};
    const Publication publication = publication_of(&payload);
    Publishing publishing = publishing_of(&keys, &payload);
    Buffer buffer = {0};
    assert_true(publish_write(&publishing, &buffer, &keys, &publication));
    buffer_free(&buffer);
    const char *why = NULL;
    for (size_t i = 0; publishing.replies && !why; i++) {
        why = publish_take(&publishing, &answer->replies[i]);
    }
    const int verdict = why ? SENSELESS : (int)publish_verdict(&publishing);
    if (verdict != answer->verdict) {
        fail_msg("%s: %d", answer->label, verdict);
    }
    assert_memory_equal(&publishing.result, &answer->result, sizeof(PublishResult));
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        check_answer(&answers[i]);
    }
}

/* How many of each kind a step has: "1000+0+0". */
static void add_step(char *log, const Publishing *publishing)
{
    sprintf(log + strlen(log), "%zu+%zu+%zu ", publishing->statuses, publishing->quarantined,
            publishing->events);
}

/* The steps of so many elements, each of which stores all of its own; their counts add up. */
static void assert_steps(unsigned window, size_t s, size_t q, size_t e, const char *want)
{
    const StreamKeys keys = keys_with(window, true);
    const Payload payload = {.status_count = s, .quarantined_count = q, .event_count = e};
    char log[256] = "";
    Publishing publishing = publishing_of(&keys, &payload);
    for (; !publishing_is_empty(&publishing); publishing_next(&publishing, &keys, &payload)) {
        const PublishResult all_of_it = {publishing.statuses, publishing.quarantined, 0};
        add_step(log, &publishing);
        publishing_sent(&publishing, 1);
        publishing_stored(&publishing, &all_of_it);
    }
    assert_string_equal(log, want);
    assert_int_equal(publishing.result.accepted, s);
    assert_int_equal(publishing.result.quarantined, q);
}

static void test_steps(void **state)
{
    (void)state;
    assert_steps(60, 1000, 0, 0, "1000+0+0 ");
    assert_steps(60, 1001, 0, 0, "1000+0+0 1+0+0 ");
    assert_steps(60, 999, 2, 0, "999+1+0 0+1+0 ");
    assert_steps(0, 1500, 700, 900, "1000+0+0 500+500+0 0+200+800 0+0+100 ");
    assert_steps(60, 0, 0, 2000, "0+0+1000 0+0+1000 ");
}

/* The last step of a body without a window is a transaction again: of what has not been stored. */
static void test_last_step(void **state)
{
    (void)state;
    static StatusUpdate many[LIMIT_STEP + 2];
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = statuses[0];
    }
    many[LIMIT_STEP + 1] = statuses[1];
    const Payload payload = {.object = STR("o"), .statuses = many, .status_count = COUNT(many)};
    const Publication publication = publication_of(&payload);
    const StreamKeys keys = keys_with(0, true);
    Buffer buffer = {0};
    Publishing publishing = publishing_of(&keys, &payload);
    publishing_next(&publishing, &keys, &payload);
    assert_true(publish_write(&publishing, &buffer, &keys, &publication));
    assert_int_equal(publishing.replies, 4);
    assert_commands(&buffer, "MULTI\n" STATUS_A "\n" STATUS_B "\nEXEC");
    buffer_free(&buffer);
}

/* A step is sent by the script's name again, whatever the one before needed. */
static void test_steps_forget(void **state)
{
    (void)state;
    const StreamKeys keys = keys_with(60, true);
    const Payload payload = {.status_count = LIMIT_STEP + 1};
    Publishing publishing = publishing_of(&keys, &payload);
    publishing.with_source = true;
    publishing_next(&publishing, &keys, &payload);
    assert_false(publishing.with_source);
    assert_int_equal(publishing.first[ENTRY_STATUS], LIMIT_STEP);
}

/* Which verdict comes of "I do not know this script". */
static void test_verdicts(void **state)
{
    (void)state;
    static const Reply unknown = ERROR_REPLY("NOSCRIPT No matching script."),
                       full = ERROR_REPLY("OOM no");
    Publishing publishing = {.statuses = 1, .by_script = true};
    assert_int_equal(publish_verdict(&publishing), VERDICT_STORED);
    publishing_failed(&publishing, &unknown);
    publishing_failed(&publishing, &full); /* the first one tells what happened */
    assert_int_equal(publish_verdict(&publishing), VERDICT_SEND_SOURCE);
    publishing.with_source = true; /* it has been sent, so that would not help */
    assert_int_equal(publish_verdict(&publishing), VERDICT_GIVE_UP);
    publishing_sent(&publishing, 1); /* another attempt */
    assert_int_equal(publish_verdict(&publishing), VERDICT_STORED);
}

/* Where each kind goes, and how many there are. */
static void test_kinds(void **state)
{
    (void)state;
    const StreamKeys keys = keys_with(60, true);
    const Publishing publishing = publishing_of(&keys, &all);
    assert_int_equal(publishing_total(&publishing), 4);
    assert_int_equal(publishing_count(&publishing, ENTRY_STATUS), 2);
    assert_int_equal(publishing_count(&publishing, ENTRY_QUARANTINED), 1);
    assert_int_equal(publishing_count(&publishing, ENTRY_EVENT), 1);
    assert_true(str_eq(publishing_stream(&keys, ENTRY_STATUS), STR("s")));
    assert_true(str_eq(publishing_stream(&keys, ENTRY_QUARANTINED), STR("{s}:q")));
    assert_true(str_eq(publishing_stream(&keys, ENTRY_EVENT), STR("ev")));
}

/* Whatever allocation fails, what was in the buffer before stays as it was. */
static void test_failing_malloc(void **state)
{
    (void)state;
    const Publication publication = publication_of(&two_statuses);
    const Str ping = STR("PING");
    const StreamKeys keys = keys_with(0, true);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        Buffer buffer = {0};
        assert_true(resp_command(&buffer, &ping, 1));
        size_t before = buffer.len;
        failing_malloc_begin(n, FAIL_ONCE);
        size_t replies = write_to(&buffer, &keys, &publication);
        failed = failing_malloc_end();
        assert_int_equal(replies == 0, failed);
        assert_true(failed ? buffer.len == before : buffer.len > before);
        assert_true(failed || n > 0);
        buffer.len = before;
        assert_commands(&buffer, "PING");
        buffer_free(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_entry),      cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_by_script),      cmocka_unit_test(test_nothing_to_store),
        cmocka_unit_test(test_kinds),          cmocka_unit_test(test_answers),
        cmocka_unit_test(test_verdicts),       cmocka_unit_test(test_steps),
        cmocka_unit_test(test_last_step),      cmocka_unit_test(test_steps_forget),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
