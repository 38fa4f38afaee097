/*
 * The JSON form. Each object has a table of the members that mean something, and what reads them;
 * others are skipped, but for those of a status, which become its `extra`. Each read_ function
 * reads one level of the payload and hands what it finds to the builder.
 *
 * Of members with the same name the last one counts. A list that is read a second time first takes
 * back what its predecessor has added (builder_rollback), and a scalar of the wrong kind is only
 * remembered until its object has ended, since a later one may replace it.
 *
 * A read_ function returns false when the scanner's error is set, and the body is given up. What is
 * well-formed but of the wrong kind sets none: it goes to quarantine and reading goes on.
 */
#include "payload/codec.h"
#include "payload/json_members.h"

typedef struct {
    JsonScanner scan;
    Builder builder;
    Arena *arena;
    Account *account;
    Change *change;
    JsonMembers extra; /* of the status that is being read */
    size_t unknown;    /* members that were skipped so far */
} Reader;

/* A scalar member: its value, or what stood there instead of a scalar. */
typedef struct {
    Str value;
    Str wrong;
} Scalar;

/* A member that means something: what reads its value, and to where in what its object becomes. */
typedef struct {
    Str name;
    bool (*read)(Reader *reader, void *to);
    size_t offset; /* of `to` */
} Known;

/* A name in a table, matched exactly or, failing that, without regard to case; NULL: unknown. */
static const Known *find_name(const Known *known, size_t count, Str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(known[i].name, name)) {
            return &known[i];
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(known[i].name, name)) {
            return &known[i];
        }
    }
    return NULL;
}

static bool read_text(Reader *reader, const JsonValue *value, Str *ret)
{
    return json_content(value, reader->arena, ret) || error_no_memory(reader->scan.error);
}

static bool read_scalar(Reader *reader, void *to)
{
    Scalar *ret = to;
    JsonValue value = {0};
    *ret = (Scalar){0};
    if (!json_value(&reader->scan, &value)) {
        return false;
    }
    if (value.kind == JSON_ARRAY || value.kind == JSON_OBJECT) {
        ret->wrong = value.text;
        return true;
    }
    return read_text(reader, &value, &ret->value);
}

static bool skip_value(Reader *reader)
{
    JsonValue value = {0};
    reader->unknown++;
    return json_value(&reader->scan, &value);
}

static bool read_member(Reader *reader, const Known *known, size_t count, void *object)
{
    JsonValue name = {0};
    Str plain = {0};
    if (!json_member(&reader->scan, &name) || !read_text(reader, &name, &plain)) {
        return false;
    }
    const Known *found = find_name(known, count, plain);
    return found ? found->read(reader, (char *)object + found->offset) : skip_value(reader);
}

/* Reads the object that comes next: the members of the table into `object`, others are skipped. */
static bool read_members(Reader *reader, const Known *known, size_t count, void *object)
{
    json_enter(&reader->scan, JSON_OBJECT);
    while (read_member(reader, known, count, object)) {
    }
    return !json_failed(&reader->scan);
}

#define READ_MEMBERS(reader, known, object)                                                        \
    read_members(reader, known, sizeof(known) / sizeof((known)[0]), object)

static bool quarantine_next(Reader *reader, const char *place)
{
    JsonValue value = {0};
    return json_value(&reader->scan, &value) &&
           builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, place, value.text);
}

/* Does an array or object have nothing in it? */
static bool is_hollow(const JsonValue *value)
{
    return str_skip_space((Str){value->text.ptr + 1, value->text.len - 2}).len == 0;
}

/* null, "", [] and {} stand for "nothing here" where a list or an object belongs. */
static bool is_nothing(const JsonValue *value)
{
    switch (value->kind) {
    case JSON_NULL:
        return true;
    case JSON_STRING:
        return value->text.len == 2;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return is_hollow(value);
    default:
        return false;
    }
}

/* Reads an element that is not the object that belongs here: nothing at all, or quarantined. */
static bool read_other_element(Reader *reader, const char *place)
{
    JsonValue value = {0};
    return json_value(&reader->scan, &value) &&
           (is_nothing(&value) ||
            builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, place, value.text));
}

/* Reads a value in place of a list or object: nothing at all, or remembered as wrong. */
static bool read_container_or_nothing(Reader *reader, Scalar *ret)
{
    JsonValue value = {0};
    *ret = (Scalar){0};
    if (!json_value(&reader->scan, &value)) {
        return false;
    }
    ret->wrong = is_nothing(&value) ? (Str){NULL, 0} : value.text;
    return true;
}

