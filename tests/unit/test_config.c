#include "unit.h"

#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without a secret nothing starts; most tests are not about that. */
#define UNSIGNED "TICKSTREAM_ALLOW_UNSIGNED=true"

static char folder[] = "/tmp/tickstream-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* The path of a new file with this text; lasts until the next call. */
static const char *file_with(const char *text, size_t len)
{
    static char path[64];
    static unsigned count;
    snprintf(path, sizeof(path), "%s/%u", folder, count++);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    return path;
}

/* NAME=path of a new file. */
static char *setting_file(const char *name, const char *text)
{
    static char setting[128];
    snprintf(setting, sizeof(setting), "%s=%s", name, file_with(text, strlen(text)));
    return setting;
}

static Config *load(const char *path, const char *a, const char *b, Error *error)
{
    char *environment[] = {(char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL};
    *error = (Error){.code = ERROR_NONE};
    return config_load(path, environment, error);
}

/* config_print() as text, to be freed. */
static char *printed(const Config *config)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/printed", folder);
    fflush(stdout);
    int before = dup(STDOUT_FILENO), to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(before >= 0 && to >= 0);
    dup2(to, STDOUT_FILENO);
    config_print(config);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    char *text = calloc(1, 8192);
    assert_non_null(text);
    assert_true(pread(to, text, 8191, 0) > 0);
    close(to);
    return text;
}

static void test_defaults(void **state)
{
    (void)state;
    Error error;
    Config *config = load(NULL, UNSIGNED, "TICKSTREAM_WORKERS=3", &error);
    assert_non_null(config);
    char *text = printed(config);
    assert_string_equal(text, "TICKSTREAM_LISTEN=unix:/run/tickstream/tickstream.sock\n"
                              "TICKSTREAM_SOCKET_MODE=0660\n"
                              "TICKSTREAM_SOCKET_GROUP=\n"
                              "TICKSTREAM_WORKERS=3\n"
                              "TICKSTREAM_REDIS_URL=redis://127.0.0.1:6379/0\n"
                              "TICKSTREAM_REDIS_TIMEOUT=2s\n"
                              "TICKSTREAM_REDIS_ACK=local\n"
                              "TICKSTREAM_REDIS_SENTINEL_USER=\n"
                              "TICKSTREAM_REDIS_SENTINEL_PASSWORD=\n"
                              "TICKSTREAM_REDIS_TLS_CA=\n"
                              "TICKSTREAM_REDIS_TLS_CERT=\n"
                              "TICKSTREAM_REDIS_TLS_KEY=\n"
                              "TICKSTREAM_REDIS_TLS_NAME=\n"
                              "TICKSTREAM_REDIS_TLS_VERIFY=full\n"
                              "TICKSTREAM_REQUIRE_DURABLE=false\n"
                              "TICKSTREAM_STREAM=whatsapp:statuses\n"
                              "TICKSTREAM_STREAM_PARTITIONS=1\n"
                              "TICKSTREAM_DEDUPE_WINDOW=86400s\n"
                              "TICKSTREAM_TRIM=off\n"
                              "TICKSTREAM_TRIM_KEEP=86400s\n"
                              "TICKSTREAM_TRIM_GROUPS=\n"
                              "TICKSTREAM_TRIM_DEAD_GROUP=0s\n"
                              "TICKSTREAM_QUARANTINE_KEEP=2592000s\n"
                              "TICKSTREAM_EVENTS_KEEP=2592000s\n"
                              "TICKSTREAM_QUARANTINE_MAX=10%\n"
                              "TICKSTREAM_EVENTS_MAX=10%\n"
                              "TICKSTREAM_APP_SECRET=\n"
                              "TICKSTREAM_ALLOW_UNSIGNED=true\n"
                              "TICKSTREAM_TRUST_RELAY=false\n"
                              "TICKSTREAM_VERIFY_TOKEN=\n"
                              "TICKSTREAM_MAX_BODY=3145728\n"
                              "TICKSTREAM_EVENTS_STREAM=\n"
                              "TICKSTREAM_DRAIN_TIMEOUT=25s\n"
                              "TICKSTREAM_LOG_LEVEL=info\n"
                              "TICKSTREAM_LOG_FORMAT=logfmt\n");
    free(text);
    config_free(config);
}

#define TEN_GROUPS "1,2,3,4,5,6,7,8,9,10,"

