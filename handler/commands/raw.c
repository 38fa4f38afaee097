#include "commands/raw.h"

#include "base/utf.h"
#include "payload/json_scan.h"

enum { INDENT = 2 };

/* Does it steer a terminal? Those of ASCII but line ends and tabs, and U+0080 to U+009F. */
static bool steers(Str sequence)
{
    const unsigned char c = (unsigned char)sequence.ptr[0];
    return (sequence.len == 1 && (c < ' ' || c == 0x7f) && c != '\n' && c != '\t') ||
           (sequence.len == 2 && c == 0xC2 && (unsigned char)sequence.ptr[1] < 0xA0);
}

static void add_shown(Text *to, Str part)
{
    while (part.len) {
        const size_t len = utf8_sequence(part.ptr, part.len);
        const Str sequence = {part.ptr, len ? len : 1};
        if (len && !steers(sequence)) {
            text_add(to, sequence);
        } else {
            for (size_t i = 0; i < sequence.len; i++) {
                text_add_format(to, "\\x%02X", (unsigned char)sequence.ptr[i]);
            }
        }
        part = str_from_offset(part, sequence.len);
    }
}

static void add_line_end(Text *to, size_t depth)
{
    text_add_format(to, "\n%*s", (int)(INDENT * depth), "");
}

/* The length of the string that the text begins with. */
static size_t string_len(Str text)
{
    size_t at = 1;
    while (at < text.len && text.ptr[at] != '"') {
        at += text.ptr[at] == '\\' ? 2 : 1;
    }
    return at < text.len ? at + 1 : text.len;
}

/* The bracket, and a line end behind it unless nothing is inside. */
static Str add_opening(Text *to, Str rest, size_t *depth)
{
    const Str inside = str_skip_space(str_from_offset(rest, 1));
    text_add(to, (Str){rest.ptr, 1});
    if (inside.len && (inside.ptr[0] == '}' || inside.ptr[0] == ']')) {
        text_add(to, (Str){inside.ptr, 1});
        return str_from_offset(inside, 1);
    }
    add_line_end(to, ++*depth);
    return inside;
}

/* Of what is known to be JSON. */
static void add_indented(Text *to, Str rest)
{
    size_t depth = 0;
    while ((rest = str_skip_space(rest)).len) {
        const char c = rest.ptr[0];
        const size_t len = c == '"' ? string_len(rest) : 1;
        if (c == '{' || c == '[') {
            rest = add_opening(to, rest, &depth);
            continue;
        }
        if (c == '}' || c == ']') {
            add_line_end(to, depth ? --depth : 0);
        }
        add_shown(to, (Str){rest.ptr, len});
        if (c == ',') {
            add_line_end(to, depth);
        } else if (c == ':') {
            text_add(to, STR(" "));
        }
        rest = str_from_offset(rest, len);
    }
}

static bool has_utf16_mark(Str raw)
{
    return str_starts_with(raw, STR("\xFF\xFE")) || str_starts_with(raw, STR("\xFE\xFF"));
}

Str raw_show(Str raw, Arena *arena)
{
    Text text = text_begin(arena);
    Str utf8;
    if (has_utf16_mark(raw) && utf16_to_utf8(raw, arena, &utf8)) {
        text.failed = !utf8.ptr;
        raw = utf8;
    }
    if (json_is_valid(raw)) {
        add_indented(&text, raw);
    } else {
        add_shown(&text, raw);
    }
    text_add(&text, STR("\n"));
    return text_finish(&text);
}
