/*
 * How fast a long command goes, and how far it is: a rate that is not exceeded (but to make up for
 * the last second), and a line of progress on standard error. On a terminal the line is renewed;
 * elsewhere there is one every ten seconds. Times are milliseconds of loop_clock_ms().
 */
#ifndef TICKSTREAM_PACE_H
#define TICKSTREAM_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *command; /* whose line it is */
    const char *things;  /* that are done: "entries" */
    unsigned rate;       /* of them a second; 0 = as fast as it goes */
    uint64_t total;      /* 0 = not known */
    int64_t told_at;
    int64_t due; /* microseconds: when the next may be done */
    uint64_t done;
    bool is_terminal, is_shown;
} Pace;

/* Begins now. Texts are borrowed for its life. */
Pace pace_begin(const char *command, const char *things, unsigned rate, uint64_t total);

/* How many may be done together, at most `most`: a tenth of a second's worth, or one. */
size_t pace_together(const Pace *pace, size_t most);

/* So many more are done. Returns for how long to wait before the next. */
int64_t pace_done(Pace *pace, size_t count, int64_t now);

/* Ends the line, if there is one. */
void pace_end(Pace *pace);

#endif
