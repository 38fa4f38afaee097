#include "unit.h"

#include "failing_malloc.h"
#include "small_arena.h"
#include "stream/partitions.h"

#include <stdio.h>

/* Where an id belongs: the values are those of zlib.crc32(id) % N of Python, for readers in other
 * languages to check theirs with. */
static const struct {
    Str id;
    size_t of_16, of_3, of_256;
} places[] = {
    {STR_INIT("wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBJBRjQ5QjFGRDU4Q0VFQjA5NEQA"), 3, 0, 67},
    {STR_INIT("wamid.A"), 7, 2, 135},
    {STR_INIT("wamid.B"), 13, 0, 61},
    {STR_INIT("wamid.C"), 11, 0, 171},
    {STR_INIT("wamid.\xC3\x9C"), 5, 1, 85}, /* bytes, not characters */
    {STR_INIT("123456789"), 6, 2, 38},
    {STR_INIT("\0"), 13, 1, 141},
    {STR_INIT(""), 0, 0, 0},
    {{NULL, 0}, 0, 0, 0},
};

static void test_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        StatusUpdate status = {.id = places[i].id};
        const Payload payload = {.statuses = &status, .status_count = 1};
        assert_int_equal(partition_of(ENTRY_STATUS, &payload, 0, 16), places[i].of_16);
        assert_int_equal(partition_of(ENTRY_STATUS, &payload, 0, 3), places[i].of_3);
        assert_int_equal(partition_of(ENTRY_STATUS, &payload, 0, 256), places[i].of_256);
        assert_int_equal(partition_of(ENTRY_STATUS, &payload, 0, 1), 0);
    }
}

/* What each kind is about: only that decides. */
static void test_subjects(void **state)
{
    (void)state;
    const Account account = {.id = STR("102290129340398")};
    const Change change = {.account = &account, .field = STR("messages")};
    StatusUpdate status = {.change = &change, .id = STR("wamid.A"), .status = STR("read")};
    Quarantined quarantined = {.raw = STR("{\"id\":\"\",\"status\":\"read\"}"), .change = &change};
    Event event = {.change = &change, .raw = STR("{}")};
    const Payload payload = {.statuses = &status,
                             .status_count = 1,
                             .quarantined = &quarantined,
                             .quarantined_count = 1,
                             .events = &event,
                             .event_count = 1};
    assert_int_equal(partition_of(ENTRY_STATUS, &payload, 0, 256), 135);
    assert_int_equal(partition_of(ENTRY_QUARANTINED, &payload, 0, 256), 69);
    assert_int_equal(partition_of(ENTRY_EVENT, &payload, 0, 256), 45);
}

/* As the sender makes them: the recipient's number and a random part, both in base64. */
static Str make_wamid(uint32_t *seed, char text[64])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = text + sprintf(text, "wamid.HBgL");
    for (size_t i = 0; i < 38; i++) {
        *seed = *seed * 1664525U + 1013904223U;
        *to++ = digits[*seed >> 26];
    }
    return (Str){text, (size_t)(to - text)};
}

/* No partition gets much more than another. */
static void test_spread(void **state)
{
    (void)state;
    enum { PARTITIONS = 16, EACH = 10000 };
    size_t got[PARTITIONS] = {0};
    uint32_t seed = 1;
    for (size_t i = 0; i < (size_t)PARTITIONS * EACH; i++) {
        char text[64];
        StatusUpdate status = {.id = make_wamid(&seed, text)};
        const Payload payload = {.statuses = &status, .status_count = 1};
        got[partition_of(ENTRY_STATUS, &payload, 0, PARTITIONS)]++;
    }
    for (size_t i = 0; i < PARTITIONS; i++) {
        assert_in_range(got[i], EACH * 96 / 100, EACH * 104 / 100);
    }
}

/* Names */

static void test_one(void **state)
{
    (void)state;
    Partitions *one = partitions_new("s", 1, "any", 60);
    assert_non_null(one);
    assert_int_equal(one->count, 1);
    assert_true(str_eq(one->number, STR("{s}:partitions")));
    assert_true(str_eq(one->keys[0]->stream, STR("s")));
    assert_true(str_eq(one->keys[0]->seen_state, STR("{s}:seen")));
    assert_true(str_eq(one->keys[0]->events, STR("any")));
    assert_int_equal(one->keys[0]->window, 60);
    assert_null(partitions_free(one));
    assert_null(partitions_free(NULL));
}

