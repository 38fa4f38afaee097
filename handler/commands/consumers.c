#include "commands/command.h"

#include "commands/options.h"
#include "commands/rounds.h"
#include "redis/scripts.h"

#include <stdlib.h>

typedef struct {
    Rounds rounds;
    long long idle; /* milliseconds */
    bool is_dry;
    long long reaped, pending; /* consumers */
    bool has_more;
} Reaping;

/* Of the partition; true: there are more to ask for. */
static bool show(Reaping *reaping, size_t partition, const Reply *reply)
{
    const Str stream = rounds_keys(&reaping->rounds, partition)->stream;
    char group[NAME_ROOM], name[NAME_ROOM], idle[HUMAN_ROOM];
    for (size_t i = 2; i < reply->count; i++) {
        const Reply *row = &reply->items[i];
        if (row->count < 3) {
            continue;
        }
        printf("%.*s: %s of %s, idle for %s, %s\n", STR_ARG(stream),
               rounds_name(row->items[1].text, name), rounds_name(row->items[0].text, group),
               human_span(row->items[2].integer / 1000, idle),
               reaping->is_dry ? "would be removed" : "is removed");
        reaping->reaped++;
    }
    return reply->items[0].integer != 0;
}

static bool reap(Reaping *reaping, size_t partition)
{
    const Str stream = rounds_keys(&reaping->rounds, partition)->stream;
    char idle[24];
    snprintf(idle, sizeof(idle), "%lld", reaping->idle);
    const Str words[] = {STR("EVAL"), reap_script,    STR("1"),
                         stream,      str_from(idle), reaping->is_dry ? STR("1") : STR("0")};
    long long pending;
    bool has_more;
    do {
        const Reply *reply = rounds_ask(&reaping->rounds, partition, words, 6);
        if (!reply) {
            return false;
        }
        if (reply->kind != REPLY_LIST || reply->count < 2) {
            rounds_complain_of_nonsense(&reaping->rounds, stream);
            return false;
        }
        pending = reply->items[1].integer;
        has_more = show(reaping, partition, reply);
    } while (has_more && !reaping->is_dry);
    reaping->pending += pending;
    reaping->has_more |= has_more;
    return true;
}

static void sum_up(const Reaping *reaping)
{
    char text[HUMAN_ROOM];
    printf("%s%s consumers %s", reaping->has_more ? "at least " : "",
           rounds_count(reaping->reaped, text), reaping->is_dry ? "would be removed" : "removed");
    if (reaping->pending) {
        printf("; %s more stay: entries are pending on them (XAUTOCLAIM moves those)",
               rounds_count(reaping->pending, text));
    }
    printf("%s\n", reaping->is_dry ? "\nNothing was removed; --yes does it." : "");
}

/* 0 would be everybody. */
static bool read_idle(Str text, long long *ret)
{
    int64_t seconds = 0;
    const bool ok = options_age(text, &seconds) && seconds > 0;
    *ret = 1000 * seconds;
    return ok;
}

int consumers_main(const Config *config, int argc, char **argv)
{
    Reaping reaping = {.is_dry = argc < 4};
    if (argc < 3 || strcmp(argv[1], "reap") != 0 || !read_idle(str_from(argv[2]), &reaping.idle) ||
        (argc > 3 && strcmp(argv[3], "--yes") != 0)) {
        return command_misused(command_find("consumers"));
    }
    bool ok = rounds_begin(&reaping.rounds, "consumers", config);
    for (size_t i = 0; ok && i < reaping.rounds.partitions->count; i++) {
        ok = reap(&reaping, i);
    }
    if (ok) {
        sum_up(&reaping);
    }
    return rounds_end(&reaping.rounds);
}
