/*
 * The JSON form. Each read_ function reads one level of the payload and hands what it finds to the
 * builder.
 *
 * Of members with the same name the last one counts. A list that is read a second time first takes
 * back what its predecessor added (builder_rollback), and a scalar of the wrong kind is only
 * remembered until its object has ended, since a later one may replace it.
 */
#include "payload/codec.h"
#include "payload/json_scan.h"

#include <stdlib.h>

/* A member of a status that has no field of its own. */
typedef struct {
    JsonValue name, value;
    Str plain_name; /* without escapes */
} Member;

typedef struct {
    JsonScanner scan;
    Builder builder;
    Arena *arena;
    Account *account;
    Change *change;
    Member *members; /* of the status that is being read */
    size_t member_count, member_room;
} Reader;

/* A scalar member: its value, or what stood there instead of a scalar. */
typedef struct {
    Str value;
    Str wrong;
} Scalar;

enum { UNKNOWN = -1 };

/* The index of a name in a list of names, matched exactly or, failing that, without regard to case.
 */
static int find_name(const Str *names, int count, Str name)
{
    for (int i = 0; i < count; i++) {
        if (str_eq(names[i], name)) {
            return i;
        }
    }
    for (int i = 0; i < count; i++) {
        if (str_eq_nocase(names[i], name)) {
            return i;
        }
    }
    return UNKNOWN;
}

/* Goes to the next member of an object and looks up its name; false at the end of the object or on
 * error. */
static bool next_member(Reader *reader, const Str *names, int count, int *ret_index)
{
    JsonValue name = {0};
    Str plain = {0};
    if (!json_member(&reader->scan, &name)) {
        return false;
    }
    if (!json_content(&name, reader->arena, &plain)) {
        return error_no_memory(reader->scan.error);
    }
    *ret_index = find_name(names, count, plain);
    return true;
}

#define NEXT_MEMBER(reader, names, ret)                                                            \
    next_member(reader, names, (int)(sizeof(names) / sizeof((names)[0])), ret)

static bool read_text(Reader *reader, const JsonValue *value, Str *ret)
{
    return json_content(value, reader->arena, ret) || error_no_memory(reader->scan.error);
}

static bool read_scalar(Reader *reader, Scalar *ret)
{
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
    return json_value(&reader->scan, &value);
}

static bool quarantine_next(Reader *reader, const char *place)
{
    JsonValue value = {0};
    return json_value(&reader->scan, &value) &&
           builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, place, value.text);
}

