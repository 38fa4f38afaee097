/*
 * From texts to a Config, in four steps: texts are collected by name from the file and from the
 * environment (Given); those that count are parsed by their rows of the table, in its order; what
 * several settings must satisfy together is checked; the texts are freed. So a wrong value that
 * another replaces does no harm, a wrong name always does.
 *
 * A Kind parses and prints the fields of one type; it finds the field by the row's offset and the
 * limits in the row. Secrets alone keep memory of their own in the Config.
 */
#include "config.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PREFIX "TICKSTREAM_"

enum { SETTINGS = 21 };

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
    const char *wanted;  /* what a value must be, with marks: see describe() */
    const char *help;
};

/* Texts that were given, in the order of precedence, later ones win. */
typedef struct {
    char *values[SETTINGS]; /* heap; NULL = the default */
    bool from_file[SETTINGS];
    bool from_environment[SETTINGS];
} Given;

static void *field(const Setting *setting, Config *config)
{
    return (char *)config + setting->offset;
}

static const void *const_field(const Setting *setting, const Config *config)
{
    return (const char *)config + setting->offset;
}

/* Kinds of values */

static bool in_range(const Setting *setting, int64_t value)
{
    return value >= setting->least && value <= setting->most;
}

static bool parse_text(const Setting *setting, Str text, Config *config)
{
    char *to = field(setting, config);
    if (!in_range(setting, (int64_t)text.len) || memchr(text.ptr, '\0', text.len)) {
        return false;
    }
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return true;
}

static void print_text(const Setting *setting, const Config *config)
{
    printf("%s", (const char *)const_field(setting, config));
}

static const Kind kind_text = {parse_text, print_text, NULL, NULL};

/* None, or an absolute one. So the content of a file, which NAME_FILE would give for its
 * path, is refused, and no error quotes it. */
static bool parse_path(const Setting *setting, Str text, Config *config)
{
    bool is_path = text.len > 0 && text.ptr[0] == '/' && !memchr(text.ptr, '\n', text.len);
    return (text.len == 0 || is_path) && parse_text(setting, text, config);
}

static const Kind kind_path = {parse_path, print_text, NULL, NULL};

/* Stream names: derived keys put braces around it, so it must not have any. */
static bool parse_stream(const Setting *setting, Str text, Config *config)
{
    return !memchr(text.ptr, '{', text.len) && !memchr(text.ptr, '}', text.len) &&
           parse_text(setting, text, config);
}

static const Kind kind_stream = {parse_stream, print_text, NULL, NULL};

static bool parse_address(const Setting *setting, Str text, Config *config)
{
    bool is_unix = str_starts_with(text, STR("unix:"));
    if (is_unix) {
        return text.len > 5 && text.len - 5 < LIMIT_UNIX_PATH && text.ptr[5] == '/' &&
               parse_text(setting, text, config);
    }
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    long port = colon ? strtol(text.ptr + colon, NULL, 10) : -1;
    return colon > 1 && colon < text.len &&
           strspn(text.ptr + colon, "0123456789") == text.len - colon && port >= 0 &&
           port <= 65535 && parse_text(setting, text, config);
}

static const Kind kind_address = {parse_address, print_text, NULL, NULL};

static bool parse_bool(const Setting *setting, Str text, Config *config)
{
    bool yes = str_eq(text, STR("true"));
    if (!yes && !str_eq(text, STR("false"))) {
        return false;
    }
    *(bool *)field(setting, config) = yes;
    return true;
}

static void print_bool(const Setting *setting, const Config *config)
{
    printf("%s", *(const bool *)const_field(setting, config) ? "true" : "false");
}

static const Kind kind_truth = {parse_bool, print_bool, NULL, NULL};

/* A number with one of the units. */
static bool parse_quantity(Str text, const Unit *units, int64_t *ret)
{
    char *end;
    if (str_is_empty(text) || !ascii_is_digit(text.ptr[0])) {
        return false;
    }
    long long number = strtoll(text.ptr, &end, 10);
    for (; units->factor; units++) {
        if (strcmp(end, units->suffix) == 0 && number <= INT64_MAX / units->factor) {
            *ret = number * units->factor;
            return true;
        }
    }
    return false;
}

