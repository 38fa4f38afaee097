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
                                     STR_INIT("{}"), STR_INIT("/entry/#"), &account, &change}};
static Event events[] = {{.change = &other_change, .raw = STR_INIT("{\"field\":\"f\"}")}};
static const Digest digests[4] = {{"00000000000000000000000000000000"},
                                  {"11111111111111111111111111111111"},
                                  {"22222222222222222222222222222222"},
                                  {"33333333333333333333333333333333"}};

#define SHA "0123456789abcdef0123456789abcdef01234567"

static StreamKeys keys_with(unsigned window, bool with_events)
{
    StreamKeys keys = {.stream = STR("s"),
                       .quarantine = STR("{s}:q"),
                       .seen_prefix = STR("{s}:seen:"),
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
static size_t write_to(Buffer *buffer, const StreamKeys *keys, const Publication *publication,
                       bool with_source)
{
    Publishing publishing = publishing_of(keys, publication->payload);
    publishing.with_source = with_source;
    bool ok = publish_write(&publishing, buffer, keys, STR(SHA), publication, digests);
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
    assert_int_equal(write_to(&buffer, keys, publication, false), replies);
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
    "application/json|received_at|1700000000123|request_id|id-1|entry_id|E|field|messages|"        \
    "phone_number_id|P"
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
    const StreamKeys keys = keys_with(0, false);
    const Publication publication = publication_of(&one);
    assert_published(&keys, &publication, 1, STATUS_A);
}

/* Several: all or nothing. */
static void test_transaction(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const StreamKeys with = keys_with(0, true), without = keys_with(0, false);
    assert_published(&with, &publication, 6,
                     "MULTI\n" STATUS_A "\n" STATUS_B "\n" QUARANTINED "\n" EVENT "\nEXEC");
    assert_published(&without, &publication, 5,
                     "MULTI\n" STATUS_A "\n" STATUS_B "\n" QUARANTINED "\nEXEC");
}

/* Many: the script, without keys to look up. */
static void test_many_entries(void **state)
{
    (void)state;
    static StatusUpdate many[129];
    const StreamKeys keys = keys_with(0, false), with_window = keys_with(60, false);
    Payload payload = {.object = STR("o"), .statuses = many, .status_count = 128};
    const Publication publication = publication_of(&payload);
    Buffer buffer = {0};
    for (size_t i = 0; i < 129; i++) {
        many[i] = statuses[0];
    }
    assert_true(publishing_of(&with_window, &payload).by_script);
    assert_false(publishing_of(&keys, &payload).by_script);
    assert_int_equal(write_to(&buffer, &keys, &publication, false), 130);
    buffer_clear(&buffer);
    payload.status_count = 129;
    assert_true(publishing_of(&keys, &payload).by_script);
    assert_int_equal(write_to(&buffer, &keys, &publication, false), 1);
    const char begin[] =
        "*794\r\n$7\r\nEVALSHA\r\n$40\r\n0123456789abcdef0123456789abcdef01234567\r\n"
        "$1\r\n3\r\n$1\r\ns\r\n$5\r\n{s}:q\r\n$5\r\n{s}:q\r\n$1\r\n0\r\n";
    assert_memory_equal(buffer.ptr, begin, sizeof(begin) - 1);
    buffer_free(&buffer);
}

#define SEEN(digit) "{s}:seen:" digit digit digit digit digit digit digit digit
#define HEAD "|60|1700000000123|id-1|o|application/json"
#define GROUP "|1|2|P|+1 2|E|messages|whatsapp|a|sent|7|r|[]|{}|b~|read|||[1]|{\"x\":1}"

/* With a window: one call of the script. */
static void test_script(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const StreamKeys with = keys_with(60, true), without = keys_with(60, false);
    assert_published(&with, &publication, 1,
                     "EVALSHA|" SHA "|7|s|{s}:q|ev|" SEEN("0000") "|" SEEN("1111") "|" SEEN(
                         "2222") "|" SEEN("3333") HEAD GROUP
                     "|1|E|messages|P|missing_id|why|/entry/0|{}|1|f|E||{\"field\":\"f\"}");
    assert_published(&without, &publication, 1,
                     "EVALSHA|" SHA
                     "|6|s|{s}:q|{s}:q|" SEEN("0000") "|" SEEN("1111") "|" SEEN("2222") HEAD GROUP
                     "|1|E|messages|P|missing_id|why|/entry/0|{}|0");
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
    const StreamKeys keys = keys_with(60, false);
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
    const Publication publication = publication_of(&all);
    const StreamKeys keys = keys_with(60, true);
    Buffer buffer = {0};
    char begin[64];
    assert_int_equal(write_to(&buffer, &keys, &publication, true), 1);
    int len = snprintf(begin, sizeof(begin), "*47\r\n$4\r\nEVAL\r\n$%zu\r\n", publish_script.len);
    assert_true(str_starts_with((Str){buffer.ptr, buffer.len}, str_from(begin)));
    assert_memory_equal(buffer.ptr + len, publish_script.ptr, publish_script.len);
    buffer_free(&buffer);
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

typedef struct {
    const char *label;
    size_t statuses, quarantined;
    unsigned window;
    bool with_source;
    Reply replies[5];
    int verdict; /* or SENSELESS */
    PublishResult result;
} Answer;

static const Answer answers[] = {
    {"the script counts",
     1,
     0,
     60,
     false,
     {LIST(NUMBER(1), NUMBER(0), NUMBER(0))},
     VERDICT_STORED,
     {1, 0, 0}},
    {"what was known",
     2,
     1,
     60,
     false,
     {LIST(NUMBER(1), NUMBER(0), NUMBER(2))},
     VERDICT_STORED,
     {1, 0, 2}},
    {"one XADD: its id", 1, 0, 0, false, {ID}, VERDICT_STORED, {1, 0, 0}},
    {"several: an id for each",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, LIST(ID, ID)},
     VERDICT_STORED,
     {2, 0, 0}},

    {"nil", 1, 0, 60, false, {NIL}, SENSELESS, {0}},
    {"nil for an id", 1, 0, 0, false, {NIL}, SENSELESS, {0}},
    {"a status", 1, 0, 60, false, {STATUS_REPLY}, SENSELESS, {0}},
    {"a status for an id", 1, 0, 0, false, {STATUS_REPLY}, SENSELESS, {0}},
    {"a number", 1, 0, 60, false, {NUMBER(1)}, SENSELESS, {0}},
    {"a number for an id", 1, 0, 0, false, {NUMBER(1)}, SENSELESS, {0}},
    {"an empty list", 1, 0, 60, false, {EMPTY}, SENSELESS, {0}},
    {"an empty list for an id", 1, 0, 0, false, {EMPTY}, SENSELESS, {0}},
    {"nothing added", 1, 0, 60, false, {LIST(NUMBER(0), NUMBER(0), NUMBER(0))}, SENSELESS, {0}},
    {"a list of nil for an id", 1, 0, 0, false, {LIST(NIL)}, SENSELESS, {0}},
    {"too many added",
     1,
     0,
     60,
     false,
     {LIST(NUMBER(0), NUMBER(100000000), NUMBER(0))},
     SENSELESS,
     {0}},
    {"more accepted than sent",
     1,
     1,
     60,
     false,
     {LIST(NUMBER(2), NUMBER(0), NUMBER(0))},
     SENSELESS,
     {0}},
    {"too many ids", 1, 0, 0, false, {LIST(ID, ID)}, SENSELESS, {0}},
    {"a negative number",
     1,
     0,
     60,
     false,
     {LIST(NUMBER(2), NUMBER(-1), NUMBER(0))},
     SENSELESS,
     {0}},
    {"numbers that add up by overflow",
     1,
     0,
     60,
     false,
     {LIST(NUMBER(1), NUMBER(-1), NUMBER(1))},
     SENSELESS,
     {0}},
    {"texts for numbers", 1, 0, 60, false, {LIST(ID, ID, ID)}, SENSELESS, {0}},
    {"two numbers", 1, 0, 60, false, {LIST(NUMBER(1), NUMBER(0))}, SENSELESS, {0}},
    {"an id too few",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, LIST(ID)},
     SENSELESS,
     {0}},
    {"nil among the ids",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, LIST(ID, NIL)},
     SENSELESS,
     {0}},
    {"EXEC that was aborted by nobody",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, NIL},
     SENSELESS,
     {0}},
    {"a queued command with an id", 2, 0, 0, false, {STATUS_REPLY, ID}, SENSELESS, {0}},
    {"EXEC went well although a command did not",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, ERROR_REPLY("OOM"), STATUS_REPLY, LIST(ID, ID)},
     SENSELESS,
     {0}},

    {"no such script",
     1,
     0,
     60,
     false,
     {ERROR_REPLY("NOSCRIPT No matching script.")},
     VERDICT_SEND_SOURCE,
     {0}},
    {"no such script, sent with its source",
     1,
     0,
     60,
     true,
     {ERROR_REPLY("NOSCRIPT No matching script.")},
     VERDICT_GIVE_UP,
     {0}},
    {"loading", 1, 0, 60, false, {ERROR_REPLY("LOADING Redis is loading")}, VERDICT_RETRY, {0}},
    {"full", 1, 0, 60, false, {ERROR_REPLY("OOM command not allowed")}, VERDICT_GIVE_UP, {0}},
    {"a replica",
     1,
     0,
     0,
     false,
     {ERROR_REPLY("READONLY You can't write")},
     VERDICT_RECONNECT,
     {0}},
    {"another node's",
     1,
     0,
     0,
     false,
     {ERROR_REPLY("MOVED 12483 127.0.0.1:7001")},
     VERDICT_GIVE_UP,
     {0}},
    {"a slot that moves",
     1,
     0,
     0,
     false,
     {ERROR_REPLY("ASK 12483 127.0.0.1:7001")},
     VERDICT_RETRY,
     {0}},
    {"a slot of two nodes",
     1,
     0,
     60,
     false,
     {ERROR_REPLY("TRYAGAIN Multiple keys request")},
     VERDICT_RETRY,
     {0}},
    {"keys of two slots",
     1,
     0,
     60,
     false,
     {ERROR_REPLY("CROSSSLOT Keys in request")},
     VERDICT_GIVE_UP,
     {0}},
    {"a transaction of another node",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, ERROR_REPLY("MOVED 12483 127.0.0.1:7001"),
      ERROR_REPLY("MOVED 12483 127.0.0.1:7001"), ERROR_REPLY("EXECABORT Transaction discarded")},
     VERDICT_GIVE_UP,
     {0}},
    {"a transaction in a slot that moves",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, ERROR_REPLY("ASK 12483 127.0.0.1:7001"),
      ERROR_REPLY("EXECABORT Transaction discarded")},
     VERDICT_RETRY,
     {0}},
    {"a transaction that is discarded at its end",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, ERROR_REPLY("EXECABORT Transaction discarded")},
     VERDICT_GIVE_UP,
     {0}},
    {"a transaction that did not begin",
     2,
     0,
     0,
     false,
     {ERROR_REPLY("NOPERM no"), ERROR_REPLY("OOM no"), ERROR_REPLY("OOM no"),
      ERROR_REPLY("ERR EXEC without MULTI")},
     VERDICT_GIVE_UP,
     {0}},
    {"a list of errors for a count",
     1,
     0,
     60,
     false,
     {LIST(NUMBER(1), NUMBER(0), ERROR_REPLY("OOM no"))},
     VERDICT_GIVE_UP,
     {0}},
    {"what only RESP3 knows", 1, 0, 60, false, {{.kind = REPLY_OTHER}}, SENSELESS, {0}},
    {"what only RESP3 knows for an id", 1, 0, 0, false, {{.kind = REPLY_OTHER}}, SENSELESS, {0}},
    {"the first error counts",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, ERROR_REPLY("OOM command not allowed"), STATUS_REPLY,
      ERROR_REPLY("EXECABORT Transaction discarded")},
     VERDICT_GIVE_UP,
     {0}},
    {"an error among the results of EXEC",
     2,
     0,
     0,
     false,
     {STATUS_REPLY, STATUS_REPLY, STATUS_REPLY, LIST(ID, ERROR_REPLY("WRONGTYPE Operation"))},
     VERDICT_GIVE_UP,
     {0}},
};