static void test_many(void **state)
{
    (void)state;
    Partitions *many =
        partitions_new("whatsapp:statuses", PARTITIONS_MOST, "{whatsapp:statuses}:events", 60);
    assert_non_null(many);
    assert_int_equal(many->count, PARTITIONS_MOST);
    assert_true(str_eq(many->number, STR("{whatsapp:statuses}:partitions")));
    const StreamKeys *keys = many->keys[3];
    assert_true(str_eq(keys->stream, STR("whatsapp:statuses:3")));
    assert_true(str_eq(keys->quarantine, STR("{whatsapp:statuses:3}:quarantine")));
    assert_true(str_eq(keys->seen[0], STR("{whatsapp:statuses:3}:seen:0")));
    assert_true(str_eq(keys->seen[1], STR("{whatsapp:statuses:3}:seen:1")));
    assert_true(str_eq(keys->seen_state, STR("{whatsapp:statuses:3}:seen")));
    assert_true(str_eq(keys->probe, STR("{whatsapp:statuses:3}:probe")));
    assert_true(str_eq(keys->events, STR("{whatsapp:statuses:3}:events")));
    assert_int_equal(keys->window, 60);
    assert_true(str_eq(many->keys[0]->stream, STR("whatsapp:statuses:0")));
    assert_true(str_eq(many->keys[255]->events, STR("{whatsapp:statuses:255}:events")));
    partitions_free(many);
}

static void test_no_events(void **state)
{
    (void)state;
    Partitions *two = partitions_new("s", 2, "", 0);
    assert_non_null(two);
    assert_null(two->keys[0]->events.ptr);
    assert_null(two->keys[1]->events.ptr);
    partitions_free(two);
}

/* Every allocation fails in turn; what was made before it is freed. */
static void test_names_without_memory(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        failing_malloc_begin(n, FAIL_ONCE);
        Partitions *three = partitions_new("s", 3, "{s}:events", 0);
        const bool failed = failing_malloc_end();
        assert_true(failed == !three);
        partitions_free(three);
        if (!failed) {
            assert_true(n > 3);
            break;
        }
    }
}

static void test_allowed_events(void **state)
{
    (void)state;
    static const struct {
        const char *events;
        bool want;
    } cases[] = {{"", true},           {"{s}:events", true}, {"{s}:e:f", true},
                 {"{s}events", false}, {"events", false},    {"{t}:events", false},
                 {"{s", false},        {"{s}", false},       {"s", false},
                 {"s}:events", false}, {"{", false},         {"{ss}:events", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (partitions_allow_events("s", cases[i].events) != cases[i].want) {
            fail_msg("%s", cases[i].events);
        }
    }
}

/* Division */

static const Account accounts[] = {{STR_INIT("102290129340398")}, {STR_INIT("wamid.A")}};
static const Change changes[] = {{.account = &accounts[0]}, {.account = &accounts[1]}};

/* As text: `3: A/sent B/read | raw | event; `. */
static void tell_share(const Share *share, char **to)
{
    const Payload *payload = &share->payload;
    *to += sprintf(*to, "%zu:", share->partition);
    for (size_t i = 0; i < payload->status_count; i++) {
        *to += sprintf(*to, " %.*s/%.*s", STR_ARG(payload->statuses[i].id),
                       STR_ARG(payload->statuses[i].status));
    }
    *to += sprintf(*to, " |");
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        *to += sprintf(*to, " %.*s", STR_ARG(payload->quarantined[i].raw));
    }
    *to += sprintf(*to, " |");
    for (size_t i = 0; i < payload->event_count; i++) {
        *to += sprintf(*to, " %.*s", STR_ARG(payload->events[i].raw));
    }
    *to += sprintf(*to, "; ");
}

/* Each element goes to its partition, and those of one partition stay in order. */
static void test_example(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {{.id = STR("wamid.A"), .status = STR("sent")},
                               {.id = STR("wamid.B"), .status = STR("sent")},
                               {.id = STR("wamid.A"), .status = STR("read")},
                               {.id = STR("wamid.C"), .status = STR("sent")},
                               {.id = STR("wamid.B"), .status = STR("read")}};
    Quarantined quarantined[] = {{.raw = STR("wamid.C")}, {.raw = STR("a")}};
    Event events[] = {{.change = &changes[0], .raw = STR("first")},
                      {.change = &changes[1], .raw = STR("second")},
                      {.change = &changes[0], .raw = STR("third")}};
    const Payload payload = {.object = STR("o"),
                             .statuses = statuses,
                             .status_count = COUNT(statuses),
                             .quarantined = quarantined,
                             .quarantined_count = COUNT(quarantined),
                             .events = events,
                             .event_count = COUNT(events)};
    static const struct {
        size_t count;
        const char *want;
    } cases[] = {
        {16, "3: | a |; 7: wamid.A/sent wamid.A/read | | second; "
             "11: wamid.C/sent | wamid.C |; 13: wamid.B/sent wamid.B/read | | first third; "},
        {3, "0: wamid.B/sent wamid.C/sent wamid.B/read | wamid.C a |; 1: | | first third; "
            "2: wamid.A/sent wamid.A/read | | second; "},
        {1, "0: wamid.A/sent wamid.B/sent wamid.A/read wamid.C/sent wamid.B/read | wamid.C a "
            "| first second third; "},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512] = "", *to = text;
        const Share *shares;
        size_t count;
        assert_true(partitions_divide(&payload, cases[i].count, arena, &shares, &count));
        for (size_t k = 0; k < count; k++) {
            tell_share(&shares[k], &to);
        }
        assert_string_equal(text, cases[i].want);
    }
    arena_free(arena);
}