static bool parse_duration(const Setting *setting, Str text, Config *config)
{
    int64_t value = 0;
    if (!str_eq(text, STR("0")) && !parse_quantity(text, setting->kind->units, &value)) {
        return false;
    }
    *(int64_t *)field(setting, config) = value;
    return in_range(setting, value);
}

static void print_duration(const Setting *setting, const Config *config)
{
    int64_t value = *(const int64_t *)const_field(setting, config);
    if (value % 1000) {
        printf("%lldms", (long long)value);
    } else {
        printf("%llds", (long long)value / 1000);
    }
}

#define ONE_DAY_MS INT64_C(86400000)

static const Unit durations[] = {{"ms", 1},      {"s", 1000},       {"m", 60000},
                                 {"h", 3600000}, {"d", ONE_DAY_MS}, {NULL, 0}};
static const Kind kind_duration = {parse_duration, print_duration, durations, NULL};

static bool parse_size(const Setting *setting, Str text, Config *config)
{
    int64_t value;
    if (!parse_quantity(text, setting->kind->units, &value) || !in_range(setting, value)) {
        return false;
    }
    *(size_t *)field(setting, config) = (size_t)value;
    return true;
}

static void print_size(const Setting *setting, const Config *config)
{
    printf("%zu", *(const size_t *)const_field(setting, config));
}

static const Unit sizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {NULL, 0}};
static const Kind kind_size = {parse_size, print_size, sizes, NULL};

static bool parse_workers(const Setting *setting, Str text, Config *config)
{
    if (str_eq(text, STR("auto"))) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        config->workers = cores < setting->least  ? (size_t)setting->least
                          : cores > setting->most ? (size_t)setting->most
                                                  : (size_t)cores;
        return true;
    }
    return parse_size(setting, text, config);
}

static const Unit counts[] = {{"", 1}, {NULL, 0}};
static const Kind kind_workers = {parse_workers, print_size, counts, NULL};

static bool parse_mode(const Setting *setting, Str text, Config *config)
{
    char *end;
    unsigned long mode = strtoul(text.ptr, &end, 8);
    *(unsigned *)field(setting, config) = (unsigned)mode;
    return text.len >= 3 && text.len <= 4 && *end == '\0' && mode <= 0777;
}

static void print_mode(const Setting *setting, const Config *config)
{
    printf("%04o", *(const unsigned *)const_field(setting, config));
}

static const Kind kind_mode = {parse_mode, print_mode, NULL, NULL};

static bool parse_redis(const Setting *setting, Str text, Config *config)
{
    Error error;
    (void)setting;
    return redis_url_parse(text, &config->redis, &error);
}

static void print_redis(const Setting *setting, const Config *config)
{
    const RedisUrl *url = const_field(setting, config);
    const char *scheme = url->unix_socket ? "unix" : url->tls ? "rediss" : "redis";
    printf("%s://%s%s", scheme, url->password[0] ? "***@" : "",
           url->shown + (url->unix_socket ? 5 : 0));
    printf(url->unix_socket ? "?db=%u" : "/%u", url->db);
}

static const Kind kind_redis_url = {parse_redis, print_redis, NULL, NULL};

/* The lines of a text, each a secret; the text is copied and the copy is the config's. */
static bool parse_secrets(const Setting *setting, Str text, Config *config)
{
    Secrets *secrets = field(setting, config);
    char *copy = malloc(text.len + 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len + 1);
    Str rest = {copy, text.len};
    free(secrets->lines);
    *secrets = (Secrets){.lines = copy};
    while (rest.ptr) {
        Str line = str_split(&rest, '\n');
        line.len -= line.len && line.ptr[line.len - 1] == '\r';
        if (str_is_empty(line) && secrets->count && !rest.ptr) {
            break; /* the line end of the last line */
        }
        if (str_is_empty(line) || (int64_t)secrets->count == setting->most) {
            return false;
        }
        secrets->texts[secrets->count++] = line;
    }
    return true;
}

