#include "commands/command.h"

#include "redis/rights.h"

int acl_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    Partitions *partitions = config_partitions(config);
    Arena *arena = arena_new();
    Str line = {NULL, 0};
    if (partitions && arena) {
        Text text = text_begin(arena);
        rights_describe(&text, &(RightsSettings){.servers = &config->redis,
                                                 .sentinel_user = config->redis_sentinel_user,
                                                 .stream = config->stream,
                                                 .partitions = partitions,
                                                 .ack = config->redis_ack});
        line = text_finish(&text);
    }
    bool ok = line.ptr && fwrite(line.ptr, 1, line.len, stdout) == line.len;
    if (!line.ptr) {
        fprintf(stderr, "acl: out of memory\n");
    }
    partitions_free(partitions);
    arena_free(arena);
    return ok ? EXIT_DONE : line.ptr ? EXIT_NO : EXIT_TRY_AGAIN;
}
