/*
 * What a body costs without any input or output: decode, digests, Redis commands.
 * Made to be counted, not timed: see instructions.py.
 *
 *     bench-decode CONTENT_TYPE FILE WINDOW TIMES        WINDOW 0: without dedupe
 */
#include "payload/codec.h"
#include "file.h"
#include "redis/sending.h"

/* Returns how many statuses the body has; 0 when it fails. */
static size_t handle(MediaType type, Str body, const StreamKeys *keys, Arena *arena, Buffer *buffer,
                     CallDraft *draft)
{
    Payload payload;
    Error error;
    const Digest *digests = NULL;
    Publication publication = {
        .payload = &payload,
        .delivery = {.received_at = STR("1771000100000"),
                     .request_id = STR("0123456789abcdef0123456789abcdef"),
                     .content_type = STR("application/json")},
    };
    const Str sha = STR("0123456789abcdef0123456789abcdef01234567");
    buffer_clear(buffer);
    arena_reset(arena);
    if (!payload_decode(type, body, arena, &payload, &error) ||
        !entries_check_size(&payload, &error) ||
        (keys->window && !dedupe_digests(&payload, arena, &digests))) {
        return 0;
    }
    Sending sending = {.publication = &publication,
                       .publishing = publishing_of(keys, &payload),
                       .digests = digests};
    return sending_write(&sending, draft, buffer, keys, sha)
               ? payload.status_count
               : 0;
}

int main(int argc, char **argv)
{
    MediaType type;
    Error error;
    if (argc != 5 || !media_type_parse(str_from(argv[1]), &type, &error)) {
        fprintf(stderr, "usage: bench-decode CONTENT_TYPE FILE WINDOW TIMES\n");
        return 2;
    }
    Str body = file_read(argv[2]);
    StreamKeys *keys =
        stream_keys_new("whatsapp:statuses", "", (unsigned)strtoul(argv[3], NULL, 10));
    Arena *arena = arena_new();
    Buffer buffer = {0};
    CallDraft draft = {0};
    size_t statuses = 0;
    for (unsigned long times = strtoul(argv[4], NULL, 10); times; times--) {
        statuses = handle(type, body, keys, arena, &buffer, &draft);
    }
    printf("%zu statuses, %zu bytes of commands\n", statuses, buffer.len);
    buffer_free(&buffer);
    call_draft_free(&draft);
    arena_free(arena);
    stream_keys_free(keys);
    return statuses ? 0 : 1;
}