static void print_secrets(const Setting *setting, const Config *config)
{
    const Secrets *secrets = const_field(setting, config);
    for (size_t i = 0; i < secrets->count; i++) {
        printf(i ? " ***" : "***");
    }
}

static const Kind kind_secrets = {parse_secrets, print_secrets, NULL, NULL};

/* The fields of choices are enums, which are unsigned with our compilers. */
_Static_assert((LogLevel)-1 > 0 && sizeof(LogLevel) == sizeof(unsigned) && (LogFormat)-1 > 0 &&
                   sizeof(LogFormat) == sizeof(unsigned) && (TlsVerify)-1 > 0 &&
                   sizeof(TlsVerify) == sizeof(unsigned),
               "parse_word() writes an unsigned number");

static bool parse_word(const Setting *setting, Str text, Config *config)
{
    for (unsigned i = 0; i <= setting->most; i++) {
        if (str_eq(text, str_from(setting->kind->words[i]))) {
            *(unsigned *)field(setting, config) = i;
            return true;
        }
    }
    return false;
}

static void print_word(const Setting *setting, const Config *config)
{
    printf("%s", setting->kind->words[*(const unsigned *)const_field(setting, config)]);
}

static const Kind kind_level = {parse_word, print_word, NULL, log_level_names};
static const Kind kind_format = {parse_word, print_word, NULL, log_format_names};
static const Kind kind_verify = {parse_word, print_word, NULL, tls_verify_names};

/* The table */

#define FIELD(name) .offset = offsetof(Config, name)
#define RANGE(name, from, to) FIELD(name), .least = (from), .most = (to)
#define TEXT(name, from) RANGE(name, from, sizeof(((Config *)0)->name) - 1)

static const Setting settings[SETTINGS] = {
    {"LISTEN", "unix:/run/tickstream/tickstream.sock", &kind_address, TEXT(listen, 1),
     "unix:/absolute/path (at most {path} bytes) or host:port",
     "where nginx connects; unused with an inherited socket"},
    {"SOCKET_MODE", "0660", &kind_mode, FIELD(socket_mode), .wanted = "an octal mode such as 0660",
     .help = "of the unix socket"},
    {"SOCKET_GROUP", "", &kind_text, TEXT(socket_group, 0), "a group name",
     "of the unix socket, for nginx's user"},
    {"WORKERS", "auto", &kind_workers, RANGE(workers, 1, LIMIT_WORKERS / 2),
     "auto or {least} to {most}", "processes; auto = one for each core"},
    {"REDIS_URL", "redis://127.0.0.1:6379/0", &kind_redis_url, FIELD(redis),
     .wanted = "redis[s]://[user:password@]host[:port][/db] or unix://[user:password@]/path[?db=n]",
     .help = "where the streams are; rediss: with TLS"},
    {"REDIS_TIMEOUT", "2s", &kind_duration, RANGE(redis_timeout, 10, 60000),
     "a duration from {least} to {most}", "after which a publication is answered 503"},
    {"REDIS_TLS_CA", "", &kind_path, TEXT(redis_tls_ca, 0), "an absolute path",
     "file or folder of the CAs that Redis' certificate may be of; none = the system's"},
    {"REDIS_TLS_CERT", "", &kind_path, TEXT(redis_tls_cert, 0), "an absolute path",
     "our own certificate with its chain, for a Redis that wants one; with REDIS_TLS_KEY"},
    {"REDIS_TLS_KEY", "", &kind_path, TEXT(redis_tls_key, 0), "an absolute path",
     "its key, without a passphrase"},
    {"REDIS_TLS_NAME", "", &kind_text, TEXT(redis_tls_name, 0), "a host name or an IP address",
     "what Redis' certificate must be for; none = the host of REDIS_URL"},
    {"REDIS_TLS_VERIFY", "full", &kind_verify, RANGE(redis_tls_verify, 0, TLS_VERIFIES - 1),
     "{words}", "chain: the certificate may be for any name"},
    {"STREAM", "whatsapp:statuses", &kind_stream, TEXT(stream, 1),
     "a name of {least} to {most} bytes without braces", "stream of the statuses"},
    {"DEDUPE_WINDOW", "24h", &kind_duration, RANGE(dedupe_window, 0, 365 * ONE_DAY_MS),
     "0 or a duration up to {most}",
     "how long a status is recognised when it comes again; 0 = off"},
    {"APP_SECRET", "", &kind_secrets, RANGE(app_secrets, 1, LIMIT_SECRETS),
     "not empty; one secret a line, at most {most}", "any of these may have signed a POST"},
    {"ALLOW_UNSIGNED", "false", &kind_truth, FIELD(allow_unsigned), .wanted = "true or false",
     .help = "start without APP_SECRET and take what comes"},
    {"VERIFY_TOKEN", "", &kind_secrets, RANGE(verify_tokens, 1, LIMIT_SECRETS),
     "not empty; one token a line, at most {most}", "of the GET handshake; none = 403"},
    {"MAX_BODY", "3MiB", &kind_size, RANGE(max_body, 1, LIMIT_BODY_MAX), "a size up to {most}",
     "larger bodies are answered 413"},
    {"EVENTS_STREAM", "", &kind_text, TEXT(events_stream, 0), "a name of at most {most} bytes",
     "stream for changes without statuses; none = they are only counted"},
    {"DRAIN_TIMEOUT", "25s", &kind_duration, RANGE(drain_timeout, 0, 3600000),
     "a duration up to {most}", "for the requests in flight at SIGTERM"},
    {"LOG_LEVEL", "info", &kind_level, RANGE(log_level, 0, LOG_LEVELS - 1), "{words}", "to stderr"},
    {"LOG_FORMAT", "logfmt", &kind_format, RANGE(log_format, 0, LOG_FORMATS - 1), "{words}", ""},
};

