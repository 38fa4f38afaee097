#include "payload/payload.h"

#include "base/text.h"
#include "payload/render.h"

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

/* Makes room for one more item in a list; returns the list, or NULL with the error set. */
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
    Account *account = add_zeroed(builder, sizeof(Account));
    builder->account = account;
    return account;
}

void builder_finish_account(Builder *builder)
{
    builder->account = NULL;
}

Change *builder_add_change(Builder *builder, const Account *account)
{
    Change *change = add_zeroed(builder, sizeof(Change));
    if (change) {
        change->account = account;
    }
    builder->change = change;
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

/* The JSON Pointer of a place, every '#' being the next of the builder's indexes.
 * Absent: no memory. */
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
                        .pointer = render_pointer(builder, place),
                        .place = str_from(place),
                        .account = builder->account,
                        .change = builder->change};
    if (!item.pointer.ptr || !raw.ptr) {
        return error_no_memory(builder->error);
    }
    list[payload->quarantined_count++] = item;
    return true;
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

StatusUpdate *builder_begin_status(Builder *builder, Change *change)
{
    change->has_statuses = true;
    builder->status = (StatusUpdate){.change = change};
    builder->error_count = 0;
    return &builder->status;
}

StatusError *builder_add_error(Builder *builder)
{
    if (builder->error_count == LIMIT_ITEMS) {
        error_malformed(builder->error, REASON_TOO_MANY, "more than %d errors in a status",
                        (int)LIMIT_ITEMS);
        return NULL;
    }
    StatusError *list = list_grow(builder, builder->errors, builder->error_count,
                                  &builder->error_room, sizeof(StatusError));
    if (!list) {
        return NULL;
    }
    builder->errors = list;
    StatusError *added = &list[builder->error_count++];
    *added = (StatusError){{NULL, 0}, {NULL, 0}};
    return added;
}

static bool finish_errors(Builder *builder)
{
    if (builder->error_count == 0) {
        return true;
    }
    builder->status.errors = render_errors(builder->arena, builder->errors, builder->error_count);
    return builder->status.errors.ptr || error_no_memory(builder->error);
}

bool builder_end_status(Builder *builder)
{
    return finish_errors(builder) && builder_add_status(builder, &builder->status, (Str){NULL, 0});
}

bool builder_end_wrong_status(Builder *builder)
{
    return finish_errors(builder) &&
           builder_quarantine(builder, REASON_WRONG_SHAPE, AT_STATUS,
                              render_status(builder->arena, &builder->status));
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
    builder->change = NULL;
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
    *item = (Quarantined){.reason = error_reason(error),
                          .detail = {detail, len},
                          .pointer = STR(""),
                          .raw = body,
                          .place = STR("")};
    *payload = (Payload){.quarantined = item, .quarantined_count = 1};
    return true;
}
