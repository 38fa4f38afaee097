#include "payload/payload.h"

#include "base/text.h"

void builder_begin(Builder *builder, Arena *arena, Payload *payload, Error *error)
{
    *payload = (Payload){0};
    *builder = (Builder){.arena = arena, .payload = payload, .error = error};
}

/* Counts one more element against LIMIT_ITEMS. */
static bool count_item(Builder *builder)
{
    if (++builder->items > LIMIT_ITEMS) {
        return error_malformed(builder->error, REASON_TOO_MANY,
                               "more than %d entries, changes and statuses", (int)LIMIT_ITEMS);
    }
    return true;
}

/* Makes room for one more item in a list of the arena; returns the list, or NULL with the error
 * set. */
static void *list_grow(Builder *builder, void *list, size_t count, size_t *room, size_t item_size)
{
    void *grown = arena_list_grow(builder->arena, list, count, room, item_size);
    if (!grown) {
        error_no_memory(builder->error);
    }
    return grown;
}

static void *add_zeroed(Builder *builder, size_t size)
{
    if (!count_item(builder)) {
        return NULL;
    }
    void *added = arena_alloc(builder->arena, size);
    if (!added) {
        error_no_memory(builder->error);
        return NULL;
    }
    return memset(added, 0, size);
}

Account *builder_add_account(Builder *builder)
{
    return add_zeroed(builder, sizeof(Account));
}

Change *builder_add_change(Builder *builder, const Account *account)
{
    Change *change = add_zeroed(builder, sizeof(Change));
    if (change) {
        change->account = account;
    }
    return change;
}

static bool append_status(Builder *builder, const StatusUpdate *status)
{
    Payload *payload = builder->payload;
    StatusUpdate *list = list_grow(builder, payload->statuses, payload->status_count,
                                   &builder->status_room, sizeof(StatusUpdate));
    if (!list || !count_item(builder)) {
        return false;
    }
    payload->statuses = list;
    StatusUpdate *added = &list[payload->status_count++];
    *added = *status;
    if (!added->errors.ptr) {
        added->errors = STR("[]");
    }
    if (!added->extra.ptr) {
        added->extra = STR("{}");
    }
    return true;
}

/* The JSON Pointer of a place: every '#' becomes the next of the builder's indexes. Absent on
 * failure. */
static Str render_pointer(const Builder *builder, const char *place)
{
    Text text = text_begin(builder->arena);
    size_t level = 0;
    for (Str rest = str_from(place); rest.ptr;) {
        text_add(&text, str_split(&rest, '#'));
        if (rest.ptr) {
            text_add_format(&text, "%zu", builder->index[level++]);
        }
    }
    return text_finish(&text);
}

bool builder_quarantine(Builder *builder, Reason reason, const char *place, Str raw)
{
    static const Str details[REASON_COUNT] = {
        [REASON_WRONG_SHAPE] = STR_INIT("not of the kind that belongs here"),
        [REASON_MISSING_ID] = STR_INIT("a status needs a non-empty id"),
        [REASON_MISSING_STATUS] = STR_INIT("a status needs a non-empty status"),
    };
    Payload *payload = builder->payload;
    Quarantined *list = list_grow(builder, payload->quarantined, payload->quarantined_count,
                                  &builder->quarantined_room, sizeof(Quarantined));
    if (!list || !count_item(builder)) {
        return false;
    }
    payload->quarantined = list;
    Quarantined item = {.reason = reason,
                        .detail = details[reason],
                        .raw = raw,
                        .pointer = render_pointer(builder, place)};
    if (!item.pointer.ptr || !raw.ptr) {
        return error_no_memory(builder->error);
    }
    list[payload->quarantined_count++] = item;
    return true;
}

/* A member of an object under construction, unless it is absent. as_json: the value is JSON text
 * already. */
static void add_member(Text *text, const char *name, Str value, bool as_json)
{
    if (!value.ptr) {
        return;
    }
    text_add(text, text->ptr[text->len - 1] == '{' ? STR("") : STR(","));
    text_add_json(text, str_from(name));
    text_add(text, STR(":"));
    if (as_json) {
        text_add(text, value);
    } else {
        text_add_json(text, value);
    }
}

