#include "unit.h"

#include "call_reader.h"
#include "failing_malloc.h"

#include <stdio.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define EIGHT(x) x x x x x x x x

/* 14 bytes that can be read. */
#define A14 "AAAAAAAAAAAAAA"
#define B14 "BBBBBBBBBBBBBB"
#define C14 "CCCCCCCCCCCCCC"
#define D14 "DDDDDDDDDDDDDD"

static const Digest digests[] = {{A14}, {B14}, {C14}, {D14}};

static const Account account = {.id = STR_INIT("E")};
static const Change change = {.account = &account,
                              .field = STR_INIT("messages"),
                              .messaging_product = STR_INIT("whatsapp"),
                              .display_phone_number = STR_INIT("+12"),
                              .phone_number_id = STR_INIT("P")},
                    equal_change = {.account = &account,
                                    .field = STR_INIT("messages"),
                                    .messaging_product = STR_INIT("whatsapp"),
                                    .display_phone_number = STR_INIT("+12"),
                                    .phone_number_id = STR_INIT("P")},
                    other_change = {.account = &account, .field = STR_INIT("f")};

/* Versions of clang-format disagree about bodies that are only braces. */
/* clang-format off */
#define STATUS(change, id, word, time, extra) \
    {change, STR_INIT(id), STR_INIT(word), STR_INIT(time), STR_INIT("r"), STR_INIT("[]"), STR_INIT(extra)}
/* clang-format on */

static StatusUpdate status_a = STATUS(&change, "a", "sent", "7", "{}");
static StatusUpdate two_statuses[] = {STATUS(&change, "a", "sent", "7", "{}"),
                                      {&change,
                                       STR_INIT("b\n"),
                                       STR_INIT("read"),
                                       {NULL, 0},
                                       {NULL, 0},
                                       STR_INIT("[1]"),
                                       STR_INIT("{\"x\":1}")}};
static Quarantined quarantined[] = {{REASON_MISSING_ID, STR_INIT("why"), STR_INIT("/entry/0"),
                                     STR_INIT("{}"), STR_INIT("5a"), STR_INIT("/entry/#"), &account,
                                     &change}};
static Event events[] = {{.change = &other_change, .raw = STR_INIT("{\"field\":\"f\"}")}};

static const Payload all = {.object = STR_INIT("o"),
                            .statuses = two_statuses,
                            .status_count = 2,
                            .quarantined = quarantined,
                            .quarantined_count = 1,
                            .events = events,
                            .event_count = 1};

#define NAMES                                                                                      \
    .stream = STR_INIT("s"), .quarantine = STR_INIT("{s}:q"),                                      \
    .seen = {STR_INIT("{s}:seen:0"), STR_INIT("{s}:seen:1")}, .seen_state = STR_INIT("{s}:seen"),  \
    .room = STR_INIT("{s}:room")

static const StreamKeys keys = {NAMES, .window = 60},
                        keys_and_events = {NAMES, .window = 60, .events = STR_INIT("ev")},
                        keys_without_window = {NAMES, .events = STR_INIT("ev")};

static Payload of_statuses(StatusUpdate *statuses, size_t count)
{
    return (Payload){.object = STR("o"), .statuses = statuses, .status_count = count};
}

enum { BODIES = 3 };

/* Some bodies that go together. */
typedef struct {
    Publishing publishings[BODIES];
    Publication publications[BODIES];
    CallBody bodies[BODIES];
    size_t count;
} Bodies;

static void add_body(Bodies *to, const StreamKeys *of, const Payload *payload, const char *id,
                     const Digest *of_body)
{
    const size_t i = to->count++;
    to->publishings[i] = publishing_of(of, payload);
    to->publications[i] = (Publication){.payload = payload,
                                        .delivery = {.received_at = STR("17"),
                                                     .request_id = str_from(id),
                                                     .content_type = STR("application/json")}};
    to->bodies[i] = (CallBody){&to->publishings[i], &to->publications[i], of_body};
}

