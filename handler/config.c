/*
 * From texts to a Config, in four steps: texts are collected by name from the file and from the
 * environment (Given); those that count are parsed by their rows of the table, in its order; what
 * several settings must satisfy together is checked; the texts are freed. So a wrong value that
 * another replaces does no harm, a wrong name always does.
 * Secrets alone keep memory of their own in the Config.
 */
#include "config.h"

#include "setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "TICKSTREAM_"

enum { SETTINGS = 35 };

/* Texts that were given, in the order of precedence, later ones win. */
typedef struct {
    char *values[SETTINGS]; /* heap; NULL = the default */
    char *files[SETTINGS];  /* heap; the file that has it; NULL = it was given itself */
    bool from_environment[SETTINGS];
} Given;

/* The table */

#define FIELD(name) .offset = offsetof(Config, name)
#define RANGE(name, from, to) FIELD(name), .least = (from), .most = (to)
#define MOST(name)                                                                                 \
    RANGE(name, 64 << 10, INT64_C(1) << 40),                                                       \
        "0, a size from {least} to {most}, or 1% to 90% of Redis' maxmemory"
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
     .wanted = REDIS_SERVERS_FORMS,
     .help =
         "where the streams are: a server, by whom it is found, or a cluster; rediss: with TLS"},
    {"REDIS_TIMEOUT", "2s", &kind_duration, RANGE(redis_timeout, 10, 60000),
     "a duration from {least} to {most}", "after which a publication is answered 503"},
    {"REDIS_ACK", "local", &kind_ack, RANGE(redis_ack, 1, ACK_REPLICAS_MOST),
     "local, replicas:N or fsync:L,N, where N is at most {most} and L 0 or 1",
     "who must have a status before it is answered 200; fsync: on disk, L = 1: of the master too"},
    {"REDIS_SENTINEL_USER", "", &kind_text, TEXT(redis_sentinel_user, 0),
     "a name of at most {most} bytes", "of the sentinels, which have users of their own"},
    {"REDIS_SENTINEL_PASSWORD", "", &kind_password, TEXT(redis_sentinel_password, 0),
     "a password of at most {most} bytes", "of that user, or of the sentinels"},
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
    {"REQUIRE_DURABLE", "false", &kind_truth, FIELD(require_durable), .wanted = "true or false",
     .help = "refuse a Redis that is known to evict or not to persist"},
    {"STREAM", "whatsapp:statuses", &kind_stream, TEXT(stream, 1),
     "a name of {least} to {most} bytes without braces", "stream of the statuses"},
    {"STREAM_PARTITIONS", "1", &kind_count, RANGE(stream_partitions, 1, PARTITIONS_MOST),
     "{least} to {most}", "N > 1: the statuses are spread over STREAM:0 to STREAM:N-1; for good"},
    {"DEDUPE_WINDOW", "24h", &kind_duration, RANGE(dedupe_window, 0, 30 * ONE_DAY_MS),
     "0 or a duration up to {most}",
     "how long a status is recognised when it comes again; 0 = off"},
    {"TRIM", "off", &kind_trim, RANGE(keep.trim, 0, TRIMS - 1), "{words}",
     "acked: what all groups have acknowledged and is older than TRIM_KEEP is removed"},
    {"TRIM_KEEP", "24h", &kind_duration, RANGE(keep.keep, 0, 366 * ONE_DAY_MS),
     "a duration up to {most}", "for how long it is kept all the same"},
    {"TRIM_GROUPS", "", &kind_text, TEXT(trim_groups, 0), "names with commas between",
     "groups that must exist, or nothing is removed"},
    {"TRIM_DEAD_GROUP", "0", &kind_duration, RANGE(keep.dead_group, 0, 366 * ONE_DAY_MS),
     "0 or a duration up to {most}",
     "a group that has not moved for so long is not waited for; 0 = each is, for ever"},
    {"QUARANTINE_KEEP", "30d", &kind_duration, RANGE(keep.quarantine, 0, 366 * ONE_DAY_MS),
     "0 or a duration up to {most}", "for how long quarantine is kept; 0 = for ever"},
    {"EVENTS_KEEP", "30d", &kind_duration, RANGE(keep.events, 0, 366 * ONE_DAY_MS),
     "0 or a duration up to {most}", "likewise the entries of EVENTS_STREAM"},
    {"QUARANTINE_MAX", "10%", &kind_most, MOST(keep.quarantine_most),
     "what quarantine may take of a Redis; beyond it without the bodies; 0 = any amount"},
    {"EVENTS_MAX", "10%", &kind_most, MOST(keep.events_most),
     "likewise the entries of EVENTS_STREAM"},
    {"APP_SECRET", "", &kind_secrets, RANGE(app_secrets, 1, LIMIT_SECRETS),
     "not empty; one secret a line, at most {most}", "any of these may have signed a POST"},
    {"ALLOW_UNSIGNED", "false", &kind_truth, FIELD(allow_unsigned), .wanted = "true or false",
     .help = "start without APP_SECRET and take what comes"},
    {"TRUST_RELAY", "false", &kind_truth, FIELD(trust_relay), .wanted = "true or false",
     .help = "heed nginx's TICKSTREAM_SIGNATURE optional: see nginx/relay.conf"},
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

