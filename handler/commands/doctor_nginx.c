#include "commands/doctor_nginx.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    FILE_MOST = 1 << 20, /* bytes */
    DEPTH = 8,           /* of includes */
    FILES_MOST = 200,
    WORDS = 8 /* of a directive that are looked at */
};

/* Words */

/* The rest begins with the next word, a ';' or a brace; empty at the end. */
static Str skip(Str rest)
{
    for (;;) {
        rest = str_skip_space(rest);
        if (!rest.len || rest.ptr[0] != '#') {
            return rest;
        }
        rest = str_from_offset(rest, str_find(rest, '\n'));
    }
}

static Str take_word(Str *rest)
{
    const char quote = rest->ptr[0] == '"' || rest->ptr[0] == '\'' ? rest->ptr[0] : '\0';
    size_t end = quote ? 1 : 0;
    while (end < rest->len &&
           (quote ? rest->ptr[end] != quote
                  : !ascii_is_space(rest->ptr[end]) && !strchr(";{}", rest->ptr[end]))) {
        end++;
    }
    const Str word = {rest->ptr + (quote ? 1 : 0), end - (quote ? 1 : 0)};
    *rest = str_from_offset(*rest, quote && end < rest->len ? end + 1 : end);
    return word;
}

/* The words up to the next ';' or brace, which is passed; of more than WORDS the last is replaced.
 */
static size_t take_directive(Str *rest, Str words[WORDS])
{
    size_t count = 0;
    for (*rest = skip(*rest); rest->len; *rest = skip(*rest)) {
        if (strchr(";{}", rest->ptr[0])) {
            *rest = str_from_offset(*rest, 1);
            break;
        }
        words[count < WORDS ? count++ : WORDS - 1] = take_word(rest);
    }
    return count;
}

/* Values */

/* A number with a unit, in the smallest one; -1: it is none. */
static long long take_number(Str text, const char *const *units, const long long *factors)
{
    char copy[32], *end;
    snprintf(copy, sizeof(copy), "%.*s", STR_ARG(text));
    const long long number = strtoll(copy, &end, 10);
    for (size_t i = 0; end > copy && units[i]; i++) {
        if (strcmp(end, units[i]) == 0) {
            return number * factors[i];
        }
    }
    return -1;
}

static long long size_of(Str text)
{
    static const char *const units[] = {"", "k", "K", "m", "M", "g", "G", NULL};
    static const long long factors[] = {1, 1 << 10, 1 << 10, 1 << 20, 1 << 20, 1 << 30, 1 << 30};
    return take_number(text, units, factors);
}

static long long time_of(Str text)
{
    static const char *const units[] = {"", "s", "ms", "m", NULL};
    static const long long factors[] = {1000, 1000, 1, 60000};
    return take_number(text, units, factors);
}

void nginx_take(NginxFacts *facts, Str text, void (*include)(void *arg, Str pattern), void *arg)
{
    Str words[WORDS];
    for (Str rest = text; rest.len;) {
        const size_t count = take_directive(&rest, words);
        if (count < 2) {
            continue;
        }
        if (str_eq(words[0], STR("include"))) {
            include(arg, words[1]);
        } else if (str_eq(words[0], STR("client_max_body_size"))) {
            facts->max_body = size_of(words[1]);
        } else if (str_eq(words[0], STR("fastcgi_read_timeout"))) {
            facts->read_timeout = time_of(words[1]);
        } else if (str_eq(words[0], STR("fastcgi_next_upstream"))) {
            facts->repeats = false;
            for (size_t i = 1; i < count; i++) {
                facts->repeats = facts->repeats || str_eq(words[i], STR("non_idempotent"));
            }
        }
    }
}

/* Files */

typedef struct {
    NginxFacts *facts;
    Str folder; /* with its slash; "" = here */
    unsigned depth, files;
} Reading;

static bool read_file(Reading *reading, const char *path, Error *reterr);

static void read_included(void *arg, Str pattern)
{
    Reading *reading = arg;
    const bool is_absolute = pattern.len && pattern.ptr[0] == '/';
    char path[1024];
    glob_t found = {0};
    Error error;
    snprintf(path, sizeof(path), "%.*s%.*s", is_absolute ? 0 : (int)reading->folder.len,
             reading->folder.ptr, STR_ARG(pattern));
    if (reading->depth == DEPTH || glob(path, 0, NULL, &found) != 0) {
        return;
    }
    reading->depth++;
    for (size_t i = 0; i < found.gl_pathc && reading->files < FILES_MOST; i++) {
        read_file(reading, found.gl_pathv[i], &error);
    }
    reading->depth--;
    globfree(&found);
}

static bool read_file(Reading *reading, const char *path, Error *reterr)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(reterr, ERROR_SETUP, "%s", strerror(errno));
    }
    char *text = malloc(FILE_MOST);
    const size_t len = text ? fread(text, 1, FILE_MOST, file) : 0;
    const bool ok = text && !ferror(file);
    if (ok) {
        reading->files++;
        nginx_take(reading->facts, (Str){text, len}, read_included, reading);
    }
    free(text);
    fclose(file);
    return ok || error_set(reterr, ERROR_SETUP, "it cannot be read");
}

bool nginx_read(const char *path, NginxFacts *ret, Error *reterr)
{
    struct stat is;
    char file[1024];
    const bool is_folder = stat(path, &is) == 0 && S_ISDIR(is.st_mode);
    snprintf(file, sizeof(file), is_folder ? "%s/tickstream-pass.conf" : "%s", path);
    const char *slash = strrchr(file, '/');
    NginxFacts facts = {.max_body = -1, .read_timeout = -1};
    Reading reading = {.facts = &facts, .folder = {file, slash ? (size_t)(slash + 1 - file) : 0}};
    if (!read_file(&reading, file, reterr)) {
        return false;
    }
    *ret = facts;
    return true;
}