/* What a value becomes, as config_print() writes it; want NULL: it is refused. */
static void test_values(void **state)
{
    (void)state;
    const struct {
        const char *name, *value, *want;
    } cases[] = {
        {"LISTEN", "unix:/tmp/s", "unix:/tmp/s"},
        {"LISTEN", "127.0.0.1:9000", "127.0.0.1:9000"},
        {"LISTEN", "[::1]:0", "[::1]:0"},
        {"LISTEN", "host:65535", "host:65535"},
        {"LISTEN", "host:65536", NULL},
        {"LISTEN", "host:", NULL},
        {"LISTEN", ":9000", NULL},
        {"LISTEN", "9000", NULL},
        {"LISTEN", "host:9x", NULL},
        {"LISTEN", "host:-1", NULL},
        {"LISTEN", "unix:relative", NULL},
        {"LISTEN", "unix:", NULL},
        {"LISTEN", "", NULL},
        {"SOCKET_MODE", "0600", "0600"},
        {"SOCKET_MODE", "777", "0777"},
        {"SOCKET_MODE", "0668", NULL},
        {"SOCKET_MODE", "1777", NULL},
        {"SOCKET_MODE", "66", NULL},
        {"SOCKET_MODE", "-77", NULL},
        {"SOCKET_MODE", "", NULL},
        {"SOCKET_GROUP", "www-data", "www-data"},
        {"WORKERS", "1", "1"},
        {"WORKERS", "128", "128"},
        {"WORKERS", "0", NULL},
        {"WORKERS", "129", NULL},
        {"EVENTS_STREAM", "whatsapp:statuses", NULL}, /* that is STREAM */
        {"WORKERS", "2KiB", NULL},
        {"WORKERS", "many", NULL},
        {"REDIS_URL", "redis://localhost", "redis://localhost:6379/0"},
        {"REDIS_URL", "redis://u:secret@h:1/2", "redis://***@h:1/2"},
        {"REDIS_URL", "rediss://:secret@h", "rediss://***@h:6379/0"},
        {"REDIS_URL", "unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3"},
        {"REDIS_URL", "redis+sentinel://u:secret@a,[::1]:1/m/3",
         "redis+sentinel://***@a:26379,[::1]:1/m/3"},
        {"REDIS_URL", "rediss+cluster://:secret@a,b:1", "rediss+cluster://***@a:6379,b:1"},
        {"REDIS_URL", "redis+cluster://a/1", NULL},
        {"REDIS_URL", "http://h", NULL},
        {"REDIS_URL", "", NULL},
        {"REDIS_TIMEOUT", "10ms", "10ms"},
        {"REDIS_TIMEOUT", "1500ms", "1500ms"},
        {"REDIS_TIMEOUT", "1m", "60s"},
        {"REDIS_TIMEOUT", "9ms", NULL},
        {"REDIS_TIMEOUT", "61s", NULL},
        {"REDIS_TIMEOUT", "0", NULL},
        {"REDIS_TIMEOUT", "2", NULL},
        {"REDIS_TIMEOUT", "2 s", NULL},
        {"REDIS_TIMEOUT", "-2s", NULL},
        {"REDIS_TIMEOUT", "1.5s", NULL},
        {"REDIS_TIMEOUT", "99999999999999999999s", NULL},
        {"REDIS_ACK", "local", "local"},
        {"REDIS_ACK", "replicas:16", "replicas:16"},
        {"REDIS_ACK", "fsync:1,2", "fsync:1,2"},
        {"REDIS_ACK", "fsync:0,0", NULL},
        {"REDIS_ACK", "replicas:17", NULL},
        {"REDIS_ACK", "all", NULL},
        {"REDIS_ACK", "", NULL},
        {"REDIS_SENTINEL_USER", "u", NULL}, /* without redis+sentinel:// */
        {"REDIS_SENTINEL_PASSWORD", "secret", NULL},
        {"REDIS_TLS_CA", "relative", NULL},
        {"REDIS_TLS_CERT", "-----BEGIN CERTIFICATE-----\nM", NULL},
        {"REDIS_TLS_KEY", "/k\n", NULL},
        {"REDIS_TLS_NAME", "redis.test", NULL}, /* without rediss:// */
        {"REDIS_TLS_VERIFY", "chain", NULL},
        {"REDIS_TLS_VERIFY", "full", "full"},
        {"REDIS_TLS_VERIFY", "none", NULL},
        {"STREAM", "s", "s"},
        {"STREAM", "a{b}", NULL},
        {"STREAM_PARTITIONS", "1", "1"},
        {"STREAM_PARTITIONS", "256", "256"},
        {"STREAM_PARTITIONS", "257", NULL},
        {"STREAM_PARTITIONS", "0", NULL},
        {"STREAM_PARTITIONS", "auto", NULL},
        {"STREAM_PARTITIONS", "1KiB", NULL},
        {"STREAM", "", NULL},
        {"DEDUPE_WINDOW", "0", "0s"},
        {"DEDUPE_WINDOW", "1s", "1s"},
        {"DEDUPE_WINDOW", "7d", "604800s"},
        {"DEDUPE_WINDOW", "2h", "7200s"},
        {"DEDUPE_WINDOW", "30d", "2592000s"},
        {"DEDUPE_WINDOW", "31d", NULL},
        {"DEDUPE_WINDOW", "721h", NULL},
        {"DEDUPE_WINDOW", "500ms", NULL},
        {"DEDUPE_WINDOW", "1w", NULL},
        {"TRIM", "off", "off"},
        {"TRIM", "acked", "acked"},
        {"TRIM", "true", NULL},
        {"TRIM", "", NULL},
        {"TRIM_KEEP", "0", "0s"},
        {"TRIM_KEEP", "1500ms", "1500ms"},
        {"TRIM_KEEP", "366d", "31622400s"},
        {"TRIM_KEEP", "367d", NULL},
        {"TRIM_GROUPS", "", ""},
        {"TRIM_GROUPS", "billing, crm", "billing, crm"},
        {"TRIM_GROUPS", "," TEN_GROUPS TEN_GROUPS TEN_GROUPS "31,32",
         "," TEN_GROUPS TEN_GROUPS TEN_GROUPS "31,32"},
        {"TRIM_GROUPS", TEN_GROUPS TEN_GROUPS TEN_GROUPS "31,32,33", NULL},
        {"TRIM_DEAD_GROUP", "0", "0s"},
        {"TRIM_DEAD_GROUP", "1d", "86400s"},
        {"TRIM_DEAD_GROUP", "23h", NULL}, /* less than TRIM_KEEP */
        {"QUARANTINE_KEEP", "0", "0s"},
        {"QUARANTINE_KEEP", "90d", "7776000s"},
        {"QUARANTINE_KEEP", "367d", NULL},
        {"EVENTS_KEEP", "0", "0s"},
        {"EVENTS_KEEP", "1h", "3600s"},
        {"EVENTS_KEEP", "1 h", NULL},
        {"QUARANTINE_MAX", "1%", "1%"},
        {"QUARANTINE_MAX", "90%", "90%"},
        {"QUARANTINE_MAX", "91%", NULL},
        {"QUARANTINE_MAX", "0%", NULL},
        {"QUARANTINE_MAX", "10", NULL}, /* bytes */
        {"QUARANTINE_MAX", "10 %", NULL},
        {"QUARANTINE_MAX", "%", NULL},
        {"QUARANTINE_MAX", "-1%", NULL},
        {"QUARANTINE_MAX", "4294967306%", NULL}, /* 10 in 32 bits */
        {"QUARANTINE_MAX", "", NULL},
        {"QUARANTINE_MAX", "0", "0"},
        {"QUARANTINE_MAX", "64KiB", "65536"},
        {"QUARANTINE_MAX", "63KiB", NULL},
        {"QUARANTINE_MAX", "100000000", "100000000"},
        {"QUARANTINE_MAX", "1024GiB", "1099511627776"},
        {"QUARANTINE_MAX", "1025GiB", NULL},
        {"QUARANTINE_MAX", "64MB", NULL},
        {"EVENTS_MAX", "5%", "5%"},
        {"EVENTS_MAX", "64MiB", "67108864"},
        {"EVENTS_MAX", "64", NULL},
        {"APP_SECRET", "a", "***"},
        {"APP_SECRET", "new\nold", "*** ***"},
        {"APP_SECRET", "new\r\nold\r\n", "*** ***"},
        {"APP_SECRET", "", NULL},
        {"APP_SECRET", "\n", NULL},
        {"APP_SECRET", "new\n\nold", NULL},
        {"APP_SECRET", "new\rold", NULL},
        {"APP_SECRET", "\xEF\xBB\xBF", NULL},
        {"APP_SECRET", "\r\n", NULL},
        {"STREAM", "\xEF\xBB\xBFs\r", "s"},
        {"STREAM", "s\rt", NULL},
        {"STREAM", "\xEF\xBB\xBF", NULL},
        {"MAX_BODY", "64KiB\r", "65536"},
        {"REDIS_URL", "redis://u:secret@h\r", "redis://***@h:6379/0"},
        {"APP_SECRET", "1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n1\n2\n3\n4\n5\n6\n7", NULL},
        {"ALLOW_UNSIGNED", "1", NULL},
        {"ALLOW_UNSIGNED", "TRUE", NULL},
        {"TRUST_RELAY", "true", "true"},
        {"TRUST_RELAY", "optional", NULL},
        {"VERIFY_TOKEN", "t", "***"},
        {"VERIFY_TOKEN", "", NULL},
        {"MAX_BODY", "1", "1"},
        {"MAX_BODY", "64KiB", "65536"},
        {"MAX_BODY", "12MiB", "12582912"},
        {"MAX_BODY", "13MiB", NULL},
        {"MAX_BODY", "0", NULL},
        {"MAX_BODY", "3MB", NULL},
        {"EVENTS_STREAM", "{whatsapp:statuses}:events", "{whatsapp:statuses}:events"},
        {"EVENTS_STREAM", "{whatsapp:statuses}:probe", NULL},
        {"EVENTS_STREAM", "{whatsapp:statuses}:seen:0", NULL},
        {"EVENTS_STREAM", "{whatsapp:statuses}:partitions", NULL},
        {"EVENTS_STREAM", "", ""},
        {"REQUIRE_DURABLE", "true", "true"},
        {"REQUIRE_DURABLE", "yes", NULL},
        {"DRAIN_TIMEOUT", "0", "0s"},
        {"DRAIN_TIMEOUT", "1h", "3600s"},
        {"DRAIN_TIMEOUT", "3601s", NULL},
        {"LOG_LEVEL", "debug", "debug"},
        {"LOG_LEVEL", "error", "error"},
        {"LOG_LEVEL", "Error", NULL},
        {"LOG_LEVEL", "", NULL},
        {"LOG_FORMAT", "json", "json"},
        {"LOG_FORMAT", "xml", NULL},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char setting[256], line[256];
        Error error;
        snprintf(setting, sizeof(setting), "TICKSTREAM_%s=%s", cases[i].name, cases[i].value);
        const char *other = strcmp(cases[i].name, "ALLOW_UNSIGNED") == 0 ? "X=1" : UNSIGNED;
        Config *config = load(NULL, setting, other, &error);
        char *text = config ? printed(config) : NULL;
        snprintf(line, sizeof(line), "TICKSTREAM_%s=%s\n", cases[i].name,
                 cases[i].want ? cases[i].want : "");
        bool named = strstr(error.text, cases[i].name) != NULL;
        bool ok = cases[i].want ? text && strstr(text, line)
                                : !config && error.code == ERROR_SETUP && named;
        if (!ok) {
            print_error("%s: got %s %s\n", setting, text ? text : "an error", error.text);
            wrong++;
        }
        free(text);
        config_free(config);
    }
    assert_int_equal(wrong, 0);
}

