#include "unit.h"

#include "stream/entry.h"

#include <stdio.h>

static const Account account = {.id = STR_INIT("E")};
static const Change change = {.account = &account,
                              .field = STR_INIT("messages"),
                              .messaging_product = STR_INIT("whatsapp"),
                              .display_phone_number = STR_INIT("+1"),
                              .phone_number_id = STR_INIT("P")};
static StatusUpdate status = {.change = &change,
                              .id = STR_INIT("a"),
                              .status = STR_INIT("sent"),
                              .errors = STR_INIT("[]"),
                              .extra = STR_INIT("{}")};
static Quarantined quarantined = {.reason = REASON_MISSING_ID,
                                  .detail = STR_INIT("why"),
                                  .pointer = STR_INIT("/entry/0"),
                                  .raw = STR_INIT("{1}"),
                                  .raw_sha256 = STR_INIT("5a"),
                                  .account = &account,
                                  .change = &change};
static Event event = {.change = &change, .raw = STR_INIT("{2}")};
static const Payload payload = {.object = STR_INIT("o"),
                                .statuses = &status,
                                .status_count = 1,
                                .quarantined = &quarantined,
                                .quarantined_count = 1,
                                .events = &event,
                                .event_count = 1};
static const Delivery delivery = {STR_INIT("1700000000123"), STR_INIT("id-1"),
                                  STR_INIT("text/xml")};

/* The contract, as consumers read it: name=value, '*' behind a name whose value makes two elements
 * two. */
static void test_contract(void **state)
{
    (void)state;
    static const char *const want[ENTRY_KINDS] = {
        [ENTRY_STATUS] = "id*=a status*=sent timestamp*= recipient_id*= phone_number_id*=P "
                         "display_phone_number*=+1 entry_id*=E field*=messages "
                         "messaging_product*=whatsapp object*=o errors*=[] extra*={} "
                         "received_at=1700000000123 request_id=id-1 ",
        [ENTRY_QUARANTINED] = "reason=missing_id detail=why pointer=/entry/0 raw*={1} "
                              "content_type=text/xml received_at=1700000000123 request_id=id-1 "
                              "entry_id*=E field*=messages phone_number_id*=P raw_sha256=5a ",
        [ENTRY_EVENT] = "field*=messages entry_id*=E phone_number_id*=P raw*={2} "
                        "received_at=1700000000123 request_id=id-1 ",
    };
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const EntryFields fields = entry_fields(kind);
        Str values[ENTRY_FIELDS_MOST];
        char text[512] = "", *to = text;
        assert_int_equal(entry_count(kind, &payload), 1);
        entry_values(kind, &payload, 0, &delivery, values);
        for (size_t i = 0; i < fields.count; i++) {
            to += sprintf(to, "%.*s%s=%.*s ", STR_ARG(fields.fields[i].name),
                          fields.fields[i].in_digest ? "*" : "", (int)values[i].len,
                          values[i].ptr ? values[i].ptr : "");
        }
        assert_string_equal(text, want[kind]);
    }
}

/* What stands outside of every entry or change has nothing of them. */
static void test_without_change(void **state)
{
    (void)state;
    Quarantined outside = quarantined;
    const Payload body = {.quarantined = &outside, .quarantined_count = 1};
    Str values[ENTRY_FIELDS_MOST];
    outside.change = NULL;
    entry_values(ENTRY_QUARANTINED, &body, 0, &delivery, values);
    assert_true(str_eq(values[7], STR("E")));
    assert_null(values[8].ptr);
    assert_null(values[9].ptr);
    outside.account = NULL;
    entry_values(ENTRY_QUARANTINED, &body, 0, &delivery, values);
    assert_null(values[7].ptr);
}

static void test_without_delivery(void **state)
{
    (void)state;
    Str values[ENTRY_FIELDS_MOST];
    entry_values(ENTRY_STATUS, &payload, 0, NULL, values);
    assert_true(str_eq(values[0], STR("a")));
    assert_null(values[12].ptr);
    assert_null(values[13].ptr);
}

/* Every byte of a value counts, that of an envelope for each status. */
static void test_size(void **state)
{
    (void)state;
    StatusUpdate two[] = {status, status};
    Change other = change;
    Payload body = {.statuses = two};
    assert_int_equal(entries_size(&body), 0);
    body.status_count = 1;
    const size_t one = entries_size(&body);
    assert_true(one > 300); /* the names alone are 110 bytes, and 31 words have their frames */
    body.status_count = 2;
    assert_int_equal(entries_size(&body), 2 * one);
    body.object = STR("0123456789");
    assert_int_equal(entries_size(&body), 2 * (one + 10));
    two[0].change = two[1].change = &other;
    other.field = STR("0123456789messages");
    assert_int_equal(entries_size(&body), 2 * (one + 20));
    assert_true(entries_size(&payload) > one);
}

/* The media type is repeated with every element in quarantine, and so it counts: 20,000 elements of
 * one byte must not become more than they are taken for. */
static void test_size_of_quarantine(void **state)
{
    (void)state;
    const Payload body = {.quarantined = &quarantined, .quarantined_count = 1};
    Str values[ENTRY_FIELDS_MOST];
    size_t largest = LIMIT_MEDIA_TYPE;
    entry_values(ENTRY_QUARANTINED, &body, 0, NULL, values);
    for (size_t i = 0; i < entry_fields(ENTRY_QUARANTINED).count; i++) {
        largest += entry_fields(ENTRY_QUARANTINED).fields[i].name.len + values[i].len;
    }
    assert_true(entries_size(&body) >= largest);
}

/* An envelope that every status repeats must not multiply without bounds. */
static void test_too_much(void **state)
{
    (void)state;
    static char name[32000];
    static StatusUpdate many[1100];
    Payload body = {.object = {name, sizeof(name)}, .statuses = many};
    Error error = {0};
    for (size_t i = 0; i < COUNT(many); i++) {
        many[i] = status;
    }
    body.status_count = 1000;
    assert_true(entries_check_size(&body, &error));
    body.status_count = COUNT(many);
    assert_false(entries_check_size(&body, &error));
    assert_int_equal(error.code, ERROR_MALFORMED);
    assert_int_equal(error_reason(&error), REASON_TOO_MUCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),           cmocka_unit_test(test_without_change),
        cmocka_unit_test(test_without_delivery),   cmocka_unit_test(test_size),
        cmocka_unit_test(test_size_of_quarantine), cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
