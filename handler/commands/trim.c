#include "commands/command.h"

#include "commands/rounds.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE = 20,    /* milliseconds between two calls, in which the server does something else */
    REFUSALS = 200 /* so often in a row the lease may be another one's before we give up */
};

/* How the name of a caller begins who is no worker. */
#define OURS "trim-"

static const Str stream_names[UPKEPT_STREAMS] = {STR_INIT("stream"), STR_INIT("quarantine"),
                                                 STR_INIT("events"), STR_INIT("dead")};

/* What becomes of one partition. */
typedef struct {
    Rounds *rounds;
    size_t partition;
    Keep keep;
    bool is_dry;
    bool is_shared; /* a worker has the lease */
    char who[80];
    long long removed[UPKEPT_STREAMS];
    bool has_more[UPKEPT_STREAMS]; /* than were counted */
    Upkept upkept;                 /* what was told last */
} Trimming;

static void pause_between(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE * 1000000L}, NULL);
}

static bool call(Trimming *trimming, const Keep *keep)
{
    const UpkeepCaller caller = {.who = str_from(trimming->who), .is_dry = trimming->is_dry};
    return rounds_upkeep(trimming->rounds, trimming->partition, keep, &caller, &trimming->upkept);
}

/* Counting */

/* Each by itself: together they would share what one call looks at. The stream comes last,
 * since what is told of its groups is shown. */
static bool count(Trimming *trimming)
{
    const Keep *keep = &trimming->keep;
    const Keep alone[UPKEPT_STREAMS] = {
        [ENTRY_STATUS] = {.trim = keep->trim,
                          .keep = keep->keep,
                          .groups = keep->groups,
                          .dead_group = keep->dead_group},
        [ENTRY_QUARANTINED] = {.trim = TRIM_OFF, .quarantine = keep->quarantine},
        [ENTRY_EVENT] = {.trim = TRIM_OFF, .events = keep->events},
        [UPKEPT_DEAD] = {.trim = TRIM_OFF, .quarantine = keep->quarantine}};
    for (size_t which = UPKEPT_STREAMS; which-- > 0;) {
        if (!call(trimming, &alone[which])) {
            return false;
        }
        trimming->removed[which] = trimming->upkept.removed[which];
        trimming->has_more[which] = trimming->upkept.has_more;
    }
    return true;
}

/* Removing */

static void show_progress(const Trimming *trimming, bool is_over)
{
    const Str stream = rounds_keys(trimming->rounds, trimming->partition)->stream;
    char text[HUMAN_ROOM];
    long long all = 0;
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    for (size_t which = 0; which < UPKEPT_STREAMS; which++) {
        all += trimming->removed[which];
    }
    if (is_over) {
        fprintf(stderr, "\r\033[K");
    } else {
        fprintf(stderr, "\r\033[K%.*s: %s entries are removed", STR_ARG(stream),
                rounds_count(all, text));
    }
    fflush(stderr);
}

/* Workers ask for as long as they live, also those that trim nothing, so that one of them always
 * has the lease. Two who remove at once do no harm: we go on in its name. */
static bool share_lease(Trimming *trimming)
{
    const Str words[] = {STR("GET"), rounds_keys(trimming->rounds, trimming->partition)->upkeep};
    const Reply *reply = rounds_ask(trimming->rounds, trimming->partition, words, 2);
    if (reply && reply->kind == REPLY_TEXT) {
        trimming->is_shared = !str_starts_with(reply->text, STR(OURS));
        snprintf(trimming->who, sizeof(trimming->who), "%.*s", STR_ARG(reply->text));
    }
    return reply != NULL;
}

/* One call that was heeded. */
static bool remove_some(Trimming *trimming)
{
    for (int refusals = 0; call(trimming, &trimming->keep); refusals++) {
        if (trimming->upkept.is_ours) {
            return true;
        }
        if (refusals == REFUSALS) {
            rounds_complain(
                trimming->rounds, rounds_keys(trimming->rounds, trimming->partition)->stream,
                STR("others are removing all the time: try again later"), EXIT_TRY_AGAIN);
            return false;
        }
        if (!share_lease(trimming)) {
            return false;
        }
        pause_between();
    }
    return false;
}

static bool remove_all(Trimming *trimming)
{
    bool ok = remove_some(trimming);
    while (ok) {
        for (size_t which = 0; which < UPKEPT_STREAMS; which++) {
            trimming->removed[which] += trimming->upkept.removed[which];
        }
        if (!trimming->upkept.has_more) {
            break;
        }
        show_progress(trimming, false);
        pause_between();
        ok = remove_some(trimming);
    }
    show_progress(trimming, true);
    return ok;
}

/* Showing */

static void print_removed(const Trimming *trimming, size_t which)
{
    char text[HUMAN_ROOM];
    printf("%s%s %s", trimming->has_more[which] ? "at least " : "",
           rounds_count(trimming->removed[which], text),
           trimming->is_dry ? "would be removed" : "removed");
}

static void print_length(const Trimming *trimming, size_t which)
{
    char text[HUMAN_ROOM];
    printf(trimming->is_dry ? ", of %s" : ", %s are left",
           rounds_count(trimming->upkept.length[which], text));
}

static void print_other(const Trimming *trimming, size_t which, const char *setting, int64_t keep)
{
    char text[HUMAN_ROOM];
    printf("  %-14.*s", STR_ARG(stream_names[which]));
    print_removed(trimming, which);
    print_length(trimming, which);
    if (keep) {
        printf("; what is younger than %s stays (%s)\n", human_span(keep / 1000, text), setting);
    } else {
        printf("; all stays (%s=0)\n", setting);
    }
}

