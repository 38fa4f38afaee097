/*
 * Options of a command: a table of rows, read from its arguments. `--name VALUE` and `--name=VALUE`
 * are the same, options and words may stand in any order, `--` ends the options, and `-` is a word.
 */
#ifndef TICKSTREAM_OPTIONS_H
#define TICKSTREAM_OPTIONS_H

#include "base/error.h"

#include <stdint.h>

typedef enum {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *, not empty */
    OPTION_NUMBER, /* unsigned, from 1 */
    OPTION_REAL,   /* double, from least to most */
    OPTION_BYTES,  /* double, above 0: "512mb", "4gb", "1.5GiB" */
    OPTION_RATE,   /* unsigned, a second: "100/s", or "100" */
    OPTION_TIME    /* int64_t, Unix milliseconds, as options_time() */
} OptionKind;

typedef struct {
    const char *name; /* without "--" */
    OptionKind kind;
    void *ret;          /* stays as it is when the option is not given */
    double least, most; /* of OPTION_REAL; of OPTION_NUMBER when most is more than 0 */
    char letter;        /* a short name, as of -f; 0 = none */
} Option;

/* A row that needs no more. */
#define OPTION(NAME, KIND, RET)                                                                    \
    {                                                                                              \
        .name = (NAME), .kind = (KIND), .ret = (RET)                                               \
    }

enum { OPTIONS_MOST = 16 };

/*
 * Reads argv[1] and on. The words that are no options are moved behind them, in their order:
 * argv[*ret_first] is the first. false: ERROR_INVALID, whose text names the option.
 */
bool options_read(int argc, char **argv, const Option *options, size_t count, int *ret_first,
                  Error *reterr);

/* An age: "90s", "30m", "12h", "7d", of ten years at most. */
bool options_age(Str text, int64_t *ret_seconds);

/*
 * A moment: an age ("90s", "30m", "12h", "7d": so long before now) or a time ("2026-11-27",
 * "2026-11-27T10:00", "2026-11-27T10:00:30"), which is local unless a Z ends it. now and *ret are
 * Unix milliseconds. false: it is neither.
 */
bool options_time(const char *text, int64_t now, int64_t *ret);

#endif