/* Fills text, which has room for `most` bytes and one, and ends it; NULL, or why not. A NUL is a
 * reason: a secret would end there. */
static const char *read_text(FILE *file, char *text, size_t most)
{
    size_t len = fread(text, 1, most, file);
    if (ferror(file)) {
        return strerror(errno);
    }
    if (!feof(file)) {
        return "it is too long";
    }
    if (memchr(text, '\0', len)) {
        return "it has a zero byte, as UTF-16 does; UTF-8 is read";
    }
    text[len] = '\0';
    return NULL;
}

/* Reads a whole text file of at most `most` bytes, terminated; NULL with *reterr, which begins with
 * what, on failure. */
static char *read_file(const char *what, const char *path, size_t most, Error *reterr)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        bad(reterr, "%s: %s", what, strerror(errno));
        return NULL;
    }
    char *text = malloc(most + 1);
    const char *why = text ? read_text(file, text, most) : "out of memory";
    fclose(file);
    if (why) {
        bad(reterr, "%s: %s", what, why);
        free(text);
        return NULL;
    }
    return text;
}

/* The same of a file that NAME_FILE names. Its path is not told: it may be the secret itself. */
static char *read_value(Str name, const char *path, Error *reterr)
{
    char what[128];
    snprintf(what, sizeof(what), "%.*s: cannot read the file that it names", STR_ARG(name));
    return read_file(what, path, LIMIT_CONFIG_VALUE, reterr);
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
    char *text = is_file ? read_value(name, value, reterr) : strdup(value);
    if (!text) {
        return is_file ? false : error_no_memory(reterr);
    }
    free(given->values[i]);
    given->values[i] = text;
    /* config_load() frees them all. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    given->from_environment[i] = from_environment;
    free(given->files[i]);
    given->files[i] = is_file ? strdup(value) : NULL;
    return !is_file || given->files[i] || error_no_memory(reterr);
}

static bool take_line(Given *given, const char *path, size_t number, char *line, Error *reterr)
{
    Str text = str_trim(setting_trim_marks(str_from(line)));
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
    char what[128];
    snprintf(what, sizeof(what), "--config: cannot read %.80s", path);
    char *text = read_file(what, path, 1 << 20, reterr);
    bool ok = text != NULL;
    char *rest = text, *line;
    for (size_t number = 1; ok && (line = strsep(&rest, "\n")); number++) {
        ok = take_line(given, path, number, line, reterr);
    }
    free(text);
    return ok;
}

/* Of a request, which a CGI program has in its environment too. */
static bool is_parameter(Str name)
{
    return str_eq(name, STR(PREFIX "SIGNATURE"));
}

static bool take_environment(Given *given, char *const *environment, Error *reterr)
{
    for (; *environment; environment++) {
        Str text = str_from(*environment);
        size_t equals = str_find(text, '=');
        Str name = {text.ptr, equals};
        if (str_starts_with(name, STR(PREFIX)) && !is_parameter(name) && equals < text.len &&
            !take_value(given, name, text.ptr + equals + 1, true, reterr)) {
            return false;
        }
    }
    return true;
}

/* A value from a file ends before the line end that editors put there. The text is terminated. */
static Str value_text(const Given *given, int i)
{
    char *value = given->values[i];
    size_t len = strlen(value);
    if (settings[i].kind == &kind_secrets) {
        return (Str){value, len};
    }
    if (given->files[i] && len && value[len - 1] == '\n') {
        value[--len] = '\0';
    }
    Str text = setting_trim_marks((Str){value, len});
    value[text.ptr - value + (ptrdiff_t)text.len] = '\0';
    return text;
}

static bool refuse(const Setting *setting, Error *reterr)
{
    Arena *arena = arena_new();
    Str wanted = arena ? setting_describe(setting, arena) : (Str){NULL, 0};
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
        bool is_one_line = is_secret || !memchr(text.ptr, '\r', text.len);
        if (!is_one_line || !setting->kind->parse(setting, text, config)) {
            return refuse(setting, reterr);
        }
    }
    return true;
}

