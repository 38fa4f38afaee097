#include "redis/call.h"

#include "redis/pack.h"

#include <stdint.h>

enum {
    SEEN_KEYS = 3, /* the state and the two sets */
    APART = 64     /* an extra that is longer is a word of its own: Lua hashes each byte of a value
                      twice when it takes it from the others */
};

bool call_is_shared(const Publishing *publishing, const StreamKeys *keys)
{
    return keys->window && publishing->statuses && publishing->statuses <= CALL_ELEMENTS &&
           !publishing->quarantined && !publishing->events;
}

void call_draft_free(CallDraft *draft)
{
    buffer_free(&draft->plan);
    buffer_free(&draft->values);
    buffer_free(&draft->digests);
    buffer_free(&draft->words);
    buffer_free(&draft->element);
}

static void draft_clear(CallDraft *draft)
{
    buffer_clear(&draft->plan);
    buffer_clear(&draft->values);
    buffer_clear(&draft->digests);
    buffer_clear(&draft->words);
    buffer_clear(&draft->element);
}

/* Which fields of a status its group shares, and which are its own, of which the last one, its
 * extra, may be a word of its own; made once for a process. */
typedef struct {
    size_t own[ENTRY_FIELDS_MOST], own_count;
    size_t shared[ENTRY_FIELDS_MOST], shared_count;
} Layout;

static const Layout *layout_of_status(void)
{
    static Layout layout;
    const EntryFields fields = entry_fields(ENTRY_STATUS);
    for (size_t i = 0; layout.own_count + layout.shared_count < fields.count; i++) {
        if (fields.fields[i].scope == OF_ELEMENT) {
            layout.own[layout.own_count++] = i;
        } else {
            layout.shared[layout.shared_count++] = i;
        }
    }
    return &layout;
}

/* A call while it is put together. */
typedef struct {
    CallDraft *draft;
    Str keys[SEEN_KEYS + ENTRY_KINDS + 1];
    size_t key_count;
    size_t words;                  /* in draft->words */
    bool has_status;               /* before are the values of one */
    Str before[ENTRY_FIELDS_MOST]; /* the values of the status before */
    bool failed;                   /* no memory; the rest does not matter */
} Call;

static char *reserve(Call *call, Buffer *buffer, size_t bytes)
{
    call->failed = call->failed || !buffer_reserve(buffer, bytes);
    return call->failed ? NULL : buffer->ptr + buffer->len;
}

static void put_until(Buffer *buffer, const char *end)
{
    buffer->len = (size_t)(end - buffer->ptr);
}

static void plan_number(Call *call, size_t number)
{
    Buffer *plan = &call->draft->plan;
    char *to = reserve(call, plan, PACK_FRAME);
    if (to) {
        put_until(plan, pack_number(to, number));
    }
}

static void add_word(Call *call, Str word)
{
    Buffer *words = &call->draft->words;
    char *to = reserve(call, words, word.len + RESP_FRAME);
    if (to) {
        put_until(words, resp_put_word(to, word));
        call->words++;
    }
}

static bool is_as_before(const Call *call, size_t field, Str value)
{
    return call->has_status && str_eq(value, call->before[field]);
}

/* Some of the values of a status: nil for what is as before. There is room. */
static char *put_values(Call *call, char *to, const Str *values, const size_t *which, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Str value = values[which[i]];
        to = is_as_before(call, which[i], value) ? pack_nil(to) : pack_text(to, value);
    }
    return to;
}

static size_t values_size(const Str *values)
{
    size_t size = (ENTRY_FIELDS_MOST + 1) * PACK_FRAME;
    for (size_t i = 0; i < ENTRY_FIELDS_MOST; i++) {
        size += values[i].len;
    }
    return size;
}

/* group: the number of statuses of the group that begins here, or 0. */
static void add_status(Call *call, const Layout *layout, const Str *values, size_t group)
{
    Buffer *to_values = &call->draft->values;
    const size_t extra = layout->own[layout->own_count - 1];
    const bool apart = values[extra].len > APART && !is_as_before(call, extra, values[extra]);
    char *to = reserve(call, to_values, values_size(values));
    if (!to) {
        return;
    }
    if (group) {
        to = pack_number(to, group);
        to = put_values(call, to, values, layout->shared, layout->shared_count);
    }
    to = put_values(call, to, values, layout->own, layout->own_count - apart);
    put_until(to_values, apart ? pack_true(to) : to);
    if (apart) {
        add_word(call, values[extra]);
    }
    memcpy(call->before, values, sizeof(call->before));
    call->has_status = true;
}

