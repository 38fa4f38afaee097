/*
 * The decoded webhook: a WebhookPayload as all three media types carry it, and its builder.
 *
 *   payload ── entry[] ── changes[] ── value ── statuses[]
 *   object     id         field        messaging_product, metadata
 *
 * The tree is kept flat: what a body yields are statuses, quarantined elements and changes
 * without statuses, each list in body order; a status points at the change (and so the entry)
 * that it came with. Envelope members that follow their statuses in the body are simply filled
 * in later. All of it is the arena's, texts may be borrowed from the body. Source:
 * developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
 */
#ifndef TICKSTREAM_PAYLOAD_H
#define TICKSTREAM_PAYLOAD_H

#include "base/arena.h"
#include "payload/members.h"
#include "payload/reason.h"

/* An element of entry[]: a WhatsApp Business Account (elsewhere an entry is one of a stream). */
typedef struct {
    Str id;
} Account;

typedef struct {
    const Account *account;
    Str field;
    Str messaging_product;
    Str display_phone_number; /* value.metadata */
    Str phone_number_id;
    bool has_statuses; /* value.statuses was there and not empty, of whatever shape */
    bool has_others;   /* value has another list that is not empty, as `messages` */
} Change;

/* Absent members have ptr == NULL. */
typedef struct {
    const Change *change;
    Str id;
    Str status;
    Str timestamp;
    Str recipient_id;
    Str errors; /* JSON text of an array; builder_add_status() puts "[]" where it is absent */
    Str extra;  /* JSON text of an object; likewise "{}" */
} StatusUpdate;

/* An element of a status' errors, while it is read. */
typedef struct {
    Str code, title;
    Str rest; /* `,"name":value` of each other member, as JSON text */
} StatusError;

/* An element that could not be read, or the whole body. */
typedef struct {
    Reason reason;
    Str detail;
    Str pointer; /* RFC 6901, in terms of the JSON form; "" = the whole body */
    Str raw;
    Str raw_sha256;         /* hex digits: raw is recognised by it where it is not kept */
    Str place;              /* the pointer with '#' for each index; "" = the whole body */
    const Account *account; /* that it came with; NULL: none */
    const Change *change;   /* likewise; its account is the same */
} Quarantined;

/* What is no status: a change without statuses (an inbound message, a template update, ...), what
 * stands beside the statuses of a change, an entry without changes. */
typedef struct {
    const Change *change; /* of an entry without changes: one made for it, of field `other` */
    Str raw;              /* JSON text of the change, or of the entry */
    bool beside;          /* the change has statuses too, so it is not ignored */
    bool bare;            /* the entry has nothing but an id */
} Event;

typedef struct {
    Str object;
    StatusUpdate *statuses;
    size_t status_count;
    Quarantined *quarantined;
    size_t quarantined_count;
    Event *events;
    size_t event_count;
    size_t ignored;         /* of the events: those that do not stand beside statuses */
    size_t dropped_members; /* unknown ones, over the limits of members.h */
    bool has_unread;        /* something was there that is neither `object` nor an empty `entry` */
} Payload;

/* The names of the places that codecs quarantine. '#' stands for the builder's indexes,
 * the outermost first. */
#define AT_OBJECT "/object"
#define AT_ENTRIES "/entry"
#define AT_ENTRY "/entry/#"
#define AT_ENTRY_ID "/entry/#/id"
#define AT_CHANGES "/entry/#/changes"
#define AT_CHANGE "/entry/#/changes/#"
#define AT_FIELD "/entry/#/changes/#/field"
#define AT_VALUE "/entry/#/changes/#/value"
#define AT_PRODUCT "/entry/#/changes/#/value/messaging_product"
#define AT_METADATA "/entry/#/changes/#/value/metadata"
#define AT_STATUSES "/entry/#/changes/#/value/statuses"
#define AT_STATUS "/entry/#/changes/#/value/statuses/#"

/* Where the lists ended at some moment; see builder_rollback(). */
typedef struct {
    size_t statuses, quarantined, events;
} Mark;

