#include "redis/publish.h"

#include <assert.h>

/* Entries of a transaction: Redis keeps all 31 words of each until EXEC, and once they do not fit
 * into its caches the script is faster, to which a status is 6 words. */
enum { TRANSACTION_MOST = 128 };

static size_t entry_total(const Publishing *publishing)
{
    return publishing->statuses + publishing->quarantined + publishing->events;
}

/* As many as there is room for in a step; *room is what is left of it. */
static size_t take_some(size_t left, size_t *room)
{
    const size_t some = left < *room ? left : *room;
    *room -= some;
    return some;
}

/* From where `first` says. */
static void choose_step(Publishing *publishing, const StreamKeys *keys, const Payload *payload)
{
    const size_t *first = publishing->first;
    size_t room = LIMIT_STEP;
    publishing->statuses = take_some(payload->status_count - first[ENTRY_STATUS], &room);
    publishing->quarantined =
        take_some(payload->quarantined_count - first[ENTRY_QUARANTINED], &room);
    publishing->events =
        keys->events.ptr ? take_some(payload->event_count - first[ENTRY_EVENT], &room) : 0;
    publishing->by_script = keys->window || entry_total(publishing) > TRANSACTION_MOST;
}

Publishing publishing_of(const StreamKeys *keys, const Payload *payload)
{
    Publishing publishing = {0};
    choose_step(&publishing, keys, payload);
    return publishing;
}

void publishing_next(Publishing *publishing, const StreamKeys *keys, const Payload *payload)
{
    publishing->first[ENTRY_STATUS] += publishing->statuses;
    publishing->first[ENTRY_QUARANTINED] += publishing->quarantined;
    publishing->first[ENTRY_EVENT] += publishing->events;
    publishing->with_source = false;
    choose_step(publishing, keys, payload);
}

bool publishing_is_empty(const Publishing *publishing)
{
    return entry_total(publishing) == 0;
}

/* The kinds in the order in which they are written, and how many of each. */
static size_t count_of(const Publishing *publishing, EntryKind kind)
{
    const size_t counts[ENTRY_KINDS] = {[ENTRY_STATUS] = publishing->statuses,
                                        [ENTRY_QUARANTINED] = publishing->quarantined,
                                        [ENTRY_EVENT] = publishing->events};
    return counts[kind];
}

static Str stream_of(const StreamKeys *keys, EntryKind kind)
{
    return kind == ENTRY_STATUS        ? keys->stream
           : kind == ENTRY_QUARANTINED ? keys->quarantine
                                       : keys->events;
}

/* What is written of a kind, made once for a process from the fields of its entry. */
typedef struct {
    size_t count; /* of fields; 0 = not made yet */

    /* XADD: the names, each framed as it goes over the wire. */
    Str names[ENTRY_FIELDS_MOST];
    size_t names_size;
    char bytes[ENTRY_FIELDS_MOST * RESP_FRAME];

    /* The script: which values are of the element alone, and which it may share with others. */
    size_t own[ENTRY_FIELDS_MOST], own_count;
    size_t shared[ENTRY_FIELDS_MOST], shared_count;
} Plan;

static void make_plan(Plan *plan, EntryKind kind)
{
    const EntryFields fields = entry_fields(kind);
    char *to = plan->bytes;
    for (size_t i = 0; i < fields.count; i++) {
        const EntryField *field = &fields.fields[i];
        char *end = resp_put_word(to, field->name);
        plan->names[i] = (Str){to, (size_t)(end - to)};
        plan->names_size += plan->names[i].len + RESP_FRAME;
        to = end;
        if (field->scope == OF_CHANGE || field->scope == OF_ACCOUNT) {
            plan->shared[plan->shared_count++] = i;
        } else if (field->scope == OF_ELEMENT) {
            plan->own[plan->own_count++] = i;
        }
    }
    plan->count = fields.count;
}

static const Plan *plan_of(EntryKind kind)
{
    static Plan plans[ENTRY_KINDS];
    if (!plans[kind].count) {
        make_plan(&plans[kind], kind);
    }
    return &plans[kind];
}

