#include "unit.h"

#include "call_reader.h"

/*
 * There and back: whatever payloads are sent, what publish.lua makes of the call must be the
 * entries that they are. Its rules for values (nil, true, groups, words) stand here once more, as
 * expand_call(); tests with a real server hold the script itself to the same entries.
 */

enum { MOST_BODIES = 8, MOST_STATUSES = 150, MOST_OTHERS = 4, CHANGES = 4, ROUNDS = 1500 };

/* The entry of an element, as XADD would get it. */
typedef struct {
    Str names[ENTRY_FIELDS_MOST], values[ENTRY_FIELDS_MOST];
    size_t count;
} Entry;

typedef struct {
    Entry entries[MOST_BODIES * MOST_STATUSES + 2 * MOST_OTHERS];
    size_t count;
} Entries;

/* The script */

/* In which order the values of a status come: those that the group shares, then its own. */
typedef struct {
    size_t shared[SHARED], own[OWN];
} Order;

static Order order_of_values(void)
{
    const EntryFields fields = entry_fields(ENTRY_STATUS);
    Order order;
    size_t shared = 0, own = 0;
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.fields[i].scope == OF_ELEMENT) {
            order.own[own++] = i;
        } else {
            order.shared[shared++] = i;
        }
    }
    assert_true(shared == SHARED && own == OWN);
    assert_true(str_eq(fields.fields[order.own[OWN - 1]].name, STR("extra")));
    return order;
}

typedef struct {
    const CallRead *call;
    Order order;
    Str values;  /* the rest of the word */
    size_t left; /* statuses of the group */
    size_t word; /* the next one of call->others */
    Str before[ENTRY_FIELDS_MOST];
} Script;

static Str next_word(Script *script)
{
    assert_true(script->word < script->call->other_count);
    return script->call->others[script->word++];
}

static void take_value(Script *script, size_t field)
{
    const Packed value = take_packed(&script->values);
    assert_true(value.kind != PACKED_NUMBER);
    if (value.kind == PACKED_TRUE) {
        assert_int_equal(field, script->order.own[OWN - 1]);
        script->before[field] = next_word(script);
    } else if (value.kind == PACKED_TEXT) {
        script->before[field] = value.text;
    }
    assert_non_null(script->before[field].ptr); /* nil stands for something */
}

static void expand_status(Script *script, Entry *entry)
{
    const EntryFields fields = entry_fields(ENTRY_STATUS);
    if (!script->left) {
        const Packed group = take_packed(&script->values);
        assert_true(group.kind == PACKED_NUMBER && group.number > 0);
        script->left = group.number;
        for (size_t i = 0; i < SHARED; i++) {
            take_value(script, script->order.shared[i]);
        }
    }
    for (size_t i = 0; i < OWN; i++) {
        take_value(script, script->order.own[i]);
    }
    script->left--;
    entry->count = fields.count;
    for (size_t i = 0; i < fields.count; i++) {
        entry->names[i] = fields.fields[i].name;
        entry->values[i] = script->before[i];
    }
}

static void expand_other(Str word, Entry *entry)
{
    for (entry->count = 0; word.len; entry->count++) {
        assert_true(entry->count < ENTRY_FIELDS_MOST);
        entry->names[entry->count] = take_packed(&word).text;
        entry->values[entry->count] = take_packed(&word).text;
    }
}

static void expand_call(const CallRead *call, Entries *ret)
{
    Script script = {.call = call, .order = order_of_values(), .values = call->values};
    const size_t statuses = call->plan[4], others = call->plan[5] + call->plan[6];
    assert_true(statuses + others <= COUNT(ret->entries));
    ret->count = 0;
    for (size_t i = 0; i < statuses; i++) {
        expand_status(&script, &ret->entries[ret->count++]);
    }
    for (size_t i = 0; i < others; i++) {
        expand_other(next_word(&script), &ret->entries[ret->count++]);
    }
    assert_int_equal(script.left, 0);
    assert_int_equal(script.values.len, 0);
    assert_int_equal(script.word, call->other_count);
}

/* Chance */

static uint64_t chance;

static size_t pick(size_t below)
{
    chance = chance * 6364136223846793005U + 1442695040888963407U;
    return (size_t)(chance >> 33) % below;
}

static char long_text[70000];

/* Few different ones, so that many are as before; of all sizes at which the form changes. */
static Str any_text(void)
{
    static const size_t lens[] = {0, 1, 1, 1, 31, 32, 64, 65, 255, 256};
    const size_t len = pick(500) ? lens[pick(COUNT(lens))] : 65535 + pick(3);
    return pick(8) ? (Str){long_text + pick(2), len} : (Str){NULL, 0};
}

/* The envelopes; some are equal and stand at different addresses. */
typedef struct {
    Account accounts[CHANGES];
    Change changes[CHANGES];
} Envelopes;

typedef struct {
    StatusUpdate statuses[MOST_STATUSES];
    Quarantined quarantined[MOST_OTHERS];
    Event events[MOST_OTHERS];
    Digest digests[MOST_STATUSES + 2 * MOST_OTHERS];
    Payload payload;
    Publication publication;
    Publishing publishing;
} Body;

static void make_envelopes(Envelopes *to)
{
    for (size_t i = 0; i < CHANGES; i++) {
        to->accounts[i] = (Account){any_text()};
        to->changes[i] = (Change){.account = &to->accounts[i],
                                  .field = any_text(),
                                  .messaging_product = any_text(),
                                  .display_phone_number = any_text(),
                                  .phone_number_id = any_text()};
        if (i && !pick(3)) {
            to->changes[i] = to->changes[i - 1];
        }
    }
}

