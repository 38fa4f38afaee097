#include "commands/held.h"

#include "commands/command.h"
#include "redis/scripts.h"
#include "stream/entry_id.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* What a call looks at: some milliseconds of the server. */
enum { LOOKS = 500, BYTES = 4 << 20 };

static const struct {
    Str name;
    size_t offset;
} fields[] = {
    {STR_INIT("reason"), offsetof(Held, reason)},
    {STR_INIT("detail"), offsetof(Held, detail)},
    {STR_INIT("pointer"), offsetof(Held, pointer)},
    {STR_INIT("raw"), offsetof(Held, raw)},
    {STR_INIT("content_type"), offsetof(Held, content_type)},
    {STR_INIT("received_at"), offsetof(Held, received_at)},
    {STR_INIT("request_id"), offsetof(Held, request_id)},
    {STR_INIT("entry_id"), offsetof(Held, entry_id)},
    {STR_INIT("field"), offsetof(Held, field)},
    {STR_INIT("phone_number_id"), offsetof(Held, phone_number_id)},
    {STR_INIT("raw_sha256"), offsetof(Held, raw_sha256)},
};

/* Asking */

typedef struct {
    const char *from;
    size_t most; /* 0: they are counted */
    bool is_whole;
} Question;

/* A list that begins with the id to go on after, which lies behind the last one: else it never
 * ends. */
static bool makes_sense(const Reply *reply, const char *from)
{
    EntryId last, next;
    if (reply->kind != REPLY_LIST || !reply->count || reply->items[0].kind != REPLY_TEXT) {
        return false;
    }
    if (str_is_empty(reply->items[0].text)) {
        return true;
    }
    return entry_id_read(reply->items[0].text, &next) &&
           (from[0] != '(' || !entry_id_read(str_from(from + 1), &last) ||
            entry_id_compare(last, next) < 0);
}

static const Reply *ask(Rounds *rounds, size_t partition, const HeldRange *range,
                        const Question *question)
{
    const Str key = rounds_keys(rounds, partition)->quarantine;
    char looks[16], bytes[16], most[24];
    snprintf(looks, sizeof(looks), "%d", LOOKS);
    snprintf(bytes, sizeof(bytes), "%d", BYTES);
    snprintf(most, sizeof(most), "%zu", question->most);
    const Str words[] = {STR("EVAL"),
                         quarantine_script,
                         STR("1"),
                         key,
                         str_from(question->from),
                         str_from(range->to),
                         range->reason.len ? range->reason : STR(""),
                         str_from(looks),
                         str_from(bytes),
                         str_from(most),
                         question->is_whole ? STR("1") : STR("0")};
    const Reply *reply = rounds_ask(rounds, partition, words, sizeof(words) / sizeof(words[0]));
    if (reply && !makes_sense(reply, question->from)) {
        rounds_complain_of_nonsense(rounds, key);
        return NULL;
    }
    return reply;
}

/* Where to go on after a reply; false: there is no more. */
static bool go_on(const Reply *reply, char from[HELD_ID])
{
    const Str last = reply->items[0].text;
    snprintf(from, HELD_ID, "(%.*s", (int)(last.len < HELD_ID - 2 ? last.len : HELD_ID - 2),
             last.len ? last.ptr : "");
    return !str_is_empty(last);
}

/* Counting */

/* The row of a reason; the last one is of all that have no room. */
static size_t row_of(HeldTally *tally, Str reason)
{
    char name[NAME_ROOM];
    rounds_name(reason, name);
    for (size_t i = 0; i < tally->kinds; i++) {
        if (strcmp(tally->reasons[i].reason, name) == 0) {
            return i;
        }
    }
    if (tally->kinds == HELD_REASONS) {
        return HELD_REASONS - 1;
    }
    snprintf(tally->reasons[tally->kinds].reason, NAME_ROOM, "%s", name);
    return tally->kinds++;
}

/* Is an id older than another? */
static bool is_older(Str id, const char *than)
{
    return !than[0] || entry_id_ms(id) < entry_id_ms(str_from(than));
}

