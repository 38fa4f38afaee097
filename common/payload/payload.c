#include "payload/payload.h"

#include "base/digest.h"
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

/* Whose Members the unknown members of an object are in. */
static const unsigned char kept_in[KEEPERS] = {
    [KEEP_ACCOUNT] = 0,  [KEEP_CHANGE] = 1, [KEEP_VALUE] = 1,
    [KEEP_METADATA] = 1, [KEEP_STATUS] = 2, [KEEP_ERROR] = 2};

/* A new object begins: what was kept of the one before is forgotten. */
static void forget_kept(Builder *builder, Keeper first, Keeper last)
{
    Members *kept = builder->kept[kept_in[first]];
    if (!kept) {
        return; /* and there are no roots */
    }
    members_clear(kept);
    for (Keeper keeper = first; keeper <= last; keeper++) {
        builder->roots[keeper] = 0;
    }
}

Members *builder_keep(Builder *builder, Keeper keeper, Node *ret_root)
{
    Members **kept = &builder->kept[kept_in[keeper]];
    *kept = *kept ? *kept : members_new(builder->arena);
    if (*kept && !builder->roots[keeper]) {
        builder->roots[keeper] = members_add_root(*kept);
    }
    *ret_root = builder->roots[keeper];
    if (!*kept || members_failed(*kept)) {
        error_no_memory(builder->error);
        return NULL;
    }
    return *kept;
}

/* The unknown members of what is being read, each after a comma; absent when there are none. false:
 * no memory. */
static bool render_kept(Builder *builder, Keeper keeper, Str *ret)
{
    const Members *kept = builder->kept[kept_in[keeper]];
    *ret = (Str){NULL, 0};
    if (!builder->roots[keeper] || members_is_empty(kept, builder->roots[keeper])) {
        return true;
    }
    Text text = text_begin(builder->arena);
    members_render(kept, builder->roots[keeper], &text);
    *ret = text.len ? text_finish(&text) : *ret;
    return (!text.failed && !members_failed(kept)) || error_no_memory(builder->error);
}

Account *builder_add_account(Builder *builder)
{
    Account *account = add_zeroed(builder, sizeof(Account));
    builder->account = account;
    forget_kept(builder, KEEP_ACCOUNT, KEEP_ACCOUNT);
    return account;
}

Change *builder_add_change(Builder *builder, const Account *account)
{
    Change *change = add_zeroed(builder, sizeof(Change));
    if (change) {
        change->account = account;
    }
    builder->change = change;
    forget_kept(builder, KEEP_CHANGE, KEEP_METADATA);
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

/* The SHA-256 of a text in hex digits, the arena's. Absent: no memory. */
static Str digest_of(Arena *arena, Str text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];
    char *hex = arena_alloc(arena, 2 * SHA256_BYTES);
    if (!hex || !sha256(text, digest)) {
        return (Str){NULL, 0};
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 0xf];
    }
    return (Str){hex, 2 * SHA256_BYTES};
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
                        .raw_sha256 = digest_of(builder->arena, raw),
                        .pointer = render_pointer(builder, place),
                        .place = str_from(place),
                        .account = builder->account,
                        .change = builder->change};
    if (!item.pointer.ptr || !raw.ptr || !item.raw_sha256.ptr) {
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
    forget_kept(builder, KEEP_STATUS, KEEP_ERROR);
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
    *added = (StatusError){.code = {NULL, 0}};
    return added;
}

bool builder_end_error(Builder *builder)
{
    if (!builder->roots[KEEP_ERROR]) {
        return true;
    }
    const bool ok =
        render_kept(builder, KEEP_ERROR, &builder->errors[builder->error_count - 1].rest);
    builder->roots[KEEP_ERROR] = 0;
    return ok;
}

static bool finish_errors(Builder *builder)
{
    if (builder->error_count == 0) {
        return true;
    }
    builder->status.errors = render_errors(builder->arena, builder->errors, builder->error_count);
    return builder->status.errors.ptr || error_no_memory(builder->error);
}

/* `extra` of the kept members: `{`, and each after the first with its comma. */
static bool finish_extra(Builder *builder)
{
    Str rest;
    if (!render_kept(builder, KEEP_STATUS, &rest)) {
        return false;
    }
    if (rest.ptr) {
        Text text = text_begin(builder->arena);
        text_add(&text, STR("{"));
        text_add(&text, str_from_offset(rest, 1));
        text_add(&text, STR("}"));
        builder->status.extra = text_finish(&text);
    }
    return !rest.ptr || builder->status.extra.ptr || error_no_memory(builder->error);
}

/* recipient_id of a status' `message`: older senders have it there instead of in the status. */
static void fall_back_to_message(Builder *builder)
{
    StatusUpdate *status = &builder->status;
    const Node root = builder->roots[KEEP_STATUS];
    if (str_is_empty(status->recipient_id)) {
        const Members *kept = builder->kept[kept_in[KEEP_STATUS]];
        const Node message = members_find(kept, root, STR("message"));
        Node recipient = message ? members_find(kept, message, STR("recipient_id")) : 0;
        recipient =
            message && !recipient ? members_find(kept, message, STR("recipientid")) : recipient;
        status->recipient_id = recipient ? members_text(kept, recipient) : status->recipient_id;
    }
}

bool builder_end_status(Builder *builder)
{
    if (!finish_errors(builder)) {
        return false;
    }
    if (builder->roots[KEEP_STATUS]) {
        if (!finish_extra(builder)) {
            return false;
        }
        if (!str_is_empty(builder->status.id) && !str_is_empty(builder->status.status)) {
            fall_back_to_message(builder);
        }
    }
    return builder_add_status(builder, &builder->status, (Str){NULL, 0});
}

