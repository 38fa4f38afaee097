#include "commands/tail_line.h"

#include "base/utf.h"
#include "commands/human.h"

#include <stdio.h>
#include <time.h>

/* Most characters of a column, and how wide it is at least. */
enum {
    AGE_WIDTH = 11,
    STATUS_WIDTH = 9,
    STATUS_MOST = 16,
    NUMBER_WIDTH = 12,
    NUMBER_MOST = 24,
    ID_MOST = 100,
    TITLE_MOST = 60,
    NAME_MOST = 40
};

const Str tail_head = STR_INIT(
    "time                 age          status     recipient     number        id, error\n");

/* Safe texts */

/* How the character at s, of so many bytes, is shown; returns how many of them it is. */
static size_t spell(const char *s, size_t room, char piece[12])
{
    const unsigned char first = (unsigned char)s[0];
    const size_t len = utf8_sequence(s, room);
    if (first >= ' ' && first < 0x7f) {
        snprintf(piece, 12, "%c", s[0]);
        return 1;
    }
    if (len < 2) {
        snprintf(piece, 12, "\\x%02x", first);
        return 1;
    }
    unsigned point = first & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        point = point << 6 | ((unsigned char)s[i] & 0x3F);
    }
    snprintf(piece, 12, "\\u%04x", point);
    return len;
}

/* As much of a text as a column has room for; "-" when it is empty. Returns its width. */
static size_t add_safe(Text *to, Str text, size_t most)
{
    char piece[12];
    size_t width = 0;
    if (str_is_empty(text)) {
        text_add(to, STR("-"));
        return 1;
    }
    for (size_t at = 0; at < text.len;) {
        const size_t used = spell(text.ptr + at, text.len - at, piece), len = strlen(piece);
        if (width + len > most - 2 && at + used < text.len) {
            text_add(to, STR(".."));
            return width + 2;
        }
        text_add(to, (Str){piece, len});
        width += len;
        at += used;
    }
    return width;
}

static void add_column(Text *to, Str text, size_t width, size_t most)
{
    const size_t used = add_safe(to, text, most);
    text_add_format(to, "%*s", (int)(used < width ? width - used : 0) + 2, "");
}

/* The columns */

static void add_time(Text *to, int64_t seconds)
{
    char text[HUMAN_ROOM];
    const time_t time = seconds;
    struct tm local;
    if (!localtime_r(&time, &local) || local.tm_year + 1900 > 9999 ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0) {
        snprintf(text, sizeof(text), "@%lld", (long long)seconds);
    }
    text_add_format(to, "%-19s  ", text);
}

static void add_age(Text *to, const TailEntry *entry, const TailStyle *style)
{
    char text[HUMAN_ROOM];
    const int64_t age = (style->now - tail_received_at(entry)) / 1000;
    text_add_format(to, "%-*s  ", AGE_WIDTH, human_span(age > 0 ? age : 0, text));
}

/* What a terminal is told before a status: one row a kind. */
static const char *colour_of(Str status)
{
    static const struct {
        Str status;
        const char *colour;
    } rows[] = {{STR_INIT("sent"), "\x1b[2m"},
                {STR_INIT("delivered"), "\x1b[32m"},
                {STR_INIT("read"), "\x1b[36m"},
                {STR_INIT("played"), "\x1b[36m"},
                {STR_INIT("failed"), "\x1b[1;31m"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(status, rows[i].status)) {
            return rows[i].colour;
        }
    }
    return "\x1b[33m";
}

static void add_status(Text *to, Str status, const TailStyle *style)
{
    if (style->has_colour) {
        text_add(to, str_from(colour_of(status)));
    }
    add_column(to, status, STATUS_WIDTH, STATUS_MOST);
    if (style->has_colour) {
        text_add(to, STR("\x1b[0m"));
    }
}

static void add_failure(Text *to, const TailFailure *failure)
{
    const ErrorMeaning *meaning = failure->meaning;
    if (failure->count == 0) {
        return;
    }
    text_add(to, STR("  "));
    add_safe(to, failure->code, NUMBER_MOST);
    text_add(to, STR(" "));
    if (meaning) {
        text_add_format(to, "%s (retry %s; %s)", meaning->meaning, error_retry_word(meaning->retry),
                        error_mender_word(meaning->mends_it));
    } else {
        add_safe(to, failure->title, TITLE_MOST);
        text_add(to, STR(" (unknown)"));
    }
    if (failure->count > 1) {
        text_add_format(to, ", and %zu more", failure->count - 1);
    }
}

static void add_pending(Text *to, const TailEntry *entry)
{
    char idle[HUMAN_ROOM];
    if (!entry->consumer.ptr) {
        return;
    }
    text_add(to, STR("  pending on "));
    add_safe(to, entry->consumer, NAME_MOST);
    text_add_format(to, " for %s, %lld %s",
                    human_span(entry->idle_ms > 0 ? entry->idle_ms / 1000 : 0, idle),
                    entry->deliveries, entry->deliveries == 1 ? "delivery" : "deliveries");
}

static void add_line(Text *to, const TailEntry *entry, const TailStyle *style, Arena *arena)
{
    const Str number = tail_field(entry, STR("display_phone_number")),
              status = entry->fields ? tail_field(entry, STR("status")) : STR("deleted");
    const TailFailure failure = tail_failure(entry, arena);
    add_time(to, tail_time(entry));
    add_age(to, entry, style);
    add_status(to, status, style);
    add_column(to, tail_mask(tail_field(entry, STR("recipient_id")), style, arena), NUMBER_WIDTH,
               NUMBER_MOST);
    add_column(to, number.len ? number : tail_field(entry, STR("phone_number_id")), NUMBER_WIDTH,
               NUMBER_MOST);
    add_safe(to, entry->fields ? tail_field(entry, STR("id")) : entry->id, ID_MOST);
    add_failure(to, &failure);
    add_pending(to, entry);
    text_add(to, STR("\n"));
}

Str tail_line(const TailEntry *entry, const TailStyle *style, Arena *arena)
{
    Text text = text_begin(arena);
    if (style->as_json) {
        tail_add_object(&text, entry, style, arena);
    } else {
        add_line(&text, entry, style, arena);
    }
    return text_finish(&text);
}