/* The statuses of a step: [first, end). */
typedef struct {
    const StatusUpdate *statuses;
    size_t first, end;
} Statuses;

/* How many statuses of one change begin at i; 0: one before has begun with it. */
static size_t group_at(const Statuses *of, size_t i)
{
    const Change *change = of->statuses[i].change;
    if (i > of->first && of->statuses[i - 1].change == change) {
        return 0;
    }
    size_t end = i + 1;
    while (end < of->end && of->statuses[end].change == change) {
        end++;
    }
    return end - i;
}

static void add_statuses(Call *call, const CallBody *body)
{
    const Payload *payload = body->publication->payload;
    const size_t first = body->publishing->first[ENTRY_STATUS];
    const Statuses of = {payload->statuses, first, first + body->publishing->statuses};
    const Layout *layout = layout_of_status();
    Str values[ENTRY_FIELDS_MOST];
    for (size_t i = of.first; i < of.end; i++) {
        entry_values(ENTRY_STATUS, payload, i, &body->publication->delivery, values);
        add_status(call, layout, values, group_at(&of, i));
    }
}

/* An element that is no status, as a word of names and values. */
static void add_other(Call *call, EntryKind kind, const Str *values)
{
    const EntryFields fields = entry_fields(kind);
    Buffer *element = &call->draft->element;
    size_t size = 0;
    for (size_t i = 0; i < fields.count; i++) {
        size += fields.fields[i].name.len + values[i].len + 2 * PACK_FRAME;
    }
    buffer_clear(element);
    char *to = reserve(call, element, size);
    if (!to) {
        return;
    }
    for (size_t i = 0; i < fields.count; i++) {
        to = pack_text(pack_text(to, fields.fields[i].name), values[i]);
    }
    put_until(element, to);
    add_word(call, (Str){element->ptr, element->len});
}

static void add_others(Call *call, const CallBody *body, EntryKind kind)
{
    const size_t first = body->publishing->first[kind];
    Str values[ENTRY_FIELDS_MOST];
    for (size_t i = first; i < first + publishing_count(body->publishing, kind); i++) {
        entry_values(kind, body->publication->payload, i, &body->publication->delivery, values);
        add_other(call, kind, values);
    }
}

static void add_digests(Call *call, const Digest *digests, size_t count)
{
    Buffer *to_digests = &call->draft->digests;
    char *to = reserve(call, to_digests, count * (sizeof(Digest) + PACK_FRAME) + 1);
    for (size_t i = 0; to && i < count; i++) {
        to = pack_text(to, (Str){digests[i].bytes, sizeof(Digest)});
    }
    if (to) {
        put_until(to_digests, to);
    }
}

/* Digests come by kinds. */
static void add_digests_of_body(Call *call, const CallBody *body)
{
    const Digest *of_kind = body->digests;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        add_digests(call, of_kind + body->publishing->first[kind],
                    publishing_count(body->publishing, kind));
        of_kind += entry_count(kind, body->publication->payload);
    }
}

static size_t count_of_kind(const CallBody *bodies, size_t count, EntryKind kind)
{
    size_t elements = 0;
    for (size_t i = 0; i < count; i++) {
        elements += publishing_count(bodies[i].publishing, kind);
    }
    return elements;
}

/*
 * May an element of one of several bodies be an element of another? Within a body they all differ.
 * It may be said of some by mistake, which costs a little there; never the other way round.
 */
static bool may_repeat(const CallBody *bodies, size_t count)
{
    enum { BITS = 16 };
    unsigned char seen[1 << (BITS - 3)] = {0};
    for (size_t i = 0; i < count; i++) {
        const Publishing *publishing = bodies[i].publishing;
        const Digest *digests = bodies[i].digests + publishing->first[ENTRY_STATUS];
        for (size_t k = 0; k < publishing->statuses; k++) {
            uint16_t bit;
            memcpy(&bit, digests[k].bytes, sizeof(bit));
            const unsigned char mask = (unsigned char)(1 << (bit & 7));
            if (seen[bit >> 3] & mask) {
                return true;
            }
            seen[bit >> 3] |= mask;
        }
    }
    return false;
}