static void make_statuses(Body *to, const Envelopes *envelopes, size_t count)
{
    const Change *change = envelopes->changes;
    for (size_t i = 0; i < count; i++) {
        change = pick(3) ? change : &envelopes->changes[pick(CHANGES)];
        to->statuses[i] = (StatusUpdate){change,     any_text(), any_text(), any_text(),
                                         any_text(), any_text(), any_text()};
    }
}

static void make_others(Body *to, const Envelopes *envelopes)
{
    for (size_t i = 0; i < MOST_OTHERS; i++) {
        const Change *change = pick(4) ? &envelopes->changes[pick(CHANGES)] : NULL;
        to->quarantined[i] = (Quarantined){.reason = REASON_MISSING_ID,
                                           .detail = any_text(),
                                           .pointer = any_text(),
                                           .raw = any_text(),
                                           .raw_sha256 = any_text(),
                                           .account = change ? change->account : NULL,
                                           .change = change};
        to->events[i] = (Event){.change = &envelopes->changes[pick(CHANGES)], .raw = any_text()};
    }
}

/* alone: with elements of all kinds, and perhaps a later step. */
static void make_body(Body *to, const Envelopes *envelopes, const StreamKeys *keys, bool alone)
{
    const size_t statuses = alone ? pick(MOST_STATUSES) : 1 + pick(CALL_ELEMENTS / MOST_BODIES);
    make_statuses(to, envelopes, statuses);
    make_others(to, envelopes);
    to->payload = (Payload){.object = any_text(),
                            .statuses = to->statuses,
                            .status_count = statuses,
                            .quarantined = to->quarantined,
                            .quarantined_count = alone ? pick(MOST_OTHERS) : 0,
                            .events = to->events,
                            .event_count = alone ? 1 + pick(MOST_OTHERS - 1) : 0};
    to->publication = (Publication){.payload = &to->payload,
                                    .delivery = {.received_at = any_text(),
                                                 .request_id = any_text(),
                                                 .content_type = any_text()}};
    for (size_t i = 0; i < sizeof(to->digests); i++) {
        ((char *)to->digests)[i] = (char)pick(256);
    }
    to->publishing = publishing_of(keys, &to->payload);
    to->publishing.by_script = true;
    if (statuses && !pick(3)) { /* those before are stored */
        to->publishing.first[ENTRY_STATUS] = pick(statuses);
        to->publishing.statuses -= to->publishing.first[ENTRY_STATUS];
    }
}

/* The comparison */

static void assert_entry(const Entry *got, EntryKind kind, const Body *body, size_t element)
{
    const EntryFields fields = entry_fields(kind);
    Str values[ENTRY_FIELDS_MOST];
    entry_values(kind, &body->payload, element, &body->publication.delivery, values);
    assert_int_equal(got->count, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        if (!str_eq(got->names[i], fields.fields[i].name) || !str_eq(got->values[i], values[i])) {
            fail_msg("element %zu, %.*s: %.*s for %.*s", element, STR_ARG(fields.fields[i].name),
                     STR_ARG(got->values[i]), STR_ARG(values[i]));
        }
    }
}

static void assert_digest(Str *rest, const Body *body, size_t at)
{
    const Packed digest = take_packed(rest);
    assert_int_equal(digest.text.len, DEDUPE_DIGEST);
    assert_memory_equal(digest.text.ptr, body->digests[at].bytes, DEDUPE_DIGEST);
}

/* The elements of a step, in the order of the call; returns how many. */
static size_t assert_body(const Entry *entries, Str *digests, const Body *body)
{
    size_t count = 0, of_kind = 0;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const size_t first = body->publishing.first[kind];
        for (size_t i = 0; i < publishing_count(&body->publishing, kind); i++) {
            assert_entry(&entries[count++], kind, body, first + i);
            if (digests->ptr) {
                assert_digest(digests, body, of_kind + first + i);
            }
        }
        of_kind += entry_count(kind, &body->payload);
    }
    return count;
}

/* The draft is used again and again, as that of a sink is. */
static void assert_round(CallDraft *draft, const StreamKeys *keys, Body *bodies, size_t count)
{
    static CallRead call;
    static Entries entries;
    CallBody parts[MOST_BODIES];
    Buffer buffer = {0};
    for (size_t i = 0; i < count; i++) {
        parts[i] = (CallBody){&bodies[i].publishing, &bodies[i].publication, bodies[i].digests};
    }
    assert_true(call_write(draft, &buffer, keys, STR("sha"), parts, count));
    read_call(&buffer, &call);
    assert_int_equal(call.plan[0], keys->window);
    expand_call(&call, &entries);
    Str digests = call.digests;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += assert_body(entries.entries + at, &digests, &bodies[i]);
    }
    assert_int_equal(at, entries.count);
    assert_int_equal(digests.len, 0);
    buffer_free(&buffer);
}

static void test_round_trips(void **state)
{
    (void)state;
    static Body bodies[MOST_BODIES];
    static Envelopes envelopes;
    CallDraft draft = {0};
    StreamKeys keys = {.stream = STR("s"),
                       .quarantine = STR("{s}:q"),
                       .events = STR("ev"),
                       .seen = {STR("{s}:seen:0"), STR("{s}:seen:1")},
                       .seen_state = STR("{s}:seen"),
                       .room = STR("{s}:room")};
    for (size_t i = 0; i < sizeof(long_text); i++) {
        long_text[i] = (char)('a' + i % 2);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        chance = round;
        const size_t count = 1 + pick(MOST_BODIES);
        keys.window = count > 1 || pick(4) ? 60 : 0;
        make_envelopes(&envelopes);
        for (size_t i = 0; i < count; i++) {
            make_body(&bodies[i], &envelopes, &keys, count == 1);
        }
        assert_round(&draft, &keys, bodies, count);
    }
    call_draft_free(&draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
