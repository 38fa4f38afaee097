#include "commands/tail_line.h"

#include "base/utf.h"
#include "payload/json_scan.h"

/* JSON text without line ends, which in it are white space, and without what steers a terminal. */
static void add_plain(Text *to, Str json)
{
    size_t done = 0;
    for (size_t at = 0; at < json.len; at++) {
        const unsigned char c = (unsigned char)json.ptr[at],
                            next = at + 1 < json.len ? (unsigned char)json.ptr[at + 1] : 0;
        const bool is_c1 = c == 0xC2 && next < 0xA0;
        if (c < ' ' || c == 0x7f || is_c1) {
            text_add(to, (Str){json.ptr + done, at - done});
            text_add_format(to, c < ' ' ? " " : "\\u%04x", is_c1 ? next : c);
            at += is_c1;
            done = at + 1;
        }
    }
    text_add(to, str_from_offset(json, done));
}

static void add_string(Text *to, Str value, Arena *arena)
{
    Text text = text_begin(arena);
    const Str valid = utf8_is_valid(value) ? value : utf8_repair(value, arena);
    if (!valid.ptr && value.len) {
        to->failed = true;
        return;
    }
    text_add_json(&text, valid);
    to->failed |= text.failed;
    add_plain(to, text_finish(&text));
}

static void add_member(Text *to, Str name, Str value, Arena *arena)
{
    text_add(to, STR(","));
    add_string(to, name, arena);
    text_add(to, STR(":"));
    add_string(to, value, arena);
}

/* A field that should be JSON: as it is when it is, else as a string. */
static void add_json_member(Text *to, Str name, Str value, Arena *arena)
{
    if (!json_is_valid(value)) {
        add_member(to, name, value, arena);
        return;
    }
    text_add_format(to, ",\"%.*s\":", STR_ARG(name));
    add_plain(to, value);
}

static void add_field(Text *to, Str name, Str value, const TailEntry *entry, const TailStyle *style,
                      Arena *arena)
{
    const Str recipient = tail_field(entry, STR("recipient_id"));
    if (str_eq(name, STR("errors")) || str_eq(name, STR("extra"))) {
        add_json_member(to, name, tail_mask_json(value, recipient, style, arena), arena);
    } else if (str_eq(name, STR("recipient_id"))) {
        add_member(to, name, tail_mask(value, style, arena), arena);
    } else {
        add_member(to, name, value, arena);
    }
}

void tail_add_object(Text *to, const TailEntry *entry, const TailStyle *style, Arena *arena)
{
    const TailFailure failure = tail_failure(entry, arena);
    text_add(to, STR("{\"stream\":"));
    add_string(to, entry->stream, arena);
    add_member(to, STR("entry"), entry->id, arena);
    for (size_t i = 0; entry->fields && i + 1 < entry->fields->count; i += 2) {
        const Reply *pair = &entry->fields->items[i];
        add_field(to, pair[0].text, pair[1].text, entry, style, arena);
    }
    if (failure.meaning) {
        text_add_format(
            to, ",\"error\":{\"code\":%u,\"meaning\":\"%s\",\"retry\":\"%s\",\"mends\":\"%s\"}",
            failure.number, failure.meaning->meaning, error_retry_word(failure.meaning->retry),
            error_mender_word(failure.meaning->mends_it));
    }
    if (entry->consumer.ptr) {
        text_add(to, STR(",\"pending\":{\"consumer\":"));
        add_string(to, entry->consumer, arena);
        text_add_format(to, ",\"deliveries\":%lld,\"idle_ms\":%lld}", entry->deliveries,
                        entry->idle_ms);
    }
    text_add(to, STR("}\n"));
}
