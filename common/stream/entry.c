#include "stream/entry.h"

enum { FRAME = 16, COMMAND = 64 }; /* around a value of RESP; XADD, '*', the frame of the entry */

/*
 * ROW(name, scope, value, in_digest), once for each field. New ones go to the end: the names of all
 * entries of a stream node are stored once while they are the same, and consumers may read by
 * place.
 */
#define STATUS_ROWS(ROW)                                                                           \
    ROW("id", OF_ELEMENT, status->id, true)                                                        \
    ROW("status", OF_ELEMENT, status->status, true)                                                \
    ROW("timestamp", OF_ELEMENT, status->timestamp, true)                                          \
    ROW("recipient_id", OF_ELEMENT, status->recipient_id, true)                                    \
    ROW("phone_number_id", OF_CHANGE, status->change->phone_number_id, true)                       \
    ROW("display_phone_number", OF_CHANGE, status->change->display_phone_number, true)             \
    ROW("entry_id", OF_ACCOUNT, status->change->account->id, true)                                 \
    ROW("field", OF_CHANGE, status->change->field, true)                                           \
    ROW("messaging_product", OF_CHANGE, status->change->messaging_product, true)                   \
    ROW("object", OF_PAYLOAD, payload->object, true)                                               \
    ROW("errors", OF_ELEMENT, status->errors, true)                                                \
    ROW("extra", OF_ELEMENT, status->extra, true)                                                  \
    ROW("received_at", OF_DELIVERY, delivery->received_at, false)                                  \
    ROW("request_id", OF_DELIVERY, delivery->request_id, false)

/* Recognised by its bytes, by whose it is, and by its place, of which dedupe.c leaves the indexes
 * out. `raw` may be stored empty (publish.lua), its digest never is. */
#define QUARANTINED_ROWS(ROW)                                                                      \
    ROW("reason", OF_ELEMENT, reason_word(item->reason), false)                                    \
    ROW("detail", OF_ELEMENT, item->detail, false)                                                 \
    ROW("pointer", OF_ELEMENT, item->pointer, false)                                               \
    ROW("raw", OF_ELEMENT, item->raw, true)                                                        \
    ROW("content_type", OF_DELIVERY, delivery->content_type, false)                                \
    ROW("received_at", OF_DELIVERY, delivery->received_at, false)                                  \
    ROW("request_id", OF_DELIVERY, delivery->request_id, false)                                    \
    ROW("entry_id", OF_ACCOUNT, account_of(item)->id, true)                                        \
    ROW("field", OF_CHANGE, change_of(item)->field, true)                                          \
    ROW("phone_number_id", OF_CHANGE, change_of(item)->phone_number_id, true)                      \
    ROW("raw_sha256", OF_ELEMENT, item->raw_sha256, false)

#define EVENT_ROWS(ROW)                                                                            \
    ROW("field", OF_CHANGE, event->change->field, true)                                            \
    ROW("entry_id", OF_ACCOUNT, event->change->account->id, true)                                  \
    ROW("phone_number_id", OF_CHANGE, event->change->phone_number_id, true)                        \
    ROW("raw", OF_ELEMENT, event->raw, true)                                                       \
    ROW("received_at", OF_DELIVERY, delivery->received_at, false)                                  \
    ROW("request_id", OF_DELIVERY, delivery->request_id, false)

/* An element may stand outside of every entry, a change or both. */
static const Account no_account;
static const Change no_change = {.account = &no_account};

static const Account *account_of(const Quarantined *item)
{
    return item->account ? item->account : &no_account;
}

static const Change *change_of(const Quarantined *item)
{
    return item->change ? item->change : &no_change;
}

#define AS_FIELD(name, scope, value, in_digest) {STR_INIT(name), scope, in_digest},
#define AS_VALUE(name, scope, value, in_digest) *values++ = value;
#define AS_SIZE(name, scope, value, in_digest) size += sizeof(name) - 1 + 2 * FRAME + (value).len;

static const EntryField status_fields[] = {STATUS_ROWS(AS_FIELD)};
static const EntryField quarantined_fields[] = {QUARANTINED_ROWS(AS_FIELD)};
static const EntryField event_fields[] = {EVENT_ROWS(AS_FIELD)};

/* Versions of clang-format disagree about a body that is only braces. */
/* clang-format off */
#define FIELDS(rows) {rows, sizeof(rows) / sizeof((rows)[0])}
/* clang-format on */

static const EntryFields kinds[ENTRY_KINDS] = {
    [ENTRY_STATUS] = FIELDS(status_fields),
    [ENTRY_QUARANTINED] = FIELDS(quarantined_fields),
    [ENTRY_EVENT] = FIELDS(event_fields),
};

_Static_assert(sizeof(status_fields) / sizeof(status_fields[0]) <= ENTRY_FIELDS_MOST,
               "arrays of values have room for every kind");

static const Delivery no_delivery;

/* What of a delivery a body can multiply: each element in quarantine repeats its type. */
static const Delivery largest_delivery = {.content_type = {"", LIMIT_MEDIA_TYPE}};

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

void entry_values(EntryKind kind, const Payload *payload, size_t i, const Delivery *delivery,
                  Str values[ENTRY_FIELDS_MOST])
{
    delivery = delivery ? delivery : &no_delivery;
    if (kind == ENTRY_STATUS) {
        const StatusUpdate *status = &payload->statuses[i];
        STATUS_ROWS(AS_VALUE)
    } else if (kind == ENTRY_QUARANTINED) {
        const Quarantined *item = &payload->quarantined[i];
        QUARANTINED_ROWS(AS_VALUE)
    } else {
        const Event *event = &payload->events[i];
        EVENT_ROWS(AS_VALUE)
    }
}

size_t entries_size(const Payload *payload)
{
    const Delivery *delivery = &largest_delivery;
    size_t size =
        COMMAND * (payload->status_count + payload->quarantined_count + payload->event_count);
    for (const StatusUpdate *status = payload->statuses;
         status < payload->statuses + payload->status_count; status++) {
        STATUS_ROWS(AS_SIZE)
    }
    for (const Quarantined *item = payload->quarantined;
         item < payload->quarantined + payload->quarantined_count; item++) {
        QUARANTINED_ROWS(AS_SIZE)
    }
    for (const Event *event = payload->events; event < payload->events + payload->event_count;
         event++) {
        EVENT_ROWS(AS_SIZE)
    }
    return size;
}

bool entries_check_size(const Payload *payload, Error *reterr)
{
    if (entries_size(payload) > LIMIT_COMMANDS) {
        return error_malformed(reterr, REASON_TOO_MUCH,
                               "its entries would occupy more than %d bytes", (int)LIMIT_COMMANDS);
    }
    return true;
}
