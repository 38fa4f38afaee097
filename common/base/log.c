#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_ROOM = 512, LINE_ROOM = 6 * TEXT_ROOM + 128 };

static LogLevel log_level = LOG_INFO;
static LogFormat log_format = LOG_LOGFMT;
static const char *log_process = "master";

const char *const log_level_names[LOG_LEVELS] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
const char *const log_format_names[LOG_FORMATS] = {[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json"};

void log_setup(LogLevel level, LogFormat format)
{
    log_level = level;
    log_format = format;
}

void log_name_process(const char *process)
{
    log_process = process;
}

/* The text inside double quotes, with what both formats escape; returns its length. */
static size_t quote(const char *text, char *to)
{
    char *start = to;
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            *to++ = '\\';
            *to++ = *text;
        } else if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            to += sprintf(to, "\\u%04x", (unsigned)(unsigned char)*text);
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return (size_t)(to - start);
}

static size_t write_time(char *to, size_t room)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(to, room, "%Y-%m-%dT%H:%M:%S", &utc);
    return len + (size_t)snprintf(to + len, room - len, ".%03ldZ", now.tv_nsec / 1000000);
}

static void write_line(LogLevel level, unsigned left_out, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void write_line(LogLevel level, unsigned left_out, const char *format, va_list args)
{
    char text[TEXT_ROOM], quoted[6 * TEXT_ROOM], time_text[40], line[LINE_ROOM + 64];
    size_t len = (size_t)vsnprintf(text, sizeof(text), format, args);
    if (left_out && len < sizeof(text)) {
        snprintf(text + len, sizeof(text) - len, " (and %u more like this)", left_out);
    }
    quote(text, quoted);
    write_time(time_text, sizeof(time_text));
    int n;
    if (log_format == LOG_JSON) {
        n = snprintf(line, sizeof(line),
                     "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"msg\":\"%s\"}\n",
                     time_text, log_level_names[level], log_process, quoted);
    } else {
        n = snprintf(line, sizeof(line), "time=%s level=%s process=\"%s\" msg=\"%s\"\n", time_text,
                     log_level_names[level], log_process, quoted);
    }
    size_t room = sizeof(line) - 1;
    ssize_t written = write(STDERR_FILENO, line, (size_t)n < room ? (size_t)n : room);
    (void)written; /* there is nowhere to report a failure */
}

void log_line(LogLevel level, const char *format, ...)
{
    if (level < log_level) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(level, 0, format, args);
    va_end(args);
}

void log_rarely(LogSite *site, LogLevel level, const char *format, ...)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (level < log_level) {
        return;
    }
    if (site->second == now.tv_sec + 1) { /* 0 means never */
        site->left_out++;
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(level, site->left_out, format, args);
    va_end(args);
    *site = (LogSite){.second = now.tv_sec + 1};
}