/* The call of the script. Its words are counted before they are written, since their number comes
 * first, and again while they are: a call that did not fit its head would shift all that follows.
 */

enum { STREAMS = 3, HEAD_VALUES = 5, COUNTS = 3 };

typedef struct {
    Buffer *buffer;
    size_t words;
    bool failed; /* no memory; nothing more is written */
} Call;

/* Where so many words of so many bytes may be put; NULL: no memory. */
static char *call_reserve(Call *call, size_t words, size_t bytes)
{
    call->words += words;
    call->failed = call->failed || !buffer_reserve(call->buffer, bytes + words * RESP_FRAME);
    return call->failed ? NULL : call->buffer->ptr + call->buffer->len;
}

static void call_put_until(Call *call, const char *end)
{
    call->buffer->len = (size_t)(end - call->buffer->ptr);
}

static void call_word(Call *call, Str word)
{
    char *to = call_reserve(call, 1, word.len);
    if (to) {
        call_put_until(call, resp_put_word(to, word));
    }
}

static void call_number(Call *call, size_t number)
{
    char *to = call_reserve(call, 1, RESP_FRAME);
    if (to) {
        call_put_until(call, resp_put_number(to, number));
    }
}

/* Some of the values of an element. */
static void call_values(Call *call, const Str *values, const size_t *which, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += values[which[i]].len;
    }
    char *to = call_reserve(call, count, bytes);
    if (!to) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to = resp_put_word(to, values[which[i]]);
    }
    call_put_until(call, to);
}

static void call_seen_keys(Call *call, const StreamKeys *keys, const Digest *digests, size_t count)
{
    char *to = call_reserve(call, count, count * (keys->seen_prefix.len + DEDUPE_DIGEST));
    if (!to) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to = resp_put_joined(to, keys->seen_prefix, (Str){digests[i].hex, DEDUPE_DIGEST});
    }
    call_put_until(call, to);
}

/* The statuses of a step: [first, end). */
typedef struct {
    const StatusUpdate *statuses;
    size_t first, end;
} Statuses;

static Statuses statuses_of(const Publishing *publishing, const Payload *payload)
{
    const size_t first = publishing->first[ENTRY_STATUS];
    return (Statuses){payload->statuses, first, first + publishing->statuses};
}

/* Does a status start a new group of statuses of the same change? */
static bool starts_group(const Statuses *of, size_t i)
{
    return i == of->first || of->statuses[i].change != of->statuses[i - 1].change;
}

static size_t group_size(const Statuses *of, size_t first)
{
    size_t i = first + 1;
    while (i < of->end && !starts_group(of, i)) {
        i++;
    }
    return i - first;
}

static size_t count_groups(const Statuses *of)
{
    size_t groups = 0;
    for (size_t i = of->first; i < of->end; i++) {
        groups += starts_group(of, i);
    }
    return groups;
}

/* Statuses are sent by groups: what those of one change have in common is sent once. */
static void call_statuses(Call *call, const Payload *payload, const Statuses *of)
{
    const Plan *plan = plan_of(ENTRY_STATUS);
    Str values[ENTRY_FIELDS_MOST];
    call_number(call, count_groups(of));
    for (size_t i = of->first; i < of->end; i++) {
        entry_values(ENTRY_STATUS, payload, i, NULL, values);
        if (starts_group(of, i)) {
            call_number(call, group_size(of, i));
            call_values(call, values, plan->shared, plan->shared_count);
        }
        call_values(call, values, plan->own, plan->own_count);
    }
}

static void call_others(Call *call, EntryKind kind, const Publishing *publishing,
                        const Payload *payload)
{
    const Plan *plan = plan_of(kind);
    const size_t first = publishing->first[kind], count = count_of(publishing, kind);
    Str values[ENTRY_FIELDS_MOST];
    call_number(call, count);
    for (size_t i = first; i < first + count; i++) {
        entry_values(kind, payload, i, NULL, values);
        call_values(call, values, plan->shared, plan->shared_count);
        call_values(call, values, plan->own, plan->own_count);
    }
}

