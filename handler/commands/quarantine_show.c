#include "commands/quarantine.h"

#include "base/base64.h"
#include "base/utf.h"
#include "commands/raw.h"
#include "stream/entry_id.h"

#include <stdlib.h>

enum {
    ROWS = 20,   /* that are shown unless more are asked for */
    DETAIL = 48, /* characters of it in a row */
    MASKED = 4   /* last characters of a phone number's id in a row */
};

/* Showing rows */

/* What precedes the id when there are partitions. */
static void print_id(const Quarantine *quarantine, size_t partition, Str id, char to[HELD_ID + 8])
{
    if (quarantine->rounds.partitions->count > 1) {
        snprintf(to, HELD_ID + 8, "%zu:%.*s", partition, STR_ARG(id));
    } else {
        snprintf(to, HELD_ID + 8, "%.*s", STR_ARG(id));
    }
}

/* The end of a phone number's id, which is enough to tell one's own apart. */
static Str masked(Str id, char to[MASKED + 8])
{
    if (id.len <= MASKED) {
        return str_is_empty(id) ? STR("-") : id;
    }
    snprintf(to, MASKED + 8, "..%.*s", MASKED, id.ptr + id.len - MASKED);
    return str_from(to);
}

static void print_row(const Quarantine *quarantine, size_t partition, const Held *held)
{
    char id[HELD_ID + 8], age[HUMAN_ROOM], reason[NAME_ROOM], bytes[HUMAN_ROOM], pointer[NAME_ROOM],
        detail[NAME_ROOM], phone[MASKED + 8], number[NAME_ROOM];
    print_id(quarantine, partition, held->id, id);
    printf("%-20s  %-11s  %-14s  %11s  %-6s  %-37s  %.*s\n", id, rounds_age(held->id, age),
           rounds_name(held->reason, reason),
           held->bytes ? human_bytes(held->bytes, bytes) : "not kept",
           rounds_name(masked(held->phone_number_id, phone), number),
           str_is_empty(held->pointer) ? "the whole body" : rounds_name(held->pointer, pointer),
           DETAIL, rounds_name(held->detail, detail));
}

/* JSON */

static void add_member(Text *to, const char *name, Str value)
{
    text_add_format(to, ",\"%s\":", name);
    text_add_json(to, utf8_repair(value, to->arena));
}

static void add_number(Text *to, const char *name, uint64_t value)
{
    text_add_format(to, ",\"%s\":%llu", name, (unsigned long long)value);
}

/* All but raw. */
static void add_entry(Text *to, size_t partition, const Held *held)
{
    text_add_format(to, "{\"partition\":%zu", partition);
    add_member(to, "id", held->id);
    add_member(to, "reason", held->reason);
    add_member(to, "detail", held->detail);
    add_member(to, "pointer", held->pointer);
    add_number(to, "bytes", held->bytes);
    add_member(to, "content_type", held->content_type);
    add_member(to, "received_at", held->received_at);
    add_member(to, "request_id", held->request_id);
    add_member(to, "entry_id", held->entry_id);
    add_member(to, "field", held->field);
    add_member(to, "phone_number_id", held->phone_number_id);
    if (held->raw_sha256.len) {
        add_member(to, "raw_sha256", held->raw_sha256);
    }
}

/* What is UTF-8 as it is; else in Base64. */
static void add_raw(Text *to, Str raw)
{
    if (utf8_is_valid(raw)) {
        add_member(to, "raw", raw);
    } else {
        add_member(to, "raw_base64", base64_encode(raw, to->arena));
    }
}

static bool print_text(const Text *text)
{
    const Str whole = text_finish(text);
    return whole.ptr && fwrite(whole.ptr, 1, whole.len, stdout) == whole.len;
}

static void print_tally_json(const HeldTally *tally)
{
    printf("{\"count\":%llu,\"bytes\":%llu,\"reasons\":{", (unsigned long long)tally->count,
           (unsigned long long)tally->bytes);
    for (size_t i = 0; i < tally->kinds; i++) {
        const bool is_known =
            quarantine_is_reason(tally->reasons[i].reason); /* a word without escapes */
        printf("%s\"%s\":{\"count\":%llu,\"bytes\":%llu}", i ? "," : "",
               is_known ? tally->reasons[i].reason : "other",
               (unsigned long long)tally->reasons[i].count,
               (unsigned long long)tally->reasons[i].bytes);
    }
    printf("},\"entries\":[");
}

static bool print_json_row(Arena *arena, size_t partition, const Held *held, bool is_first)
{
    Text text = text_begin(arena);
    text_add(&text, is_first ? STR("\n") : STR(",\n"));
    add_entry(&text, partition, held);
    text_add(&text, STR("}"));
    bool ok = print_text(&text);
    arena_reset(arena);
    return ok;
}

/* The actions */

typedef struct {
    Quarantine *quarantine;
    Arena *arena;
    uint64_t shown;
} Listing;

