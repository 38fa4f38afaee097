/*
 * Log lines for the person on call: to stderr, logfmt or JSON, one write each. Never logged:
 * secrets, bodies, phone numbers, message ids. Texts from outside are quoted; a line's text is cut
 * after 511 bytes. A line that cannot be written is lost.
 */
#ifndef TICKSTREAM_LOG_H
#define TICKSTREAM_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS } LogLevel;
typedef enum { LOG_LOGFMT, LOG_JSON, LOG_FORMATS } LogFormat;

/* How they are called, in lines and in the configuration. */
extern const char *const log_level_names[LOG_LEVELS];
extern const char *const log_format_names[LOG_FORMATS];

/* What is logged, and how. process names this process in every line: "master", "worker 1"; it is
 * borrowed for the life of the process. */
void log_setup(LogLevel level, LogFormat format);
void log_name_process(const char *process);

/* One line; the text is a printf format. */
void log_line(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For lines that a stranger can cause: at most one a second from each place in the code; the next
 * one that is written says how many were left out. *site is static at the place, zero at first.
 */
typedef struct {
    int64_t second;
    unsigned left_out;
} LogSite;

void log_rarely(LogSite *site, LogLevel level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
