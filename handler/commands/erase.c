#include "commands/command.h"

#include "base/loop.h"
#include "commands/options.h"
#include "commands/pace.h"
#include "commands/rounds.h"
#include "redis/scripts.h"
#include "stream/entry_id.h"

#include <stdlib.h>
#include <time.h>

enum {
    NUMBER_LEAST = 7, /* digits: fewer are codes of errors, too */
    NUMBER_MOST = 20,
    PAUSE_MOST = 20, /* milliseconds between two calls, in which the server does something else */
    CURSOR_ROOM = 64
};

/* The streams of a partition. */
static const struct {
    size_t key;       /* of StreamKeys */
    bool is_statuses; /* else it is looked for in all values */
} places[] = {{offsetof(StreamKeys, stream), true},
              {offsetof(StreamKeys, quarantine), false},
              {offsetof(StreamKeys, events), false},
              {offsetof(StreamKeys, dead), false}};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

typedef struct {
    Rounds rounds;
    char number[NUMBER_MOST + 1]; /* digits */
    bool is_dry;
    Pace pace;
    long long looked, found, streams; /* entries, of those with it; streams that have entries */
} Erasure;

/* What the script tells. */
typedef struct {
    char cursor[CURSOR_ROOM]; /* "" = the end */
    long long looked, found;
} Slice;

/* Does a cursor lie behind another? Else it never ends. */
static bool goes_on(const char *cursor, const char *before)
{
    EntryId next, last;
    return cursor[0] == '(' && entry_id_read(str_from(cursor + 1), &next) &&
           (before[0] != '(' || !entry_id_read(str_from(before + 1), &last) ||
            entry_id_compare(last, next) < 0);
}

/* *ret: the slice before it. */
static bool read_slice(const Reply *reply, Slice *ret)
{
    char before[CURSOR_ROOM];
    if (reply->kind != REPLY_LIST || reply->count != 3 || reply->items[0].kind != REPLY_TEXT ||
        reply->items[0].text.len >= CURSOR_ROOM || reply->items[1].kind != REPLY_INTEGER ||
        reply->items[2].kind != REPLY_INTEGER) {
        return false;
    }
    memcpy(before, ret->cursor, sizeof(before));
    snprintf(ret->cursor, sizeof(ret->cursor), "%.*s", STR_ARG(reply->items[0].text));
    if (ret->cursor[0] && !goes_on(ret->cursor, before)) {
        return false;
    }
    ret->looked = reply->items[1].integer;
    ret->found = reply->items[2].integer;
    return true;
}

/* One call, and a pause that is as long. *slice: the last one; its cursor is where this begins. */
static bool erase_slice(Erasure *erasure, size_t partition, size_t place, Str key, Slice *slice)
{
    const Str words[] = {STR("EVAL"),
                         erase_script,
                         STR("1"),
                         key,
                         str_from(erasure->number),
                         places[place].is_statuses ? STR("1") : STR("0"),
                         str_from(slice->cursor),
                         erasure->is_dry ? STR("0") : STR("1")};
    const int64_t began = loop_clock_ms();
    const Reply *reply = rounds_try(&erasure->rounds, partition, words, 8);
    if (reply && reply->kind == REPLY_ERROR) {
        rounds_complain_of_key(&erasure->rounds, key, reply->text);
    }
    if (!reply || reply->kind == REPLY_ERROR) {
        return false;
    }
    if (!read_slice(reply, slice)) {
        rounds_complain_of_nonsense(&erasure->rounds, key);
        return false;
    }
    const int64_t took = loop_clock_ms() - began, pause = took < PAUSE_MOST ? took : PAUSE_MOST;
    if (slice->cursor[0]) {
        nanosleep(&(struct timespec){.tv_nsec = pause * 1000000L}, NULL);
    }
    return true;
}

static void print_place(const Erasure *erasure, Str key, long long looked, long long found)
{
    char all[HUMAN_ROOM], some[HUMAN_ROOM];
    if (found > 0) {
        printf("%.*s: %s of %s entries %s\n", STR_ARG(key), rounds_count(found, some),
               rounds_count(looked, all), erasure->is_dry ? "would be erased" : "are erased");
        fflush(stdout);
    }
}

static bool erase_place(Erasure *erasure, size_t partition, size_t place)
{
    const StreamKeys *keys = rounds_keys(&erasure->rounds, partition);
    const Str key = *(const Str *)(const void *)((const char *)keys + places[place].key);
    Slice slice = {.cursor = "-"};
    long long looked = 0, found = 0;
    bool ok = true;
    if (!key.ptr) {
        return true;
    }
    while (ok && slice.cursor[0]) {
        ok = erase_slice(erasure, partition, place, key, &slice);
        looked += ok ? slice.looked : 0;
        found += ok ? slice.found : 0;
        pace_done(&erasure->pace, ok ? (size_t)slice.looked : 0, loop_clock_ms());
    }
    pace_end(&erasure->pace);
    print_place(erasure, key, looked, found);
    erasure->looked += looked;
    erasure->found += found;
    erasure->streams += looked > 0;
    return ok;
}

static void sum_up(const Erasure *erasure)
{
    char all[HUMAN_ROOM], some[HUMAN_ROOM], streams[HUMAN_ROOM];
    printf("%s of %s entries in %s streams %s\n", rounds_count(erasure->found, some),
           rounds_count(erasure->looked, all), rounds_count(erasure->streams, streams),
           erasure->is_dry ? "would be erased" : "are erased");
    if (erasure->is_dry && erasure->found) {
        printf("\nNothing was erased; --yes does it.\n");
    }
}

/* The digits of a number as people write it: "+49 (170) 123-4567". */
static bool read_number(const char *text, char *to)
{
    size_t len = 0;
    for (const char *c = text; *c; c++) {
        if (ascii_is_digit(*c) && len < NUMBER_MOST) {
            to[len++] = *c;
        } else if (!strchr("+ -./()", *c)) {
            return false;
        }
    }
    to[len] = '\0';
    return len >= NUMBER_LEAST;
}

static bool read_arguments(Erasure *erasure, int argc, char **argv, Error *reterr)
{
    const char *number = NULL;
    bool is_sure = false;
    int first = argc;
    const Option options[] = {OPTION("recipient", OPTION_TEXT, &number),
                              OPTION("yes", OPTION_FLAG, &is_sure)};
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return false;
    }
    erasure->is_dry = !is_sure;
    if (first < argc || !number || !read_number(number, erasure->number)) {
        return error_set(reterr, ERROR_INVALID, "--recipient wants a number of %d digits or more",
                         NUMBER_LEAST);
    }
    return true;
}

int erase_main(const Config *config, int argc, char **argv)
{
    Erasure erasure = {.pace = pace_begin("erase", "entries were looked at", 0, 0)};
    Error error;
    if (!read_arguments(&erasure, argc, argv, &error)) {
        return command_refuse("erase", &error);
    }
    bool ok = rounds_begin(&erasure.rounds, "erase", config);
    for (size_t i = 0; ok && i < erasure.rounds.partitions->count; i++) {
        for (size_t place = 0; ok && place < PLACES; place++) {
            ok = erase_place(&erasure, i, place);
        }
    }
    if (ok) {
        sum_up(&erasure);
    }
    return rounds_end(&erasure.rounds);
}