/* The objects whose unknown members are kept. The value and its metadata belong to the change, the
 * errors to the status: they share its limits. */
typedef enum {
    KEEP_ACCOUNT,
    KEEP_CHANGE,
    KEEP_VALUE,
    KEEP_METADATA,
    KEEP_STATUS,
    KEEP_ERROR,
    KEEPERS
} Keeper;

/*
 * Builds a payload in body order. A codec sets index[] before it adds something: 0 entry, 1 change,
 * 2 status. Functions that can fail fill *error and return false or NULL; the codec then gives up.
 */
typedef struct {
    Arena *arena;
    Payload *payload;
    Error *error;
    size_t index[3];
    const Account *account; /* that is being read; NULL: none */
    const Change *change;   /* likewise */
    size_t items;           /* against LIMIT_ITEMS */
    size_t status_room, quarantined_room, event_room;

    StatusUpdate status; /* between builder_begin_status() and its end */
    StatusError *errors; /* of it */
    size_t error_count, error_room;

    /* The unknown members of what is being read; see builder_keep(). */
    Members *kept[3]; /* of an entry, a change, a status; NULL: never needed */
    Node roots[KEEPERS];
    bool objects_are_lists; /* an object may be a list of one, since the format writes both so */
} Builder;

/* Empties *payload and prepares the builder. All are borrowed until the payload is complete. */
void builder_begin(Builder *builder, Arena *arena, Payload *payload, Error *error);

/* A new, empty entry or change, which is read from now on; NULL on failure. */
Account *builder_add_account(Builder *builder);
Change *builder_add_change(Builder *builder, const Account *account);

/*
 * Ends an entry that was begun at mark. When it has added nothing since, it becomes an event.
 * is_bare: it had nothing but an id. raw as in builder_add_status().
 */
bool builder_finish_account(Builder *builder, Account *account, Mark mark, bool is_bare, Str raw);

/*
 * Adds the status at index[], or quarantines it when id or status is missing or empty. raw is the
 * element as it came; absent = the builder renders the members of *status as JSON.
 */
bool builder_add_status(Builder *builder, const StatusUpdate *status, Str raw);

/* Quarantines an element of the body; place is one of the AT_ names, raw its text. */
bool builder_quarantine(Builder *builder, Reason reason, const char *place, Str raw);

/*
 * The same for codecs that meet a status' members one by one: begin, fill in what is returned, and
 * end. The change has statuses from then on. Errors are added one by one too, each borrowed until
 * the next, and become the JSON text of `errors` at the end.
 */
StatusUpdate *builder_begin_status(Builder *builder, Change *change);
StatusError *builder_add_error(Builder *builder);
bool builder_end_error(Builder *builder);
bool builder_end_status(Builder *builder);

/* Ends a status of the wrong shape, of which not all is known: what there is goes to quarantine. */
bool builder_end_wrong_status(Builder *builder);

/*
 * Ends a change that was begun at mark: when it is of a field with statuses of its own (calls,
 * standby) all that was added since is dropped; when it carries no statuses, or something else
 * beside them, it becomes an event. raw as in builder_add_status().
 */
bool builder_finish_change(Builder *builder, const Change *change, Mark mark, Str raw);

/*
 * For codecs that meet members one by one: where unknown members of the object that is being read
 * go, and the root of those that its kind has there. They become part of `extra` of the status, and
 * of what is rendered of it or of the others. NULL: no memory.
 */
Members *builder_keep(Builder *builder, Keeper keeper, Node *ret_root);

/* Ends the payload. An entry with nothing but an id counts only when there is nothing else. */
bool builder_finish(Builder *builder);

Mark builder_mark(const Builder *builder);

/* Drops what was added after mark: of two members with the same name the first leaves no trace. */
void builder_rollback(Builder *builder, Mark mark);

/* Is there nothing in it at all? */
bool payload_is_empty(const Payload *payload);

/* A payload that is nothing but the quarantined body. error says why. false = no memory. */
bool payload_quarantine_body(Payload *payload, Arena *arena, Str body, const Error *error);

#endif