static void assert_call(Bodies *of, const StreamKeys *with, const char *want)
{
    Buffer buffer = {0};
    CallDraft draft = {0};
    assert_true(call_write(&draft, &buffer, with, STR(SHA), of->bodies, of->count));
    char *got = show_call(&buffer);
    if (strcmp(got, want) != 0) {
        fail_msg("want:\n%s\ngot:\n%s", want, got);
    }
    for (size_t i = 0; i < of->count; i++) {
        assert_int_equal(of->publishings[i].replies, 1);
    }
    free(got);
    buffer_free(&buffer);
    call_draft_free(&draft);
}

/* The call of one body. */
static void assert_one(const StreamKeys *with, const Payload *payload, const char *want)
{
    Bodies bodies = {.count = 0};
    add_body(&bodies, with, payload, "id-1", with->window ? digests : NULL);
    assert_call(&bodies, with, want);
}

#define SCRIPT "EVALSHA " SHA "\n"
#define SEEN "KEYS {s}:seen {s}:seen:0 {s}:seen:1 "
#define SHARED_1 "P +12 E messages whatsapp o 17 id-1"
#define TWO "2: " SHARED_1 " / a sent 7 r [] {} / b\\n read '' '' [1] {\"x\":1}\n"
#define IN_QUARANTINE                                                                              \
    "reason missing_id detail why pointer /entry/0 raw {} content_type application/json "          \
    "received_at 17 request_id id-1 entry_id E field messages phone_number_id P "                  \
    "raw_sha256 5a\n"
#define EVENT                                                                                      \
    "field f entry_id E phone_number_id '' raw {\"field\":\"f\"} received_at 17 request_id id-1\n"

/* One body with everything: the window, the lease, may some repeat, does it
 * write when all is known; two, one and one of the kinds.
 */
static void test_one_body(void **state)
{
    (void)state;
    assert_one(&keys_and_events, &all,
               SCRIPT SEEN "s {s}:q ev {s}:room\n"
                           "60 1 0 0 2 1 1\n" TWO "DIGESTS " A14 " " B14 " " C14 " " D14
                           "\n" IN_QUARANTINE EVENT);
}

/* Keys of streams that nothing is appended to are not named: a stream of another slot, or of
 * another type, harms only those who use it. Nor is the room for statuses alone, which have no need
 * of it. */
static void test_only_keys_that_are_used(void **state)
{
    (void)state;
    const Payload statuses = of_statuses(&status_a, 1),
                  element = {.quarantined = quarantined, .quarantined_count = 1},
                  event = {.events = events, .event_count = 1};
    assert_one(&keys, &all, /* events are not kept */
               SCRIPT SEEN "s {s}:q {s}:room\n"
                           "60 1 0 0 2 1 0\n" TWO "DIGESTS " A14 " " B14 " " C14
                           "\n" IN_QUARANTINE);
    assert_one(&keys_and_events, &statuses,
               SCRIPT SEEN "s\n"
                           "60 1 0 0 1 0 0\n"
                           "1: " SHARED_1 " / a sent 7 r [] {}\n"
                           "DIGESTS " A14 "\n");
    assert_one(&keys_and_events, &element,
               SCRIPT SEEN "{s}:q {s}:room\n"
                           "60 1 0 0 0 1 0\n"
                           "DIGESTS " A14 "\n" IN_QUARANTINE);
    assert_one(&keys_and_events, &event,
               SCRIPT SEEN "ev {s}:room\n"
                           "60 1 0 0 0 0 1\n"
                           "DIGESTS " A14 "\n" EVENT);
}

/* Without a window nothing is looked up, and there are no digests. */
static void test_without_window(void **state)
{
    (void)state;
    static StatusUpdate many[129];
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = status_a;
    }
    const Payload payload = of_statuses(many, COUNT(many));
    char want[4096] = SCRIPT "KEYS s\n"
                             "0 1 0 0 129 0 0\n"
                             "129: " SHARED_1 " / a sent 7 r [] {}";
    for (size_t i = 1; i < COUNT(many); i++) {
        strcat(want, " / ~ ~ ~ ~ ~ ~");
    }
    strcat(want, "\n");
    assert_true(publishing_of(&keys_without_window, &payload).by_script);
    assert_one(&keys_without_window, &payload, want);

    const Payload others = {
        .quarantined = quarantined, .quarantined_count = 1, .events = events, .event_count = 1};
    assert_one(&keys_without_window, &others,
               SCRIPT "KEYS {s}:q ev {s}:room\n"
                      "0 1 0 0 0 1 1\n" IN_QUARANTINE EVENT);
}