static bool list_part(Listing *listing, const HeldReader *reader)
{
    const Quarantine *quarantine = listing->quarantine;
    bool ok = true;
    for (size_t i = 0; ok && i < reader->count; i++) {
        const Held *held = &reader->entries[i];
        if (quarantine->is_json) {
            ok = print_json_row(listing->arena, reader->partition, held, listing->shown == 0);
        } else {
            print_row(quarantine, reader->partition, held);
        }
        listing->shown++;
    }
    return ok;
}

static bool list_partition(Listing *listing, size_t partition)
{
    Quarantine *quarantine = listing->quarantine;
    HeldReader reader = held_reader(&quarantine->rounds, &quarantine->range, partition, false);
    uint64_t left = quarantine_wanted(quarantine, partition, listing->shown);
    bool ok = true;
    while (ok && left && !reader.is_over) {
        ok = held_read(&reader, left < HELD_PART ? left : HELD_PART) && list_part(listing, &reader);
        left -= reader.count;
    }
    return ok;
}

static void begin_rows(const Quarantine *quarantine)
{
    if (quarantine->is_json) {
        print_tally_json(&quarantine->tally);
        return;
    }
    quarantine_print_tally(&quarantine->tally);
    if (quarantine->tally.count) {
        printf("\n%-20s  %-11s  %-14s  %11s  %-6s  %-37s  %s\n", "id", "age", "reason", "size",
               "number", "place", "detail");
    }
}

static void end_rows(const Listing *listing)
{
    const uint64_t count = listing->quarantine->tally.count;
    char text[HUMAN_ROOM];
    if (listing->quarantine->is_json) {
        printf("\n]}\n");
    } else if (count > listing->shown) {
        printf("and %s more: --number N or --all shows them\n",
               human_count(count - listing->shown, text));
    }
}

void quarantine_list(Quarantine *quarantine)
{
    Listing listing = {.quarantine = quarantine, .arena = arena_new()};
    if (!quarantine->number && !quarantine->is_all) {
        quarantine->number = ROWS;
    }
    bool ok = listing.arena != NULL;
    begin_rows(quarantine);
    for (size_t i = 0; ok && i < quarantine->rounds.partitions->count; i++) {
        ok = list_partition(&listing, i);
    }
    end_rows(&listing);
    arena_free(listing.arena);
    if (!ok) { /* unless the server's failure was told */
        rounds_complain(&quarantine->rounds, STR(""), STR("it cannot be written"), EXIT_NO);
    }
}

/* A field with its name, if it has a value. */
static void print_field(const char *name, Str value, Arena *arena)
{
    const Str shown = raw_show(value, arena);
    if (!str_is_empty(value) && shown.ptr) {
        printf("%-16s %.*s", name, STR_ARG(shown));
    }
}

static void print_entry(const Quarantine *quarantine, size_t partition, const Held *held,
                        Arena *arena)
{
    char id[HELD_ID + 8], age[HUMAN_ROOM], time[HUMAN_ROOM], bytes[HUMAN_ROOM];
    print_id(quarantine, partition, held->id, id);
    printf("%-16s %s\n", "id", id);
    printf("%-16s %s, %s ago\n", "stored", human_time(entry_id_ms(held->id) / 1000, time),
           rounds_age(held->id, age));
    print_field("reason", held->reason, arena);
    print_field("detail", held->detail, arena);
    print_field("place", str_is_empty(held->pointer) ? STR("the whole body") : held->pointer,
                arena);
    print_field("content_type", held->content_type, arena);
    print_field("received_at", held->received_at, arena);
    print_field("request_id", held->request_id, arena);
    print_field("entry_id", held->entry_id, arena);
    print_field("field", held->field, arena);
    print_field("phone_number_id", held->phone_number_id, arena);
    print_field("raw_sha256", held->raw_sha256, arena);
    printf("%-16s %s\n", "raw", held->bytes ? human_bytes(held->bytes, bytes) : "bytes not kept");
    if (held->bytes) {
        const Str shown = raw_show(held->raw, arena);
        printf("\n%.*s", STR_ARG(shown));
    }
}

static bool show_entry(const Quarantine *quarantine, size_t partition, const Held *held,
                       Arena *arena)
{
    if (quarantine->is_raw) {
        return fwrite(held->raw.ptr, 1, held->raw.len, stdout) == held->raw.len;
    }
    if (quarantine->is_json) {
        Text text = text_begin(arena);
        add_entry(&text, partition, held);
        add_raw(&text, held->raw);
        text_add(&text, STR("}\n"));
        return print_text(&text);
    }
    print_entry(quarantine, partition, held, arena);
    return true;
}

void quarantine_show(Quarantine *quarantine)
{
    const size_t partition = quarantine->range.first;
    HeldReader reader = held_reader(&quarantine->rounds, &quarantine->range, partition, true);
    Arena *arena = arena_new();
    if (!held_read(&reader, 1)) {
        arena_free(arena);
        return;
    }
    if (reader.count == 0) {
        rounds_complain(&quarantine->rounds, str_from(quarantine->id),
                        STR("there is no such entry"), EXIT_NO);
    } else if (!arena || !show_entry(quarantine, partition, &reader.entries[0], arena)) {
        rounds_complain(&quarantine->rounds, STR(""), STR("it cannot be written"), EXIT_NO);
    }
    arena_free(arena);
}