/* Does a setting hold something that nobody else must read? */
static bool is_secret_setting(const Setting *setting, const Config *config)
{
    return setting->kind == &kind_secrets || setting->kind == &kind_password ||
           (setting->kind == &kind_redis_url && config->redis.server.password[0]);
}

static void note_secret_files(const Given *given, Config *config)
{
    for (int i = 0; i < SETTINGS; i++) {
        const char *path = given->files[i]              ? given->files[i]
                           : given->from_environment[i] ? NULL
                                                        : config->path;
        if (given->values[i] && path && is_secret_setting(&settings[i], config) &&
            config->secret_file_count < SECRET_FILES) {
            SecretFile *file = &config->secret_files[config->secret_file_count++];
            file->setting = settings[i].name;
            snprintf(file->path, sizeof(file->path), "%s", path);
        }
    }
}

TlsSettings config_tls(const Config *config)
{
    return (TlsSettings){.ca = config->redis_tls_ca,
                         .cert = config->redis_tls_cert,
                         .key = config->redis_tls_key,
                         .name = config->redis_tls_name,
                         .verify = config->redis_tls_verify};
}

StreamKeys *config_keys(const Config *config, const char *stream)
{
    return stream_keys_new(stream, config->events_stream, (unsigned)(config->dedupe_window / 1000));
}

Partitions *config_partitions(const Config *config)
{
    Partitions *partitions =
        partitions_new(config->stream, config->stream_partitions, config->events_stream,
                       (unsigned)(config->dedupe_window / 1000));
    for (size_t i = 0; partitions && i < partitions->count; i++) {
        partitions->keys[i]->by_script =
            partitions->count > 1 || config->redis.kind == SERVERS_CLUSTER;
        partitions->keys[i]->touches = config->redis_ack.kind != ACK_LOCAL;
    }
    return partitions;
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
    if (given && !config->redis.server.tls) {
        return bad(reterr,
                   PREFIX "REDIS_TLS_%s: only with a " PREFIX "REDIS_URL that begins with rediss",
                   given);
    }
    if (!tls.cert[0] != !tls.key[0]) {
        return bad(reterr, PREFIX "REDIS_TLS_CERT and " PREFIX "REDIS_TLS_KEY: only together");
    }
    if (!config->redis.server.tls || tls_check(&tls, &error)) {
        return true;
    }
    return error.code == ERROR_NO_MEMORY ? error_no_memory(reterr)
                                         : bad(reterr, PREFIX "REDIS_TLS_*: %s", error.text);
}

static bool check_sentinel(const Config *config, Error *reterr)
{
    const char *given = config->redis_sentinel_user[0]       ? "USER"
                        : config->redis_sentinel_password[0] ? "PASSWORD"
                                                             : NULL;
    if (given && config->redis.kind != SERVERS_SENTINEL) {
        return bad(reterr,
                   PREFIX "REDIS_SENTINEL_%s: only with a " PREFIX
                          "REDIS_URL that begins with redis+sentinel or rediss+sentinel",
                   given);
    }
    if (config->redis_sentinel_user[0] && !config->redis_sentinel_password[0]) {
        return bad(reterr,
                   PREFIX "REDIS_SENTINEL_USER: only with " PREFIX "REDIS_SENTINEL_PASSWORD");
    }
    return true;
}

/* The names of partitions are longer than that of the stream, and what is written together must be
 * in one slot of a cluster. */
static bool check_partitions(const Config *config, Error *reterr)
{
    const size_t longest = sizeof(config->stream) - sizeof(":255");
    const bool are_many = config->stream_partitions > 1;
    if (are_many && strlen(config->stream) > longest) {
        return bad(reterr,
                   PREFIX "STREAM: must be a name of at most %zu bytes with " PREFIX
                          "STREAM_PARTITIONS",
                   longest);
    }
    if ((are_many || config->redis.kind == SERVERS_CLUSTER) &&
        !partitions_allow_events(config->stream, config->events_stream)) {
        return bad(reterr, PREFIX "EVENTS_STREAM: with %s it must be a name like {%.60s}:events",
                   are_many ? PREFIX "STREAM_PARTITIONS" : "a cluster", config->stream);
    }
    return true;
}