/* What a refusal says a value must be: the limits are those of the table. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *want;
    } cases[] = {
        {"LISTEN=x", "unix:/absolute/path (at most 107 bytes) or host:port"},
        {"WORKERS=0", "auto or 1 to 128"},
        {"REDIS_TIMEOUT=1", "a duration from 10ms to 1m"},
        {"REDIS_ACK=x", "local, replicas:N or fsync:L,N, where N is at most 16 and L 0 or 1"},
        {"STREAM=", "a name of 1 to 511 bytes without braces"},
        {"STREAM_PARTITIONS=0", "1 to 256"},
        {"DEDUPE_WINDOW=x", "0 or a duration up to 30d"},
        {"TRIM=x", "off or acked"},
        {"TRIM_KEEP=x", "a duration up to 366d"},
        {"TRIM_DEAD_GROUP=x", "0 or a duration up to 366d"},
        {"QUARANTINE_KEEP=x", "0 or a duration up to 366d"},
        {"QUARANTINE_MAX=x", "0, a size from 64KiB to 1024GiB, or 1% to 90% of Redis' maxmemory"},
        {"VERIFY_TOKEN=", "not empty; one token a line, at most 16"},
        {"MAX_BODY=0", "a size up to 12MiB"},
        {"DRAIN_TIMEOUT=2h", "a duration up to 1h"},
        {"LOG_LEVEL=x", "debug, info, warn or error"},
        {"LOG_FORMAT=x", "logfmt or json"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char setting[64], want[128];
        Error error;
        snprintf(setting, sizeof(setting), "TICKSTREAM_%s", cases[i].setting);
        snprintf(want, sizeof(want), "%.*s: must be %s", (int)strcspn(setting, "="), setting,
                 cases[i].want);
        assert_null(load(NULL, setting, UNSIGNED, &error));
        assert_string_equal(error.text, want);
    }
}

/* The longest path of a unix socket, the longest name, and one byte more. */
static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        size_t most;
    } cases[] = {{"TICKSTREAM_LISTEN=unix:/", LIMIT_UNIX_PATH - 2},
                 {"TICKSTREAM_STREAM=x", 510},
                 {"TICKSTREAM_EVENTS_STREAM=x", 510},
                 {"TICKSTREAM_SOCKET_GROUP=x", 62}};
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        char setting[600];
        Error error;
        int n = snprintf(setting, sizeof(setting), "%s", cases[i / 2].prefix);
        memset(setting + n, 'a', cases[i / 2].most + i % 2);
        setting[(size_t)n + cases[i / 2].most + i % 2] = '\0';
        Config *config = load(NULL, setting, UNSIGNED, &error);
        assert_int_equal(config != NULL, i % 2 == 0);
        config_free(config);
    }
}