static void tally_row(HeldTally *tally, size_t partition, const Reply *row)
{
    const uint64_t count = (uint64_t)row->items[1].integer, bytes = (uint64_t)row->items[2].integer;
    const size_t i = row_of(tally, row->items[0].text);
    char id[HELD_ID];
    snprintf(id, sizeof(id), "%.*s", STR_ARG(row->items[3].text));
    tally->reasons[i].count += count;
    tally->reasons[i].bytes += bytes;
    tally->count += count;
    tally->of_partition[partition] += count;
    tally->bytes += bytes;
    if (is_older(str_from(id), tally->oldest)) {
        memcpy(tally->oldest, id, sizeof(id));
    }
}

static bool count_partition(Rounds *rounds, size_t partition, const HeldRange *range,
                            HeldTally *tally)
{
    char from[HELD_ID];
    const Reply *reply;
    memcpy(from, range->from, sizeof(from));
    do {
        reply = ask(rounds, partition, range, &(Question){.from = from});
        for (size_t i = 1; reply && i < reply->count; i++) {
            if (reply->items[i].count == 4) {
                tally_row(tally, partition, &reply->items[i]);
            }
        }
    } while (reply && go_on(reply, from));
    return reply != NULL;
}

bool held_count(Rounds *rounds, const HeldRange *range, HeldTally *ret)
{
    *ret = (HeldTally){.kinds = 0};
    bool ok = true;
    for (size_t i = range->first; ok && i < range->first + range->count; i++) {
        ok = count_partition(rounds, i, range, ret);
    }
    return ok;
}

/* Reading */

HeldReader held_reader(Rounds *rounds, const HeldRange *range, size_t partition, bool is_whole)
{
    HeldReader reader = {
        .rounds = rounds, .range = range, .partition = partition, .is_whole = is_whole};
    memcpy(reader.from, range->from, sizeof(reader.from));
    return reader;
}

static void read_fields(const Reply *list, Held *held)
{
    for (size_t i = 0; i + 1 < list->count; i += 2) {
        for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
            if (str_eq(list->items[i].text, fields[k].name)) {
                *(Str *)((char *)held + fields[k].offset) = list->items[i + 1].text;
            }
        }
    }
}

static Held read_entry(const Reply *entry, bool is_whole)
{
    static const Held nothing = {.id = STR_INIT("0-0"), .raw = STR_INIT("")}; /* of what is none */
    Held held = nothing;
    if (entry->count != 2 || entry->items[0].kind != REPLY_TEXT) {
        return held;
    }
    held.id = entry->items[0].text;
    read_fields(&entry->items[1], &held);
    if (!is_whole) {
        unsigned bytes = 0;
        str_get_number(held.raw, UINT32_MAX, &bytes);
        held.bytes = bytes;
        held.raw.len = 0;
    } else {
        held.bytes = held.raw.len;
    }
    return held;
}

bool held_read(HeldReader *reader, size_t most)
{
    const Question question = {.from = reader->from, .most = most, .is_whole = reader->is_whole};
    const Reply *reply = ask(reader->rounds, reader->partition, reader->range, &question);
    reader->count = 0;
    for (size_t i = 1; reply && i < reply->count && reader->count < HELD_PART; i++) {
        reader->entries[reader->count++] = read_entry(&reply->items[i], reader->is_whole);
    }
    reader->is_over = !reply || !go_on(reply, reader->from);
    return reply != NULL;
}

/* Removing */

bool held_remove(Rounds *rounds, size_t partition, const Str *ids, size_t count,
                 uint64_t *ret_removed)
{
    Str words[2 + HELD_PART] = {STR("XDEL"), rounds_keys(rounds, partition)->quarantine};
    *ret_removed = 0;
    if (count == 0) {
        return true;
    }
    memcpy(words + 2, ids, count * sizeof(*ids));
    const Reply *reply = rounds_ask(rounds, partition, words, 2 + count);
    *ret_removed = reply && reply->integer > 0 ? (uint64_t)reply->integer : 0;
    return reply != NULL;
}
