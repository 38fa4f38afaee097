#include "commands/human.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *human_count(uint64_t count, char to[HUMAN_ROOM])
{
    char digits[24];
    const size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    char *end = to;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *end++ = ',';
        }
        *end++ = digits[i];
    }
    *end = '\0';
    return to;
}

const char *human_bytes(uint64_t bytes, char to[HUMAN_ROOM])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double number = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(to, HUMAN_ROOM, "%u bytes", (unsigned)bytes);
        return to;
    }
    /* What would be shown as 1024.0 is one of the next unit. */
    while (number >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        number /= 1024;
        unit++;
    }
    snprintf(to, HUMAN_ROOM, "%.1f %s", number, units[unit]);
    return to;
}

const char *human_span(int64_t seconds, char to[HUMAN_ROOM])
{
    static const struct {
        int64_t from, seconds, part; /* shown from so many seconds on; with parts of so many */
        const char *name, *part_name;
    } units[] = {{INT64_C(2) * 86400, 86400, 3600, "d", "h"},
                 {3600, 3600, 60, "h", "min"},
                 {60, 60, 1, "min", "s"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds >= units[i].from) {
            const long long whole = seconds / units[i].seconds,
                            parts = seconds % units[i].seconds / units[i].part;
            const int len = snprintf(to, HUMAN_ROOM, "%lld %s", whole, units[i].name);
            if (parts) {
                snprintf(to + len, HUMAN_ROOM - (size_t)len, " %lld %s", parts, units[i].part_name);
            }
            return to;
        }
    }
    snprintf(to, HUMAN_ROOM, "%lld s", (long long)seconds);
    return to;
}

const char *human_time(int64_t seconds, char to[HUMAN_ROOM])
{
    const time_t time = seconds;
    struct tm local;
    if (!localtime_r(&time, &local) ||
        strftime(to, HUMAN_ROOM, "%Y-%m-%d %H:%M:%S %z", &local) == 0) {
        snprintf(to, HUMAN_ROOM, "@%lld", (long long)seconds);
    }
    return to;
}

const char *human_plain(Str text, char *to, size_t room)
{
    const size_t len = text.len < room - 1 ? text.len : room - 1;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i],
                            before = i ? (unsigned char)text.ptr[i - 1] : 0;
        const bool is_c1 = before == 0xC2 && c >= 0x80 && c < 0xA0; /* U+009B is as ESC [ */
        to[i] = c < ' ' || c == 0x7f || is_c1 ? '?' : text.ptr[i];
        if (is_c1) {
            to[i - 1] = '?';
        }
    }
    to[len] = '\0';
    return to;
}