static void test_secrets(void **state)
{
    (void)state;
    Error error;
    Config *config = load(NULL, "TICKSTREAM_APP_SECRET=new one\r\nold\n", "X=1", &error);
    assert_non_null(config);
    assert_int_equal(config->app_secrets.count, 2);
    assert_true(str_eq(config->app_secrets.texts[0], STR("new one")));
    assert_true(str_eq(config->app_secrets.texts[1], STR("old")));
    config_free(config);

    config = load(NULL, setting_file("TICKSTREAM_APP_SECRET_FILE", "from a file\nand another\n"),
                  "X=1", &error);
    assert_non_null(config);
    assert_int_equal(config->app_secrets.count, 2);
    assert_true(str_eq(config->app_secrets.texts[1], STR("and another")));
    char *text = printed(config);
    assert_null(strstr(text, "file"));
    assert_null(strstr(text, "another"));
    free(text);
    config_free(config);
}

/* Without a secret, or with one that is empty or unreadable, nothing starts; the error has its name
 * and not its value. */
static void test_bad_secrets(void **state)
{
    (void)state;
    Error error;
    assert_null(load(NULL, "X=1", "Y=1", &error));
    assert_non_null(strstr(error.text, "TICKSTREAM_APP_SECRET: none is set"));
    assert_null(load(NULL, setting_file("TICKSTREAM_APP_SECRET_FILE", ""), UNSIGNED, &error));
    assert_non_null(strstr(error.text, "TICKSTREAM_APP_SECRET"));
    assert_null(load(NULL, setting_file("TICKSTREAM_VERIFY_TOKEN_FILE", "\n"), UNSIGNED, &error));
    assert_non_null(strstr(error.text, "TICKSTREAM_VERIFY_TOKEN"));
    assert_null(load(NULL, "TICKSTREAM_APP_SECRET_FILE=/nowhere/at/all", UNSIGNED, &error));
    assert_string_equal(error.text,
                        "TICKSTREAM_APP_SECRET_FILE: cannot read the file that it names:"
                        " No such file or directory");
    assert_null(load(NULL, "TICKSTREAM_REDIS_URL=redis://:hunter2@", UNSIGNED, &error));
    assert_null(strstr(error.text, "hunter2"));

    /* one that would be cut at a NUL */
    char setting[128];
    snprintf(setting, sizeof(setting), "TICKSTREAM_APP_SECRET_FILE=%s", file_with("a\0b", 3));
    assert_null(load(NULL, setting, UNSIGNED, &error));
    assert_non_null(strstr(error.text, "TICKSTREAM_APP_SECRET_FILE"));
}

