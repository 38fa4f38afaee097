#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

static bool make_room(Text *text, size_t more)
{
    if (text->failed) {
        return false;
    }
    if (text->room - text->len >= more) {
        return true;
    }
    /* Many texts are one part, and get no more room than they need. */
    size_t room = text->len + more + (text->len ? text->len / 2 + 64 : 0);
    char *grown = arena_grow(text->arena, text->ptr, text->len, room);
    if (!grown) {
        text->failed = true;
        return false;
    }
    text->ptr = grown;
    text->room = room;
    return true;
}

void text_add(Text *text, Str part)
{
    if (part.len && make_room(text, part.len)) {
        memcpy(text->ptr + text->len, part.ptr, part.len);
        text->len += part.len;
    }
}

void text_add_format(Text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !make_room(text, (size_t)len + 1)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->ptr + text->len, (size_t)len + 1, format, args);
    va_end(args);
    text->len += (size_t)len;
}

/* Adds the part with every character for which escape() has another spelling replaced by it. */
static void add_escaped(Text *text, Str part, Str (*escape)(char c, char buf[8]))
{
    size_t plain = 0;
    for (size_t i = 0; i < part.len; i++) {
        char buf[8];
        Str other = escape(part.ptr[i], buf);
        if (other.ptr) {
            text_add(text, (Str){part.ptr + plain, i - plain});
            text_add(text, other);
            plain = i + 1;
        }
    }
    text_add(text, (Str){part.ptr + plain, part.len - plain});
}

static Str escape_json(char c, char buf[8])
{
    switch (c) {
    case '"':
        return STR("\\\"");
    case '\\':
        return STR("\\\\");
    case '\b':
        return STR("\\b");
    case '\f':
        return STR("\\f");
    case '\n':
        return STR("\\n");
    case '\r':
        return STR("\\r");
    case '\t':
        return STR("\\t");
    default:
        if ((unsigned char)c >= 0x20) {
            return (Str){NULL, 0};
        }
        snprintf(buf, 8, "\\u%04x", (unsigned)(unsigned char)c);
        return (Str){buf, 6};
    }
}

void text_add_json(Text *text, Str part)
{
    text_add(text, STR("\""));
    add_escaped(text, part, escape_json);
    text_add(text, STR("\""));
}

static Str escape_xml(char c, char buf[8])
{
    (void)buf;
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\t':
    case '\n':
        return (Str){NULL, 0};
    default:
        return (unsigned char)c >= 0x20 ? (Str){NULL, 0} : STR("\xEF\xBF\xBD");
    }
}

void text_add_xml(Text *text, Str part)
{
    add_escaped(text, part, escape_xml);
}

Str text_finish(const Text *text)
{
    if (text->failed) {
        return (Str){NULL, 0};
    }
    return (Str){text->ptr ? text->ptr : "", text->len};
}
