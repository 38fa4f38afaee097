#include "redis/publish.h"

/* Entries of a transaction: Redis keeps all 31 words of each until EXEC, and once they do not fit
 * into its caches the script is faster, to which a status is 6 words. */
enum { TRANSACTION_MOST = 128 };

static size_t entry_total(const Publishing *publishing)
{
    return publishing->statuses + publishing->quarantined + publishing->events;
}

Publishing publishing_of(const StreamKeys *keys, const Payload *payload)
{
    Publishing publishing = {
        .statuses = payload->status_count,
        .quarantined = payload->quarantined_count,
        .events = keys->events.ptr ? payload->event_count : 0,
    };
    publishing.by_script = keys->window || entry_total(&publishing) > TRANSACTION_MOST;
    return publishing;
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

/* The call of the script. What it gets is written by one walk, which is taken twice: first to count
 * words and bytes, then to write them. */

enum { STREAMS = 3 };

typedef struct {
    char *to; /* NULL while counting */
    size_t words, size;
} Walk;

static void walk_word(Walk *walk, Str word)
{
    if (walk->to) {
        walk->to = resp_put_word(walk->to, word);
    } else {
        walk->words++;
        walk->size += word.len + RESP_FRAME;
    }
}

static void walk_number(Walk *walk, size_t number)
{
    char digits[20] = "";
    const char *end = str_put_number(digits, number);
    walk_word(walk, (Str){digits, (size_t)(end - digits)});
}

/* The values of an element that belong to these scopes, in the order of the fields. */
static void walk_values(Walk *walk, EntryKind kind, const Str *values, EntryScope from,
                        EntryScope to)
{
    const EntryFields fields = entry_fields(kind);
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.fields[i].scope >= from && fields.fields[i].scope <= to) {
            walk_word(walk, values[i]);
        }
    }
}

static void walk_seen_keys(Walk *walk, const StreamKeys *keys, const Digest *digests, size_t count)
{
    if (!walk->to) {
        walk->words += count;
        walk->size += count * (keys->seen_prefix.len + DEDUPE_DIGEST + RESP_FRAME);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        walk->to =
            resp_put_joined(walk->to, keys->seen_prefix, (Str){digests[i].hex, DEDUPE_DIGEST});
    }
}

/* Does a status start a new group of statuses of the same change? */
static bool starts_group(const Payload *payload, size_t i)
{
    return i == 0 || payload->statuses[i].change != payload->statuses[i - 1].change;
}

static size_t group_size(const Payload *payload, size_t first)
{
    size_t i = first + 1;
    while (i < payload->status_count && !starts_group(payload, i)) {
        i++;
    }
    return i - first;
}

static size_t count_groups(const Payload *payload)
{
    size_t groups = 0;
    for (size_t i = 0; i < payload->status_count; i++) {
        groups += starts_group(payload, i);
    }
    return groups;
}

/* Statuses are sent by groups: what those of one change have in common is sent once. */
static void walk_statuses(Walk *walk, const Payload *payload)
{
    Str values[ENTRY_FIELDS_MOST];
    walk_number(walk, count_groups(payload));
    for (size_t i = 0; i < payload->status_count; i++) {
        entry_values(ENTRY_STATUS, payload, i, NULL, values);
        if (starts_group(payload, i)) {
            walk_number(walk, group_size(payload, i));
            walk_values(walk, ENTRY_STATUS, values, OF_CHANGE, OF_ACCOUNT);
        }
        walk_values(walk, ENTRY_STATUS, values, OF_ELEMENT, OF_ELEMENT);
    }
}

static void walk_others(Walk *walk, EntryKind kind, const Payload *payload, size_t count)
{
    Str values[ENTRY_FIELDS_MOST];
    walk_number(walk, count);
    for (size_t i = 0; i < count; i++) {
        entry_values(kind, payload, i, NULL, values);
        walk_values(walk, kind, values, OF_ELEMENT, OF_ACCOUNT);
    }
}

/* Everything after the number of keys, as publish.lua takes it. */
static void walk_call(Walk *walk, const Publishing *publishing, const StreamKeys *keys,
                      const Publication *publication, const Digest *digests)
{
    const Payload *payload = publication->payload;
    walk_word(walk, keys->stream);
    walk_word(walk, keys->quarantine);
    walk_word(walk, keys->events.ptr ? keys->events : keys->quarantine);
    walk_seen_keys(walk, keys, digests, keys->window ? entry_total(publishing) : 0);
    walk_number(walk, keys->window);
    walk_word(walk, publication->delivery.received_at);
    walk_word(walk, publication->delivery.request_id);
    walk_word(walk, payload->object);
    walk_word(walk, publication->delivery.content_type);
    walk_statuses(walk, payload);
    walk_others(walk, ENTRY_QUARANTINED, payload, publishing->quarantined);
    walk_others(walk, ENTRY_EVENT, payload, publishing->events);
}