static void check_answer(const Answer *answer)
{
    const StreamKeys keys = keys_with(answer->window, false);
    const Payload payload = {.object = STR("o"),
                             .statuses = statuses,
                             .status_count = answer->statuses,
                             .quarantined = quarantined,
                             .quarantined_count = answer->quarantined};
    const Publication publication = publication_of(&payload);
    Publishing publishing = publishing_of(&keys, &payload);
    Buffer buffer = {0};
    publishing.with_source = answer->with_source;
    assert_true(publish_write(&publishing, &buffer, &keys, STR(SHA), &publication, digests));
    buffer_free(&buffer);
    const char *why = NULL;
    for (size_t i = 0; publishing.replies && !why; i++) {
        why = publish_take(&publishing, &answer->replies[i]);
    }
    if (answer->verdict == SENSELESS) {
        assert_non_null(why);
        return;
    }
    assert_null(why);
    assert_int_equal(publish_verdict(&publishing), answer->verdict);
    assert_memory_equal(&publishing.result, &answer->result, sizeof(PublishResult));
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        print_message("%s\n", answers[i].label);
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
        Reply counts[] = {{.kind = REPLY_INTEGER, .integer = (long long)publishing.statuses},
                          {.kind = REPLY_INTEGER, .integer = (long long)publishing.quarantined},
                          {.kind = REPLY_INTEGER}};
        const Reply reply = {.kind = REPLY_LIST, .items = counts, .count = 3};
        add_step(log, &publishing);
        publishing.replies = 1;
        publishing.by_script = true;
        assert_null(publish_take(&publishing, &reply));
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

/* The last element of each kind alone, when all before are stored: what has grown with `first`. */
static void test_last_step(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const StreamKeys keys = keys_with(60, true);
    Buffer buffer = {0};
    Publishing publishing = publishing_of(&keys, &all);
    publishing.statuses = publishing.first[ENTRY_STATUS] = 1;
    assert_true(publish_write(&publishing, &buffer, &keys, STR(SHA), &publication, digests));
    assert_commands(&buffer,
                    "EVALSHA|" SHA "|6|s|{s}:q|ev|{s}:seen:11111111111111111111111111111111|"
                    "{s}:seen:22222222222222222222222222222222|"
                    "{s}:seen:33333333333333333333333333333333|60|1700000000123|id-1|o|"
                    "application/json|1|1|P|+1 2|E|messages|whatsapp|b~|read|||[1]|{\"x\":1}|1|"
                    "E|messages|P|missing_id|why|/entry/0|{}|1|f|E||{\"field\":\"f\"}");
    buffer_free(&buffer);
}

/* publish.lua names the fields once more, so that it can be read. It must name those of entry.h, in
 * their order. */
static void test_the_script_names_the_fields(void **state)
{
    (void)state;
    const char *at = publish_script.ptr;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        at = strstr(at, "+ append(keys[");
        at = at ? at : strstr(publish_script.ptr, "append(keys[3]");
        assert_non_null(at);
        at = strchr(at + 2, '(');
        const EntryFields fields = entry_fields(kind);
        const char *end = strchr(at, ')');
        assert_non_null(end);
        for (size_t i = 0; i < fields.count; i++) {
            at = strchr(at, '\'');
            assert_true(at && at < end);
            size_t len = strcspn(at + 1, "'");
            assert_true(str_eq((Str){at + 1, len}, fields.fields[i].name));
            at += len + 2;
        }
        const char *next = strchr(at, '\'');
        assert_true(!next || next > end); /* and no more */
        at = end;
    }
}

/* Whatever allocation fails, what was in the buffer before stays as it was. */
static void test_failing_malloc(void **state)
{
    (void)state;
    const Publication publication = publication_of(&all);
    const Str ping = STR("PING");
    for (unsigned window = 0; window < 2; window++) {
        const StreamKeys keys = keys_with(window * 60, true);
        for (size_t n = 0;; n++) {
            Buffer buffer = {0};
            assert_true(resp_command(&buffer, &ping, 1));
            size_t before = buffer.len;
            failing_malloc_begin(n, FAIL_ONCE);
            size_t replies = write_to(&buffer, &keys, &publication, false);
            bool failed = failing_malloc_end();
            assert_int_equal(replies == 0, failed);
            assert_true(failed ? buffer.len == before : buffer.len > before);
            buffer.len = before;
            assert_commands(&buffer, "PING");
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
        cmocka_unit_test(test_one_entry),
        cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_many_entries),
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_nothing_to_store),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_last_step),
        cmocka_unit_test(test_the_script_names_the_fields),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
