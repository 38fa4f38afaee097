#include "stream/dedupe.h"

#include "base/digest.h"

#include <stdint.h>

/* The elements of a body by their digest without ordinal: an open-addressing table with the count
 * of equal ones. */
typedef struct {
    unsigned char digest[SHA256_BYTES];
    uint64_t count; /* 0 = free */
} Slot;

typedef struct {
    Arena *arena;
    Slot *slots; /* NULL when there is but one element */
    size_t mask;
    char *scratch;
    size_t room;
    char (*next)[DEDUPE_DIGEST];
} Digester;

static bool digester_begin(Digester *digester, Arena *arena, size_t elements)
{
    *digester = (Digester){.arena = arena};
    digester->next = arena_alloc(arena, elements * DEDUPE_DIGEST);
    if (!digester->next || elements <= 1) {
        return digester->next != NULL;
    }
    size_t size = 4;
    while (size < 2 * elements) {
        size *= 2;
    }
    digester->slots = arena_alloc(arena, size * sizeof(Slot));
    if (!digester->slots) {
        return false;
    }
    memset(digester->slots, 0, size * sizeof(Slot));
    digester->mask = size - 1;
    return true;
}

/* How many elements with this digest came before. */
static uint64_t count_equal(Digester *digester, const unsigned char *digest)
{
    if (!digester->slots) {
        return 0;
    }
    size_t at;
    memcpy(&at, digest, sizeof(at));
    for (;; at++) {
        Slot *slot = &digester->slots[at & digester->mask];
        if (slot->count == 0) {
            memcpy(slot->digest, digest, SHA256_BYTES);
        }
        if (memcmp(slot->digest, digest, SHA256_BYTES) == 0) {
            return slot->count++;
        }
    }
}

static bool make_scratch(Digester *digester, size_t size)
{
    if (digester->room < size) {
        digester->scratch = arena_alloc(digester->arena, 2 * size);
        digester->room = digester->scratch ? 2 * size : 0;
    }
    return digester->scratch != NULL;
}

/* Adds the digest of one element: its kind and fields with their lengths. */
static bool digester_add(Digester *digester, char kind, const Str *fields, size_t count)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES + sizeof(uint64_t)];
    size_t size = 1;
    for (size_t i = 0; i < count; i++) {
        size += sizeof(uint32_t) + fields[i].len;
    }
    if (!make_scratch(digester, size)) {
        return false;
    }
    char *to = digester->scratch;
    *to++ = kind;
    for (size_t i = 0; i < count; i++) {
        const uint32_t len = (uint32_t)fields[i].len;
        memcpy(to, &len, sizeof(len));
        to += sizeof(len);
        if (len) {
            memcpy(to, fields[i].ptr, len);
            to += len;
        }
    }
    if (!sha256((Str){digester->scratch, size}, digest)) {
        return false;
    }
    uint64_t ordinal = count_equal(digester, digest);
    if (ordinal) {
        memcpy(digest + SHA256_BYTES, &ordinal, sizeof(ordinal));
        if (!sha256((Str){(char *)digest, sizeof(digest)}, digest)) {
            return false;
        }
    }
    char *out = *digester->next++;
    for (size_t i = 0; i < DEDUPE_DIGEST / 2; i++) {
        *out++ = hex[digest[i] >> 4];
        *out++ = hex[digest[i] & 15];
    }
    return true;
}

static bool add_statuses(Digester *digester, const Payload *payload)
{
    for (size_t i = 0; i < payload->status_count; i++) {
        const StatusUpdate *status = &payload->statuses[i];
        const Change *change = status->change;
        const Str fields[] = {
            status->id,           status->status,          status->timestamp,
            status->recipient_id, change->phone_number_id, change->display_phone_number,
            change->account->id,  change->field,           change->messaging_product,
            payload->object,      status->errors,          status->extra};
        if (!digester_add(digester, 's', fields, sizeof(fields) / sizeof(fields[0]))) {
            return false;
        }
    }
    return true;
}

static bool add_quarantined(Digester *digester, const Payload *payload)
{
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        const Quarantined *item = &payload->quarantined[i];
        char kind =
            str_is_empty(item->pointer) ? 'b' : 'q'; /* a body, an element wherever it stands */
        if (!digester_add(digester, kind, &item->raw, 1)) {
            return false;
        }
    }
    return true;
}

static bool add_events(Digester *digester, const Payload *payload)
{
    for (size_t i = 0; i < payload->event_count; i++) {
        const Change *change = payload->events[i].change;
        const Str fields[] = {change->field, change->account->id, change->phone_number_id,
                              payload->events[i].raw};
        if (!digester_add(digester, 'e', fields, 4)) {
            return false;
        }
    }
    return true;
}

bool dedupe_digests(const Payload *payload, Arena *arena, const char (**ret)[DEDUPE_DIGEST])
{
    Digester digester;
    size_t elements = payload->status_count + payload->quarantined_count + payload->event_count;
    if (!digester_begin(&digester, arena, elements)) {
        return false;
    }
    *ret = (const char(*)[DEDUPE_DIGEST])digester.next;
    return add_statuses(&digester, payload) && add_quarantined(&digester, payload) &&
           add_events(&digester, payload);
}