/* How many words call_script() writes. */
static size_t count_words(const Publishing *publishing, size_t key_count, const Payload *payload)
{
    const Plan *status = plan_of(ENTRY_STATUS), *item = plan_of(ENTRY_QUARANTINED),
               *event = plan_of(ENTRY_EVENT);
    const Statuses of = statuses_of(publishing, payload);
    return key_count + HEAD_VALUES + COUNTS + count_groups(&of) * (1 + status->shared_count) +
           publishing->statuses * status->own_count +
           publishing->quarantined * (item->shared_count + item->own_count) +
           publishing->events * (event->shared_count + event->own_count);
}

/* Digests come by kinds, and so do the keys. */
static void call_dedupe(Call *call, const Publishing *publishing, const StreamKeys *keys,
                        const Payload *payload, const Digest *digests)
{
    const Digest *of_kind = digests;
    for (EntryKind kind = 0; keys->window && kind < ENTRY_KINDS; kind++) {
        call_seen_keys(call, keys, of_kind + publishing->first[kind], count_of(publishing, kind));
        of_kind += entry_count(kind, payload);
    }
}

/* Everything after the number of keys, as publish.lua takes it. */
static void call_script(Call *call, const Publishing *publishing, const StreamKeys *keys,
                        const Publication *publication, const Digest *digests)
{
    const Payload *payload = publication->payload;
    const Statuses of = statuses_of(publishing, payload);
    call_word(call, keys->stream);
    call_word(call, keys->quarantine);
    call_word(call, keys->events.ptr ? keys->events : keys->quarantine);
    call_dedupe(call, publishing, keys, payload, digests);
    call_number(call, keys->window);
    call_word(call, publication->delivery.received_at);
    call_word(call, publication->delivery.request_id);
    call_word(call, payload->object);
    call_word(call, publication->delivery.content_type);
    call_statuses(call, payload, &of);
    call_others(call, ENTRY_QUARANTINED, publishing, payload);
    call_others(call, ENTRY_EVENT, publishing, payload);
}

static bool write_by_script(Publishing *publishing, Buffer *buffer, const StreamKeys *keys, Str sha,
                            const Publication *publication, const Digest *digests)
{
    const Str script = publishing->with_source ? publish_script : sha;
    const size_t start = buffer->len;
    const size_t key_count = STREAMS + (keys->window ? entry_total(publishing) : 0);
    const size_t words = count_words(publishing, key_count, publication->payload);
    Call call = {.buffer = buffer};
    if (!buffer_reserve(buffer, script.len + 4 * RESP_FRAME)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + start, 3 + words);
    to = resp_put_word(to, publishing->with_source ? STR("EVAL") : STR("EVALSHA"));
    to = resp_put_word(to, script);
    call_put_until(&call, resp_put_number(to, key_count));
    call_script(&call, publishing, keys, publication, digests);
    assert(call.failed || call.words == words);
    if (call.failed || call.words != words) {
        buffer->len = start;
        return false;
    }
    publishing->replies = 1;
    return true;
}

/* XADD */

static bool write_entry(Buffer *buffer, Str stream, const Plan *plan, const Str *values)
{
    size_t size = plan->names_size + stream.len + 4 * RESP_FRAME;
    for (size_t i = 0; i < plan->count; i++) {
        size += values[i].len;
    }
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, 3 + 2 * plan->count);
    to = str_put(to, STR("$4\r\nXADD\r\n"));
    to = resp_put_word(to, stream);
    to = str_put(to, STR("$1\r\n*\r\n"));
    for (size_t i = 0; i < plan->count; i++) {
        to = resp_put_word(str_put(to, plan->names[i]), values[i]);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}

static bool write_entries(const Publishing *publishing, Buffer *buffer, const StreamKeys *keys,
                          const Publication *publication)
{
    Str values[ENTRY_FIELDS_MOST];
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const Plan *plan = plan_of(kind);
        const size_t first = publishing->first[kind], end = first + count_of(publishing, kind);
        for (size_t i = first; i < end; i++) {
            entry_values(kind, publication->payload, i, &publication->delivery, values);
            if (!write_entry(buffer, stream_of(keys, kind), plan, values)) {
                return false;
            }
        }
    }
    return true;
}

