#include "commands/options.h"

#include "base/clock.h"
#include "base/limits.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

bool options_age(Str text, int64_t *ret_seconds)
{
    static const struct {
        char name;
        unsigned seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    unsigned number;
    for (size_t i = 0; text.len && i < sizeof(units) / sizeof(units[0]); i++) {
        if (text.ptr[text.len - 1] == units[i].name) {
            const unsigned most = 3650U * 86400 / units[i].seconds;
            const bool ok = str_get_number((Str){text.ptr, text.len - 1}, most, &number);
            if (ok) {
                *ret_seconds = (int64_t)number * units[i].seconds;
            }
            return ok;
        }
    }
    return false;
}

/* The formats from the longest: a shorter one leaves something over. */
static bool read_time(const char *text, int64_t *ret)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm parts = {.tm_isdst = -1};
        const char *rest = strptime(text, formats[i], &parts);
        const bool is_utc = rest && strcmp(rest, "Z") == 0;
        if (rest && (is_utc || !*rest)) {
            *ret = is_utc ? timegm(&parts) : mktime(&parts);
            return *ret >= 0;
        }
    }
    return false;
}

bool options_time(const char *text, int64_t now, int64_t *ret)
{
    int64_t seconds;
    if (options_age(str_from(text), &seconds)) {
        *ret = now - 1000 * seconds;
        return true;
    }
    if (read_time(text, &seconds)) {
        *ret = 1000 * seconds;
        return true;
    }
    return false;
}

static bool read_number(Str text, const Option *option, unsigned *ret)
{
    const double most = option->most > 0 ? option->most : UINT32_MAX,
                 least = option->most > 0 ? option->least : 1;
    unsigned number;
    if (!str_get_number(text, UINT32_MAX, &number) || number < least || number > most) {
        return false;
    }
    *ret = number;
    return true;
}

static bool read_rate(Str text, const Option *option, unsigned *ret)
{
    const Str unit = STR("/s");
    const bool has_unit = text.len > unit.len && str_eq(str_from_offset(text, text.len - 2), unit);
    return read_number((Str){text.ptr, text.len - (has_unit ? unit.len : 0)}, option, ret);
}

static bool read_real(const char *text, const Option *option, double *ret)
{
    char *end = NULL;
    const double number = strtod(text, &end);
    if (end == text || *end || !(number >= option->least) || !(number <= option->most)) {
        return false;
    }
    *ret = number;
    return true;
}

/* With one of these units, in either case: Redis' and ours. */
static bool read_bytes(const char *text, double *ret)
{
    static const struct {
        Str name;
        double factor;
    } units[] = {{STR_INIT(""), 1},
                 {STR_INIT("kb"), 1024},
                 {STR_INIT("kib"), 1024},
                 {STR_INIT("mb"), 1048576},
                 {STR_INIT("mib"), 1048576},
                 {STR_INIT("gb"), 1073741824},
                 {STR_INIT("gib"), 1073741824},
                 {STR_INIT("tb"), 1099511627776.},
                 {STR_INIT("tib"), 1099511627776.}};
    char *end = NULL;
    const double number = ascii_is_digit(text[0]) ? strtod(text, &end) : 0;
    if (number < 1 / 1024.0 || number > 1e15) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq_nocase(str_from(end), units[i].name)) {
            *ret = number * units[i].factor;
            return true;
        }
    }
    return false;
}

/* What a value must be. */
static const char *wanted_by(const Option *option, char to[LIMIT_TEXT])
{
    static const char *const wanted[] = {
        [OPTION_FLAG] = "nothing",
        [OPTION_TEXT] = "a text",
        [OPTION_NUMBER] = "a number from 1",
        [OPTION_REAL] = "a number",
        [OPTION_BYTES] = "a size, such as 512mb or 4gb",
        [OPTION_RATE] = "a number a second from 1, such as 100/s",
        [OPTION_TIME] = "an age (90s, 30m, 12h, 7d) or a time (2026-11-27T10:00, or with a Z)",
    };
    if (option->most > 0) {
        snprintf(to, LIMIT_TEXT, "a number from %.10g to %.10g", option->least, option->most);
        return to;
    }
    return wanted[option->kind];
}

static bool read_value(const Option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->ret = true;
        return true;
    case OPTION_TEXT:
        *(const char **)option->ret = value;
        return value[0] != '\0';
    case OPTION_NUMBER:
        return read_number(str_from(value), option, option->ret);
    case OPTION_REAL:
        return read_real(value, option, option->ret);
    case OPTION_BYTES:
        return read_bytes(value, option->ret);
    case OPTION_RATE:
        return read_rate(str_from(value), option, option->ret);
    case OPTION_TIME:
        return options_time(value, clock_unix_ms(), option->ret);
    }
    return false;
}

/* The row of what getopt_long() has found: a letter, or 0 and the place of a name. */
static const Option *row_of(const Option *options, size_t count, int found, int index)
{
    size_t row = found ? 0 : (size_t)index;
    while (found && row < count && options[row].letter != found) {
        row++;
    }
    return row < count ? &options[row] : NULL;
}

static bool read_all(int argc, char **argv, const Option *options, size_t count,
                     const struct option *names, const char *letters, Error *reterr)
{
    char text[LIMIT_TEXT];
    int index = 0;
    optind = 0; /* anew: main() has read the options before the command */
    opterr = 0;
    for (int found; (found = getopt_long(argc, argv, letters, names, &index)) != -1;) {
        const Option *option = row_of(options, count, found, index);
        if (!option) {
            return error_set(reterr, ERROR_INVALID, "%.80s %s", argv[optind - 1],
                             found == ':' ? "needs a value" : "is no option of it");
        }
        if (!read_value(option, optarg)) {
            return error_set(reterr, ERROR_INVALID, "--%s wants %s", option->name,
                             wanted_by(option, text));
        }
    }
    return true;
}

bool options_read(int argc, char **argv, const Option *options, size_t count, int *ret_first,
                  Error *reterr)
{
    struct option names[OPTIONS_MOST + 1] = {{0}};
    char letters[2 * OPTIONS_MOST + 2] = ":", *end = letters + 1;
    for (size_t i = 0; i < count; i++) {
        const bool has_value = options[i].kind != OPTION_FLAG;
        names[i] =
            (struct option){options[i].name, has_value ? required_argument : no_argument, NULL, 0};
        if (options[i].letter) {
            *end++ = options[i].letter;
            *end = has_value ? ':' : '\0';
            end += has_value;
        }
    }
    bool ok = read_all(argc, argv, options, count, names, letters, reterr);
    *ret_first = optind;
    return ok;
}