static void add_key(Call *call, Str name)
{
    call->keys[call->key_count++] = name;
}

/* The keys, and the numbers that go with them. */
static void plan_call(Call *call, const StreamKeys *keys, const CallBody *bodies, size_t count)
{
    if (keys->window) {
        add_key(call, keys->seen_state);
        add_key(call, keys->seen[0]);
        add_key(call, keys->seen[1]);
    }
    bool has_others = false; /* elements that are no statuses */
    plan_number(call, keys->window);
    plan_number(call, dedupe_lease(keys->window));
    plan_number(call, keys->window && count > 1 && may_repeat(bodies, count));
    plan_number(call, keys->touches);
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const size_t elements = count_of_kind(bodies, count, kind);
        plan_number(call, elements);
        if (elements) {
            add_key(call, publishing_stream(keys, kind));
            has_others = has_others || kind != ENTRY_STATUS;
        }
    }
    if (has_others) {
        add_key(call, keys->room);
    }
}

static void draft_call(Call *call, const StreamKeys *keys, const CallBody *bodies, size_t count)
{
    plan_call(call, keys, bodies, count);
    for (size_t i = 0; i < count; i++) {
        add_statuses(call, &bodies[i]);
        add_others(call, &bodies[i], ENTRY_QUARANTINED);
        add_others(call, &bodies[i], ENTRY_EVENT);
        if (keys->window) {
            add_digests_of_body(call, &bodies[i]);
        }
    }
}

static char *put_buffer(char *to, const Buffer *buffer)
{
    return resp_put_word(to, (Str){buffer->ptr, buffer->len});
}

/* What has been put together, as a command. false: no memory. */
static bool append_command(const Call *call, Buffer *buffer, bool with_digests, bool with_source,
                           Str script)
{
    enum { FRAMED = 6 }; /* the name of the command, the script, the number of keys, three words */
    const CallDraft *draft = call->draft;
    const size_t words = 3 + call->key_count + 2 + with_digests + call->words;
    size_t size = draft->plan.len + draft->values.len + draft->digests.len + draft->words.len +
                  script.len + (1 + FRAMED + call->key_count) * RESP_FRAME;
    for (size_t i = 0; i < call->key_count; i++) {
        size += call->keys[i].len;
    }
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, words);
    to = resp_put_word(to, with_source ? STR("EVAL") : STR("EVALSHA"));
    to = resp_put_number(resp_put_word(to, script), call->key_count);
    for (size_t i = 0; i < call->key_count; i++) {
        to = resp_put_word(to, call->keys[i]);
    }
    to = put_buffer(put_buffer(to, &draft->plan), &draft->values);
    to = with_digests ? put_buffer(to, &draft->digests) : to;
    put_until(buffer, str_put(to, (Str){draft->words.ptr, draft->words.len}));
    return true;
}

bool call_write(CallDraft *draft, Buffer *buffer, const StreamKeys *keys, Str sha,
                const CallBody *bodies, size_t count)
{
    Call call = {.draft = draft};
    bool with_source = false;
    for (size_t i = 0; i < count; i++) {
        with_source = with_source || bodies[i].publishing->with_source;
    }
    draft_clear(draft);
    draft_call(&call, keys, bodies, count);
    if (call.failed || !append_command(&call, buffer, keys->window != 0, with_source,
                                       with_source ? publish_script : sha)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        publishing_sent(bodies[i].publishing, 1);
        bodies[i].publishing->with_source = with_source;
    }
    return true;
}

/* Replies */

/* What a reply says of the elements of its call, which are counted through all bodies, from 1. */
typedef struct {
    bool all_known, none_stored;
    const Reply *places; /* else. p: it was known; -p: it is not stored; these ascend */
    size_t count;
    const Reply *error; /* of all that are not stored; NULL: there are none */
} Told;

static size_t count_elements(const CallBody *bodies, size_t count)
{
    size_t elements = 0;
    for (size_t i = 0; i < count; i++) {
        elements += publishing_total(bodies[i].publishing);
    }
    return elements;
}

