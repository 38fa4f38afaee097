#include "commands/tail_entry.h"

#include "base/text.h"
#include "payload/json_scan.h"

#include <stdio.h>
#include <stdlib.h>

enum { MASKED_LEAST = 5 }; /* digits of a number that is to be masked */

/* Masks */

/* So many of the last bytes are shown. */
static size_t shown_of(size_t len)
{
    return len >= 8 ? 4 : len > MASKED_LEAST ? 3 : 0;
}

Str tail_mask(Str number, const TailStyle *style, Arena *arena)
{
    if (style->is_clear || str_is_empty(number)) {
        return number;
    }
    Text text = text_begin(arena);
    text_add(&text, STR("***"));
    text_add(&text, str_from_offset(number, number.len - shown_of(number.len)));
    const Str masked = text_finish(&text);
    return masked.ptr ? masked : STR("***");
}

/* Steps back over what may stand between a name and its value: :, quotes, spaces, a plus. */
static size_t before_value(Str json, size_t at)
{
    while (at > 0 && memchr("+\" :\t\r\n", json.ptr[at - 1], 7)) {
        at--;
    }
    return at;
}

/* Is the value that begins there of a member that names a person? */
static bool names_somebody(Str json, size_t at)
{
    static const Str names[] = {STR_INIT("recipient_id"), STR_INIT("wa_id"),
                                STR_INIT("participant_id")};
    const size_t end = before_value(json, at);
    for (size_t i = 0; end < at && i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t len = names[i].len;
        if (end >= len && memcmp(json.ptr + end - len, names[i].ptr, len) == 0) {
            return true;
        }
    }
    return false;
}

static size_t count_digits(Str text, size_t at)
{
    size_t end = at;
    while (end < text.len && ascii_is_digit(text.ptr[end])) {
        end++;
    }
    return end - at;
}

/* How far it is to what stands behind the next character, or all next digits, of JSON text. */
static size_t step_of(Str json, size_t at, bool *is_string)
{
    const size_t digits = count_digits(json, at), room = json.len - at;
    size_t len = digits ? digits : 1;
    if (json.ptr[at] == '"') {
        *is_string = !*is_string;
    } else if (json.ptr[at] == '\\' && room > 1) {
        len = json.ptr[at + 1] == 'u' ? 6 : 2;
    }
    return len < room ? len : room;
}

/* A number that is no string becomes one. */
static void add_masked(Text *to, Str digits, bool is_string)
{
    const char *quote = is_string ? "" : "\"";
    text_add_format(to, "%s***%.*s%s", quote, (int)shown_of(digits.len),
                    digits.ptr + digits.len - shown_of(digits.len), quote);
}

Str tail_mask_json(Str json, Str recipient, const TailStyle *style, Arena *arena)
{
    Text text = text_begin(arena);
    size_t done = 0, len;
    bool is_string = false;
    for (size_t at = 0; !style->is_clear && at < json.len; at += len) {
        len = step_of(json, at, &is_string);
        const Str digits = {json.ptr + at, len};
        if (len >= MASKED_LEAST && ascii_is_digit(json.ptr[at]) &&
            (str_eq(digits, recipient) || names_somebody(json, at))) {
            text_add(&text, (Str){json.ptr + done, at - done});
            add_masked(&text, digits, is_string);
            done = at + len;
        }
    }
    text_add(&text, str_from_offset(json, done));
    return text_finish(&text);
}

/* What an entry says */

Str tail_field(const TailEntry *entry, Str name)
{
    const Reply *fields = entry->fields;
    for (size_t i = 0; fields && i + 1 < fields->count; i += 2) {
        if (str_eq(fields->items[i].text, name)) {
            return fields->items[i + 1].text;
        }
    }
    return (Str){NULL, 0};
}

/* A text of nothing but a few digits; -1: it is something else. */
static int64_t number_of(Str text)
{
    char digits[20];
    if (text.len == 0 || text.len > 18 || count_digits(text, 0) != text.len) {
        return -1;
    }
    snprintf(digits, sizeof(digits), "%.*s", STR_ARG(text));
    return strtoll(digits, NULL, 10);
}

int64_t tail_received_at(const TailEntry *entry)
{
    const int64_t told = number_of(tail_field(entry, STR("received_at")));
    return told >= 0 ? told : number_of((Str){entry->id.ptr, str_find(entry->id, '-')});
}

int64_t tail_time(const TailEntry *entry)
{
    const int64_t told = number_of(tail_field(entry, STR("timestamp")));
    return told >= 0 ? told : tail_received_at(entry) / 1000;
}

static bool read_error(JsonScanner *scan, Arena *arena, TailFailure *ret)
{
    JsonValue name, value;
    Str plain, content;
    while (json_member(scan, &name)) {
        if (!json_content(&name, arena, &plain) || !json_value(scan, &value) ||
            !json_content(&value, arena, &content)) {
            return false;
        }
        if (str_eq(plain, STR("code"))) {
            ret->code = content;
        } else if (str_eq(plain, STR("title")) ||
                   (!ret->title.ptr && str_eq(plain, STR("message")))) {
            ret->title = content;
        }
    }
    return !json_failed(scan);
}

/* false: the text is no list of errors. */
static bool read_errors(Str errors, Arena *arena, TailFailure *ret)
{
    JsonScanner scan;
    JsonKind kind;
    JsonValue value;
    Error error;
    json_begin(&scan, errors, &error);
    if (!json_peek(&scan, &kind) || kind != JSON_ARRAY || !json_enter(&scan, JSON_ARRAY)) {
        return false;
    }
    while (json_element(&scan)) {
        const bool is_first = ret->count++ == 0;
        if (is_first && json_peek(&scan, &kind) && kind == JSON_OBJECT) {
            json_enter(&scan, JSON_OBJECT);
            read_error(&scan, arena, ret);
        } else {
            json_value(&scan, &value);
        }
    }
    return json_end(&scan);
}

TailFailure tail_failure(const TailEntry *entry, Arena *arena)
{
    TailFailure failure = {.count = 0};
    const Str errors = tail_field(entry, STR("errors"));
    if (!errors.len || !read_errors(errors, arena, &failure)) {
        return (TailFailure){.count = 0};
    }
    if (failure.code.ptr && str_get_number(failure.code, UINT32_MAX, &failure.number)) {
        failure.meaning = error_meaning(failure.number);
    }
    return failure;
}
