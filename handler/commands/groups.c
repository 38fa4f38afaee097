#include "commands/command.h"

#include "commands/rounds.h"

#include <stdlib.h>

enum {
    STREAM_LEAST = 6, /* width of "stream" */
    GROUP_WIDTH = 20
};

typedef struct {
    Rounds rounds;
    int width; /* of the streams' names */
} Survey;

/* Showing */

/* Milliseconds since a consumer of the group has asked for something; -1 = there is none, or it is
 * not known. */
static long long idle_of(Survey *survey, size_t partition, Str group)
{
    const Str words[] = {STR("XINFO"), STR("CONSUMERS"),
                         rounds_keys(&survey->rounds, partition)->stream, group};
    const Reply *reply = rounds_ask(&survey->rounds, partition, words, 4);
    long long least = -1;
    for (size_t i = 0; reply && i < reply->count; i++) {
        const Reply *consumer = &reply->items[i];
        for (size_t k = 0; k + 1 < consumer->count; k += 2) {
            const long long idle = consumer->items[k + 1].integer;
            if (str_eq(consumer->items[k].text, STR("idle")) && (least < 0 || idle < least)) {
                least = idle;
            }
        }
    }
    return least;
}

static const char *last_age(Str id, char to[HUMAN_ROOM])
{
    return str_eq(id, STR("0-0")) ? "nothing" : rounds_age(id, to);
}

static const char *note_of(const UpkeepGroup *group)
{
    return group->state == GROUP_DEAD   ? "  dead"
           : group->holds               ? "  holds the stream"
           : group->state == GROUP_IDLE ? "  idle"
                                        : "";
}

static void print_row(Survey *survey, size_t partition, const UpkeepGroup *group)
{
    char name[NAME_ROOM], numbers[3][HUMAN_ROOM], ages[3][HUMAN_ROOM];
    const long long idle = idle_of(survey, partition, group->name);
    printf("%-*.*s  %-*s  %9s  %11s  %11s  %14s  %14s  %14s%s\n", survey->width,
           STR_ARG(rounds_keys(&survey->rounds, partition)->stream), GROUP_WIDTH,
           rounds_name(group->name, name), rounds_count(group->consumers, numbers[0]),
           rounds_count(group->pending, numbers[1]), rounds_count(group->lag, numbers[2]),
           rounds_age(group->oldest, ages[0]), last_age(group->last, ages[1]),
           idle < 0 ? "-" : human_span(idle / 1000, ages[2]), note_of(group));
}

static void print_nothing(const Survey *survey, size_t partition, const char *why)
{
    printf("%-*.*s  %s\n", survey->width, STR_ARG(rounds_keys(&survey->rounds, partition)->stream),
           why);
}

/* What is listed is copied: more is asked before it is shown. */
static bool print_groups(Survey *survey, size_t partition, const Upkept *upkept, Arena *arena)
{
    const size_t count = upkept->listed_count, all = upkept->groups;
    UpkeepGroup groups[32];
    char text[64];
    for (size_t i = 0; i < count; i++) {
        Upkept copy = {.listed = reply_copy(arena, &upkept->listed[i])};
        if (i == sizeof(groups) / sizeof(groups[0]) || !copy.listed ||
            !upkeep_read_group(&copy, 0, &groups[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        print_row(survey, partition, &groups[i]);
    }
    if (all > count) {
        snprintf(text, sizeof(text), "and %zu more", all - count);
        print_nothing(survey, partition, text);
    }
    return true;
}

static bool show_partition(Survey *survey, size_t partition, Arena *arena)
{
    const Config *config = survey->rounds.reach.config;
    const Str stream = rounds_keys(&survey->rounds, partition)->stream;
    const Keep keep = {.trim = TRIM_OFF, .dead_group = config->keep.dead_group};
    const UpkeepCaller caller = {.who = STR("groups"), .is_dry = true};
    Upkept upkept;
    if (!rounds_upkeep(&survey->rounds, partition, &keep, &caller, &upkept)) {
        return false;
    }
    if (upkept.why.len) {
        rounds_complain_of_error(&survey->rounds, partition, upkept.why);
    }
    if (upkept.length[ENTRY_STATUS] < 0) {
        print_nothing(survey, partition, "?");
        return true;
    }
    if (upkept.groups == 0) {
        print_nothing(survey, partition, "no group");
        return true;
    }
    if (!print_groups(survey, partition, &upkept, arena)) {
        rounds_complain(&survey->rounds, stream, STR("its groups cannot be told"), EXIT_NO);
        return false;
    }
    return true;
}

static int widest(const Partitions *partitions)
{
    const size_t len = partitions->keys[partitions->count - 1]->stream.len;
    return (int)(len > STREAM_LEAST ? len : STREAM_LEAST);
}

static void show(Survey *survey)
{
    const size_t count = survey->rounds.partitions->count;
    bool ok = true;
    survey->width = widest(survey->rounds.partitions);
    printf("%-*s  %-*s  %9s  %11s  %11s  %14s  %14s  %14s\n", survey->width, "stream", GROUP_WIDTH,
           "group", "consumers", "pending", "lag", "oldest pending", "last delivered", "idle");
    for (size_t i = 0; ok && i < count; i++) {
        Arena *arena = arena_new();
        ok = arena && show_partition(survey, i, arena);
        if (!arena) {
            rounds_complain(&survey->rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
        }
        arena_free(arena);
    }
}

/* Making */

/* Redis refuses a group too when it is full. */
static const Str full_text = STR_INIT(
    "Redis is full, and makes no group: raise maxmemory, or remove what is not needed (`tickstream "
    "trim --yes`, when there are other groups), then call this again");

static bool create_one(Survey *survey, size_t partition, Str group, Str from)
{
    Rounds *rounds = &survey->rounds;
    const Str stream = rounds_keys(rounds, partition)->stream;
    const Str words[] = {STR("XGROUP"), STR("CREATE"), stream, group, from, STR("MKSTREAM")};
    const Reply *reply = rounds_try(rounds, partition, words, 6);
    if (!reply) {
        return false;
    }
    const bool is_there =
        reply->kind == REPLY_ERROR && str_starts_with(reply->text, STR("BUSYGROUP"));
    if (reply->kind == REPLY_ERROR && !is_there) {
        if (str_starts_with(reply->text, STR("OOM"))) {
            rounds_complain(rounds, stream, full_text, EXIT_NO);
        } else {
            rounds_complain_of_error(rounds, partition, reply->text);
        }
        return false;
    }
    printf("%.*s: the group %.*s %s\n", STR_ARG(stream), STR_ARG(group),
           is_there ? "exists already and stays as it is" : "is made");
    return true;
}

static void create(Survey *survey, const char *group, const char *from)
{
    bool ok = true;
    for (size_t i = 0; ok && i < survey->rounds.partitions->count; i++) {
        ok = create_one(survey, i, str_from(group), str_from(from));
    }
}

/* The command */

static bool is_understood(int argc, char **argv)
{
    return argc == 1 || (argc == 5 && strcmp(argv[1], "--create") == 0 && argv[2][0] &&
                         strcmp(argv[3], "--from") == 0 &&
                         (strcmp(argv[4], "0") == 0 || strcmp(argv[4], "$") == 0));
}

int groups_main(const Config *config, int argc, char **argv)
{
    Survey survey = {.width = 0};
    if (!is_understood(argc, argv)) {
        return command_misused(command_find("groups"));
    }
    if (rounds_begin(&survey.rounds, "groups", config)) {
        if (argc > 1) {
            create(&survey, argv[2], argv[4]);
        } else {
            show(&survey);
        }
    }
    return rounds_end(&survey.rounds);
}
