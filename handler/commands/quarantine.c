#include "commands/quarantine.h"

#include "commands/options.h"
#include "commands/publisher.h"
#include "payload/reason.h"

/* What is asked for */

typedef struct {
    const char *name;
    void (*act)(Quarantine *quarantine);
    bool changes;   /* it removes entries: they must be selected, and it must be sure */
    bool is_of_one; /* of one entry */
} Action;

static const Action actions[] = {
    {"list", quarantine_list, false, false},
    {"show", quarantine_show, false, true},
    {"replay", quarantine_replay, true, false},
    {"discard", quarantine_discard, true, false},
};

static const Action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

bool quarantine_is_reason(const char *word)
{
    for (Reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        if (str_eq(reason_word(reason), str_from(word))) {
            return true;
        }
    }
    return false;
}

/* "1795341122112-0", or "1795341122112": all of that millisecond. */
static bool is_id(Str text)
{
    const Str whole = text, time = str_split(&text, '-');
    unsigned sequence;
    bool ok = time.len > 0 && time.len <= 19 && whole.len < HELD_ID - 2;
    for (size_t i = 0; i < time.len; i++) {
        ok &= ascii_is_digit(time.ptr[i]);
    }
    return ok && (!text.ptr || str_get_number(text, UINT32_MAX, &sequence));
}

/* "3:1795341122112-0" is one of partition 3; where there is but one its number may be left out. */
static bool select_id(Quarantine *quarantine, Error *reterr)
{
    HeldRange *range = &quarantine->range;
    const size_t partitions = quarantine->config->stream_partitions;
    Str id = str_from(quarantine->id);
    unsigned partition = 0;
    const bool has_partition = str_find(id, ':') < id.len;
    if (has_partition &&
        !str_get_number(str_split(&id, ':'), (unsigned)partitions - 1, &partition)) {
        return error_set(reterr, ERROR_INVALID, "--id: there are %zu partitions, from 0",
                         partitions);
    }
    if (!is_id(id) || (partitions > 1 && !has_partition)) {
        return error_set(reterr, ERROR_INVALID, "--id wants an id as list shows it");
    }
    range->first = partition;
    range->count = 1;
    snprintf(range->from, sizeof(range->from), "%.*s", STR_ARG(id));
    snprintf(range->to, sizeof(range->to), "%.*s", STR_ARG(id));
    return true;
}

static bool select_entries(Quarantine *quarantine, Error *reterr)
{
    HeldRange *range = &quarantine->range;
    *range = (HeldRange){.from = "-", .to = "+", .count = quarantine->config->stream_partitions};
    if (quarantine->reason && !quarantine_is_reason(quarantine->reason)) {
        return error_set(reterr, ERROR_INVALID, "--reason: there is no reason %.60s",
                         quarantine->reason);
    }
    range->reason = quarantine->reason ? str_from(quarantine->reason) : STR("");
    if (quarantine->since) {
        snprintf(range->from, sizeof(range->from), "%lld", (long long)quarantine->since);
    }
    if (quarantine->until) {
        snprintf(range->to, sizeof(range->to), "%lld", (long long)quarantine->until);
    }
    return !quarantine->id || select_id(quarantine, reterr);
}

static bool check(const Quarantine *quarantine, const Action *action, Error *reterr)
{
    const bool is_selected = quarantine->reason || quarantine->id || quarantine->since ||
                             quarantine->until || quarantine->number || quarantine->is_all;
    if (action->changes && !is_selected) {
        return error_set(reterr, ERROR_INVALID,
                         "which entries? --reason, --since, --until, --number, --id, or --all");
    }
    if (action->is_of_one && !quarantine->id) {
        return error_set(reterr, ERROR_INVALID, "show wants an id as list shows it");
    }
    if ((quarantine->is_json && action->changes) || (quarantine->is_raw && !action->is_of_one)) {
        return error_set(reterr, ERROR_INVALID, "%s: only of %s",
                         quarantine->is_raw ? "--raw" : "--json",
                         quarantine->is_raw ? "show" : "list and show");
    }
    return action->act != quarantine_replay || !quarantine->is_sure || quarantine->may_repeat ||
           publisher_check_window(quarantine->config, reterr);
}

/* NULL: the arguments make no sense. The id may stand without its option. */
static const Action *understand(Quarantine *quarantine, int argc, char **argv, Error *reterr)
{
    const Option options[] = {
        OPTION("reason", OPTION_TEXT, &quarantine->reason),
        OPTION("since", OPTION_TIME, &quarantine->since),
        OPTION("until", OPTION_TIME, &quarantine->until),
        OPTION("number", OPTION_NUMBER, &quarantine->number),
        OPTION("id", OPTION_TEXT, &quarantine->id),
        OPTION("all", OPTION_FLAG, &quarantine->is_all),
        OPTION("yes", OPTION_FLAG, &quarantine->is_sure),
        OPTION("rate", OPTION_RATE, &quarantine->rate),
        OPTION("json", OPTION_FLAG, &quarantine->is_json),
        OPTION("raw", OPTION_FLAG, &quarantine->is_raw),
        OPTION("allow-duplicates", OPTION_FLAG, &quarantine->may_repeat),
    };
    const Action *action = NULL;
    int first = argc;
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return NULL;
    }
    error_set(reterr, ERROR_INVALID, "list, show, replay or discard?");
    if (first < argc) {
        action = find_action(argv[first++]);
    }
    if (action && first < argc && !quarantine->id) {
        quarantine->id = argv[first++];
    }
    if (!action || first < argc) {
        return NULL;
    }
    return select_entries(quarantine, reterr) && check(quarantine, action, reterr) ? action : NULL;
}

/* Which of them */

uint64_t quarantine_wanted(const Quarantine *quarantine, size_t partition, uint64_t before)
{
    const uint64_t there = quarantine->tally.of_partition[partition];
    if (!quarantine->number) {
        return there;
    }
    const uint64_t left = quarantine->number > before ? quarantine->number - before : 0;
    return there < left ? there : left;
}

uint64_t quarantine_total(const Quarantine *quarantine)
{
    const uint64_t count = quarantine->tally.count;
    return quarantine->number && quarantine->number < count ? quarantine->number : count;
}

/* Counts */

void quarantine_print_tally(const HeldTally *tally)
{
    char count[HUMAN_ROOM], bytes[HUMAN_ROOM], age[HUMAN_ROOM];
    printf("%s in quarantine", human_count(tally->count, count));
    if (tally->count) {
        printf(", %s, the oldest %s old", human_bytes(tally->bytes, bytes),
               rounds_age(str_from(tally->oldest), age));
    }
    printf("\n");
    for (size_t i = 0; i < tally->kinds; i++) {
        printf("  %-15s %9s  %s\n", tally->reasons[i].reason,
               human_count(tally->reasons[i].count, count),
               human_bytes(tally->reasons[i].bytes, bytes));
    }
}

int quarantine_main(const Config *config, int argc, char **argv)
{
    Quarantine quarantine = {.config = config};
    Error error;
    const Action *action = understand(&quarantine, argc, argv, &error);
    if (!action) {
        return command_refuse("quarantine", &error);
    }
    if (rounds_begin(&quarantine.rounds, "quarantine", config) &&
        (action->is_of_one ||
         held_count(&quarantine.rounds, &quarantine.range, &quarantine.tally))) {
        if (action->changes) {
            quarantine_print_tally(&quarantine.tally);
        }
        action->act(&quarantine);
    }
    return rounds_end(&quarantine.rounds);
}