static size_t place_of(const Reply *reply)
{
    return (size_t)(reply->integer < 0 ? -reply->integer : reply->integer);
}

/* Are there some that are not stored exactly when there is an error? */
static bool check_places(const Told *told, size_t elements)
{
    size_t last = 0;
    bool is_missing = false;
    for (size_t i = 0; i < told->count; i++) {
        const Reply *reply = &told->places[i];
        if (reply->kind != REPLY_INTEGER || reply->integer < -LIMIT_STEP ||
            place_of(reply) <= last || place_of(reply) > elements) {
            return false;
        }
        last = place_of(reply);
        is_missing = is_missing || reply->integer < 0;
    }
    return is_missing == (told->error != NULL);
}

/* A list: how far the clock has gone back, places, an error. */
static bool read_list(const Reply *reply, size_t elements, Told *told, size_t *ret_behind)
{
    const Reply *items = reply->items;
    if (!reply->count || items[0].kind != REPLY_INTEGER || items[0].integer < 0) {
        return false;
    }
    *ret_behind = (size_t)items[0].integer;
    *told = (Told){.places = items + 1, .count = reply->count - 1};
    if (told->count && items[told->count].kind == REPLY_ERROR) {
        told->error = &items[told->count--];
    }
    return check_places(told, elements);
}

/* What became of a body whose elements come behind so many others. */
typedef struct {
    size_t known[ENTRY_KINDS];
    bool is_missing; /* something of it is not stored */
} Outcome;

static Outcome outcome_of(Told *told, const Publishing *publishing, size_t before)
{
    const size_t statuses = publishing->statuses, quarantined = publishing->quarantined;
    const size_t end = before + publishing_total(publishing);
    Outcome outcome = {.is_missing = told->none_stored};
    if (told->all_known) {
        outcome.known[ENTRY_STATUS] = statuses;
        outcome.known[ENTRY_QUARANTINED] = quarantined;
    }
    for (; told->count && place_of(told->places) <= end; told->places++, told->count--) {
        const size_t place = place_of(told->places) - before;
        const EntryKind kind = place <= statuses                 ? ENTRY_STATUS
                               : place <= statuses + quarantined ? ENTRY_QUARANTINED
                                                                 : ENTRY_EVENT;
        outcome.known[kind]++;
        outcome.is_missing = outcome.is_missing || told->places->integer < 0;
    }
    return outcome;
}

static void take_outcome(Publishing *publishing, const Outcome *outcome, const Reply *error)
{
    const size_t statuses = outcome->known[ENTRY_STATUS],
                 quarantined = outcome->known[ENTRY_QUARANTINED];
    const PublishResult result = {.accepted = publishing->statuses - statuses,
                                  .quarantined = publishing->quarantined - quarantined,
                                  .duplicates = statuses + quarantined};
    publishing->replies = 0;
    if (outcome->is_missing) {
        publishing_failed(publishing, error);
    } else {
        publishing_stored(publishing, &result);
    }
}

/* false: it is no reply to a call of so many elements. */
static bool read_reply(const Reply *reply, size_t elements, Told *told, size_t *ret_behind)
{
    switch (reply->kind) {
    case REPLY_ERROR:
        *told = (Told){.none_stored = true, .error = reply};
        return true;
    case REPLY_INTEGER:
        *told = (Told){.all_known = reply->integer == 1};
        return reply->integer == 0 || reply->integer == 1;
    case REPLY_LIST:
        return read_list(reply, elements, told, ret_behind);
    default:
        return false;
    }
}

const char *call_take(const CallBody *bodies, size_t count, const Reply *reply, size_t *ret_behind)
{
    Told told;
    size_t before = 0, behind = 0;
    *ret_behind = 0;
    if (!read_reply(reply, count_elements(bodies, count), &told, &behind)) {
        return publish_senseless;
    }
    *ret_behind = behind;
    for (size_t i = 0; i < count; i++) {
        const Outcome outcome = outcome_of(&told, bodies[i].publishing, before);
        before += publishing_total(bodies[i].publishing);
        take_outcome(bodies[i].publishing, &outcome, told.error);
    }
    return NULL;
}