static void test_file_of_one_value(void **state)
{
    (void)state;
    Error error;
    Config *config =
        load(NULL, setting_file("TICKSTREAM_STREAM_FILE", "from:file\n"), UNSIGNED, &error);
    assert_non_null(config);
    assert_string_equal(config->stream, "from:file");
    config_free(config);
}

static Config *load_file(const char *text, const char *environment, Error *error)
{
    return load(file_with(text, strlen(text)), environment, UNSIGNED, error);
}

/* What only several settings together show; want NULL: nothing is wrong. */
static void test_together(void **state)
{
    (void)state;
    static const char sentinels[] = "TICKSTREAM_REDIS_URL=redis+sentinel://h/m",
                      cluster[] = "TICKSTREAM_REDIS_URL=redis+cluster://h",
                      two[] = "TICKSTREAM_STREAM_PARTITIONS=2",
                      elsewhere[] = "TICKSTREAM_EVENTS_STREAM=events",
                      beside[] = "TICKSTREAM_EVENTS_STREAM={whatsapp:statuses}:events";
    static const struct {
        const char *one, *other, *want;
    } cases[] = {
        {"TICKSTREAM_REDIS_SENTINEL_PASSWORD=p", sentinels, NULL},
        {"TICKSTREAM_REDIS_SENTINEL_PASSWORD=p", cluster,
         "TICKSTREAM_REDIS_SENTINEL_PASSWORD: only with a TICKSTREAM_REDIS_URL that begins with "
         "redis+sentinel or rediss+sentinel"},
        {"TICKSTREAM_REDIS_SENTINEL_USER=u", sentinels,
         "TICKSTREAM_REDIS_SENTINEL_USER: only with TICKSTREAM_REDIS_SENTINEL_PASSWORD"},
        {beside, two, NULL},
        {beside, cluster, NULL},
        {elsewhere, sentinels, NULL},
        {elsewhere, two,
         "TICKSTREAM_EVENTS_STREAM: with TICKSTREAM_STREAM_PARTITIONS it must be a name like "
         "{whatsapp:statuses}:events"},
        {elsewhere, cluster,
         "TICKSTREAM_EVENTS_STREAM: with a cluster it must be a name like "
         "{whatsapp:statuses}:events"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Error error;
        Config *config = load_file(cases[i].one, cases[i].other, &error);
        assert_int_equal(config == NULL, cases[i].want != NULL);
        assert_string_equal(config ? "" : error.text, cases[i].want ? cases[i].want : "");
        config_free(config);
    }
}

/* With partitions the names are longer by up to four bytes. */
static void test_length_with_partitions(void **state)
{
    (void)state;
    for (size_t len = 507; len <= 508; len++) {
        char setting[600] = "TICKSTREAM_STREAM=";
        Error error;
        memset(setting + strlen(setting), 'a', len);
        Config *config = load_file(setting, "TICKSTREAM_STREAM_PARTITIONS=256", &error);
        assert_int_equal(config != NULL, len == 507);
        config_free(config);
    }
    Error error;
    Config *config = load(NULL, UNSIGNED, "TICKSTREAM_STREAM_PARTITIONS=256", &error);
    assert_non_null(config);
    Partitions *partitions = config_partitions(config);
    assert_int_equal(partitions->count, 256);
    assert_int_equal(partitions->keys[255]->window, 86400);
    assert_true(str_eq(partitions->keys[255]->stream, STR("whatsapp:statuses:255")));
    partitions_free(partitions);
    config_free(config);
}

/* The sentinels' password is shown nowhere, and may come from a file. */
static void test_password_of_sentinels(void **state)
{
    (void)state;
    Error error;
    Config *config =
        load_file("TICKSTREAM_REDIS_URL=redis+sentinel://h/m",
                  setting_file("TICKSTREAM_REDIS_SENTINEL_PASSWORD_FILE", "hunter2\n"), &error);
    assert_non_null(config);
    assert_string_equal(config->redis_sentinel_password, "hunter2");
    char *text = printed(config);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "TICKSTREAM_REDIS_SENTINEL_PASSWORD=***\n"));
    free(text);
    config_free(config);
}