static bool check_groups(const Config *config, Error *reterr)
{
    Str groups = config->keep.groups;
    size_t count = 0;
    while (keep_next_group(&groups).ptr) {
        count++;
    }
    return count <= KEEP_GROUPS ||
           bad(reterr, PREFIX "TRIM_GROUPS: has more than %d names", KEEP_GROUPS);
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
    if (stream_keys_derive(config->stream, config->events_stream)) {
        return bad(reterr,
                   PREFIX "EVENTS_STREAM: is the name of a key that is derived from " PREFIX
                          "STREAM; {%.60s}:events is not",
                   config->stream);
    }
    if (config->dedupe_window > 0 && config->dedupe_window < 1000) {
        return bad(reterr, PREFIX "DEDUPE_WINDOW: must be 0 or at least 1s");
    }
    if (config->redis_ack.kind != ACK_LOCAL && config->redis_timeout < ACK_TIMEOUT_LEAST) {
        return bad(reterr,
                   PREFIX "REDIS_TIMEOUT: must be at least %d ms with this " PREFIX "REDIS_ACK",
                   ACK_TIMEOUT_LEAST);
    }
    if (config->keep.dead_group && config->keep.dead_group < config->keep.keep) {
        return bad(reterr, PREFIX "TRIM_DEAD_GROUP: must be 0 or at least " PREFIX "TRIM_KEEP");
    }
    return check_groups(config, reterr) && check_partitions(config, reterr) &&
           check_sentinel(config, reterr) && check_tls(config, reterr);
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
              take_environment(&given, environment, reterr) && parse_all(&given, config, reterr);
    note_secret_files(&given, config);
    config->keep.groups = str_from(config->trim_groups);
    ok = ok && check_together(config, reterr);
    for (int i = 0; i < SETTINGS; i++) {
        free(given.values[i]);
        free(given.files[i]);
    }
    return ok ? config : config_free(config);
}

/* What is allowed, and hardly meant */

/* Of the demo, and so known to everybody. */
static bool is_public(Str secret)
{
    static const Str known[] = {STR_INIT("tickstream-demo-secret"),
                                STR_INIT("tickstream-demo-token"), STR_INIT("demo-app-secret"),
                                STR_INIT("demo-verify-token")};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eq(secret, known[i])) {
            return true;
        }
    }
    return false;
}

unsigned config_secret_faults(Str secret)
{
    return (secret.len < LIMIT_SECRET_LEAST ? SECRET_SHORT : 0U) |
           (str_trim(secret).len != secret.len ? SECRET_BLANKS : 0U) |
           (is_public(secret) ? SECRET_PUBLIC : 0U);
}

/* Does only this machine reach the listener, as far as its address tells? */
static bool is_local(const Config *config)
{
    static const Str begins[] = {STR_INIT("unix:"), STR_INIT("127."), STR_INIT("localhost:"),
                                 STR_INIT("[::1]:")};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        if (str_starts_with(str_from(config->listen), begins[i])) {
            return true;
        }
    }
    return false;
}

static void warn_of_secrets(const Config *config, const Secrets *secrets,
                            const char *const lines[3], void (*tell)(const char *line))
{
    unsigned found = 0;
    for (size_t i = 0; i < secrets->count; i++) {
        found |= config_secret_faults(secrets->texts[i]);
    }
    found &= is_local(config) ? ~(unsigned)SECRET_PUBLIC : ~0U;
    for (size_t i = 0; i < 3; i++) {
        if (found & 1U << i) {
            tell(lines[i]);
        }
    }
}

void config_warn(const Config *config, void (*tell)(const char *line))
{
    static const char *const of_secrets[] = {
        "APP_SECRET: one is so short that it can be guessed",
        "APP_SECRET: the blanks before or after one are taken for a part of it",
        "APP_SECRET: one is that of the demo, which everybody knows"};
    static const char *const of_tokens[] = {
        "VERIFY_TOKEN: one is so short that it can be guessed",
        "VERIFY_TOKEN: the blanks before or after one are taken for a part of it",
        "VERIFY_TOKEN: one is that of the demo, which everybody knows"};
    if (!config->app_secrets.count) {
        tell("ALLOW_UNSIGNED: everybody who reaches this service can write to the stream");
    }
    if (config->redis_tls_verify == TLS_CHAIN) {
        tell("REDIS_TLS_VERIFY=chain: any certificate of a trusted CA is taken for that of Redis, "
             "whatever its name");
    }
    if (config->dedupe_window == 0) {
        tell("DEDUPE_WINDOW is 0: nginx must include tickstream-once.conf in place of "
             "tickstream-repeat.conf, or a POST that it repeats is stored twice");
    }
    warn_of_secrets(config, &config->app_secrets, of_secrets, tell);
    warn_of_secrets(config, &config->verify_tokens, of_tokens, tell);
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
        Str wanted = setting_describe(setting, arena);
        Str help = setting->help[0] ? str_from(setting->help) : wanted;
        printf("  %-23s %.*s\n", setting->name, STR_ARG(help));
        printf("  %-23s   %.*s; default: %s\n", "", STR_ARG(wanted),
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
