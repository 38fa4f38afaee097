#include "unit.h"

#include "failing_malloc.h"
#include "payload/payload.h"
#include "payload_text.h"
#include "small_arena.h"

#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Payload payload;
static Error error;
static Builder builder;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    if (!arena) {
        return -1;
    }
    error = (Error){.code = ERROR_NONE};
    payload = (Payload){.status_count = 7};
    builder_begin(&builder, arena, &payload, &error);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

static void assert_payload(const char *want)
{
    char *text = payload_text(&payload);
    assert_string_equal(text, want);
    free(text);
}

static const Str none = {NULL, 0};

static void test_statuses(void **state)
{
    (void)state;
    Account *account = builder_add_account(&builder);
    Change *change = builder_add_change(&builder, account);
    StatusUpdate status = {.change = change, .id = STR("a"), .status = STR("s")};
    assert_true(builder_add_status(&builder, &status, none));
    status = (StatusUpdate){.change = change,
                            .id = STR("b"),
                            .status = STR("s"),
                            .errors = STR("[1]"),
                            .extra = STR("{\"x\":1}")};
    assert_true(builder_add_status(&builder, &status, none));
    assert_true(
        str_eq(payload.statuses[0].errors, STR("[]"))); /* absent ones get their empty text */
    assert_true(str_eq(payload.statuses[0].extra, STR("{}")));
    change->field = STR("f"); /* what comes later in the body is filled in later */
    account->id = STR("1");
    assert_payload("status id='a' status='s' entry='1' field='f'\n"
                   "status id='b' status='s' errors=[1] extra={\"x\":1} entry='1' field='f'\n");
}

/* Without an id or a status it goes to quarantine: as it came, or rendered from its members. */
static void test_unusable(void **state)
{
    (void)state;
    static const struct {
        StatusUpdate status;
        Str raw;
        const char *want;
    } cases[] = {
        {{.status = STR_INIT("s")},
         STR_INIT("{raw}"),
         "missing_id /entry/1/changes/2/value/"
         "statuses/3 {raw}\n"},
        {{.id = STR_INIT(""), .status = STR_INIT("s")},
         {NULL, 0},
         "missing_id /entry/1/changes/2/value/statuses/3 {\"id\":\"\",\"status\":\"s\"}\n"},
        {{.id = STR_INIT("a")},
         {NULL, 0},
         "missing_status /entry/1/changes/2/value/statuses/3 {\"id\":\"a\"}\n"},
        {{.id = STR_INIT("a\"b"),
          .timestamp = STR_INIT("7"),
          .recipient_id = STR_INIT("r"),
          .errors = STR_INIT("[1]")},
         {NULL, 0},
         "missing_status /entry/1/changes/2/value/statuses/3 {\"id\":\"a\\x5C\"b\","
         "\"timestamp\":\"7\",\"recipient_id\":\"r\",\"errors\":[1]}\n"},
        {{.id = {NULL, 0}}, {NULL, 0}, "missing_id /entry/1/changes/2/value/statuses/3 {}\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char want[512] = "quarantined ";
        builder_begin(&builder, arena, &payload, &error);
        builder.index[0] = 1;
        builder.index[1] = 2;
        builder.index[2] = 3;
        assert_true(builder_add_status(&builder, &cases[i].status, cases[i].raw));
        assert_payload(strcat(want, cases[i].want));
    }
}

/* Every '#' of a place becomes the next index. */
static void test_pointers(void **state)
{
    (void)state;
    static const struct {
        const char *place, *want;
    } cases[] = {
        {AT_OBJECT, "/object"},
        {AT_ENTRIES, "/entry"},
        {AT_ENTRY, "/entry/10"},
        {AT_ENTRY_ID, "/entry/10/id"},
        {AT_CHANGES, "/entry/10/changes"},
        {AT_CHANGE, "/entry/10/changes/0"},
        {AT_FIELD, "/entry/10/changes/0/field"},
        {AT_VALUE, "/entry/10/changes/0/value"},
        {AT_PRODUCT, "/entry/10/changes/0/value/messaging_product"},
        {AT_METADATA, "/entry/10/changes/0/value/metadata"},
        {AT_STATUSES, "/entry/10/changes/0/value/statuses"},
        {AT_STATUS, "/entry/10/changes/0/value/statuses/2147483648"},
    };
    builder.index[0] = 10;
    builder.index[1] = 0;
    builder.index[2] = 2147483648;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(builder_quarantine(&builder, REASON_WRONG_SHAPE, cases[i].place, STR("raw")));
        assert_true(str_eq(payload.quarantined[i].pointer, str_from(cases[i].want)));
        assert_true(payload.quarantined[i].detail.len > 0);
    }
}