/* Quarantines what stood in place of a scalar, if anything did. */
static bool finish_scalar(Reader *reader, const Scalar *scalar, const char *place)
{
    return !scalar->wrong.ptr ||
           builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, place, scalar->wrong);
}

/*
 * Reads a list whose elements are read by read_element, which gets the kind of each. Nothing, in
 * each of its forms, is an empty list; anything else but an array goes to quarantine. *ret_items:
 * something was there, of whatever shape.
 */
static bool read_list(Reader *reader, const char *place, int level,
                      bool (*read_element)(Reader *, JsonKind), bool *ret_items)
{
    JsonKind kind;
    *ret_items = false;
    if (!json_peek(&reader->scan, &kind)) {
        return false;
    }
    if (kind != JSON_ARRAY) {
        Scalar instead;
        if (!read_container_or_nothing(reader, &instead)) {
            return false;
        }
        *ret_items = instead.wrong.ptr != NULL;
        return finish_scalar(reader, &instead, place);
    }
    json_enter(&reader->scan, JSON_ARRAY);
    for (size_t i = 0; json_element(&reader->scan); i++) {
        *ret_items = true;
        reader->builder.index[level] = i;
        if (!json_peek(&reader->scan, &kind) || !read_element(reader, kind)) {
            return false;
        }
    }
    return !json_failed(&reader->scan);
}

/* The status */

/* recipient_id of a status' `message`: older senders have it there instead of in the status. */
static bool read_message_recipient(Reader *reader, const JsonValue *message, Str *ret)
{
    static const Known known[] = {{STR_INIT("recipient_id"), read_scalar, 0}};
    Error error;
    Reader inner = {.arena = reader->arena};
    json_begin(&inner.scan, message->text, &error);
    Scalar recipient = {0};
    READ_MEMBERS(&inner, known, &recipient);
    *ret = recipient.value;
    return error.code != ERROR_NO_MEMORY || error_no_memory(reader->scan.error);
}

/* Fills recipient_id from the last `message`, if the status has none of its own. */
static bool fall_back_to_message(Reader *reader, StatusUpdate *status)
{
    if (!str_is_empty(status->recipient_id)) {
        return true;
    }
    const JsonMember *message = json_members_find(&reader->extra, STR("message"));
    return !message || message->value.kind != JSON_OBJECT ||
           read_message_recipient(reader, &message->value, &status->recipient_id);
}

/* `errors`: an array that is not empty is kept as it is; nothing is none; anything else is of the
 * wrong kind. */
static bool read_errors(Reader *reader, void *to)
{
    Scalar *ret = to;
    JsonValue value = {0};
    *ret = (Scalar){0};
    if (!json_value(&reader->scan, &value)) {
        return false;
    }
    if (!is_nothing(&value)) {
        *(value.kind == JSON_ARRAY ? &ret->value : &ret->wrong) = value.text;
    }
    return true;
}

enum {
    STATUS_ID,
    STATUS_STATUS,
    STATUS_TIMESTAMP,
    STATUS_RECIPIENT,
    STATUS_ERRORS,
    STATUS_MEMBERS
};

static const Known status_members[STATUS_MEMBERS] = {
    {STR_INIT("id"), read_scalar, STATUS_ID * sizeof(Scalar)},
    {STR_INIT("status"), read_scalar, STATUS_STATUS * sizeof(Scalar)},
    {STR_INIT("timestamp"), read_scalar, STATUS_TIMESTAMP * sizeof(Scalar)},
    {STR_INIT("recipient_id"), read_scalar, STATUS_RECIPIENT * sizeof(Scalar)},
    {STR_INIT("errors"), read_errors, STATUS_ERRORS * sizeof(Scalar)},
};

/* The status is the one object whose other members are kept. */
static bool read_status_member(Reader *reader, Scalar *members)
{
    JsonMember member = {.plain_name = {0}};
    if (!json_member(&reader->scan, &member.name) ||
        !read_text(reader, &member.name, &member.plain_name)) {
        return false;
    }
    const Known *found = find_name(status_members, STATUS_MEMBERS, member.plain_name);
    if (found) {
        return found->read(reader, (char *)members + found->offset);
    }
    return json_value(&reader->scan, &member.value) && json_members_add(&reader->extra, &member);
}