/* The lease goes along, so that the script needs no rule for it. */
static void test_long_window(void **state)
{
    (void)state;
    const StreamKeys of_30_days = {NAMES, .window = 30 * 86400};
    const Payload payload = of_statuses(&status_a, 1);
    assert_one(&of_30_days, &payload,
               SCRIPT SEEN "s\n"
                           "2592000 60 0 0 1 0 0\n"
                           "1: " SHARED_1 " / a sent 7 r [] {}\n"
                           "DIGESTS " A14 "\n");
}

/* What is as in the status before is not sent again, whichever value it is; an absent value is an
 * empty one. */
static void test_as_before(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {
        STATUS(&change, "a", "sent", "7", "{}"), STATUS(&change, "a", "read", "7", "{\"x\":1}"),
        STATUS(&change, "b", "read", "", "{\"x\":1}"), STATUS(&change, "a", "read", "", "{}")};
    statuses[3].timestamp = (Str){NULL, 0};
    const Payload payload = of_statuses(statuses, COUNT(statuses));
    assert_one(&keys, &payload,
               SCRIPT SEEN "s\n"
                           "60 1 0 0 4 0 0\n"
                           "4: " SHARED_1 " / a sent 7 r [] {} / ~ read ~ ~ ~ {\"x\":1} / "
                           "b ~ '' ~ ~ ~ / a ~ ~ ~ ~ {}\n"
                           "DIGESTS " A14 " " B14 " " C14 " " D14 "\n");
}

/* Statuses of different changes are different groups. Of equal changes too, since what they share
 * is told apart by where it is; that costs but a byte a value. */
static void test_groups(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {STATUS(&change, "a", "sent", "7", "{}"),
                               STATUS(&change, "b", "sent", "7", "{}"),
                               STATUS(&equal_change, "c", "sent", "7", "{}"),
                               STATUS(&other_change, "d", "sent", "7", "{}")};
    const Payload payload = of_statuses(statuses, COUNT(statuses));
    assert_one(&keys, &payload,
               SCRIPT SEEN "s\n"
                           "60 1 0 0 4 0 0\n"
                           "2: " SHARED_1 " / a sent 7 r [] {} / b ~ ~ ~ ~ ~ "
                           "1: ~ ~ ~ ~ ~ ~ ~ ~ / c ~ ~ ~ ~ ~ "
                           "1: '' '' ~ f '' ~ ~ ~ / d ~ ~ ~ ~ ~\n"
                           "DIGESTS " A14 " " B14 " " C14 " " D14 "\n");
}

#define LONG_64 "{\"x\":\"" EIGHT("0123456") "\"}"
#define LONG_65 "{\"x\":\"" EIGHT("0123456") "7\"}"

/* An extra of more than 64 bytes is a word of its own, unless it is as before. */
static void test_extra_apart(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {
        STATUS(&change, "a", "sent", "7", LONG_64), STATUS(&change, "b", "sent", "7", LONG_65),
        STATUS(&change, "c", "sent", "7", LONG_65), STATUS(&change, "d", "sent", "7", LONG_64)};
    Payload payload = of_statuses(statuses, COUNT(statuses));
    assert_int_equal(sizeof(LONG_64) - 1, 64);
    assert_one(&keys, &payload,
               SCRIPT SEEN "s\n"
                           "60 1 0 0 4 0 0\n"
                           "4: " SHARED_1 " / a sent 7 r [] " LONG_64 " / b ~ ~ ~ ~ ! / "
                           "c ~ ~ ~ ~ ~ / d ~ ~ ~ ~ " LONG_64 "\n"
                           "DIGESTS " A14 " " B14 " " C14 " " D14 "\n" LONG_65 "\n");

    /* before the words of elements that are no statuses */
    payload = (Payload){.object = STR("o"),
                        .statuses = statuses + 1,
                        .status_count = 1,
                        .quarantined = quarantined,
                        .quarantined_count = 1};
    assert_one(&keys, &payload,
               SCRIPT SEEN "s {s}:q {s}:room\n"
                           "60 1 0 0 1 1 0\n"
                           "1: " SHARED_1 " / b sent 7 r [] !\n"
                           "DIGESTS " A14 " " B14 "\n" LONG_65 "\n" IN_QUARANTINE);
}

