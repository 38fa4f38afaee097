/*
 * Configuration: defaults < file (lines NAME=value) < environment. All names start with
 * TICKSTREAM_; one that ends in _FILE names a file that holds the value. To add a name, add a field
 * here and a row to the table in config.c.
 */
#ifndef TICKSTREAM_CONFIG_H
#define TICKSTREAM_CONFIG_H

#include "base/error.h"
#include "base/log.h"
#include "redis/ack.h"
#include "redis/tls.h"
#include "redis/url.h"
#include "stream/keep.h"
#include "stream/partitions.h"

#include <stdint.h>

/* One value a line; up to LIMIT_SECRETS. */
typedef struct {
    char *lines; /* heap: what the texts are borrowed from */
    size_t count;
    Str texts[LIMIT_SECRETS];
} Secrets;

/* A file that holds a secret: one that NAME_FILE names, or the one that has NAME=value itself. */
typedef struct {
    const char *setting; /* without the prefix */
    char path[512];      /* cut */
} SecretFile;

enum { SECRET_FILES = 4 };

typedef struct Config {
    const char *path;      /* the file it was read from, borrowed for ever; NULL = none */
    char listen[300];      /* "unix:PATH" or "HOST:PORT" */
    unsigned socket_mode;  /* of a unix socket */
    char socket_group[64]; /* of a unix socket; "" = as created */
    size_t workers;        /* processes, 1..LIMIT_WORKERS / 2 */
    RedisServers redis;
    int64_t redis_timeout;         /* milliseconds */
    Ack redis_ack;                 /* who must have what a 200 is answered for */
    char redis_sentinel_user[128]; /* of the sentinels alone; "" = none */
    char redis_sentinel_password[512];
    char redis_tls_ca[512]; /* paths; "" = none */
    char redis_tls_cert[512];
    char redis_tls_key[512];
    char redis_tls_name[256]; /* "" = the host of the URL */
    TlsVerify redis_tls_verify;
    bool require_durable; /* a Redis that evicts or forgets is not written to */
    char stream[512];
    size_t stream_partitions; /* 1..PARTITIONS_MOST */
    char events_stream[512];  /* "" = none */
    Keep keep;
    char trim_groups[512];
    int64_t dedupe_window; /* milliseconds, 0 = off */
    Secrets app_secrets;
    bool allow_unsigned;
    bool trust_relay; /* nginx may vouch for a request without a signature */
    Secrets verify_tokens;
    size_t max_body;       /* bytes */
    int64_t drain_timeout; /* milliseconds */
    LogLevel log_level;
    LogFormat log_format;
    SecretFile secret_files[SECRET_FILES]; /* of the settings that count */
    size_t secret_file_count;
} Config;

/*
 * Reads the configuration. path: the file, or NULL. environment: NULL-terminated "NAME=value"
 * texts. NULL: *reterr has one line that names the setting.
 */
Config *config_load(const char *path, char *const *environment, Error *reterr);

/* The settings of TLS, borrowed from the config. config_load() has read the files they name: what
 * is wrong with them is its error. */
TlsSettings config_tls(const Config *config);

/* The keys of a stream, which need not be the configured one, with the events and the window that
 * are. NULL: no memory. Caller frees with stream_keys_free(). */
StreamKeys *config_keys(const Config *config, const char *stream);

/* The partitions of the configured stream, and how they are written to. NULL: no memory. Caller
 * frees with partitions_free(). */
Partitions *config_partitions(const Config *config);

/* What is hardly meant about a secret; 0 = nothing. */
enum {
    SECRET_SHORT = 1,  /* less than LIMIT_SECRET_LEAST */
    SECRET_BLANKS = 2, /* around it, which are taken for a part of it */
    SECRET_PUBLIC = 4  /* that of the demo */
};
unsigned config_secret_faults(Str secret);

/*
 * Tells what is allowed and is hardly meant, or a hole: one line each, which names the setting and
 * no value.
 */
void config_warn(const Config *config, void (*tell)(const char *line));

/* Prints the effective values, one a line, secrets masked, to standard output. */
void config_print(const Config *config);

/* Prints the table of names, defaults and meanings, for --help. */
void config_print_help(void);

/* Takes NULL; returns NULL. */
Config *config_free(Config *config);

#endif
