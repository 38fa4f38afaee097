#include "unit.h"

#include "failing_malloc.h"
#include "payload_text.h"
#include "small_arena.h"
#include "stream/replay.h"

#include <stdlib.h>

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

#define STATUS "{\"id\":\"a\",\"status\":\"s\"}"
#define BAD "{\"status\":\"s\"}"
#define CHANGE "{\"field\":\"f\",\"value\":{\"statuses\":[" STATUS "]}}"
#define BODY "{\"object\":\"o\",\"entry\":[{\"id\":\"1\",\"changes\":[" CHANGE "]}]}"
#define XML                                                                                        \
    "<WebhookPayload xmlns=\"http://schemas.datacontract.org/2004/07/"                             \
    "NEOWAY.Model.WhatsAppNotification\"><entry>"
#define UTF16 "{\0\"\0e\0n\0t\0r\0y\0\"\0:\0[\0{\0\"\0i\0d\0\"\0:\0\"\0\x31\0\"\0}\0]\0}\0"

static ReplayItem body(Str raw, Str type)
{
    return (ReplayItem){.raw = raw, .content_type = type};
}

static void assert_becomes(const ReplayItem *item, bool keeps_events, ReplayOutcome want,
                           Reason why, const char *text)
{
    Payload payload;
    Reason reason = REASON_NONE;
    assert_int_equal(replay_decode(item, keeps_events, arena, &payload, &reason), want);
    assert_int_equal(reason, why);
    if (want == REPLAY_READY) {
        char *got = payload_text(&payload);
        assert_string_equal(got, text);
        free(got);
    }
}