static bool write_word(Buffer *buffer, Str word)
{
    return resp_command(buffer, &word, 1);
}

static bool write_by_xadd(Publishing *publishing, Buffer *buffer, const StreamKeys *keys,
                          const Publication *publication)
{
    const size_t entries = entry_total(publishing), start = buffer->len;
    const bool transaction = entries > 1;
    if ((transaction && !write_word(buffer, STR("MULTI"))) ||
        !write_entries(publishing, buffer, keys, publication) ||
        (transaction && !write_word(buffer, STR("EXEC")))) {
        buffer->len = start;
        return false;
    }
    publishing->replies = transaction ? entries + 2 : 1;
    return true;
}

bool publish_write(Publishing *publishing, Buffer *buffer, const StreamKeys *keys, Str sha,
                   const Publication *publication, const Digest *digests)
{
    publishing->rule = NULL;
    return publishing->by_script
               ? write_by_script(publishing, buffer, keys, sha, publication, digests)
               : write_by_xadd(publishing, buffer, keys, publication);
}

/* Replies */

/* A number of elements; a negative one is none that can be. */
static size_t count_in(const Reply *reply)
{
    return reply->kind == REPLY_INTEGER && reply->integer >= 0 ? (size_t)reply->integer : SIZE_MAX;
}

/* A step is stored. */
static void add_result(Publishing *publishing, const PublishResult *of_step)
{
    publishing->result.accepted += of_step->accepted;
    publishing->result.quarantined += of_step->quarantined;
    publishing->result.duplicates += of_step->duplicates;
}

/* The script's reply: how many were added and known. What does not add up is no answer to this. */
static bool take_counts(Publishing *publishing, const Reply *reply)
{
    const size_t elements = publishing->statuses + publishing->quarantined;
    if (reply->kind != REPLY_LIST || reply->count != 3) {
        return false;
    }
    const PublishResult result = {.accepted = count_in(&reply->items[0]),
                                  .quarantined = count_in(&reply->items[1]),
                                  .duplicates = count_in(&reply->items[2])};
    if (result.accepted > publishing->statuses || result.quarantined > publishing->quarantined ||
        result.duplicates != elements - result.accepted - result.quarantined) {
        return false;
    }
    add_result(publishing, &result);
    return true;
}

/* The reply to one XADD, or to the EXEC of several: an id for each. */
static bool take_ids(Publishing *publishing, const Reply *reply)
{
    const bool one = entry_total(publishing) == 1;
    const Reply *ids = one ? reply : reply->items;
    if (!one && (reply->kind != REPLY_LIST || reply->count != entry_total(publishing))) {
        return false;
    }
    for (size_t i = 0; i < entry_total(publishing); i++) {
        if (ids[i].kind != REPLY_TEXT) {
            return false;
        }
    }
    const PublishResult result = {.accepted = publishing->statuses,
                                  .quarantined = publishing->quarantined};
    add_result(publishing, &result);
    return true;
}

static bool take_success(Publishing *publishing, const Reply *reply)
{
    if (publishing->replies > 0) {
        return reply->kind == REPLY_STATUS; /* of MULTI, of a queued command */
    }
    if (publishing->rule) {
        return false; /* EXEC has not failed, although one of its commands has */
    }
    return publishing->by_script ? take_counts(publishing, reply) : take_ids(publishing, reply);
}

const char *publish_take(Publishing *publishing, const Reply *reply)
{
    const Reply *error = reply_error(reply);
    publishing->replies--;
    if (error) {
        publishing->rule = publishing->rule ? publishing->rule : error_rule(error->text);
        return NULL;
    }
    return take_success(publishing, reply) ? NULL : "a reply that makes no sense";
}

Verdict publish_verdict(const Publishing *publishing)
{
    if (!publishing->rule) {
        return VERDICT_STORED;
    }
    bool again = publishing->rule->verdict == VERDICT_SEND_SOURCE && publishing->with_source;
    return again ? VERDICT_GIVE_UP : publishing->rule->verdict;
}
