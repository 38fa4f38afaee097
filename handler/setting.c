#include "setting.h"

#include "stream/keys.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *field(const Setting *setting, Config *config)
{
    return (char *)config + setting->offset;
}

static const void *const_field(const Setting *setting, const Config *config)
{
    return (const char *)config + setting->offset;
}

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

const Kind kind_text = {parse_text, print_text, NULL, NULL};

/* None, or an absolute one. So the content of a file, which NAME_FILE would give for its
 * path, is refused, and no error quotes it. */
static bool parse_path(const Setting *setting, Str text, Config *config)
{
    bool is_path = text.len > 0 && text.ptr[0] == '/' && !memchr(text.ptr, '\n', text.len);
    return (text.len == 0 || is_path) && parse_text(setting, text, config);
}

const Kind kind_path = {parse_path, print_text, NULL, NULL};

static bool parse_stream(const Setting *setting, Str text, Config *config)
{
    return stream_keys_allow(text) && parse_text(setting, text, config);
}

const Kind kind_stream = {parse_stream, print_text, NULL, NULL};

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

const Kind kind_address = {parse_address, print_text, NULL, NULL};

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

const Kind kind_truth = {parse_bool, print_bool, NULL, NULL};

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

static const Unit durations[] = {{"ms", 1},      {"s", 1000},       {"m", 60000},
                                 {"h", 3600000}, {"d", ONE_DAY_MS}, {NULL, 0}};
const Kind kind_duration = {parse_duration, print_duration, durations, NULL};

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
const Kind kind_size = {parse_size, print_size, sizes, NULL};

static const Unit memories[] = {
    {"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

static const Unit percents[] = {{"%", 1}, {NULL, 0}};

/* A part of maxmemory, or bytes; 0: any number of them. */
static bool parse_most(const Setting *setting, Str text, Config *config)
{
    KeepMost *most = field(setting, config);
    int64_t value = 0;
    *most = (KeepMost){0};
    if (parse_quantity(text, percents, &value)) {
        most->percent = (unsigned)value;
        return value >= 1 && value <= 90;
    }
    if (!str_eq(text, STR("0")) && !parse_quantity(text, setting->kind->units, &value)) {
        return false;
    }
    most->bytes = value;
    return value == 0 || in_range(setting, value);
}

static void print_most(const Setting *setting, const Config *config)
{
    const KeepMost *most = const_field(setting, config);
    if (most->percent) {
        printf("%u%%", most->percent);
    } else {
        printf("%lld", (long long)most->bytes);
    }
}

const Kind kind_most = {parse_most, print_most, memories, NULL};

static const Unit counts[] = {{"", 1}, {NULL, 0}};
const Kind kind_count = {parse_size, print_size, counts, NULL};

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

const Kind kind_workers = {parse_workers, print_size, counts, NULL};

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

const Kind kind_mode = {parse_mode, print_mode, NULL, NULL};

static bool parse_redis(const Setting *setting, Str text, Config *config)
{
    Error error;
    (void)setting;
    return redis_servers_parse(text, &config->redis, &error);
}

static void print_redis(const Setting *setting, const Config *config)
{
    static const char *const found_by[] = {
        [SERVERS_ONE] = "", [SERVERS_SENTINEL] = "+sentinel", [SERVERS_CLUSTER] = "+cluster"};
    const RedisServers *servers = const_field(setting, config);
    const RedisUrl *url = &servers->server;
    const char *mask = url->password[0] ? "***@" : "";
    if (url->unix_socket) {
        printf("unix://%s%s?db=%u", mask, url->host, url->db);
        return;
    }
    printf("redis%s%s://%s", url->tls ? "s" : "", found_by[servers->kind], mask);
    for (size_t i = 0; i < servers->seed_count; i++) {
        char text[ADDRESS_TEXT];
        address_show(&servers->seeds[i], text);
        printf(i ? ",%s" : "%s", text);
    }
    if (servers->kind != SERVERS_CLUSTER) {
        printf(servers->master[0] ? "/%s/%u" : "%s/%u", servers->master, url->db);
    }
}

const Kind kind_redis_url = {parse_redis, print_redis, NULL, NULL};

static bool parse_ack(const Setting *setting, Str text, Config *config)
{
    return ack_parse(text, field(setting, config));
}

static void print_ack(const Setting *setting, const Config *config)
{
    char text[ACK_TEXT];
    ack_show(const_field(setting, config), text);
    printf("%s", text);
}

const Kind kind_ack = {parse_ack, print_ack, NULL, NULL};

/* A text that is not shown. */
static void print_password(const Setting *setting, const Config *config)
{
    const char *password = const_field(setting, config);
    printf("%s", password[0] ? "***" : "");
}

const Kind kind_password = {parse_text, print_password, NULL, NULL};

Str setting_trim_marks(Str text)
{
    const Str mark = STR("\xEF\xBB\xBF");
    while (str_starts_with(text, mark)) {
        text = str_from_offset(text, mark.len);
    }
    while (text.len && text.ptr[text.len - 1] == '\r') {
        text.len--;
    }
    return text;
}

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
        line = setting_trim_marks(line);
        if (str_is_empty(line) && secrets->count && !rest.ptr) {
            break; /* the line end of the last line */
        }
        if (str_is_empty(line) || memchr(line.ptr, '\r', line.len) ||
            (int64_t)secrets->count == setting->most) {
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

const Kind kind_secrets = {parse_secrets, print_secrets, NULL, NULL};

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

const Kind kind_level = {parse_word, print_word, NULL, log_level_names};
const Kind kind_format = {parse_word, print_word, NULL, log_format_names};
const Kind kind_trim = {parse_word, print_word, NULL, trim_names};
const Kind kind_verify = {parse_word, print_word, NULL, tls_verify_names};

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

Str setting_describe(const Setting *setting, Arena *arena)
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