static bool read_status(Reader *reader, JsonKind kind)
{
    if (kind != JSON_OBJECT) {
        return quarantine_next(reader, AT_STATUS);
    }
    Scalar members[STATUS_MEMBERS] = {0};
    const char *start = reader->scan.pos;
    json_members_clear(&reader->extra);
    json_enter(&reader->scan, JSON_OBJECT);
    while (read_status_member(reader, members)) {
    }
    if (json_failed(&reader->scan)) {
        return false;
    }
    Str raw = {start, (size_t)(reader->scan.pos - start)};
    for (int i = 0; i < STATUS_MEMBERS; i++) {
        if (members[i].wrong.ptr) {
            return builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, AT_STATUS, raw);
        }
    }
    StatusUpdate status = {.change = reader->change,
                           .id = members[STATUS_ID].value,
                           .status = members[STATUS_STATUS].value,
                           .timestamp = members[STATUS_TIMESTAMP].value,
                           .recipient_id = members[STATUS_RECIPIENT].value,
                           .errors = members[STATUS_ERRORS].value};
    return json_members_join(&reader->extra, &status.extra) &&
           fall_back_to_message(reader, &status) &&
           builder_add_status(&reader->builder, &status, raw);
}

/*
 * The envelope. Each object has a struct for what its members become before it has ended. `begin`
 * is where the builder's lists ended when the object began: what its list has added goes when a
 * second list of this name comes.
 */

typedef struct {
    Scalar display, number_id;
    Scalar itself; /* what stands in place of an object */
} Metadata;

typedef struct {
    Mark begin;
    Scalar product;
    Metadata metadata;
} Value;

/* metadata: an object is read, nothing is none, anything else is remembered as wrong. */
static bool read_metadata(Reader *reader, void *to)
{
    static const Known known[] = {
        {STR_INIT("display_phone_number"), read_scalar, offsetof(Metadata, display)},
        {STR_INIT("phone_number_id"), read_scalar, offsetof(Metadata, number_id)},
    };
    Metadata *metadata = to;
    JsonKind kind;
    *metadata = (Metadata){0};
    if (!json_peek(&reader->scan, &kind)) {
        return false;
    }
    return kind == JSON_OBJECT ? READ_MEMBERS(reader, known, metadata)
                               : read_container_or_nothing(reader, &metadata->itself);
}

static bool finish_metadata(Reader *reader, const Metadata *metadata)
{
    reader->change->display_phone_number = metadata->display.value;
    reader->change->phone_number_id = metadata->number_id.value;
    return finish_scalar(reader, &metadata->display, AT_METADATA "/display_phone_number") &&
           finish_scalar(reader, &metadata->number_id, AT_METADATA "/phone_number_id") &&
           finish_scalar(reader, &metadata->itself, AT_METADATA);
}

static bool read_statuses(Reader *reader, void *begin)
{
    builder_rollback(&reader->builder, *(Mark *)begin);
    return read_list(reader, AT_STATUSES, 2, read_status, &reader->change->has_statuses);
}

enum { VALUE_MEMBERS = 3 };

static const Known value_members[VALUE_MEMBERS] = {
    {STR_INIT("messaging_product"), read_scalar, offsetof(Value, product)},
    {STR_INIT("metadata"), read_metadata, offsetof(Value, metadata)},
    {STR_INIT("statuses"), read_statuses, offsetof(Value, begin)},
};

/* Lists that come with statuses. */
static bool is_companion(Str name)
{
    return str_eq_nocase(name, STR("contacts")) || str_eq_nocase(name, STR("errors"));
}

/* Of the members that are skipped it is told whether one is a list with anything in it. */
static bool read_value_member(Reader *reader, Value *value)
{
    JsonValue name = {0}, other = {0};
    Str plain = {0};
    if (!json_member(&reader->scan, &name) || !read_text(reader, &name, &plain)) {
        return false;
    }
    const Known *found = find_name(value_members, VALUE_MEMBERS, plain);
    if (found) {
        return found->read(reader, (char *)value + found->offset);
    }
    if (!json_value(&reader->scan, &other)) {
        return false;
    }
    reader->unknown++;
    reader->change->has_others |=
        other.kind == JSON_ARRAY && !is_hollow(&other) && !is_companion(plain);
    return true;
}

static bool read_value_object(Reader *reader)
{
    Value value = {.begin = builder_mark(&reader->builder)};
    json_enter(&reader->scan, JSON_OBJECT);
    while (read_value_member(reader, &value)) {
    }
    if (json_failed(&reader->scan)) {
        return false;
    }
    reader->change->messaging_product = value.product.value;
    return finish_scalar(reader, &value.product, AT_PRODUCT) &&
           finish_metadata(reader, &value.metadata);
}