/* null and "" stand for "nothing here", whatever belongs here. */
static bool is_nothing(const JsonValue *value)
{
    return value->kind == JSON_NULL || str_eq(value->text, STR("\"\""));
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
 * Reads a list whose elements are read by read_element, which is told the kind of each. null and ""
 * are empty lists; anything else but an array goes to quarantine. *ret_items: was there anything at
 * all?
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

/* extra: the members that have no field of their own */

static bool remember_member(Reader *reader, const JsonValue *name, Str plain_name,
                            const JsonValue *value)
{
    if (reader->member_count == LIMIT_ITEMS) {
        return error_malformed(reader->scan.error, REASON_TOO_MANY,
                               "a status of more than %d members", (int)LIMIT_ITEMS);
    }
    Member *grown = arena_list_grow(reader->arena, reader->members, reader->member_count,
                                    &reader->member_room, sizeof(Member));
    if (!grown) {
        return error_no_memory(reader->scan.error);
    }
    reader->members = grown;
    reader->members[reader->member_count++] = (Member){*name, *value, plain_name};
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const Member *a = *(const Member *const *)left, *b = *(const Member *const *)right;
    size_t shorter = a->plain_name.len < b->plain_name.len ? a->plain_name.len : b->plain_name.len;
    int order = shorter ? memcmp(a->plain_name.ptr, b->plain_name.ptr, shorter) : 0;
    if (order == 0 && a->plain_name.len != b->plain_name.len) {
        order = a->plain_name.len < b->plain_name.len ? -1 : 1;
    }
    return order ? order : a < b ? -1 : a > b;
}

/* Blanks the earlier of members with the same name, in a time that a hostile body cannot make
 * quadratic. */
static bool drop_repeated_members(Reader *reader)
{
    size_t count = reader->member_count;
    if (count < 2) {
        return true;
    }
    Member **sorted = arena_alloc(reader->arena, count * sizeof(*sorted));
    if (!sorted) {
        return error_no_memory(reader->scan.error);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &reader->members[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < count; i++) {
        if (str_eq(sorted[i - 1]->plain_name, sorted[i]->plain_name)) {
            sorted[i - 1]->name.text.len = 0;
        }
    }
    return true;
}

/* The remembered members as one object, names and values as they were written. */
static bool join_members(Reader *reader, Str *ret)
{
    if (reader->member_count == 0) {
        return true;
    }
    if (!drop_repeated_members(reader)) {
        return false;
    }
    size_t size = 2;
    for (size_t i = 0; i < reader->member_count; i++) {
        size += reader->members[i].name.text.len + reader->members[i].value.text.len + 2;
    }
    char *text = arena_alloc(reader->arena, size);
    if (!text) {
        return error_no_memory(reader->scan.error);
    }
    char *to = str_put(text, STR("{"));
    for (size_t i = 0; i < reader->member_count; i++) {
        const Member *member = &reader->members[i];
        if (member->name.text.len) {
            to = str_put(to, to == text + 1 ? STR("") : STR(","));
            to = str_put(str_put(str_put(to, member->name.text), STR(":")), member->value.text);
        }
    }
    to = str_put(to, STR("}"));
    *ret = (Str){text, (size_t)(to - text)};
    return true;
}

/* The status */

enum {
    STATUS_ID,
    STATUS_STATUS,
    STATUS_TIMESTAMP,
    STATUS_RECIPIENT,
    STATUS_SCALARS,
    STATUS_ERRORS = STATUS_SCALARS
};

static const Str status_names[] = {
    [STATUS_ID] = STR_INIT("id"),
    [STATUS_STATUS] = STR_INIT("status"),
    [STATUS_TIMESTAMP] = STR_INIT("timestamp"),
    [STATUS_RECIPIENT] = STR_INIT("recipient_id"),
    [STATUS_ERRORS] = STR_INIT("errors"),
};

/* recipient_id of a status' `message`, which older senders have instead of one in the status
 * itself. */
static bool read_message_recipient(Reader *reader, const JsonValue *message, Str *ret)
{
    static const Str names[] = {STR_INIT("recipient_id")};
    Error error;
    Reader inner = {.arena = reader->arena};
    json_begin(&inner.scan, message->text, &error);
    Scalar recipient = {0};
    int index = UNKNOWN;
    json_enter(&inner.scan, JSON_OBJECT);
    while (NEXT_MEMBER(&inner, names, &index)) {
        Scalar other;
        if (!read_scalar(&inner, index == UNKNOWN ? &other : &recipient)) {
            break;
        }
    }
    *ret = recipient.value;
    return error.code != ERROR_NO_MEMORY || error_no_memory(reader->scan.error);
}

/* Fills recipient_id from the last `message`, if the status has none of its own. */
static bool fall_back_to_message(Reader *reader, StatusUpdate *status)
{
    if (!str_is_empty(status->recipient_id)) {
        return true;
    }
    for (size_t i = reader->member_count; i-- > 0;) {
        const Member *member = &reader->members[i];
        if (str_eq_nocase(member->plain_name, STR("message"))) {
            return member->value.kind != JSON_OBJECT ||
                   read_message_recipient(reader, &member->value, &status->recipient_id);
        }
    }
    return true;
}

/* `errors`: an array that is not empty is kept as it is; null, "" and [] are none; anything else is
 * wrong. */
static bool read_errors(Reader *reader, Scalar *ret)
{
    JsonValue value = {0};
    *ret = (Scalar){0};
    if (!json_value(&reader->scan, &value)) {
        return false;
    }
    Str inner = value.text;
    if (value.kind == JSON_ARRAY) {
        inner = str_skip_space((Str){inner.ptr + 1, inner.len - 2});
        ret->value = inner.len ? value.text : (Str){NULL, 0};
    } else if (!is_nothing(&value)) {
        ret->wrong = inner;
    }
    return true;
}

static bool read_status_member(Reader *reader, Scalar *members)
{
    JsonValue name = {0}, value = {0};
    Str plain = {0};
    if (!json_member(&reader->scan, &name) || !read_text(reader, &name, &plain)) {
        return false;
    }
    int index = find_name(status_names, sizeof(status_names) / sizeof(status_names[0]), plain);
    if (index == STATUS_ERRORS) {
        return read_errors(reader, &members[index]);
    }
    if (index != UNKNOWN) {
        return read_scalar(reader, &members[index]);
    }
    return json_value(&reader->scan, &value) && remember_member(reader, &name, plain, &value);
}

static bool read_status(Reader *reader, JsonKind kind)
{
    if (kind != JSON_OBJECT) {
        return quarantine_next(reader, AT_STATUS);
    }
    Scalar members[STATUS_ERRORS + 1] = {0};
    const char *start = reader->scan.pos;
    reader->member_count = 0;
    json_enter(&reader->scan, JSON_OBJECT);
    while (read_status_member(reader, members)) {
    }
    if (json_failed(&reader->scan)) {
        return false;
    }
    Str raw = {start, (size_t)(reader->scan.pos - start)};
    for (int i = 0; i <= STATUS_ERRORS; i++) {
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
    return join_members(reader, &status.extra) && fall_back_to_message(reader, &status) &&
           builder_add_status(&reader->builder, &status, raw);
}

/* The envelope */

enum { METADATA_DISPLAY, METADATA_NUMBER_ID, METADATA_SCALARS, METADATA_ITSELF = METADATA_SCALARS };

static const Str metadata_names[] = {
    [METADATA_DISPLAY] = STR_INIT("display_phone_number"),
    [METADATA_NUMBER_ID] = STR_INIT("phone_number_id"),
};

/* metadata that is an object is read, null and "" are none, anything else is remembered as wrong.
 */
static bool read_metadata(Reader *reader, Scalar *members)
{
    JsonKind kind;
    Scalar other;
    int index = UNKNOWN;
    memset(members, 0, (METADATA_SCALARS + 1) * sizeof(*members));
    if (!json_peek(&reader->scan, &kind)) {
        return false;
    }
    if (kind != JSON_OBJECT) {
        return read_container_or_nothing(reader, &members[METADATA_ITSELF]);
    }
    json_enter(&reader->scan, JSON_OBJECT);
    while (NEXT_MEMBER(reader, metadata_names, &index)) {
        if (!read_scalar(reader, index == UNKNOWN ? &other : &members[index])) {
            return false;
        }
    }
    return !json_failed(&reader->scan);
}

static bool finish_metadata(Reader *reader, const Scalar *members)
{
    reader->change->display_phone_number = members[METADATA_DISPLAY].value;
    reader->change->phone_number_id = members[METADATA_NUMBER_ID].value;
    return finish_scalar(reader, &members[METADATA_DISPLAY], AT_METADATA "/display_phone_number") &&
           finish_scalar(reader, &members[METADATA_NUMBER_ID], AT_METADATA "/phone_number_id") &&
           finish_scalar(reader, &members[METADATA_ITSELF], AT_METADATA);
}

static bool read_value_object(Reader *reader)
{
    enum { PRODUCT, METADATA, STATUSES };
    static const Str names[] = {[PRODUCT] = STR_INIT("messaging_product"),
                                [METADATA] = STR_INIT("metadata"),
                                [STATUSES] = STR_INIT("statuses")};
    Scalar product = {0}, metadata[METADATA_SCALARS + 1] = {0};
    Mark mark = builder_mark(&reader->builder);
    int index = UNKNOWN;
    json_enter(&reader->scan, JSON_OBJECT);
    while (NEXT_MEMBER(reader, names, &index)) {
        bool ok;
        switch (index) {
        case PRODUCT:
            ok = read_scalar(reader, &product);
            break;
        case METADATA:
            ok = read_metadata(reader, metadata);
            break;
        case STATUSES:
            builder_rollback(&reader->builder, mark);
            ok = read_list(reader, AT_STATUSES, 2, read_status, &reader->change->has_statuses);
            break;
        default:
            ok = skip_value(reader);
        }
        if (!ok) {
            return false;
        }
    }
    reader->change->messaging_product = product.value;
    return !json_failed(&reader->scan) && finish_scalar(reader, &product, AT_PRODUCT) &&
           finish_metadata(reader, metadata);
}

static bool read_value(Reader *reader)
{
    JsonKind kind;
    Change *change = reader->change;
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

static bool read_change(Reader *reader, JsonKind kind)
{
    enum { FIELD, VALUE };
    static const Str names[] = {[FIELD] = STR_INIT("field"), [VALUE] = STR_INIT("value")};
    if (kind == JSON_NULL) {
        return skip_value(reader);
    }
    if (kind != JSON_OBJECT) {
        return quarantine_next(reader, AT_CHANGE);
    }
    Scalar field = {0};
    Mark mark = builder_mark(&reader->builder);
    const char *start = reader->scan.pos;
    int index = UNKNOWN;
    reader->change = builder_add_change(&reader->builder, reader->account);
    if (!reader->change) {
        return false;
    }
    json_enter(&reader->scan, JSON_OBJECT);
    while (NEXT_MEMBER(reader, names, &index)) {
        bool ok;
        switch (index) {
        case FIELD:
            ok = read_scalar(reader, &field);
            break;
        case VALUE:
            builder_rollback(&reader->builder, mark);
            ok = read_value(reader);
            break;
        default:
            ok = skip_value(reader);
        }
        if (!ok) {
            return false;
        }
    }
    reader->change->field = field.value;
    Str raw = {start, (size_t)(reader->scan.pos - start)};
    return !json_failed(&reader->scan) && finish_scalar(reader, &field, AT_FIELD) &&
           builder_finish_change(&reader->builder, reader->change, mark, raw);
}

static bool read_entry(Reader *reader, JsonKind kind)
{
    enum { ID, CHANGES };
    static const Str names[] = {[ID] = STR_INIT("id"), [CHANGES] = STR_INIT("changes")};
    if (kind == JSON_NULL) {
        return skip_value(reader);
    }
    if (kind != JSON_OBJECT) {
        return quarantine_next(reader, AT_ENTRY);
    }
    Scalar id = {0};
    Mark mark = builder_mark(&reader->builder);
    int index = UNKNOWN;
    reader->account = builder_add_account(&reader->builder);
    if (!reader->account) {
        return false;
    }
    json_enter(&reader->scan, JSON_OBJECT);
    while (NEXT_MEMBER(reader, names, &index)) {
        bool ok, items;
        switch (index) {
        case ID:
            ok = read_scalar(reader, &id);
            break;
        case CHANGES:
            builder_rollback(&reader->builder, mark);
            ok = read_list(reader, AT_CHANGES, 1, read_change, &items);
            break;
        default:
            ok = skip_value(reader);
        }
        if (!ok) {
            return false;
        }
    }
    reader->account->id = id.value;
    return !json_failed(&reader->scan) && finish_scalar(reader, &id, AT_ENTRY_ID);
}

static bool read_payload(Reader *reader)
{
    enum { OBJECT, ENTRY };
    static const Str names[] = {[OBJECT] = STR_INIT("object"), [ENTRY] = STR_INIT("entry")};
    Scalar object = {0};
    Mark mark = builder_mark(&reader->builder);
    int index = UNKNOWN;
    json_enter(&reader->scan, JSON_OBJECT);
    while (NEXT_MEMBER(reader, names, &index)) {
        bool ok, items;
        switch (index) {
        case OBJECT:
            ok = read_scalar(reader, &object);
            break;
        case ENTRY:
            builder_rollback(&reader->builder, mark);
            ok = read_list(reader, AT_ENTRIES, 0, read_entry, &items);
            break;
        default:
            ok = skip_value(reader);
        }
        if (!ok) {
            return false;
        }
    }
    reader->builder.payload->object = object.value;
    return !json_failed(&reader->scan) && finish_scalar(reader, &object, AT_OBJECT);
}

bool json_decode(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    Reader reader = {.arena = arena};
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