bool builder_end_wrong_status(Builder *builder)
{
    return finish_errors(builder) && finish_extra(builder) &&
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

static bool append_event(Builder *builder, const Event *event)
{
    Payload *payload = builder->payload;
    Event *list = list_grow(builder, payload->events, payload->event_count, &builder->event_room,
                            sizeof(Event));
    if (!list) {
        return false;
    }
    payload->events = list;
    list[payload->event_count++] = *event;
    return event->raw.ptr || error_no_memory(builder->error);
}

/* The statuses of the change that was begun at mark, as the elements of a list: good ones first.
 * Absent when there are none. */
static bool render_statuses(Builder *builder, Mark mark, Str *ret)
{
    const Payload *payload = builder->payload;
    Text text = text_begin(builder->arena);
    for (size_t i = mark.statuses; i < payload->status_count; i++) {
        const Str raw = render_status(builder->arena, &payload->statuses[i]);
        text.failed |= !raw.ptr;
        text_add(&text, text.len ? STR(",") : STR(""));
        text_add(&text, raw);
    }
    for (size_t i = mark.quarantined; i < payload->quarantined_count; i++) {
        if (str_eq(payload->quarantined[i].place, STR(AT_STATUS))) {
            text_add(&text, text.len ? STR(",") : STR(""));
            text_add(&text, payload->quarantined[i].raw);
        }
    }
    *ret = text.len ? text_finish(&text) : (Str){NULL, 0};
    return !text.failed || error_no_memory(builder->error);
}

/* The JSON text of a change whose members came one by one. */
static bool finish_raw(Builder *builder, const Change *change, Mark mark, Str *raw)
{
    ChangeRest rest = {0};
    if (raw->ptr) {
        return true;
    }
    if (!render_kept(builder, KEEP_CHANGE, &rest.change) ||
        !render_kept(builder, KEEP_VALUE, &rest.value) ||
        !render_kept(builder, KEEP_METADATA, &rest.metadata) ||
        !render_statuses(builder, mark, &rest.statuses)) {
        return false;
    }
    *raw = render_change(builder->arena, change, &rest);
    return raw->ptr || error_no_memory(builder->error);
}

/* Did lists stand beside the statuses? */
static bool has_others(const Builder *builder, const Change *change)
{
    const Node root = builder->roots[KEEP_VALUE];
    return change->has_others || (root && members_have_list(builder->kept[kept_in[KEEP_VALUE]],
                                                            root, builder->objects_are_lists));
}

/* Fields whose statuses are not those of messages. */
static bool is_field_of_others(Str field)
{
    return str_eq(field, STR("calls")) || str_eq(field, STR("standby"));
}

bool builder_finish_change(Builder *builder, const Change *change, Mark mark, Str raw)
{
    const bool of_others = is_field_of_others(change->field);
    Event event = {.change = change, .beside = change->has_statuses && !of_others};
    builder->change = NULL;
    if (event.beside && !has_others(builder, change)) {
        return true;
    }
    if (!finish_raw(builder, change, mark, &raw)) {
        return false;
    }
    if (of_others) {
        builder_rollback(builder, mark);
    }
    event.raw = raw;
    return append_event(builder, &event);
}

bool builder_finish_account(Builder *builder, Account *account, Mark mark, bool is_bare, Str raw)
{
    const Mark now = builder_mark(builder);
    builder->account = NULL;
    if (now.statuses != mark.statuses || now.quarantined != mark.quarantined ||
        now.events != mark.events) {
        return true;
    }
    Str rest;
    Change *change = arena_alloc(builder->arena, sizeof(*change));
    if (!change || !render_kept(builder, KEEP_ACCOUNT, &rest)) {
        return error_no_memory(builder->error);
    }
    *change = (Change){.account = account, .field = STR("other")};
    const Event event = {.change = change,
                         .raw = raw.ptr ? raw : render_account(builder->arena, account, rest),
                         .bare = is_bare};
    return append_event(builder, &event);
}

/* Takes bare entries out, when there is anything else. */
static void drop_bare(Payload *payload)
{
    size_t count = 0;
    for (size_t i = 0; i < payload->event_count; i++) {
        if (!payload->events[i].bare) {
            payload->events[count++] = payload->events[i];
        }
    }
    if (count || payload->status_count || payload->quarantined_count) {
        payload->event_count = count;
    }
}

bool builder_finish(Builder *builder)
{
    Payload *payload = builder->payload;
    drop_bare(payload);
    for (size_t i = 0; i < payload->event_count; i++) {
        payload->ignored += !payload->events[i].beside;
    }
    for (size_t i = 0; i < sizeof(builder->kept) / sizeof(builder->kept[0]); i++) {
        const Members *kept = builder->kept[i];
        payload->dropped_members += kept ? members_dropped(kept) : 0;
        if (kept && members_failed(kept)) {
            return error_no_memory(builder->error);
        }
    }
    return true;
}

bool payload_is_empty(const Payload *payload)
{
    return !payload->status_count && !payload->quarantined_count && !payload->event_count;
}

bool payload_quarantine_body(Payload *payload, Arena *arena, Str body, const Error *error)
{
    Quarantined *item = arena_alloc(arena, sizeof(*item));
    char *detail = arena_alloc(arena, 2 * LIMIT_TEXT);
    const Str digest = digest_of(arena, body);
    if (!item || !detail || !digest.ptr) {
        return false;
    }
    size_t len = error_describe(error, detail, 2 * LIMIT_TEXT);
    *item = (Quarantined){.reason = error_reason(error),
                          .detail = {detail, len},
                          .pointer = STR(""),
                          .raw = body,
                          .raw_sha256 = digest,
                          .place = STR("")};
    *payload = (Payload){.quarantined = item, .quarantined_count = 1};
    return true;
}