/* A second value takes the place of the first, with all that was read from it. */
static bool read_value(Reader *reader, void *begin)
{
    JsonKind kind;
    Change *change = reader->change;
    builder_rollback(&reader->builder, *(Mark *)begin);
    *change = (Change){.account = change->account, .field = change->field};
    if (!json_peek(&reader->scan, &kind)) {
        return false;
    }
    if (kind == JSON_OBJECT) {
        return read_value_object(reader);
    }
    Scalar instead;
    if (!read_container_or_nothing(reader, &instead)) {
        return false;
    }
    change->has_statuses = instead.wrong.ptr != NULL; /* not ignored, since it is in quarantine */
    return finish_scalar(reader, &instead, AT_VALUE);
}

/* What the other objects have: a scalar and, in another member, a list or an object. */
typedef struct {
    Mark begin;
    bool items; /* in that list, or one of its name before: something was there, of any shape */
    Scalar scalar;
} Envelope;

static bool read_change(Reader *reader, JsonKind kind)
{
    static const Known known[] = {
        {STR_INIT("field"), read_scalar, offsetof(Envelope, scalar)},
        {STR_INIT("value"), read_value, offsetof(Envelope, begin)},
    };
    if (kind != JSON_OBJECT) {
        return read_other_element(reader, AT_CHANGE);
    }
    Envelope change = {.begin = builder_mark(&reader->builder)};
    const char *start = reader->scan.pos;
    reader->change = builder_add_change(&reader->builder, reader->account);
    if (!reader->change || !READ_MEMBERS(reader, known, &change)) {
        return false;
    }
    reader->change->field = change.scalar.value;
    Str raw = {start, (size_t)(reader->scan.pos - start)};
    return finish_scalar(reader, &change.scalar, AT_FIELD) &&
           builder_finish_change(&reader->builder, reader->change, change.begin, raw);
}

static bool read_changes(Reader *reader, void *to)
{
    Envelope *entry = to;
    bool items;
    builder_rollback(&reader->builder, entry->begin);
    const bool ok = read_list(reader, AT_CHANGES, 1, read_change, &items);
    entry->items |= items;
    return ok;
}

static bool read_entry(Reader *reader, JsonKind kind)
{
    static const Known known[] = {
        {STR_INIT("id"), read_scalar, offsetof(Envelope, scalar)},
        {STR_INIT("changes"), read_changes, 0},
    };
    if (kind != JSON_OBJECT) {
        return read_other_element(reader, AT_ENTRY);
    }
    Envelope entry = {.begin = builder_mark(&reader->builder)};
    const char *start = reader->scan.pos;
    const size_t unknown = reader->unknown;
    reader->account = builder_add_account(&reader->builder);
    if (!reader->account || !READ_MEMBERS(reader, known, &entry)) {
        return false;
    }
    reader->account->id = entry.scalar.value;
    const bool is_bare = !entry.items && reader->unknown == unknown;
    const Str raw = {start, (size_t)(reader->scan.pos - start)};
    return finish_scalar(reader, &entry.scalar, AT_ENTRY_ID) &&
           builder_finish_account(&reader->builder, reader->account, entry.begin, is_bare, raw);
}

static bool read_entries(Reader *reader, void *to)
{
    Envelope *payload = to;
    bool items;
    builder_rollback(&reader->builder, payload->begin);
    const bool ok = read_list(reader, AT_ENTRIES, 0, read_entry, &items);
    payload->items |= items;
    return ok;
}

static bool read_payload(Reader *reader)
{
    static const Known known[] = {
        {STR_INIT("object"), read_scalar, offsetof(Envelope, scalar)},
        {STR_INIT("entry"), read_entries, 0},
    };
    Envelope payload = {.begin = builder_mark(&reader->builder)};
    if (!READ_MEMBERS(reader, known, &payload)) {
        return false;
    }
    reader->builder.payload->object = payload.scalar.value;
    reader->builder.payload->has_unread = payload.items || reader->unknown;
    return finish_scalar(reader, &payload.scalar, AT_OBJECT) && builder_finish(&reader->builder);
}

bool json_decode(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    Reader reader = {.arena = arena, .extra = {.arena = arena, .error = reterr}};
    JsonKind kind;
    json_begin(&reader.scan, body, reterr);
    builder_begin(&reader.builder, arena, ret, reterr);
    if (!json_peek(&reader.scan, &kind)) {
        return false;
    }
    if (kind == JSON_OBJECT) {
        return read_payload(&reader) && json_end(&reader.scan);
    }
    if (skip_value(&reader) && json_end(&reader.scan)) {
        error_malformed(reterr, REASON_NOT_A_PAYLOAD, "the JSON document is not an object");
    }
    return false;
}