/* Several bodies: each has groups of its own, whatever is as in the body before is not sent again.
 */
static void test_several_bodies(void **state)
{
    (void)state;
    StatusUpdate other[] = {STATUS(&change, "c", "sent", "7", "{}")};
    const Payload first = of_statuses(two_statuses, 2), second = of_statuses(other, 1);
    Bodies bodies = {.count = 0};
    add_body(&bodies, &keys, &first, "id-1", digests);
    add_body(&bodies, &keys, &second, "id-2", digests + 2);
    add_body(&bodies, &keys, &second, "id-3", digests + 3);
    assert_call(&bodies, &keys,
                SCRIPT SEEN "s\n"
                            "60 1 0 0 4 0 0\n"
                            "2: " SHARED_1 " / a sent 7 r [] {} / b\\n read '' '' [1] {\"x\":1} "
                            "1: ~ ~ ~ ~ ~ ~ ~ id-2 / c sent 7 r [] {} "
                            "1: ~ ~ ~ ~ ~ ~ ~ id-3 / ~ ~ ~ ~ ~ ~\n"
                            "DIGESTS " A14 " " B14 " " C14 " " D14 "\n");
}

/* The flag of a call: may elements of its bodies be the same? Only digests tell. */
static void assert_repeats(const Payload *first, const Digest *of_first, const Payload *second,
                           const Digest *of_second, size_t want)
{
    static CallRead call;
    Bodies bodies = {.count = 0};
    Buffer buffer = {0};
    CallDraft draft = {0};
    add_body(&bodies, &keys, first, "id-1", of_first);
    if (second) {
        add_body(&bodies, &keys, second, "id-2", of_second);
    }
    assert_true(call_write(&draft, &buffer, &keys, STR(SHA), bodies.bodies, bodies.count));
    read_call(&buffer, &call);
    assert_int_equal(call.plan[2], want);
    buffer_free(&buffer);
    call_draft_free(&draft);
}

static void test_may_repeat(void **state)
{
    (void)state;
    static const Digest abc[] = {{A14}, {B14}, {C14}}, dc[] = {{D14}, {C14}}, dd[] = {{D14}, {D14}};
    StatusUpdate statuses[] = {status_a, status_a, status_a};
    const Payload three = of_statuses(statuses, 3), two = of_statuses(statuses, 2);
    assert_repeats(&three, abc, &two, dc, 1);   /* both have the C */
    assert_repeats(&two, abc, &two, dc, 0);     /* the first has no C */
    assert_repeats(&three, abc, NULL, NULL, 0); /* one body repeats nothing */
    assert_repeats(&two, dd, NULL, NULL, 0);    /* and need not be looked at */
    assert_repeats(&two, abc, &two, abc, 1);    /* the sender was impatient */
}

/* Of the last step of a body, which may go with others, the digests of that step count: two bodies
 * with the same last status must not both append it. */
