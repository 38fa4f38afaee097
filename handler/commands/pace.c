#include "commands/pace.h"

#include "base/loop.h"
#include "commands/human.h"

#include <stdio.h>
#include <unistd.h>

enum { TERMINAL_PAUSE = 100, LINE_PAUSE = 10000 }; /* between two lines */
enum { CATCH_UP = 1000 };                          /* what may be made up for */

Pace pace_begin(const char *command, const char *things, unsigned rate, uint64_t total)
{
    const int64_t now = loop_clock_ms();
    return (Pace){.command = command,
                  .things = things,
                  .rate = rate,
                  .total = total,
                  .told_at = now,
                  .due = 1000 * now,
                  .is_terminal = isatty(STDERR_FILENO) == 1};
}

size_t pace_together(const Pace *pace, size_t most)
{
    const size_t some = pace->rate / 10;
    return !pace->rate || some > most ? most : some ? some : 1;
}

static void tell(Pace *pace)
{
    char done[HUMAN_ROOM], total[HUMAN_ROOM];
    fprintf(stderr, "%s%s: %s%s%s %s%s", pace->is_terminal ? "\r\033[K" : "", pace->command,
            human_count(pace->done, done), pace->total ? " of " : "",
            pace->total ? human_count(pace->total, total) : "", pace->things,
            pace->is_terminal ? "" : "\n");
    fflush(stderr);
    pace->is_shown = pace->is_terminal;
}

int64_t pace_done(Pace *pace, size_t count, int64_t now)
{
    pace->done += count;
    if (now - pace->told_at >= (pace->is_terminal ? TERMINAL_PAUSE : LINE_PAUSE)) {
        pace->told_at = now;
        tell(pace);
    }
    if (!pace->rate) {
        return 0;
    }
    const int64_t least = 1000 * (now - CATCH_UP);
    pace->due = (pace->due > least ? pace->due : least) + (int64_t)(count * 1000000 / pace->rate);
    return pace->due > 1000 * now ? pace->due / 1000 - now : 0;
}

void pace_end(Pace *pace)
{
    if (pace->is_shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
        pace->is_shown = false;
    }
}
