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
    Digest *next;
} Digester;

static bool digester_begin(Digester *digester, Arena *arena, size_t elements)
{
    *digester = (Digester){.arena = arena};
    digester->next = arena_alloc(arena, elements * sizeof(Digest));
    if (!digester->next) {
        return false;
    }
    if (elements <= 1) {
        return true; /* nothing to compare with */
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

/* The bytes that are hashed: the kind, then each value of the digest with its length. false: no
 * memory. */
static bool put_element(Digester *digester, char kind, const Str *values, size_t count, Str *ret)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++) {
        size += sizeof(uint32_t) + values[i].len;
    }
    if (!make_scratch(digester, size)) {
        return false;
    }
    char *to = digester->scratch;
    *to++ = kind;
    for (size_t i = 0; i < count; i++) {
        const uint32_t len = (uint32_t)values[i].len;
        memcpy(to, &len, sizeof(len));
        to = str_put(to + sizeof(len), values[i]);
    }
    *ret = (Str){digester->scratch, size};
    return true;
}

static void put_hex(const unsigned char *digest, Digest *to)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < DEDUPE_DIGEST / 2; i++) {
        to->hex[2 * i] = hex[digest[i] >> 4];
        to->hex[2 * i + 1] = hex[digest[i] & 15];
    }
}

/* The digest of an element; of the second and later equal ones it covers how many came before. */
static bool add_digest(Digester *digester, Str element)
{
    unsigned char digest[SHA256_BYTES + sizeof(uint64_t)];
    if (!sha256(element, digest)) {
        return false;
    }
    uint64_t ordinal = count_equal(digester, digest);
    if (ordinal) {
        memcpy(digest + SHA256_BYTES, &ordinal, sizeof(ordinal));
        if (!sha256((Str){(char *)digest, sizeof(digest)}, digest)) {
            return false;
        }
    }
    put_hex(digest, digester->next++);
    return true;
}

/* Is the whole body in quarantine, not an element of it? */
static bool is_body(EntryKind kind, const Payload *payload, size_t i)
{
    return kind == ENTRY_QUARANTINED && str_is_empty(payload->quarantined[i].pointer);
}

/* A status, an event, an element in quarantine, a whole body there: never taken for each other. */
static char kind_letter(EntryKind kind, const Payload *payload, size_t i)
{
    return kind == ENTRY_STATUS        ? 's'
           : kind == ENTRY_EVENT       ? 'e'
           : is_body(kind, payload, i) ? 'b'
                                       : 'q';
}

/* What makes an element another than the next: the values of the digest, and the place of what is
 * in quarantine; a body there has but its bytes. Returns how many they are. */
static size_t identity_of(EntryKind kind, const Payload *payload, size_t i, Str *identity)
{
    const EntryFields fields = entry_fields(kind);
    Str values[ENTRY_FIELDS_MOST];
    size_t count = 0;
    entry_values(kind, payload, i, NULL, values);
    for (size_t k = 0; k < fields.count; k++) {
        const EntryField *field = &fields.fields[k];
        if (field->in_digest && (field->scope == OF_ELEMENT || !is_body(kind, payload, i))) {
            identity[count++] = values[k];
        }
    }
    if (kind == ENTRY_QUARANTINED && !is_body(kind, payload, i)) {
        identity[count++] = payload->quarantined[i].place;
    }
    return count;
}

static bool add_kind(Digester *digester, EntryKind kind, const Payload *payload)
{
    Str identity[ENTRY_FIELDS_MOST + 1], element;
    for (size_t i = 0; i < entry_count(kind, payload); i++) {
        const size_t count = identity_of(kind, payload, i, identity);
        if (!put_element(digester, kind_letter(kind, payload, i), identity, count, &element) ||
            !add_digest(digester, element)) {
            return false;
        }
    }
    return true;
}

bool dedupe_digests(const Payload *payload, Arena *arena, const Digest **ret)
{
    Digester digester;
    size_t elements = payload->status_count + payload->quarantined_count + payload->event_count;
    if (!digester_begin(&digester, arena, elements)) {
        return false;
    }
    *ret = digester.next;
    return add_kind(&digester, ENTRY_STATUS, payload) &&
           add_kind(&digester, ENTRY_QUARANTINED, payload) &&
           add_kind(&digester, ENTRY_EVENT, payload);
}