static void test_may_repeat_in_a_last_step(void **state)
{
    (void)state;
    static CallRead call;
    static const Digest ac[] = {{A14}, {C14}}, bc[] = {{B14}, {C14}}, ad[] = {{A14}, {D14}};
    static const struct {
        const char *label;
        const Digest *of_first, *of_second;
        size_t want;
    } cases[] = {
        {"the same last status", ac, bc, 1},
        {"only what came before is the same", ac, ad, 0},
    };
    StatusUpdate statuses[] = {status_a, status_a};
    const Payload two = of_statuses(statuses, 2);
    for (size_t i = 0; i < COUNT(cases); i++) {
        Bodies bodies = {.count = 0};
        Buffer buffer = {0};
        CallDraft draft = {0};
        add_body(&bodies, &keys, &two, "id-1", cases[i].of_first);
        add_body(&bodies, &keys, &two, "id-2", cases[i].of_second);
        for (size_t k = 0; k < 2; k++) {
            bodies.publishings[k].first[ENTRY_STATUS] = bodies.publishings[k].statuses = 1;
            assert_true(call_is_shared(&bodies.publishings[k], &keys));
        }
        assert_true(call_write(&draft, &buffer, &keys, STR(SHA), bodies.bodies, 2));
        read_call(&buffer, &call);
        if (call.plan[2] != cases[i].want) {
            fail_msg("%s: %zu", cases[i].label, call.plan[2]);
        }
        buffer_free(&buffer);
        call_draft_free(&draft);
    }
}

/* A server that does not know the script gets its source, for all if one of them says so. */
static void test_source(void **state)
{
    (void)state;
    const Payload payload = of_statuses(&status_a, 1);
    Bodies bodies = {.count = 0};
    add_body(&bodies, &keys, &payload, "id-1", digests);
    add_body(&bodies, &keys, &payload, "id-2", digests + 1);
    bodies.publishings[1].with_source = true;
    assert_call(&bodies, &keys,
                "EVAL SOURCE\n" SEEN "s\n"
                "60 1 0 0 2 0 0\n"
                "1: " SHARED_1 " / a sent 7 r [] {} "
                "1: ~ ~ ~ ~ ~ ~ ~ id-2 / ~ ~ ~ ~ ~ ~\n"
                "DIGESTS " A14 " " B14 "\n");
    assert_true(bodies.publishings[0].with_source); /* or it would be sent again without end */
}

/* The last element of each kind alone, when all before are stored: what has grown with `first`. */
static void test_last_step(void **state)
{
    (void)state;
    Bodies bodies = {.count = 0};
    add_body(&bodies, &keys_and_events, &all, "id-1", digests);
    bodies.publishings[0].statuses = bodies.publishings[0].first[ENTRY_STATUS] = 1;
    assert_call(&bodies, &keys_and_events,
                SCRIPT SEEN "s {s}:q ev {s}:room\n"
                            "60 1 0 0 1 1 1\n"
                            "1: " SHARED_1 " / b\\n read '' '' [1] {\"x\":1}\n"
                            "DIGESTS " B14 " " C14 " " D14 "\n" IN_QUARANTINE EVENT);
    bodies = (Bodies){.count = 0};
    add_body(&bodies, &keys_and_events, &all, "id-1", digests);
    Publishing *step = &bodies.publishings[0];
    step->statuses = step->quarantined = 0;
    step->first[ENTRY_STATUS] = 2;
    step->first[ENTRY_QUARANTINED] = 1;
    assert_call(&bodies, &keys_and_events,
                SCRIPT SEEN "ev {s}:room\n"
                            "60 1 0 0 0 0 1\n"
                            "DIGESTS " D14 "\n" EVENT);
}

/* Which steps may travel with others. */
static void test_shared(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        size_t statuses, quarantined, events;
        unsigned window;
        bool want;
    } cases[] = {
        {"one status", 1, 0, 0, 60, true},
        {"as many as go together", CALL_ELEMENTS, 0, 0, 60, true},
        {"one more", CALL_ELEMENTS + 1, 0, 0, 60, false},
        {"with an element in quarantine", 1, 1, 0, 60, false},
        {"with an event", 1, 0, 1, 60, false},
        {"no status", 0, 1, 0, 60, false},
        {"without a window", 1, 0, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const StreamKeys with = {NAMES, .window = cases[i].window};
        const Publishing publishing = {.statuses = cases[i].statuses,
                                       .quarantined = cases[i].quarantined,
                                       .events = cases[i].events};
        if (call_is_shared(&publishing, &with) != cases[i].want) {
            fail_msg("%s", cases[i].label);
        }
    }
}

