/*
 * What a body costs without any input or output: decode, digests, Redis commands.
 * Made to be counted, not timed: see instructions.py.
 *
 *     bench-decode CONTENT_TYPE FILE WINDOW TIMES        WINDOW 0: without dedupe
 */
#include "payload/codec.h"
#include "file.h"
#include "redis/publish.h"
#include "stream/dedupe.h"

static const RedisKeys keys_of_default = {
    .stream = STR_INIT("whatsapp:statuses"),
    .quarantine = STR_INIT("{whatsapp:statuses}:quarantine"),
    .seen_prefix = STR_INIT("{whatsapp:statuses}:seen:"),
    .probe = STR_INIT("{whatsapp:statuses}:probe"),
    .script_sha = "0123456789abcdef0123456789abcdef01234567",
};

/* Returns how many statuses the body has; 0 when it fails. */
static size_t handle(MediaType type, Str body, const RedisKeys *keys, Arena *arena, Buffer *buffer)
{
    Payload payload;
    Error error;
    Publication publication = {
        .payload = &payload,
        .arena = arena,
        .content_type = STR("application/json"),
        .request_id = STR("0123456789abcdef0123456789abcdef"),
        .received_at = 1771000100000,
    };
    buffer_clear(buffer);
    arena_reset(arena);
    if (!payload_decode(type, body, arena, &payload, &error) ||
        (keys->window && !dedupe_digests(&payload, arena, &publication.sink.seen)) ||
        !command_publish(buffer, keys, &publication)) {
        return 0;
    }
    return payload.status_count;
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
    RedisKeys keys = keys_of_default;
    keys.window = (unsigned)strtoul(argv[3], NULL, 10);
    Arena *arena = arena_new();
    Buffer buffer = {0};
    size_t statuses = 0;
    for (unsigned long times = strtoul(argv[4], NULL, 10); times; times--) {
        statuses = handle(type, body, &keys, arena, &buffer);
    }
    printf("%zu statuses, %zu bytes of commands\n", statuses, buffer.len);
    buffer_free(&buffer);
    arena_free(arena);
    return statuses ? 0 : 1;
}