/* A change that carries no statuses becomes an event; calls and standby always do. */
static void test_finish_change(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        bool has_statuses;
        const char *want;
    } cases[] = {
        {"f", true, "status id='a' status='s' field='f'\n"},
        {"calls", true,
         "event {\"field\":\"calls\",\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}} "
         "field='calls'\n"},
        {"standby", true,
         "event {\"field\":\"standby\",\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}} "
         "field='standby'\n"},
        {"Calls", true, "status id='a' status='s' field='Calls'\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        builder_begin(&builder, arena, &payload, &error);
        Change *change = builder_add_change(&builder, builder_add_account(&builder));
        const Mark mark = builder_mark(&builder);
        const StatusUpdate status = {.change = change, .id = STR("a"), .status = STR("s")};
        change->field = str_from(cases[i].field);
        change->has_statuses = cases[i].has_statuses;
        assert_true(builder_add_status(&builder, &status, none));
        assert_true(builder_finish_change(&builder, change, mark, none));
        assert_payload(cases[i].want);
    }
}

/* An event that came as XML or form is rendered with what is known of it. */
static void test_rendered_event(void **state)
{
    (void)state;
    Change *change = builder_add_change(&builder, builder_add_account(&builder));
    const Mark mark = builder_mark(&builder);
    change->field = STR("f\n");
    change->messaging_product = STR("m");
    change->phone_number_id = STR("p");
    assert_true(builder_finish_change(&builder, change, mark, none));
    assert_true(str_eq(payload.events[0].raw,
                       STR("{\"field\":\"f\\n\",\"value\":{\"messaging_product\":\"m\","
                           "\"metadata\":{\"phone_number_id\":\"p\"}}}")));
    assert_true(builder_finish_change(&builder, change, mark, STR("{raw}")));
    assert_true(str_eq(payload.events[1].raw, STR("{raw}")));
}

/* What was added after a mark leaves no trace. */
static void test_rollback(void **state)
{
    (void)state;
    Change *change = builder_add_change(&builder, builder_add_account(&builder));
    StatusUpdate status = {.change = change, .id = STR("a"), .status = STR("s")};
    assert_true(builder_add_status(&builder, &status, none));
    const Mark mark = builder_mark(&builder);
    for (size_t i = 0; i < 100; i++) {
        status.id = STR("x");
        assert_true(builder_add_status(&builder, &status, none));
        assert_true(builder_quarantine(&builder, REASON_WRONG_SHAPE, AT_ENTRY, STR("1")));
        assert_true(builder_finish_change(&builder, change, builder_mark(&builder), STR("{}")));
    }
    builder_rollback(&builder, mark);
    status.id = STR("b");
    assert_true(builder_add_status(&builder, &status, none));
    assert_payload("status id='a' status='s'\nstatus id='b' status='s'\n");
}

static void test_limit(void **state)
{
    (void)state;
    Account *account = builder_add_account(&builder);
    const StatusUpdate status = {
        .change = builder_add_change(&builder, account), .id = STR("a"), .status = STR("s")};
    for (size_t i = 2; i < LIMIT_ITEMS - 1; i++) {
        assert_true(builder_add_status(&builder, &status, none));
    }
    assert_true(builder_quarantine(&builder, REASON_WRONG_SHAPE, AT_ENTRY, STR("1")));
    const Builder full = builder;
    assert_false(builder_add_status(&builder, &status, none));
    assert_int_equal(error.code, ERROR_MALFORMED);
    assert_int_equal(error_reason(&error), REASON_TOO_MANY);
    builder = full;
    assert_null(builder_add_account(&builder));
    builder = full;
    assert_null(builder_add_change(&builder, account));
    builder = full;
    assert_false(builder_quarantine(&builder, REASON_WRONG_SHAPE, AT_ENTRY, STR("1")));
    assert_true(arena_size(arena) < LIMIT_ARENA);
}

static void test_whole_body(void **state)
{
    (void)state;
    error_malformed(&error, REASON_SYNTAX, "broken");
    error_locate(&error, STR("ab\nc"), 3);
    assert_true(payload_quarantine_body(&payload, arena, STR("ab\nc"), &error));
    assert_int_equal(payload.status_count, 0);
    assert_payload("quarantined syntax  ab\\x0Ac\n");
    assert_true(str_eq(payload.quarantined[0].detail, STR("broken (line 2, column 1, byte 3)")));
}