/* publish.lua names the fields once more, so that it can be read. Of statuses it must name those of
 * entry.h, in their order; of the others the names go along. */
static void test_the_script_names_the_fields(void **state)
{
    (void)state;
    const EntryFields fields = entry_fields(ENTRY_STATUS);
    const char *at = strstr(publish_script.ptr, "'XADD', keys[stream], '*', ");
    assert_non_null(at);
    at += strlen("'XADD', keys[stream], '*', ");
    const char *end = strchr(at, ')');
    assert_non_null(end);
    for (size_t i = 0; i < fields.count; i++) {
        at = strchr(at, '\'');
        assert_true(at && at < end);
        const size_t len = strcspn(at + 1, "'");
        assert_true(str_eq((Str){at + 1, len}, fields.fields[i].name));
        at += len + 2;
    }
    const char *next = strchr(at, '\'');
    assert_true(!next || next > end); /* and no more */
}

/* And the numbers of dedupe.h and of a call. */
static void test_the_script_names_the_numbers(void **state)
{
    (void)state;
    char line[128];
    snprintf(line, sizeof(line), "local SLICE, LEASE_MOST, LEASE_PART = %d, %d, %d ", CALL_ELEMENTS,
             DEDUPE_LEASE_MOST, DEDUPE_LEASE_PART);
    assert_non_null(strstr(publish_script.ptr, line));
}

/* And where the value stands that it leaves out when there is no room for it. */
static void test_the_script_finds_raw(void **state)
{
    (void)state;
    for (EntryKind kind = ENTRY_QUARANTINED; kind <= ENTRY_EVENT; kind++) {
        const EntryFields fields = entry_fields(kind);
        size_t raw = 0;
        char line[48];
        while (!str_eq(fields.fields[raw].name, STR("raw"))) {
            assert_true(++raw < fields.count);
        }
        snprintf(line, sizeof(line), "local RAW, LONG = %zu, ", 2 * (raw + 1));
        assert_non_null(strstr(publish_script.ptr, line));
    }
}

/* Whatever allocation fails: what was in the buffer before stays as it was, no reply is waited for,
 * and the same draft serves the next attempt. */
static void test_failing_malloc(void **state)
{
    (void)state;
    const Str ping = STR("PING");
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        Bodies bodies = {.count = 0};
        Buffer buffer = {0};
        CallDraft draft = {0};
        add_body(&bodies, &keys_and_events, &all, "id-1", digests);
        bodies.publishings[0].with_source = true;
        assert_true(resp_command(&buffer, &ping, 1));
        const size_t before = buffer.len;
        failing_malloc_begin(n, FAIL_ONCE);
        bool ok = call_write(&draft, &buffer, &keys_and_events, STR(SHA), bodies.bodies, 1);
        failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        assert_true(failed ? buffer.len == before : buffer.len > before);
        assert_int_equal(bodies.publishings[0].replies, ok);
        assert_memory_equal(buffer.ptr, "*1\r\n$4\r\nPING\r\n", before);
        if (failed) {
            bodies.publishings[0].with_source = false;
            buffer_clear(&buffer);
            assert_true(call_write(&draft, &buffer, &keys_and_events, STR(SHA), bodies.bodies, 1));
            char *got = show_call(&buffer);
            assert_non_null(strstr(got, "60 1 0 0 2 1 1\n" TWO "DIGESTS " A14));
            free(got);
        } else {
            assert_in_range(n, 5, 50); /* a buffer of the draft each, and the commands */
        }
        buffer_free(&buffer);
        call_draft_free(&draft);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_body),
        cmocka_unit_test(test_only_keys_that_are_used),
        cmocka_unit_test(test_without_window),
        cmocka_unit_test(test_long_window),
        cmocka_unit_test(test_as_before),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_extra_apart),
        cmocka_unit_test(test_several_bodies),
        cmocka_unit_test(test_may_repeat),
        cmocka_unit_test(test_may_repeat_in_a_last_step),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_last_step),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_the_script_names_the_fields),
        cmocka_unit_test(test_the_script_names_the_numbers),
        cmocka_unit_test(test_the_script_finds_raw),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