/* Byte order marks and CR are no part of a name, a value or a secret, wherever they come from. */
static void test_files_of_windows(void **state)
{
    (void)state;
    Error error;
    Config *config = load_file("\xEF\xBB\xBFTICKSTREAM_STREAM=of:windows\r\n"
                               "\xEF\xBB\xBF# appended\r\n\r\nTICKSTREAM_LOG_LEVEL=warn\r\n"
                               "\xEF\xBB\xBFTICKSTREAM_EVENTS_STREAM=\xEF\xBB\xBF"
                               "e\r\r\n",
                               "TICKSTREAM_WORKERS=2\r", &error);
    assert_non_null(config);
    assert_string_equal(config->stream, "of:windows");
    assert_int_equal(config->log_level, LOG_WARN);
    assert_string_equal(config->events_stream, "e");
    config_free(config);
    assert_null(load_file("TICKSTREAM_STREAM=a\rTICKSTREAM_WORKERS=2\r", "X=1", &error));

    config = load(NULL, setting_file("TICKSTREAM_REDIS_URL_FILE", "\xEF\xBB\xBFredis://h\r\n"),
                  UNSIGNED, &error);
    assert_non_null(config);
    assert_string_equal(config->redis.server.host, "h");
    config_free(config);

    config = load(NULL,
                  setting_file("TICKSTREAM_APP_SECRET_FILE", "\xEF\xBB\xBF"
                                                             "new\r\n"
                                                             "\xEF\xBB\xBF"
                                                             "old\r\n"),
                  "X=1", &error);
    assert_non_null(config);
    assert_int_equal(config->app_secrets.count, 2);
    assert_true(str_eq(config->app_secrets.texts[0], STR("new")));
    assert_true(str_eq(config->app_secrets.texts[1], STR("old")));
    config_free(config);
}