/* Adds a number in the largest of the units that it is a multiple of. */
static void add_number(Text *to, int64_t number, const Unit *units)
{
    Unit largest = {"", 1};
    for (; units && units->factor; units++) {
        largest = number % units->factor == 0 ? *units : largest;
    }
    text_add_format(to, "%lld%s", (long long)(number / largest.factor), largest.suffix);
}

/* Adds the words of a choice: "debug, info, warn or error". */
static void add_words(Text *to, const Setting *setting)
{
    for (int64_t i = 0; i <= setting->most; i++) {
        text_add(to, i == 0 ? STR("") : i == setting->most ? STR(" or ") : STR(", "));
        text_add(to, str_from(setting->kind->words[i]));
    }
}

static void add_mark(Text *to, const Setting *setting, Str mark)
{
    if (str_eq(mark, STR("least"))) {
        add_number(to, setting->least, setting->kind->units);
    } else if (str_eq(mark, STR("most"))) {
        add_number(to, setting->most, setting->kind->units);
    } else if (str_eq(mark, STR("path"))) {
        add_number(to, LIMIT_UNIX_PATH - 1, NULL);
    } else if (str_eq(mark, STR("words"))) {
        add_words(to, setting);
    }
}

/* What a value must be, with the limits of the row in place of the marks {least}, {most}, {path}
 * and {words}: no number stands in a sentence and in a range. The arena's; absent: no memory. */
static Str describe(const Setting *setting, Arena *arena)
{
    Text result = text_begin(arena);
    for (Str rest = str_from(setting->wanted); rest.ptr;) {
        text_add(&result, str_split(&rest, '{'));
        if (rest.ptr) {
            add_mark(&result, setting, str_split(&rest, '}'));
        }
    }
    return text_finish(&result);
}

/* Where values come from */

static bool bad(Error *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool bad(Error *reterr, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_set_list(reterr, ERROR_SETUP, format, args);
    va_end(args);
    return false;
}

/* Reads a whole text file of at most `most` bytes, terminated; NULL with *reterr on failure, which
 * a NUL is too: a secret would end there. */
static char *read_file(const char *name, const char *path, size_t most, Error *reterr)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(most + 1);
    size_t len = file && text ? fread(text, 1, most, file) : 0;
    bool ok = file && text && !ferror(file) && feof(file) && !memchr(text, '\0', len);
    if (!ok) {
        bad(reterr, "%s: cannot read %.80s", name, path);
        free(text);
        text = NULL;
    } else {
        text[len] = '\0';
    }
    if (file) {
        fclose(file);
    }
    return text;
}