static void test_bodies(void **state)
{
    (void)state;
    static const struct {
        Str raw, type;
        ReplayOutcome want;
        Reason reason;
        const char *text;
    } cases[] = {
        {STR_INIT(BODY), STR_INIT("application/json"), REPLAY_READY, REASON_NONE,
         "object 'o'\nstatus id='a' status='s' entry='1' field='f'\n"},
        {STR_INIT("entry[0][changes][0][value][statuses][0][id]=a&"
                  "entry[0][changes][0][value][statuses][0][status]=s"),
         STR_INIT("application/x-www-form-urlencoded"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s'\n"},
        {STR_INIT("{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[" STATUS "," BAD "]}}]}]}"),
         STR_INIT("text/json"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s'\n"
         "quarantined missing_id /entry/0/changes/0/value/statuses/1 " BAD "\n"},
        {STR_INIT("{\"entry\":"), STR_INIT("application/json"), REPLAY_FAILS, REASON_SYNTAX, NULL},
        {STR_INIT(XML), STR_INIT("text/xml"), REPLAY_FAILS, REASON_SYNTAX, NULL},
        {STR_INIT("[]"), STR_INIT("application/json"), REPLAY_FAILS, REASON_NOT_A_PAYLOAD, NULL},
        {STR_INIT("\"\xFC\""), STR_INIT("application/json"), REPLAY_FAILS, REASON_ENCODING, NULL},
        {STR_INIT("{\"entry\":[{\"id\":\"\xFC\"}]}"),
         STR_INIT("application/json; charset=iso-8859-1"), REPLAY_NOTHING, REASON_NONE, NULL},
        {STR_INIT(UTF16), STR_INIT("application/json; charset=utf-16"), REPLAY_NOTHING, REASON_NONE,
         NULL},
        {STR_INIT("\xFF\xFE" UTF16), STR_INIT("application/json"), REPLAY_NOTHING, REASON_NONE,
         NULL},
        {STR_INIT("{\"object\":\"o\"}"), STR_INIT("application/json"), REPLAY_NOTHING, REASON_NONE,
         NULL},
        {STR_INIT(""), STR_INIT("application/json"), REPLAY_LOST, REASON_NONE, NULL},
        {STR_INIT("x"), STR_INIT("image/png"), REPLAY_FOREIGN, REASON_NONE, NULL},
        {STR_INIT("x"), STR_INIT(""), REPLAY_FOREIGN, REASON_NONE, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const ReplayItem item = body(cases[i].raw, cases[i].type);
        print_message("  %zu\n", i);
        assert_becomes(&item, false, cases[i].want, cases[i].reason, cases[i].text);
    }
}

/* What is no status is something only where events are stored. */
static void test_events(void **state)
{
    (void)state;
    const ReplayItem item =
        body(STR("{\"entry\":[{\"changes\":[{\"field\":\"f\",\"value\":{\"messages\":[{}]}}]}]}"),
             STR("application/json"));
    assert_becomes(&item, false, REPLAY_NOTHING, REASON_NONE, NULL);
    assert_becomes(&item, true, REPLAY_READY, REASON_NONE,
                   "event {\"field\":\"f\",\"value\":{\"messages\":[{}]}} field='f'\n");
}

#define IN "/entry/3/changes/12"

/* Each place with what the entry knows of it, whatever the media type of its body was. */
static void test_elements(void **state)
{
    (void)state;
    static const struct {
        const char *pointer;
        Str raw;
        ReplayOutcome want;
        Reason reason;
        const char *text;
    } cases[] = {
        {IN "/value/statuses/0", STR_INIT(STATUS), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' entry='E\"' field='F' phone='P'\n"},
        {IN "/value/statuses", STR_INIT("[" STATUS "," BAD "]"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' entry='E\"' field='F' phone='P'\n"
         "quarantined missing_id /entry/0/changes/0/value/statuses/1 " BAD "\n"},
        {IN "/value", STR_INIT("{\"statuses\":[" STATUS "]}"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' entry='E\"' field='F'\n"},
        {IN, STR_INIT(CHANGE), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' entry='E\"' field='f'\n"},
        {"/entry/3/changes", STR_INIT("[" CHANGE "]"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' entry='E\"' field='f'\n"},
        {"/entry/3", STR_INIT("{\"changes\":[" CHANGE "]}"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' field='f'\n"},
        {"/entry", STR_INIT("[{\"changes\":[" CHANGE "]}]"), REPLAY_READY, REASON_NONE,
         "status id='a' status='s' field='f'\n"},
        {IN "/value/statuses/0", STR_INIT(BAD), REPLAY_FAILS, REASON_MISSING_ID, NULL},
        {IN "/value/statuses/0", STR_INIT("null"), REPLAY_FAILS, REASON_WRONG_SHAPE, NULL},
        {IN "/value/statuses", STR_INIT("{}"), REPLAY_NOTHING, REASON_NONE, NULL},
        {IN "/value/statuses", STR_INIT("7"), REPLAY_FAILS, REASON_WRONG_SHAPE, NULL},
        {"/entry", STR_INIT("7"), REPLAY_FAILS, REASON_WRONG_SHAPE, NULL},
        {IN "/value/statuses/0", STR_INIT("{"), REPLAY_FAILS, REASON_SYNTAX, NULL},
        {"/object", STR_INIT("[]"), REPLAY_NOTHING, REASON_NONE, NULL},
        {IN "/value/metadata", STR_INIT("7"), REPLAY_NOTHING, REASON_NONE, NULL},
        {IN "/value/statuses/", STR_INIT(STATUS), REPLAY_NOTHING, REASON_NONE, NULL},
        {IN "/value/statuses/0/x", STR_INIT(STATUS), REPLAY_NOTHING, REASON_NONE, NULL},
        {IN "/value/statuses/0", STR_INIT(""), REPLAY_LOST, REASON_NONE, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const ReplayItem item = {.pointer = str_from(cases[i].pointer),
                                 .raw = cases[i].raw,
                                 .content_type = STR("text/xml"),
                                 .entry_id = STR("E\""),
                                 .field = STR("F"),
                                 .phone_number_id = STR("P")};
        print_message("  %s %s\n", cases[i].pointer, cases[i].raw.ptr);
        assert_becomes(&item, false, cases[i].want, cases[i].reason, cases[i].text);
    }
}

static void test_surroundings_that_are_no_text(void **state)
{
    (void)state;
    const ReplayItem item = {
        .pointer = STR(IN "/value/statuses/0"), .raw = STR(STATUS), .field = STR("\xFF")};
    assert_becomes(&item, false, REPLAY_FAILS, REASON_ENCODING, NULL);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char *const pointers[] = {"", IN "/value/statuses/0"};
    for (size_t i = 0; i < COUNT(pointers); i++) {
        const ReplayItem item = {.pointer = str_from(pointers[i]),
                                 .raw = i ? STR(STATUS) : STR(BODY),
                                 .content_type = STR("application/json")};
        ReplayOutcome outcome = REPLAY_NO_MEMORY;
        for (size_t left = 0; outcome == REPLAY_NO_MEMORY; left += SMALL_ARENA_STEP) {
            Payload payload;
            Reason reason;
            Arena *small = small_arena(left);
            failing_malloc_begin(0, FAIL_FOREVER);
            outcome = replay_decode(&item, false, small, &payload, &reason);
            failing_malloc_end();
            arena_free(small);
            assert_true(left < SMALL_ARENA_MOST);
        }
        assert_int_equal(outcome, REPLAY_READY);
    }
}

/* A sender who is known would only send it again. */
static void test_kept_whole(void **state)
{
    (void)state;
    MediaType type;
    Payload payload;
    Error error;
    assert_true(media_type_parse(STR("application/json"), &type, &error));
    assert_false(intake_decode(type, STR("{"), arena, &payload, &error));
    assert_int_equal(error.code, ERROR_MALFORMED);
    assert_true(intake_keep(type, STR("{"), arena, &payload, &error));
    char *text = payload_text(&payload);
    assert_string_equal(text, "quarantined syntax  {\n");
    free(text);
    assert_true(intake_keep(type, STR(BODY), arena, &payload, &error));
    assert_int_equal(payload.status_count, 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_bodies),    EACH(test_events),
        EACH(test_elements),  EACH(test_surroundings_that_are_no_text),
        EACH(test_no_memory), EACH(test_kept_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