static char told[1024];

static void keep(const char *line)
{
    assert_true(strlen(told) + strlen(line) + 2 <= sizeof(told));
    strcat(strcat(told, line), "\n");
}

/* Each once, however many secrets it is about, and never with a value. */
static void test_warnings(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *want;
    } cases[] = {
        {"TICKSTREAM_APP_SECRET=0123456789abcdef", "X=1", ""},
        {"TICKSTREAM_APP_SECRET=0123456789abcde\r", "X=1",
         "APP_SECRET: one is so short that it can be guessed\n"},
        {"TICKSTREAM_APP_SECRET=a\nb\n0123456789abcdef", "X=1",
         "APP_SECRET: one is so short that it can be guessed\n"},
        {"TICKSTREAM_APP_SECRET= 0123456789abcdef\n0123456789abcdef\t", "X=1",
         "APP_SECRET: the blanks before or after one are taken for a part of it\n"},
        {"TICKSTREAM_APP_SECRET=0123456789abcdef", "TICKSTREAM_VERIFY_TOKEN=token ",
         "VERIFY_TOKEN: one is so short that it can be guessed\n"
         "VERIFY_TOKEN: the blanks before or after one are taken for a part of it\n"},
        {UNSIGNED, "X=1",
         "ALLOW_UNSIGNED: everybody who reaches this service can write to the stream\n"},
        {"TICKSTREAM_APP_SECRET=tickstream-demo-secret", "TICKSTREAM_LISTEN=unix:/s", ""},
        {"TICKSTREAM_APP_SECRET=tickstream-demo-secret", "TICKSTREAM_LISTEN=127.0.0.1:9000", ""},
        {"TICKSTREAM_APP_SECRET=tickstream-demo-secret", "TICKSTREAM_LISTEN=0.0.0.0:9000",
         "APP_SECRET: one is that of the demo, which everybody knows\n"},
        {"TICKSTREAM_APP_SECRET=0123456789abcdef\ndemo-app-secret", "TICKSTREAM_LISTEN=[::]:9000",
         "APP_SECRET: one is so short that it can be guessed\n"
         "APP_SECRET: one is that of the demo, which everybody knows\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Error error;
        Config *config = load(NULL, cases[i].a, cases[i].b, &error);
        assert_non_null(config);
        told[0] = '\0';
        config_warn(config, keep);
        assert_string_equal(told, cases[i].want);
        config_free(config);
    }
}

/* What a web server tells a CGI program about its request is no setting. */
static void test_parameter(void **state)
{
    (void)state;
    Error error;
    Config *config = load(NULL, "TICKSTREAM_SIGNATURE=optional", UNSIGNED, &error);
    assert_non_null(config);
    assert_false(config->trust_relay);
    config_free(config);
    assert_null(load_file("TICKSTREAM_SIGNATURE=optional\n", "X=1", &error));
    assert_string_equal(error.text, "TICKSTREAM_SIGNATURE: unknown setting");
}

static void test_value_and_file(void **state)
{
    (void)state;
    Error error;
    const char *file = setting_file("TICKSTREAM_STREAM_FILE", "a");
    assert_null(load(NULL, "TICKSTREAM_STREAM=b", file, &error));
    assert_string_equal(error.text, "TICKSTREAM_STREAM: given both as a value and as a file");
    assert_null(load(NULL, file, "TICKSTREAM_STREAM=b", &error));
    assert_string_equal(error.text, "TICKSTREAM_STREAM: given both as a value and as a file");
}

static void test_unknown_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "TICKSTREAM_STREEM=x",    "TICKSTREAM_=x",          "TICKSTREAM_STREAM_=x",
        "TICKSTREAM_stream=x",    "TICKSTREAM__FILE=x",     "TICKSTREAM_STREAM_FILE_FILE=x",
        "TICKSTREAM_STREAMFILE=", "TICKSTREAM_SOCKET=0660",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        Error error;
        assert_null(load(NULL, names[i], UNSIGNED, &error));
        size_t len = strcspn(names[i], "=");
        assert_memory_equal(error.text, names[i], len);
        assert_string_equal(error.text + len, ": unknown setting");
    }
}