/* The index of a setting by its name with prefix, -1 when unknown; *ret_is_file: with _FILE
 * at the end. */
static int find_setting(Str name, bool *ret_is_file)
{
    const Str prefix = STR(PREFIX), suffix = STR("_FILE");
    *ret_is_file = false;
    if (!str_starts_with(name, prefix)) {
        return -1;
    }
    name = str_from_offset(name, prefix.len);
    for (int i = 0; i < SETTINGS; i++) {
        const Str known = str_from(settings[i].name);
        if (str_eq(name, known)) {
            return i;
        }
        if (name.len == known.len + suffix.len && str_starts_with(name, known) &&
            str_eq(str_from_offset(name, known.len), suffix)) {
            *ret_is_file = true;
            return i;
        }
    }
    return -1;
}

/* Takes one NAME=value; value is terminated. */
static bool take_value(Given *given, Str name, const char *value, bool from_environment,
                       Error *reterr)
{
    bool is_file;
    int i = find_setting(name, &is_file);
    if (i < 0) {
        return bad(reterr, "%.*s: unknown setting", STR_ARG(name));
    }
    if (from_environment && given->from_environment[i]) {
        return bad(reterr, PREFIX "%s: given both as a value and as a file", settings[i].name);
    }
    char full_name[64];
    snprintf(full_name, sizeof(full_name), "%.*s", STR_ARG(name));
    char *text = is_file ? read_file(full_name, value, LIMIT_CONFIG_VALUE, reterr) : strdup(value);
    if (!text) {
        return is_file ? false : error_no_memory(reterr);
    }
    free(given->values[i]);
    given->values[i] = text;
    given->from_file[i] = is_file;
    given->from_environment[i] = from_environment;
    return true;
}

static bool take_line(Given *given, const char *path, size_t number, char *line, Error *reterr)
{
    line[strcspn(line, "\r")] = '\0'; /* a file that was written on Windows */
    Str text = str_trim(str_from(line));
    size_t equals = str_find(text, '=');
    if (str_is_empty(text) || text.ptr[0] == '#') {
        return true;
    }
    if (equals == text.len) {
        return bad(reterr, "%.80s line %zu: expected NAME=value", path, number);
    }
    char *value = line + (text.ptr - line) + equals + 1;
    value[text.len - equals - 1] = '\0';
    return take_value(given, str_trim((Str){text.ptr, equals}), value, false, reterr);
}

static bool take_file(Given *given, const char *path, Error *reterr)
{
    char *text = read_file("--config", path, 1 << 20, reterr);
    bool ok = text != NULL;
    char *rest = text, *line;
    for (size_t number = 1; ok && (line = strsep(&rest, "\n")); number++) {
        ok = take_line(given, path, number, line, reterr);
    }
    free(text);
    return ok;
}

static bool take_environment(Given *given, char *const *environment, Error *reterr)
{
    for (; *environment; environment++) {
        Str text = str_from(*environment);
        size_t equals = str_find(text, '=');
        Str name = {text.ptr, equals};
        if (str_starts_with(name, STR(PREFIX)) && equals < text.len &&
            !take_value(given, name, text.ptr + equals + 1, true, reterr)) {
            return false;
        }
    }
    return true;
}

/* A value from a file ends before the line end that editors put there. */
static Str value_text(const Given *given, int i)
{
    char *value = given->values[i];
    size_t len = strlen(value);
    if (given->from_file[i] && len && value[len - 1] == '\n' && settings[i].kind != &kind_secrets) {
        value[--len] = '\0';
    }
    return (Str){value, len};
}

static bool refuse(const Setting *setting, Error *reterr)
{
    Arena *arena = arena_new();
    Str wanted = arena ? describe(setting, arena) : (Str){NULL, 0};
    if (wanted.ptr) {
        bad(reterr, PREFIX "%s: must be %.*s", setting->name, STR_ARG(wanted));
    } else {
        error_no_memory(reterr);
    }
    arena_free(arena);
    return false;
}