/* A status that came as XML or form, as the JSON object it would have been. */
static Str render_status(Arena *arena, const StatusUpdate *status)
{
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    if (!text.failed) {
        add_member(&text, "id", status->id, false);
        add_member(&text, "status", status->status, false);
        add_member(&text, "timestamp", status->timestamp, false);
        add_member(&text, "recipient_id", status->recipient_id, false);
        add_member(&text, "errors", status->errors, true);
        text_add(&text, STR("}"));
    }
    return text_finish(&text);
}

static Str render_change(Arena *arena, const Change *change)
{
    Text metadata = text_begin(arena);
    text_add(&metadata, STR("{"));
    Text value = text_begin(arena);
    text_add(&value, STR("{"));
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    if (!metadata.failed && !value.failed && !text.failed) {
        add_member(&metadata, "display_phone_number", change->display_phone_number, false);
        add_member(&metadata, "phone_number_id", change->phone_number_id, false);
        text_add(&metadata, STR("}"));
        add_member(&value, "messaging_product", change->messaging_product, false);
        if (metadata.len > 2) {
            add_member(&value, "metadata", text_finish(&metadata), true);
        }
        text_add(&value, STR("}"));
        add_member(&text, "field", change->field, false);
        add_member(&text, "value", text_finish(&value), true);
        text_add(&text, STR("}"));
    }
    return metadata.failed || value.failed ? (Str){NULL, 0} : text_finish(&text);
}

bool builder_add_status(Builder *builder, const StatusUpdate *status, Str raw)
{
    if (!str_is_empty(status->id) && !str_is_empty(status->status)) {
        return append_status(builder, status);
    }
    Reason reason = str_is_empty(status->id) ? REASON_MISSING_ID : REASON_MISSING_STATUS;
    return builder_quarantine(builder, reason, AT_STATUS,
                              raw.ptr ? raw : render_status(builder->arena, status));
}

bool builder_quarantine_status(Builder *builder, const StatusUpdate *status)
{
    return builder_quarantine(builder, REASON_WRONG_SHAPE, AT_STATUS,
                              render_status(builder->arena, status));
}

Mark builder_mark(const Builder *builder)
{
    const Payload *payload = builder->payload;
    return (Mark){payload->status_count, payload->quarantined_count, payload->event_count};
}

void builder_rollback(Builder *builder, Mark mark)
{
    builder->payload->status_count = mark.statuses;
    builder->payload->quarantined_count = mark.quarantined;
    builder->payload->event_count = mark.events;
}

static bool append_event(Builder *builder, const Change *change, Str raw)
{
    Payload *payload = builder->payload;
    Event *list = list_grow(builder, payload->events, payload->event_count, &builder->event_room,
                            sizeof(Event));
    if (!list) {
        return false;
    }
    payload->events = list;
    Event event = {.change = change, .raw = raw.ptr ? raw : render_change(builder->arena, change)};
    if (!event.raw.ptr) {
        return error_no_memory(builder->error);
    }
    list[payload->event_count++] = event;
    return true;
}

bool builder_finish_change(Builder *builder, const Change *change, Mark mark, Str raw)
{
    if (str_eq(change->field, STR("calls")) || str_eq(change->field, STR("standby"))) {
        builder_rollback(builder, mark);
    } else if (change->has_statuses) {
        return true;
    }
    return append_event(builder, change, raw);
}

bool payload_quarantine_body(Payload *payload, Arena *arena, Str body, const Error *error)
{
    Quarantined *item = arena_alloc(arena, sizeof(*item));
    char *detail = arena_alloc(arena, 2 * LIMIT_TEXT);
    if (!item || !detail) {
        return false;
    }
    size_t len = error_describe(error, detail, 2 * LIMIT_TEXT);
    *item = (Quarantined){
        .reason = error_reason(error), .detail = {detail, len}, .pointer = STR(""), .raw = body};
    *payload = (Payload){.quarantined = item, .quarantined_count = 1};
    return true;
}
