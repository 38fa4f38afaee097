#include "stream/entry.h"

enum { FRAME = 16, COMMAND = 64 }; /* around a value of RESP; XADD, '*', the frame of the entry */

#define DIGESTED .in_digest = true
#define ELEMENT(type, member) .scope = OF_ELEMENT, .offset = offsetof(type, member)
#define CHANGE(member) .scope = OF_CHANGE, .offset = offsetof(Change, member), DIGESTED
#define ACCOUNT(member) .scope = OF_ACCOUNT, .offset = offsetof(Account, member), DIGESTED
#define PAYLOAD(member) .scope = OF_PAYLOAD, .offset = offsetof(Payload, member), DIGESTED
#define DELIVERY(member) .scope = OF_DELIVERY, .offset = offsetof(Delivery, member)

/* New fields go to the end: the names of all entries of a stream node are stored once while they
 * are the same, and consumers may read by place. */
static const EntryField status_fields[] = {
    {STR_INIT("id"), ELEMENT(StatusUpdate, id), DIGESTED},
    {STR_INIT("status"), ELEMENT(StatusUpdate, status), DIGESTED},
    {STR_INIT("timestamp"), ELEMENT(StatusUpdate, timestamp), DIGESTED},
    {STR_INIT("recipient_id"), ELEMENT(StatusUpdate, recipient_id), DIGESTED},
    {STR_INIT("phone_number_id"), CHANGE(phone_number_id)},
    {STR_INIT("display_phone_number"), CHANGE(display_phone_number)},
    {STR_INIT("entry_id"), ACCOUNT(id)},
    {STR_INIT("field"), CHANGE(field)},
    {STR_INIT("messaging_product"), CHANGE(messaging_product)},
    {STR_INIT("object"), PAYLOAD(object)},
    {STR_INIT("errors"), ELEMENT(StatusUpdate, errors), DIGESTED},
    {STR_INIT("extra"), ELEMENT(StatusUpdate, extra), DIGESTED},
    {STR_INIT("received_at"), DELIVERY(received_at)},
    {STR_INIT("request_id"), DELIVERY(request_id)},
};

/* Recognised by its bytes, wherever it stands. */
static const EntryField quarantined_fields[] = {
    {STR_INIT("reason"), ELEMENT(Quarantined, reason), .is_reason = true},
    {STR_INIT("detail"), ELEMENT(Quarantined, detail)},
    {STR_INIT("pointer"), ELEMENT(Quarantined, pointer)},
    {STR_INIT("raw"), ELEMENT(Quarantined, raw), DIGESTED},
    {STR_INIT("content_type"), DELIVERY(content_type)},
    {STR_INIT("received_at"), DELIVERY(received_at)},
    {STR_INIT("request_id"), DELIVERY(request_id)},
};

static const EntryField event_fields[] = {
    {STR_INIT("field"), CHANGE(field)},
    {STR_INIT("entry_id"), ACCOUNT(id)},
    {STR_INIT("phone_number_id"), CHANGE(phone_number_id)},
    {STR_INIT("raw"), ELEMENT(Event, raw), DIGESTED},
    {STR_INIT("received_at"), DELIVERY(received_at)},
    {STR_INIT("request_id"), DELIVERY(request_id)},
};

#define FIELDS(rows)                                                                               \
    {                                                                                              \
        rows, sizeof(rows) / sizeof((rows)[0])                                                     \
    }

static const EntryFields kinds[ENTRY_KINDS] = {
    [ENTRY_STATUS] = FIELDS(status_fields),
    [ENTRY_QUARANTINED] = FIELDS(quarantined_fields),
    [ENTRY_EVENT] = FIELDS(event_fields),
};

_Static_assert(sizeof(status_fields) / sizeof(status_fields[0]) <= ENTRY_FIELDS_MOST,
               "arrays of values have room for every kind");

EntryFields entry_fields(EntryKind kind)
{
    return kinds[kind];
}

size_t entry_count(EntryKind kind, const Payload *payload)
{
    switch (kind) {
    case ENTRY_STATUS:
        return payload->status_count;
    case ENTRY_QUARANTINED:
        return payload->quarantined_count;
    case ENTRY_EVENT:
        return payload->event_count;
    case ENTRY_KINDS:
        break;
    }
    return 0;
}

const Change *entry_change(EntryKind kind, const Payload *payload, size_t i)
{
    return kind == ENTRY_STATUS  ? payload->statuses[i].change
           : kind == ENTRY_EVENT ? payload->events[i].change
                                 : NULL;
}

static const void *element(EntryKind kind, const Payload *payload, size_t i)
{
    return kind == ENTRY_STATUS        ? (const void *)&payload->statuses[i]
           : kind == ENTRY_QUARANTINED ? (const void *)&payload->quarantined[i]
                                       : (const void *)&payload->events[i];
}

void entry_values(EntryKind kind, const Payload *payload, size_t i, const Delivery *delivery,
                  Str values[ENTRY_FIELDS_MOST])
{
    static const Delivery none;
    const Change *change = entry_change(kind, payload, i);
    const void *const scopes[] = {
        [OF_ELEMENT] = element(kind, payload, i),       [OF_CHANGE] = change,
        [OF_ACCOUNT] = change ? change->account : NULL, [OF_PAYLOAD] = payload,
        [OF_DELIVERY] = delivery ? delivery : &none,
    };
    const EntryField *field = kinds[kind].fields, *end = field + kinds[kind].count;
    for (; field < end; field++, values++) {
        const void *member = (const char *)scopes[field->scope] + field->offset;
        *values = field->is_reason ? reason_word(*(const Reason *)member) : *(const Str *)member;
    }
}

static size_t kind_size(EntryKind kind, const Payload *payload)
{
    const EntryFields fields = kinds[kind];
    size_t size = 0, names = COMMAND;
    Str values[ENTRY_FIELDS_MOST];
    for (size_t f = 0; f < fields.count; f++) {
        names += fields.fields[f].name.len + 2 * FRAME;
    }
    for (size_t i = 0; i < entry_count(kind, payload); i++) {
        entry_values(kind, payload, i, NULL, values);
        size += names;
        for (size_t f = 0; f < fields.count; f++) {
            size += values[f].len;
        }
    }
    return size;
}

size_t entries_size(const Payload *payload)
{
    return kind_size(ENTRY_STATUS, payload) + kind_size(ENTRY_QUARANTINED, payload) +
           kind_size(ENTRY_EVENT, payload);
}

bool entries_check_size(const Payload *payload, Error *reterr)
{
    if (entries_size(payload) > LIMIT_COMMANDS) {
        return error_malformed(reterr, REASON_TOO_MUCH,
                               "its entries would occupy more than %d bytes", (int)LIMIT_COMMANDS);
    }
    return true;
}