static const char *role_of(const UpkeepGroup *group)
{
    return group->state == GROUP_DEAD   ? "  dead: is not waited for (TRIM_DEAD_GROUP)"
           : group->holds               ? "  holds the stream"
           : group->state == GROUP_IDLE ? "  has not moved for more than half of TRIM_DEAD_GROUP"
                                        : "";
}

static void print_group(const UpkeepGroup *group)
{
    char name[NAME_ROOM], pending[HUMAN_ROOM], lag[HUMAN_ROOM], age[HUMAN_ROOM];
    printf("    %-20s %s pending", rounds_name(group->name, name),
           rounds_count(group->pending, pending));
    if (group->oldest.len) {
        printf(" (the oldest %s old)", rounds_age(group->oldest, age));
    }
    printf(", lag %s%s\n", rounds_count(group->lag, lag), role_of(group));
}

/* Returns whether one of the groups that were told holds the stream. */
static bool print_groups(const Trimming *trimming)
{
    bool is_held = false;
    UpkeepGroup group;
    for (size_t i = 0; i < trimming->upkept.listed_count; i++) {
        if (upkeep_read_group(&trimming->upkept, i, &group)) {
            print_group(&group);
            is_held |= group.holds;
        }
    }
    if (trimming->upkept.groups > trimming->upkept.listed_count) {
        printf("    and %zu more\n", trimming->upkept.groups - trimming->upkept.listed_count);
    }
    return is_held;
}

static void print_stream(const Trimming *trimming)
{
    const Upkept *upkept = &trimming->upkept;
    char age[HUMAN_ROOM], name[LIMIT_TEXT];
    printf("  %-14.*s", STR_ARG(stream_names[ENTRY_STATUS]));
    print_removed(trimming, ENTRY_STATUS);
    print_length(trimming, ENTRY_STATUS);
    if (upkept->oldest.len) {
        printf(", the oldest %s old", rounds_age(upkept->oldest, age));
    }
    if (upkept->why.len) {
        snprintf(name, sizeof(name), "%.*s", STR_ARG(upkept->why));
        printf("; all stays: %s", name);
    }
    printf("\n");
    if (!print_groups(trimming) && !upkept->why.len && upkept->length[ENTRY_STATUS] > 0) {
        printf("    what is younger than %s stays (TRIM_KEEP)\n",
               human_span(trimming->keep.keep / 1000, age));
    }
}

static void print_partition(const Trimming *trimming)
{
    const StreamKeys *keys = rounds_keys(trimming->rounds, trimming->partition);
    printf("%.*s%s\n", STR_ARG(keys->stream),
           trimming->is_shared ? " (a worker looks after it, too)" : "");
    print_stream(trimming);
    print_other(trimming, ENTRY_QUARANTINED, "QUARANTINE_KEEP", trimming->keep.quarantine);
    if (keys->events.ptr) {
        print_other(trimming, ENTRY_EVENT, "EVENTS_KEEP", trimming->keep.events);
    }
    if (trimming->upkept.length[UPKEPT_DEAD] || trimming->removed[UPKEPT_DEAD]) {
        print_other(trimming, UPKEPT_DEAD, "QUARANTINE_KEEP", trimming->keep.quarantine);
    }
}

/* The command */

/* A stream without entries has nothing to be trimmed of. */
static void complain_of_why(Trimming *trimming)
{
    const Str stream = rounds_keys(trimming->rounds, trimming->partition)->stream,
              why = trimming->upkept.why;
    char text[2 * LIMIT_TEXT];
    if (!why.len || trimming->upkept.length[ENTRY_STATUS] == 0) {
        return;
    }
    if (str_eq(why, STR("no group"))) {
        snprintf(text, sizeof(text),
                 "it has no group, so that nobody says what is needed no longer: `tickstream "
                 "groups --create NAME --from 0` makes one");
    } else if (str_starts_with(why, STR("no group "))) {
        snprintf(text, sizeof(text),
                 "the group %.*s of TRIM_GROUPS is missing: make it, or take it off the list",
                 STR_ARG(str_from_offset(why, strlen("no group "))));
    } else {
        rounds_complain_of_error(trimming->rounds, trimming->partition, why);
        return;
    }
    rounds_complain(trimming->rounds, stream, str_from(text), EXIT_NO);
}

static bool trim(Rounds *rounds, size_t partition, bool is_dry)
{
    Trimming trimming = {.rounds = rounds,
                         .partition = partition,
                         .keep = rounds->reach.config->keep,
                         .is_dry = is_dry};
    trimming.keep.trim = TRIM_ACKED;
    snprintf(trimming.who, sizeof(trimming.who), OURS "%ld-%lld", (long)getpid(),
             (long long)time(NULL));
    if (!(is_dry ? count(&trimming) : remove_all(&trimming))) {
        return false;
    }
    print_partition(&trimming);
    fflush(stdout);
    complain_of_why(&trimming);
    return true;
}

int trim_main(const Config *config, int argc, char **argv)
{
    const bool is_dry = argc < 2 || strcmp(argv[1], "--dry-run") == 0;
    Rounds rounds;
    if (!is_dry && strcmp(argv[1], "--yes") != 0) {
        return command_misused(command_find("trim"));
    }
    bool ok = rounds_begin(&rounds, "trim", config);
    for (size_t i = 0; ok && i < rounds.partitions->count; i++) {
        ok = trim(&rounds, i, is_dry);
    }
    if (ok && is_dry) {
        printf("\nNothing was removed; `tickstream trim --yes` does it.\n");
    }
    return rounds_end(&rounds);
}
