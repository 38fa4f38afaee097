/*
 * The kinds of values that settings have: how the field of one type is parsed and printed. A kind
 * finds its field in the Config by the row's offset, and the limits in the row.
 */
#ifndef TICKSTREAM_SETTING_H
#define TICKSTREAM_SETTING_H

#include "base/arena.h"
#include "config.h"

#define ONE_DAY_MS INT64_C(86400000)

typedef struct Setting Setting;

/* A unit of numbers; the tables end with a factor of 0. */
typedef struct {
    const char *suffix;
    int64_t factor;
} Unit;

/* What kind of value a setting has, and the type of its field in Config. */
typedef struct {
    bool (*parse)(const Setting *setting, Str text, Config *config);
    void (*print)(const Setting *setting, const Config *config);
    const Unit *units;        /* of a number */
    const char *const *words; /* of a choice: the most-th is the last */
} Kind;

/* One row of the table. */
struct Setting {
    const char *name; /* without PREFIX */
    const char *initial;
    const Kind *kind;
    size_t offset;       /* of the field in Config */
    int64_t least, most; /* of a number; bytes of a text; secrets */
    const char *wanted;  /* what a value must be, with marks: see setting_describe() */
    const char *help;
};

extern const Kind kind_text, kind_path, kind_stream, kind_address, kind_truth, kind_duration,
    kind_size, kind_most, kind_count, kind_workers, kind_mode, kind_redis_url, kind_ack,
    kind_password, kind_trim, kind_secrets, kind_level, kind_format, kind_verify;

/* Without what editors on Windows put around a text, which is no part of it: byte order marks of
 * UTF-8 in front, CR at the end. */
Str setting_trim_marks(Str text);

/*
 * What a value must be: `wanted` with the limits of the row in place of the marks {least}, {most},
 * {path} (bytes of a unix socket's) and {words}: no number stands in a sentence and in a range. The
 * arena's; absent: no memory.
 */
Str setting_describe(const Setting *setting, Arena *arena);

#endif