/* What `sha256sum` says of the same bytes, an element's or those of the whole body. */
static void test_digest_of_raw(void **state)
{
    (void)state;
    static const struct {
        Str raw, want;
    } cases[] = {
        {STR_INIT(""),
         STR_INIT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")},
        {STR_INIT("abc"),
         STR_INIT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")},
        {STR_INIT("\0"),
         STR_INIT("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Payload body;
        assert_true(builder_quarantine(&builder, REASON_WRONG_SHAPE, AT_STATUS, cases[i].raw));
        assert_true(str_eq(payload.quarantined[i].raw_sha256, cases[i].want));
        error_malformed(&error, REASON_SYNTAX, "broken");
        assert_true(payload_quarantine_body(&body, arena, cases[i].raw, &error));
        assert_true(str_eq(body.quarantined[0].raw_sha256, cases[i].want));
    }
}

static void test_whole_body_without_memory(void **state)
{
    (void)state;
    const Payload before = payload;
    size_t left = 0;
    error_malformed(&error, REASON_SYNTAX, "broken");
    for (bool ok = false; !ok; left += SMALL_ARENA_STEP) {
        Arena *small = small_arena(left);
        failing_malloc_begin(0, FAIL_FOREVER);
        ok = payload_quarantine_body(&payload, small, STR("{"), &error);
        failing_malloc_end();
        assert_true(ok || memcmp(&payload, &before, sizeof(payload)) == 0);
        arena_free(small);
    }
    assert_in_range(left, sizeof(Quarantined) + 2 * LIMIT_TEXT + 64, 1000);
}

/* A status whose members come one by one, and its errors. */
static void test_begun_statuses(void **state)
{
    (void)state;
    Account *account = builder_add_account(&builder);
    Change *change = builder_add_change(&builder, account);
    for (size_t errors = 0; errors < 40; errors += 13) {
        StatusUpdate *status = builder_begin_status(&builder, change);
        assert_true(change->has_statuses);
        status->id = STR("a");
        status->status = STR("s");
        for (size_t i = 0; i < errors; i++) {
            StatusError *added = builder_add_error(&builder);
            assert_non_null(added);
            assert_null(added->code.ptr);
            added->code = STR("1");
        }
        assert_true(builder_end_status(&builder));
        size_t want = errors ? errors * strlen("{\"code\":1},") + 1 : strlen("[]");
        assert_int_equal(payload.statuses[payload.status_count - 1].errors.len, want);
    }
    builder_begin_status(&builder, change)->status = STR("s");
    assert_true(builder_end_status(&builder)); /* without an id: to quarantine, rendered */
    builder_begin_status(&builder, change)->id = STR("b");
    assert_non_null(builder_add_error(&builder));
    assert_true(builder_end_wrong_status(&builder));
    assert_int_equal(payload.quarantined_count, 2);
    assert_true(str_eq(payload.quarantined[0].raw, STR("{\"status\":\"s\"}")));
    assert_int_equal(payload.quarantined[0].reason, REASON_MISSING_ID);
    assert_true(str_eq(payload.quarantined[1].raw, STR("{\"id\":\"b\",\"errors\":[{}]}")));
    assert_int_equal(payload.quarantined[1].reason, REASON_WRONG_SHAPE);
}

static void test_too_many_errors(void **state)
{
    (void)state;
    Change *change = builder_add_change(&builder, builder_add_account(&builder));
    builder_begin_status(&builder, change);
    for (size_t i = 0; i < LIMIT_ITEMS; i++) {
        assert_non_null(builder_add_error(&builder));
    }
    assert_null(builder_add_error(&builder));
    assert_int_equal(error.code, ERROR_MALFORMED);
    assert_int_equal(error_reason(&error), REASON_TOO_MANY);
}

static bool build(void)
{
    builder_begin(&builder, arena, &payload, &error);
    Account *account = builder_add_account(&builder);
    Change *change = account ? builder_add_change(&builder, account) : NULL;
    const StatusUpdate status = {.change = change, .id = STR("a"), .status = STR("s")};
    for (size_t i = 0; change && i < 300; i++) {
        builder_begin_status(&builder, change);
        if (!builder_add_status(&builder, &status, none) || !builder_add_error(&builder) ||
            !builder_end_wrong_status(&builder) ||
            !builder_finish_change(&builder, change, builder_mark(&builder), none)) {
            return false;
        }
    }
    return change != NULL;
}

static void test_failing_malloc(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t n = 0;; n++) {
        arena_free(arena);
        arena = arena_new();
        assert_non_null(arena);
        error = (Error){.code = ERROR_NONE};
        failing_malloc_begin(n, FAIL_ONCE);
        bool ok = build();
        bool failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        assert_int_equal(error.code, ok ? ERROR_NONE : ERROR_NO_MEMORY);
        if (!failed) {
            break;
        }
        failures++;
    }
    assert_true(failures > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_statuses),       TEST(test_unusable),
        TEST(test_pointers),       TEST(test_finish_change),
        TEST(test_rendered_event), TEST(test_rollback),
        TEST(test_limit),          TEST(test_whole_body),
        TEST(test_digest_of_raw),  TEST(test_whole_body_without_memory),
        TEST(test_begun_statuses), TEST(test_too_many_errors),
        TEST(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
