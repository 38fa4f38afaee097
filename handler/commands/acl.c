#include "commands/command.h"

#include "redis/rights.h"

int acl_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    StreamKeys *keys = config_keys(config, config->stream);
    Arena *arena = arena_new();
    Str line = {NULL, 0};
    if (keys && arena) {
        Text text = text_begin(arena);
        rights_describe(&text, &config->redis, keys);
        line = text_finish(&text);
    }
    bool ok = line.ptr && fwrite(line.ptr, 1, line.len, stdout) == line.len;
    if (!line.ptr) {
        fprintf(stderr, "acl: out of memory\n");
    }
    stream_keys_free(keys);
    arena_free(arena);
    return ok ? EXIT_DONE : line.ptr ? EXIT_NO : EXIT_TRY_AGAIN;
}
