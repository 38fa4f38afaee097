#include "fuzz.h"

#include "payload/json_scan.h"
#include "redis/sending.h"
#include "stream/dedupe.h"

Arena *fuzz_arena(void)
{
    static Arena *arena;
    if (!arena) {
        arena = arena_new();
        CHECK(arena);
    }
    arena_reset(arena);
    return arena;
}

/* Is the text one JSON document, of this kind unless kind is negative? */
static bool is_json(Str text, int kind)
{
    JsonScanner scan;
    JsonValue value;
    Error error;
    json_begin(&scan, text, &error);
    return json_value(&scan, &value) && json_end(&scan) && (kind < 0 || (int)value.kind == kind);
}

static size_t read_number(const char **pos, const char *end, char type)
{
    size_t number = 0;
    CHECK(*pos < end && **pos == type);
    for (++*pos; *pos < end && ascii_is_digit(**pos); ++*pos) {
        number = number * 10 + (size_t)(**pos - '0');
    }
    CHECK(end - *pos >= 2 && (*pos)[0] == '\r' && (*pos)[1] == '\n');
    *pos += 2;
    return number;
}

/* Counts the commands of a buffer, which must be well-formed RESP and nothing else. */
static size_t count_commands(const Buffer *buffer)
{
    const char *pos = buffer->ptr, *end = buffer->ptr + buffer->len;
    size_t commands = 0;
    for (; pos < end; commands++) {
        for (size_t words = read_number(&pos, end, '*'); words > 0; words--) {
            size_t len = read_number(&pos, end, '$');
            CHECK((size_t)(end - pos) >= len + 2 && pos[len] == '\r' && pos[len + 1] == '\n');
            pos += len + 2;
        }
    }
    return commands;
}

static void check_commands(const Payload *payload, const Digest *digests)
{
    StreamKeys keys = {.stream = STR("s"),
                       .quarantine = STR("{s}:quarantine"),
                       .events = STR("e"),
                       .seen_state = STR("{s}:seen"),
                       .seen = {STR("{s}:seen:0"), STR("{s}:seen:1")}};
    Publication publication = {.payload = payload, .delivery = {.request_id = STR("id")}};
    for (keys.window = 0; keys.window < 2; keys.window++) {
        Sending sending = {.publication = &publication,
                           .publishing = publishing_of(&keys, payload),
                           .digests = digests};
        Buffer buffer = {0};
        CallDraft draft = {0};
        if (publishing_is_empty(&sending.publishing)) {
            return;
        }
        CHECK(sending_write(&sending, &draft, &buffer, &keys, STR("sha")));
        CHECK(count_commands(&buffer) == sending.publishing.replies);
        CHECK(buffer.len <= 2 * entries_size(payload) + 4096);
        buffer_free(&buffer);
        call_draft_free(&draft);
    }
}

void check_payload(const Payload *payload, Arena *arena)
{
    const Digest *digests;
    for (size_t i = 0; i < payload->status_count; i++) {
        const StatusUpdate *status = &payload->statuses[i];
        CHECK(!str_is_empty(status->id) && !str_is_empty(status->status));
        CHECK(status->change && status->change->account);
        CHECK(is_json(status->errors, JSON_ARRAY) && is_json(status->extra, JSON_OBJECT));
    }
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        const Quarantined *item = &payload->quarantined[i];
        CHECK(item->reason != REASON_NONE && item->detail.ptr);
        CHECK(item->pointer.len > 0 && item->pointer.ptr[0] == '/');
        CHECK(is_json(item->raw, -1));
    }
    for (size_t i = 0; i < payload->event_count; i++) {
        CHECK(is_json(payload->events[i].raw, JSON_OBJECT));
    }
    CHECK(dedupe_digests(payload, arena, &digests));
    check_commands(payload, digests);
}

void check_refusal(const Error *error, size_t body_len)
{
    CHECK(error->code == ERROR_MALFORMED);
    CHECK(error_reason(error) > REASON_NONE && error_reason(error) < REASON_COUNT);
    CHECK(error->text[0] != '\0' && error->offset <= body_len);
    CHECK((error->line == 0) == (error->column == 0));
}