static bool parse_all(const Given *given, Config *config, Error *reterr)
{
    for (int i = 0; i < SETTINGS; i++) {
        const Setting *setting = &settings[i];
        bool is_secret = setting->kind == &kind_secrets;
        if (!given->values[i] && is_secret) {
            continue; /* none */
        }
        Str text = given->values[i] ? value_text(given, i) : str_from(setting->initial);
        if (!setting->kind->parse(setting, text, config)) {
            return refuse(setting, reterr);
        }
    }
    return true;
}

TlsSettings config_tls(const Config *config)
{
    return (TlsSettings){.ca = config->redis_tls_ca,
                         .cert = config->redis_tls_cert,
                         .key = config->redis_tls_key,
                         .name = config->redis_tls_name,
                         .verify = config->redis_tls_verify};
}

/* A setting that has no effect is worse than an error: what was to be secret would not be. */
static bool check_tls(const Config *config, Error *reterr)
{
    const TlsSettings tls = config_tls(config);
    const char *given = tls.ca[0]     ? "CA"
                        : tls.cert[0] ? "CERT"
                        : tls.key[0]  ? "KEY"
                        : tls.name[0] ? "NAME"
                        : tls.verify  ? "VERIFY"
                                      : NULL;
    Error error;
    if (given && !config->redis.tls) {
        return bad(reterr,
                   PREFIX "REDIS_TLS_%s: only with a " PREFIX
                          "REDIS_URL that begins with rediss://",
                   given);
    }
    if (!tls.cert[0] != !tls.key[0]) {
        return bad(reterr, PREFIX "REDIS_TLS_CERT and " PREFIX "REDIS_TLS_KEY: only together");
    }
    if (!config->redis.tls || tls_check(&tls, &error)) {
        return true;
    }
    return error.code == ERROR_NO_MEMORY ? error_no_memory(reterr)
                                         : bad(reterr, PREFIX "REDIS_TLS_*: %s", error.text);
}

/* What only several settings together show. */
static bool check_together(const Config *config, Error *reterr)
{
    if (config->app_secrets.count == 0 && !config->allow_unsigned) {
        return bad(reterr, PREFIX "APP_SECRET: none is set; " PREFIX
                                  "ALLOW_UNSIGNED=true takes unsigned requests");
    }
    if (strcmp(config->events_stream, config->stream) == 0) {
        return bad(reterr, PREFIX "EVENTS_STREAM: must be another one than " PREFIX "STREAM");
    }
    if (config->dedupe_window > 0 && config->dedupe_window < 1000) {
        return bad(reterr, PREFIX "DEDUPE_WINDOW: must be 0 or at least 1s");
    }
    return check_tls(config, reterr);
}

Config *config_load(const char *path, char *const *environment, Error *reterr)
{
    Given given = {0};
    Config *config = calloc(1, sizeof(*config));
    if (!config) {
        error_no_memory(reterr);
        return NULL;
    }
    config->path = path;
    bool ok = (!path || take_file(&given, path, reterr)) &&
              take_environment(&given, environment, reterr) && parse_all(&given, config, reterr) &&
              check_together(config, reterr);
    for (int i = 0; i < SETTINGS; i++) {
        free(given.values[i]);
    }
    return ok ? config : config_free(config);
}

void config_print(const Config *config)
{
    for (int i = 0; i < SETTINGS; i++) {
        printf(PREFIX "%s=", settings[i].name);
        settings[i].kind->print(&settings[i], config);
        printf("\n");
    }
}

void config_print_help(void)
{
    Arena *arena = arena_new();
    for (int i = 0; arena && i < SETTINGS; i++) {
        const Setting *setting = &settings[i];
        Str wanted = describe(setting, arena);
        Str help = setting->help[0] ? str_from(setting->help) : wanted;
        printf("  %-16s %.*s\n", setting->name, STR_ARG(help));
        printf("  %-16s   %.*s; default: %s\n", "", STR_ARG(wanted),
               setting->initial[0] ? setting->initial : "none");
    }
    arena_free(arena);
}

Config *config_free(Config *config)
{
    if (config) {
        free(config->app_secrets.lines);
        free(config->verify_tokens.lines);
        free(config);
    }
    return NULL;
}
