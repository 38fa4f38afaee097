/*
 * What a stream entry is: the fields of the three kinds, in the order in which consumers see them.
 * The one home of that fact: the rows in entry.c. XADD, the values of the script, digests and sizes
 * follow them, and a test holds publish.lua against them.
 */
#ifndef TICKSTREAM_ENTRY_H
#define TICKSTREAM_ENTRY_H

#include "payload/payload.h"

#include <stdint.h>

typedef enum { ENTRY_STATUS, ENTRY_QUARANTINED, ENTRY_EVENT, ENTRY_KINDS } EntryKind;

/* How a body came: what all its entries have in common beside the payload's own members. */
typedef struct {
    Str received_at;  /* Unix milliseconds, in decimal */
    Str request_id;   /* joins entry and access log */
    Str content_type; /* the media type that was read, at most LIMIT_MEDIA_TYPE bytes */
} Delivery;

/* What a value belongs to, from the narrowest: an element of the body, the change that it came
 * with, the body, its delivery. */
typedef enum { OF_ELEMENT, OF_CHANGE, OF_ACCOUNT, OF_PAYLOAD, OF_DELIVERY } EntryScope;

typedef struct {
    Str name;
    EntryScope scope;
    bool in_digest; /* two elements that differ here are two: see dedupe.h */
} EntryField;

typedef struct {
    const EntryField *fields;
    size_t count;
} EntryFields;

enum { ENTRY_FIELDS_MOST = 14 };

/* The fields of a kind. */
EntryFields entry_fields(EntryKind kind);

/* How many elements of a kind a payload has. */
size_t entry_count(EntryKind kind, const Payload *payload);

/*
 * The values of element i, one for each field; absent ones have ptr == NULL and are stored as "".
 * Borrowed from payload and delivery. delivery may be NULL: then its values are absent.
 */
void entry_values(EntryKind kind, const Payload *payload, size_t i, const Delivery *delivery,
                  Str values[ENTRY_FIELDS_MOST]);

/*
 * Is what the payload would become within LIMIT_COMMANDS? Every entry repeats its envelope, so a
 * hostile body could grow by a factor of thousands. false: ERROR_MALFORMED with REASON_TOO_MUCH.
 */
bool entries_check_size(const Payload *payload, Error *reterr);

/* Bytes of all entries of a payload: names, values and frames, repeated envelopes included. */
size_t entries_size(const Payload *payload);

#endif
