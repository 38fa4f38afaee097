#include "commands/tail.h"

#include "base/clock.h"
#include "commands/command.h"
#include "commands/options.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINES = 20,        /* unless -n says otherwise */
    LINES_MOST = 10000 /* each is held until it is known to be one of the last */
};

/* Ending */

static volatile sig_atomic_t is_printing, is_ended;

static void on_signal(int number)
{
    (void)number;
    if (!is_printing || is_ended) { /* a second one does not wait */
        _exit(EXIT_DONE);
    }
    is_ended = 1;
}

static void take_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void tail_begin_printing(void)
{
    is_printing = 1;
}

bool tail_end_printing(Tail *tail)
{
    errno = 0;
    const bool ok = fflush(stdout) == 0 && !ferror(stdout);
    if (is_ended || (!ok && errno == EPIPE)) {
        _exit(EXIT_DONE);
    }
    is_printing = 0;
    if (is_ended) {
        _exit(EXIT_DONE);
    }
    if (!ok) {
        rounds_complain(&tail->rounds, STR(""), STR("standard output cannot be written"), EXIT_NO);
    }
    return ok;
}

/* Entries */

bool tail_read_entry(const Reply *reply, size_t i, EntryId *ret_id, TailEntry *ret)
{
    const Reply *pair = &reply->items[i];
    if (pair->kind != REPLY_LIST || pair->count != 2 ||
        !entry_id_read(pair->items[0].text, ret_id)) {
        return false;
    }
    *ret = (TailEntry){.id = pair->items[0].text, .fields = &pair->items[1]};
    return true;
}

Str tail_make_line(Tail *tail, size_t partition, const TailEntry *entry)
{
    TailEntry whole = *entry;
    whole.stream = rounds_keys(&tail->rounds, partition)->stream;
    arena_reset(tail->arena);
    tail->style.now = clock_unix_ms();
    const Str line = tail_line(&whole, &tail->style, tail->arena);
    if (!line.ptr) {
        rounds_complain(&tail->rounds, whole.stream, STR("out of memory"), EXIT_TRY_AGAIN);
    }
    return line;
}

/* The command */

static bool print_first(Tail *tail)
{
    TailKeep *keep = &tail->keep;
    tail_keep_finish(keep);
    tail_begin_printing();
    if (!tail->style.as_json) {
        printf("%.*s", STR_ARG(tail_head));
    }
    for (size_t i = 0; i < keep->count; i++) {
        fwrite(keep->lines[i].line, 1, keep->lines[i].len, stdout);
    }
    tail_keep_free(keep);
    return tail_end_printing(tail);
}

static void run(Tail *tail)
{
    if (tail_read_first(tail) && print_first(tail) && tail->follows) {
        tail_follow(tail);
    }
    tail_keep_free(&tail->keep);
}

static bool is_coloured(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && (!no_colour || !no_colour[0]) && terminal &&
           strcmp(terminal, "dumb") != 0;
}

static bool read_options(Tail *tail, int argc, char **argv, Error *reterr)
{
    unsigned lines = LINES;
    int first = argc;
    const Option options[] = {OPTION("group", OPTION_TEXT, &tail->group),
                              OPTION("json", OPTION_FLAG, &tail->style.as_json),
                              OPTION("clear", OPTION_FLAG, &tail->style.is_clear),
                              {"follow", OPTION_FLAG, &tail->follows, 0, 0, 'f'},
                              {"lines", OPTION_NUMBER, &lines, 0, LINES_MOST, 'n'}};
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return false;
    }
    tail->keep = (TailKeep){.most = lines, .is_newest = !tail->group};
    return first == argc ||
           error_set(reterr, ERROR_INVALID, "%.80s is no option of it", argv[first]);
}

int tail_main(const Config *config, int argc, char **argv)
{
    Tail *tail = calloc(1, sizeof(*tail));
    Arena *arena = arena_new();
    Error error;
    int status = EXIT_TRY_AGAIN;
    if (!tail || !arena) {
        fprintf(stderr, "tail: out of memory\n");
    } else if (!read_options(tail, argc, argv, &error)) {
        status = command_refuse("tail", &error);
    } else {
        take_signals();
        tail->arena = arena;
        tail->style.has_colour = is_coloured();
        if (rounds_begin(&tail->rounds, "tail", config)) {
            run(tail);
        }
        status = rounds_end(&tail->rounds);
    }
    arena_free(arena);
    free(tail);
    return status;
}