static void test_precedence(void **state)
{
    (void)state;
    Error error;
    Config *config = load_file("# a comment\n\n  TICKSTREAM_STREAM=from:file  \n"
                               "TICKSTREAM_LOG_LEVEL=warn\nTICKSTREAM_LOG_LEVEL=debug\n"
                               "TICKSTREAM_EVENTS_STREAM=a=b",
                               "TICKSTREAM_STREAM=from:environment", &error);
    assert_non_null(config);
    assert_string_equal(config->stream, "from:environment");
    assert_int_equal(config->log_level, LOG_DEBUG);    /* the last line counts */
    assert_string_equal(config->events_stream, "a=b"); /* the first = counts */
    assert_int_equal(config->log_format, LOG_LOGFMT);  /* the default */
    config_free(config);

    /* A file named in the environment also goes before a value of the configuration file. */
    const char *path = file_with("TICKSTREAM_STREAM=from:file\n", 28);
    char kept[64];
    snprintf(kept, sizeof(kept), "%s", path);
    config =
        load(kept, setting_file("TICKSTREAM_STREAM_FILE", "from:value:file"), UNSIGNED, &error);
    assert_non_null(config);
    assert_string_equal(config->stream, "from:value:file");
    config_free(config);
}

static void test_bad_files(void **state)
{
    (void)state;
    Error error;
    assert_null(load("/nowhere/at/all", UNSIGNED, "X=1", &error));
    assert_string_equal(error.text,
                        "--config: cannot read /nowhere/at/all: No such file or directory");
    assert_null(load_file("TICKSTREAM_STREAM=a\nnonsense\n", "X=1", &error));
    assert_non_null(strstr(error.text, "line 2: expected NAME=value"));
    assert_null(load_file("STREAM=a\n", "X=1", &error));
    assert_string_equal(error.text, "STREAM: unknown setting");
    assert_null(load_file("TICKSTREAM_WORKERS=0\n", "X=1", &error));
    assert_string_equal(error.text, "TICKSTREAM_WORKERS: must be auto or 1 to 128");
}

/* What TLS needs: rediss://, files that can be read, a certificate and its key. */
static void test_tls(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        const char *error; /* how it begins; NULL: it is well */
    } cases[] = {
        {"CA=", "NAME=", NULL},
        {"VERIFY=chain", "NAME=redis.test", NULL},
        {"CA=/etc/ssl", "VERIFY=full", NULL}, /* a folder */
        {"CA=/nowhere", "VERIFY=full",
         "TICKSTREAM_REDIS_TLS_*: tls: cannot read the CA /nowhere: No such file or directory"},
        {"CA=/etc/hostname", "VERIFY=full",
         "TICKSTREAM_REDIS_TLS_*: tls: no CA in /etc/hostname: "},
        {"CERT=/nowhere", "KEY=/nowhere",
         "TICKSTREAM_REDIS_TLS_*: tls: cannot read the certificate /nowhere: No such file"},
        {"CERT=/etc/hostname", "VERIFY=full",
         "TICKSTREAM_REDIS_TLS_CERT and TICKSTREAM_REDIS_TLS_KEY: only together"},
        {"KEY=/etc/hostname", "VERIFY=full",
         "TICKSTREAM_REDIS_TLS_CERT and TICKSTREAM_REDIS_TLS_KEY: only together"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Error error = {.text = ""};
        char a[128], b[128], url[] = "TICKSTREAM_REDIS_URL=rediss://h", secret[] = UNSIGNED;
        snprintf(a, sizeof(a), "TICKSTREAM_REDIS_TLS_%s", cases[i].a);
        snprintf(b, sizeof(b), "TICKSTREAM_REDIS_TLS_%s", cases[i].b);
        char *environment[] = {secret, url, a, b, NULL};
        Config *config = config_load(NULL, environment, &error);
        const char *want = cases[i].error ? cases[i].error : "";
        if (!config != !!cases[i].error || strncmp(error.text, want, strlen(want)) != 0) {
            fail_msg("%s %s: %s", cases[i].a, cases[i].b, error.text);
        }
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_bad_secrets),
        cmocka_unit_test(test_files_of_windows),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_parameter),
        cmocka_unit_test(test_value_and_file),
        cmocka_unit_test(test_file_of_one_value),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_length_with_partitions),
        cmocka_unit_test(test_password_of_sentinels),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