/* A share says what body it is of; what is counted of the body is not counted again. */
static void test_whole(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {{.id = STR("wamid.A")}, {.id = STR("wamid.B")}};
    const Payload payload = {.object = STR("o"),
                             .statuses = statuses,
                             .status_count = 2,
                             .ignored = 1,
                             .dropped_members = 2,
                             .has_unread = true};
    Arena *arena = arena_new();
    const Share *shares;
    size_t count;
    assert_true(partitions_divide(&payload, 16, arena, &shares, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_true(str_eq(shares[i].payload.object, STR("o")));
        assert_int_equal(shares[i].payload.ignored, 0);
        assert_int_equal(shares[i].payload.dropped_members, 0);
        assert_false(shares[i].payload.has_unread);
    }
    arena_free(arena);
}

static void test_empty(void **state)
{
    (void)state;
    const Payload payload = {.object = STR("o")};
    Arena *arena = arena_new();
    const Share *shares;
    size_t count;
    assert_true(partitions_divide(&payload, 16, arena, &shares, &count));
    assert_int_equal(count, 0);
    arena_free(arena);
}

/* Many of each kind, each with a text of its own. */
enum { MANY = 600 };
static char wamids[MANY][64];
static StatusUpdate many_statuses[MANY];
static Quarantined many_quarantined[MANY];
static Event many_events[MANY];
static const Payload many = {.statuses = many_statuses,
                             .status_count = MANY,
                             .quarantined = many_quarantined,
                             .quarantined_count = MANY,
                             .events = many_events,
                             .event_count = MANY};

static void make_many(void)
{
    static Account many_accounts[MANY];
    static Change many_changes[MANY];
    uint32_t seed = 7;
    for (size_t i = 0; i < MANY; i++) {
        const Str wamid = make_wamid(&seed, wamids[i]);
        many_accounts[i].id = many_statuses[i].id = many_quarantined[i].raw = wamid;
        many_changes[i].account = &many_accounts[i];
        many_events[i].change = &many_changes[i];
    }
}

/* What an element is recognized by. */
static const void *mark_of(EntryKind kind, const Payload *payload, size_t i)
{
    return kind == ENTRY_STATUS        ? payload->statuses[i].id.ptr
           : kind == ENTRY_QUARANTINED ? payload->quarantined[i].raw.ptr
                                       : payload->events[i].change->account->id.ptr;
}

/* A share is what one gets by picking the partition's elements out of the payload. */
static size_t check_picked(const Share *share, EntryKind kind, size_t count)
{
    size_t picked = 0;
    for (size_t i = 0; i < MANY; i++) {
        if (partition_of(kind, &many, i, count) == share->partition) {
            assert_true(picked < entry_count(kind, &share->payload));
            assert_ptr_equal(mark_of(kind, &share->payload, picked++), mark_of(kind, &many, i));
        }
    }
    assert_int_equal(picked, entry_count(kind, &share->payload));
    return picked;
}

static void check_division(size_t count, const Share *shares, size_t share_count)
{
    size_t all = 0;
    for (size_t i = 0; i < share_count; i++) {
        size_t of_share = 0;
        assert_true(shares[i].partition < count);
        assert_true(i == 0 || shares[i - 1].partition < shares[i].partition);
        for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
            of_share += check_picked(&shares[i], kind, count);
        }
        assert_true(of_share > 0);
        all += of_share;
    }
    assert_int_equal(all, (size_t)ENTRY_KINDS * MANY);
}

static void test_every_number(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    make_many();
    for (size_t count = 1; count <= PARTITIONS_MOST; count++) {
        const Share *shares;
        size_t share_count;
        assert_true(partitions_divide(&many, count, arena, &shares, &share_count));
        check_division(count, shares, share_count);
        arena_reset(arena);
    }
    arena_free(arena);
}

/* The arena runs out at each byte in turn. What would have been returned is left alone. */
static void test_division_without_memory(void **state)
{
    (void)state;
    StatusUpdate statuses[] = {{.id = STR("wamid.A")}, {.id = STR("wamid.B")}};
    Quarantined quarantined = {.raw = STR("a")};
    const Payload payload = {.statuses = statuses,
                             .status_count = 2,
                             .quarantined = &quarantined,
                             .quarantined_count = 1};
    size_t failures = 0;
    for (bool done = false; !done; failures += !done) {
        Arena *arena = small_arena(failures * SMALL_ARENA_STEP);
        const Share *shares = NULL;
        size_t count = 99;
        failing_malloc_begin(0, FAIL_FOREVER);
        done = partitions_divide(&payload, 16, arena, &shares, &count);
        failing_malloc_end();
        assert_true(done ? shares && count == 3 : !shares && count == 99);
        arena_free(arena);
    }
    assert_true(failures > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_events),
        cmocka_unit_test(test_names_without_memory),
        cmocka_unit_test(test_allowed_events),
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_every_number),
        cmocka_unit_test(test_division_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
