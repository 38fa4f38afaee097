#include "stream/partitions.h"

#include "base/crc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names */

/* "{S}:" before a name: a key beside the stream. */
static bool begins_beside(const char *stream, const char *name, size_t *ret_len)
{
    const size_t len = strlen(stream);
    *ret_len = len + 3;
    return name[0] == '{' && strncmp(name + 1, stream, len) == 0 &&
           strncmp(name + 1 + len, "}:", 2) == 0;
}

bool partitions_allow_events(const char *stream, const char *events)
{
    size_t len;
    return !events[0] || begins_beside(stream, events, &len);
}

/* "{S}:events" of partition S:3 is "{S:3}:events". NULL: no memory. */
static char *name_events(const char *stream, const char *name, const char *events)
{
    size_t before;
    const size_t room = strlen(name) + strlen(events) + 4;
    char *text = malloc(room);
    if (text) {
        text[0] = '\0';
        if (begins_beside(stream, events, &before)) {
            snprintf(text, room, "{%s}:%s", name, events + before);
        }
    }
    return text;
}

/* The keys of partition i of more than one. NULL: no memory. */
static StreamKeys *make_keys(const char *stream, size_t i, const char *events, unsigned window)
{
    const size_t room = strlen(stream) + 24;
    char *name = malloc(room), *events_name = NULL;
    StreamKeys *keys = NULL;
    if (name) {
        snprintf(name, room, "%s:%zu", stream, i);
        events_name = name_events(stream, name, events);
    }
    if (events_name) {
        keys = stream_keys_new(name, events_name, window);
    }
    free(events_name);
    free(name);
    return keys;
}

static bool make_all_keys(Partitions *partitions, const char *stream, const char *events,
                          unsigned window)
{
    const bool is_one = partitions->count == 1;
    for (size_t i = 0; i < partitions->count; i++) {
        partitions->keys[i] =
            is_one ? stream_keys_new(stream, events, window) : make_keys(stream, i, events, window);
        if (!partitions->keys[i]) {
            return false;
        }
    }
    return true;
}

/* The object, the list of keys and the name of the number are one block. */
Partitions *partitions_new(const char *stream, size_t count, const char *events, unsigned window)
{
    const size_t list = count * sizeof(StreamKeys *), room = strlen(stream) + 16;
    Partitions *partitions = calloc(1, sizeof(*partitions) + list + room);
    if (!partitions) {
        return NULL;
    }
    partitions->count = count;
    partitions->keys = (StreamKeys **)(void *)(partitions + 1);
    char *number = (char *)(partitions + 1) + list;
    partitions->number = (Str){number, (size_t)snprintf(number, room, "{%s}:partitions", stream)};
    return make_all_keys(partitions, stream, events, window) ? partitions
                                                             : partitions_free(partitions);
}

Partitions *partitions_free(Partitions *partitions)
{
    for (size_t i = 0; partitions && i < partitions->count; i++) {
        stream_keys_free(partitions->keys[i]);
    }
    free(partitions);
    return NULL;
}

/* Division */

/* What an element is about. */
static Str subject(EntryKind kind, const Payload *payload, size_t i)
{
    switch (kind) {
    case ENTRY_STATUS:
        return payload->statuses[i].id;
    case ENTRY_QUARANTINED:
        return payload->quarantined[i].raw;
    case ENTRY_EVENT:
        return payload->events[i].change->account->id;
    case ENTRY_KINDS:
        break;
    }
    return (Str){NULL, 0};
}

size_t partition_of(EntryKind kind, const Payload *payload, size_t i, size_t count)
{
    return crc32_of(subject(kind, payload, i)) % count;
}

/* The division of a payload while it is made. */
typedef struct {
    const Payload *payload;
    size_t count;
    unsigned char *places;         /* the partition of each element, by kinds */
    size_t (*counts)[ENTRY_KINDS]; /* of each partition */
} Division;

static size_t count_all(const Payload *payload)
{
    size_t all = 0;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        all += entry_count(kind, payload);
    }
    return all;
}

static void count_each(Division *division)
{
    unsigned char *place = division->places;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const size_t elements = entry_count(kind, division->payload);
        for (size_t i = 0; i < elements; i++) {
            *place = (unsigned char)partition_of(kind, division->payload, i, division->count);
            division->counts[*place++][kind]++;
        }
    }
}

static bool is_touched(const Division *division, size_t partition)
{
    const size_t *counts = division->counts[partition];
    return counts[ENTRY_STATUS] || counts[ENTRY_QUARANTINED] || counts[ENTRY_EVENT];
}

/* The lists of a share, empty as yet. false: no memory. */
static bool make_lists(Arena *arena, const size_t *counts, Payload *ret)
{
    ret->statuses = arena_alloc(arena, counts[ENTRY_STATUS] * sizeof(StatusUpdate) + 1);
    ret->quarantined = arena_alloc(arena, counts[ENTRY_QUARANTINED] * sizeof(Quarantined) + 1);
    ret->events = arena_alloc(arena, counts[ENTRY_EVENT] * sizeof(Event) + 1);
    return ret->statuses && ret->quarantined && ret->events;
}

/* One for each partition that is touched; shares[at[p]] is that of partition p. */
static bool make_shares(const Division *division, Arena *arena, Share *shares, size_t *at)
{
    size_t made = 0;
    for (size_t i = 0; i < division->count; i++) {
        if (is_touched(division, i)) {
            shares[made] =
                (Share){.partition = i, .payload = {.object = division->payload->object}};
            at[i] = made;
            if (!make_lists(arena, division->counts[i], &shares[made++].payload)) {
                return false;
            }
        }
    }
    return true;
}

static void add_element(Payload *to, EntryKind kind, const Payload *from, size_t i)
{
    switch (kind) {
    case ENTRY_STATUS:
        to->statuses[to->status_count++] = from->statuses[i];
        break;
    case ENTRY_QUARANTINED:
        to->quarantined[to->quarantined_count++] = from->quarantined[i];
        break;
    case ENTRY_EVENT:
        to->events[to->event_count++] = from->events[i];
        break;
    case ENTRY_KINDS:
        break;
    }
}

static void fill_shares(const Division *division, Share *shares, const size_t *at)
{
    const unsigned char *place = division->places;
    for (EntryKind kind = 0; kind < ENTRY_KINDS; kind++) {
        const size_t elements = entry_count(kind, division->payload);
        for (size_t i = 0; i < elements; i++) {
            add_element(&shares[at[*place++]].payload, kind, division->payload, i);
        }
    }
}

static size_t count_touched(const Division *division)
{
    size_t touched = 0;
    for (size_t i = 0; i < division->count; i++) {
        touched += is_touched(division, i);
    }
    return touched;
}

bool partitions_divide(const Payload *payload, size_t count, Arena *arena, const Share **ret,
                       size_t *ret_count)
{
    size_t counts[PARTITIONS_MOST][ENTRY_KINDS], at[PARTITIONS_MOST];
    Division division = {.payload = payload,
                         .count = count,
                         .places = arena_alloc(arena, count_all(payload) + 1),
                         .counts = counts};
    if (!division.places) {
        return false;
    }
    memset(counts, 0, count * sizeof(counts[0]));
    count_each(&division);
    const size_t touched = count_touched(&division);
    Share *shares = arena_alloc(arena, touched * sizeof(*shares) + 1);
    if (!shares || !make_shares(&division, arena, shares, at)) {
        return false;
    }
    fill_shares(&division, shares, at);
    *ret = shares;
    *ret_count = touched;
    return true;
}