static bool write_by_script(Publishing *publishing, Buffer *buffer, const StreamKeys *keys, Str sha,
                            const Publication *publication, const Digest *digests)
{
    const Str script = publishing->with_source ? publish_script : sha;
    const size_t key_count = STREAMS + (keys->window ? entry_total(publishing) : 0);
    Walk walk = {0};
    walk_call(&walk, publishing, keys, publication, digests);
    if (!buffer_reserve(buffer, walk.size + script.len + 4 * RESP_FRAME)) {
        return false;
    }
    walk.to = resp_put_head(buffer->ptr + buffer->len, 3 + walk.words);
    walk.to = resp_put_word(walk.to, publishing->with_source ? STR("EVAL") : STR("EVALSHA"));
    walk.to = resp_put_word(walk.to, script);
    walk.to = resp_put_number(walk.to, key_count);
    walk_call(&walk, publishing, keys, publication, digests);
    buffer->len = (size_t)(walk.to - buffer->ptr);
    publishing->replies = 1;
    return true;
}

/* XADD */

/* The names of a kind's fields, each framed as it goes over the wire: made once for a process. */
typedef struct {
    Str names[ENTRY_FIELDS_MOST];
    size_t count, size;
    char bytes[ENTRY_FIELDS_MOST * 32];
} Frames;

static const Frames *frames_of(EntryKind kind)
{
    static Frames made[ENTRY_KINDS];
    Frames *frames = &made[kind];
    if (frames->count) {
        return frames;
    }
    const EntryFields fields = entry_fields(kind);
    char *to = frames->bytes;
    for (size_t i = 0; i < fields.count; i++) {
        char *end = resp_put_word(to, fields.fields[i].name);
        frames->names[i] = (Str){to, (size_t)(end - to)};
        frames->size += frames->names[i].len + RESP_FRAME;
        to = end;
    }
    frames->count = fields.count;
    return frames;
}

static bool write_entry(Buffer *buffer, Str stream, const Frames *frames, const Str *values)
{
    size_t size = frames->size + stream.len + 4 * RESP_FRAME;
    for (size_t i = 0; i < frames->count; i++) {
        size += values[i].len;
    }
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, 3 + 2 * frames->count);
    to = str_put(to, STR("$4\r\nXADD\r\n"));
    to = resp_put_word(to, stream);
    to = str_put(to, STR("$1\r\n*\r\n"));
    for (size_t i = 0; i < frames->count; i++) {
        to = resp_put_word(str_put(to, frames->names[i]), values[i]);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}

static bool write_entries(const Publishing *publishing, Buffer *buffer, const StreamKeys *keys,
                          const Publication *publication)
{
    Str values[ENTRY_FIELDS_MOST];
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const Frames *frames = frames_of(kind);
        for (size_t i = 0; i < count_of(publishing, kind); i++) {
            entry_values(kind, publication->payload, i, &publication->delivery, values);
            if (!write_entry(buffer, stream_of(keys, kind), frames, values)) {
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

bool publish_write_probe(Publishing *publishing, Buffer *buffer, const StreamKeys *keys)
{
    const Str words[] = {STR("SET"), keys->probe, STR("1"), STR("PX"), STR("1000")};
    *publishing = (Publishing){.is_probe = true, .replies = 1};
    return resp_command(buffer, words, sizeof(words) / sizeof(words[0]));
}

/* Replies */

/* A number of elements; a negative one is none that can be. */
static size_t count_in(const Reply *reply)
{
    return reply->kind == REPLY_INTEGER && reply->integer >= 0 ? (size_t)reply->integer : SIZE_MAX;
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
    publishing->result = result;
    return result.accepted <= publishing->statuses &&
           result.quarantined <= publishing->quarantined &&
           result.duplicates == elements - result.accepted - result.quarantined;
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
    publishing->result =
        (PublishResult){.accepted = publishing->statuses, .quarantined = publishing->quarantined};
    return true;
}

static bool take_success(Publishing *publishing, const Reply *reply)
{
    if (publishing->replies > 0 || publishing->is_probe) {
        return reply->kind == REPLY_STATUS; /* of MULTI, of a queued command, of a probe */
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
