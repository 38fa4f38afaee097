#include "payload/render.h"

#include "base/text.h"

/* Adds a member to the object that text has begun, unless it is absent. as_json: the value is
 * JSON text itself. */
static void add_member(Text *text, const char *name, Str value, bool as_json)
{
    if (!value.ptr) {
        return;
    }
    text_add(text, text->ptr[text->len - 1] == '{' ? STR("") : STR(","));
    text_add_json(text, str_from(name));
    text_add(text, STR(":"));
    if (as_json) {
        text_add(text, value);
    } else {
        text_add_json(text, value);
    }
}

/* Adds members that are JSON text already, each after a comma, to the object that text has begun.
 */
static void add_rest(Text *text, Str rest)
{
    if (rest.len) {
        text_add(text, text->ptr[text->len - 1] == '{' ? str_from_offset(rest, 1) : rest);
    }
}

Str render_status(Arena *arena, const StatusUpdate *status)
{
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    if (!text.failed) {
        add_member(&text, "id", status->id, false);
        add_member(&text, "status", status->status, false);
        add_member(&text, "timestamp", status->timestamp, false);
        add_member(&text, "recipient_id", status->recipient_id, false);
        if (!str_eq(status->errors, STR("[]"))) {
            add_member(&text, "errors", status->errors, true);
        }
        if (status->extra.len > 2) {
            text_add(&text, text.ptr[text.len - 1] == '{' ? STR("") : STR(","));
            text_add(&text, (Str){status->extra.ptr + 1, status->extra.len - 2});
        }
        text_add(&text, STR("}"));
    }
    return text_finish(&text);
}

Str render_account(Arena *arena, const Account *account, Str rest)
{
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    if (!text.failed) {
        add_member(&text, "id", account->id, false);
        add_rest(&text, rest);
        text_add(&text, STR("}"));
    }
    return text_finish(&text);
}

static void add_statuses(Text *text, Str statuses)
{
    if (statuses.len) {
        text_add(text, text->ptr[text->len - 1] == '{' ? STR("") : STR(","));
        text_add(text, STR("\"statuses\":["));
        text_add(text, statuses);
        text_add(text, STR("]"));
    }
}

Str render_change(Arena *arena, const Change *change, const ChangeRest *rest)
{
    Text metadata = text_begin(arena);
    text_add(&metadata, STR("{"));
    Text value = text_begin(arena);
    text_add(&value, STR("{"));
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    if (!metadata.failed && !value.failed && !text.failed) {
        add_member(&metadata, "display_phone_number", change->display_phone_number, false);
        add_member(&metadata, "phone_number_id", change->phone_number_id, false);
        add_rest(&metadata, rest->metadata);
        text_add(&metadata, STR("}"));
        add_member(&value, "messaging_product", change->messaging_product, false);
        if (metadata.len > 2) {
            add_member(&value, "metadata", text_finish(&metadata), true);
        }
        add_statuses(&value, rest->statuses);
        add_rest(&value, rest->value);
        text_add(&value, STR("}"));
        add_member(&text, "field", change->field, false);
        add_member(&text, "value", text_finish(&value), true);
        add_rest(&text, rest->change);
        text_add(&text, STR("}"));
    }
    return metadata.failed || value.failed ? (Str){NULL, 0} : text_finish(&text);
}

/* Finds the digits of an integer: without white space around it, without sign and leading zeros. */
static bool parse_integer(Str text, bool *ret_negative, Str *ret_digits)
{
    text = str_trim_space(text);
    bool negative = text.len && text.ptr[0] == '-';
    if (negative || (text.len && text.ptr[0] == '+')) {
        text = str_from_offset(text, 1);
    }
    if (str_is_empty(text)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i])) {
            return false;
        }
    }
    while (text.len > 1 && text.ptr[0] == '0') {
        text = str_from_offset(text, 1);
    }
    *ret_negative = negative;
    *ret_digits = text;
    return true;
}

static void add_code(Text *text, Str code)
{
    bool negative;
    Str digits;
    text_add(text, STR("\"code\":"));
    if (!parse_integer(code, &negative, &digits)) {
        text_add_json(text, code);
        return;
    }
    text_add(text, negative ? STR("-") : STR(""));
    text_add(text, digits);
}

Str render_errors(Arena *arena, const StatusError *errors, size_t count)
{
    Text text = text_begin(arena);
    text_add(&text, STR("["));
    for (size_t i = 0; i < count; i++) {
        text_add(&text, i ? STR(",{") : STR("{"));
        if (errors[i].code.ptr) {
            add_code(&text, errors[i].code);
        }
        if (errors[i].title.ptr) {
            text_add(&text, errors[i].code.ptr ? STR(",\"title\":") : STR("\"title\":"));
            text_add_json(&text, errors[i].title);
        }
        add_rest(&text, errors[i].rest);
        text_add(&text, STR("}"));
    }
    text_add(&text, STR("]"));
    return text_finish(&text);
}
