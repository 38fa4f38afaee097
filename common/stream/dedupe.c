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

/* What makes an element another than the next: which of its values. */
typedef struct {
    char letter;
    size_t values[ENTRY_FIELDS_MOST], count; /* 0 = not made yet */
} Identity;

/* A status, an event, an element in quarantine, a whole body there: never taken for each other. */
enum { BODY = ENTRY_KINDS, IDENTITIES };

/* The fields of the digest; of a body only those of its own, since it stands in nothing. */
static const Identity *identity_of(int kind)
{
    static Identity identities[IDENTITIES] = {
        {.letter = 's'}, {.letter = 'q'}, {.letter = 'e'}, {.letter = 'b'}};
    Identity *identity = &identities[kind];
    if (!identity->count) {
        const EntryFields fields = entry_fields(kind == BODY ? ENTRY_QUARANTINED : (EntryKind)kind);
        for (size_t i = 0; i < fields.count; i++) {
            const EntryField *field = &fields.fields[i];
            if (field->in_digest && (field->scope == OF_ELEMENT || kind != BODY)) {
                identity->values[identity->count++] = i;
            }
        }
    }
    return identity;
}

static char *put_value(char *to, Str value)
{
    const uint32_t len = (uint32_t)value.len;
    memcpy(to, &len, sizeof(len));
    return str_put(to + sizeof(len), value);
}

/* The bytes that are hashed: the kind, then each value of the digest with its length, then, when it
 * has one, the element's place. false: no memory. */
static bool put_element(Digester *digester, const Identity *identity, const Str *values, Str place,
                        Str *ret)
{
    size_t size = 1 + sizeof(uint32_t) + place.len;
    for (size_t i = 0; i < identity->count; i++) {
        size += sizeof(uint32_t) + values[identity->values[i]].len;
    }
    if (!make_scratch(digester, size)) {
        return false;
    }
    char *to = digester->scratch;
    *to++ = identity->letter;
    for (size_t i = 0; i < identity->count; i++) {
        to = put_value(to, values[identity->values[i]]);
    }
    to = place.len ? put_value(to, place) : to;
    *ret = (Str){digester->scratch, (size_t)(to - digester->scratch)};
    return true;
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
    memcpy(digester->next++->bytes, digest, DEDUPE_DIGEST);
    return true;
}

static bool add_kind(Digester *digester, EntryKind kind, const Payload *payload)
{
    Str values[ENTRY_FIELDS_MOST], element;
    for (size_t i = 0; i < entry_count(kind, payload); i++) {
        const Str place =
            kind == ENTRY_QUARANTINED ? payload->quarantined[i].place : (Str){NULL, 0};
        const bool is_body = kind == ENTRY_QUARANTINED && str_is_empty(place);
        entry_values(kind, payload, i, NULL, values);
        if (!put_element(digester, identity_of(is_body ? BODY : (int)kind), values, place,
                         &element) ||
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

unsigned dedupe_lease(unsigned window)
{
    const unsigned lease = window / DEDUPE_LEASE_PART;
    return lease < 1 ? 1 : lease > DEDUPE_LEASE_MOST ? DEDUPE_LEASE_MOST : lease;
}

enum { TIME_DIGITS = 10, SPAN_DIGITS = 7 };

/* So many digits, and a blank unless they are the last. */
static bool read_number(Str *rest, size_t digits, int64_t *ret)
{
    const Str number = str_split(rest, ' ');
    *ret = 0;
    for (size_t i = 0; i < number.len; i++) {
        if (!ascii_is_digit(number.ptr[i]) || i == digits) {
            return false;
        }
        *ret = 10 * *ret + (number.ptr[i] - '0');
    }
    return number.len == digits;
}

bool dedupe_read_state(Str text, DedupeState *ret)
{
    int64_t current, kept, last, window, older_last, older_window;
    Str rest = text;
    if (!read_number(&rest, 1, &current) || !read_number(&rest, 1, &kept) ||
        !read_number(&rest, TIME_DIGITS, &last) || !read_number(&rest, SPAN_DIGITS, &window) ||
        !read_number(&rest, TIME_DIGITS, &older_last) ||
        !read_number(&rest, SPAN_DIGITS, &older_window) || rest.ptr || current > 1 || kept > 1) {
        return false;
    }
    *ret = (DedupeState){.current = (unsigned)current, .is_kept = kept == 1};
    ret->last[current] = last;
    ret->window[current] = window;
    ret->last[1 - current] = older_last;
    ret->window[1 - current] = older_window;
    return true;
}
