#include "base/utf.h"

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t utf8_sequence(const char *s, size_t room)
{
    unsigned char first = room ? (unsigned char)s[0] : 0xFF;
    if (first < 0x80) {
        return 1;
    }
    size_t len = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || len > room) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(s[i])) {
            return 0;
        }
    }
    unsigned char second = (unsigned char)s[1];
    bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool surrogate = first == 0xED && second >= 0xA0;
    bool too_large = first == 0xF4 && second >= 0x90;
    return overlong || surrogate || too_large ? 0 : len;
}

/* true: these 32 bytes are ASCII. */
static bool is_ascii(const char *bytes)
{
    uint64_t words[4];
    memcpy(words, bytes, sizeof(words));
    return !((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u);
}

size_t utf8_find_invalid(Str s)
{
    for (size_t at = 0, len; at < s.len; at += len) {
        len = s.len - at >= 32 && is_ascii(s.ptr + at) ? 32 : utf8_sequence(s.ptr + at, s.len - at);
        if (len == 0) {
            return at;
        }
    }
    return s.len;
}

bool utf8_is_valid(Str s)
{
    return utf8_find_invalid(s) == s.len;
}

size_t utf8_encode(uint32_t c, char *buf)
{
    if (c < 0x80) {
        buf[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        buf[0] = (char)(0xC0 | (c >> 6));
        buf[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        buf[0] = (char)(0xE0 | (c >> 12));
        buf[1] = (char)(0x80 | ((c >> 6) & 0x3F));
        buf[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    buf[0] = (char)(0xF0 | (c >> 18));
    buf[1] = (char)(0x80 | ((c >> 12) & 0x3F));
    buf[2] = (char)(0x80 | ((c >> 6) & 0x3F));
    buf[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

Str utf8_repair(Str s, Arena *arena)
{
    char *out = arena_alloc(arena, 3 * s.len);
    size_t len = 0;
    for (size_t at = 0, step; out && at < s.len; at += step ? step : 1) {
        step = utf8_sequence(s.ptr + at, s.len - at);
        if (step) {
            memcpy(out + len, s.ptr + at, step);
            len += step;
        } else {
            len += utf8_encode(UTF_REPLACEMENT, out + len);
        }
    }
    return (Str){out, len};
}

Str latin1_to_utf8(Str s, Arena *arena)
{
    char *out = arena_alloc(arena, 2 * s.len);
    size_t len = 0;
    for (size_t at = 0; out && at < s.len; at++) {
        len += utf8_encode((unsigned char)s.ptr[at], out + len);
    }
    return (Str){out, len};
}

static uint32_t utf16_unit(Str s, size_t i, bool big_endian)
{
    unsigned char first = (unsigned char)s.ptr[i], second = (unsigned char)s.ptr[i + 1];
    return big_endian ? (uint32_t)first << 8 | second : (uint32_t)second << 8 | first;
}

bool utf16_to_utf8(Str s, Arena *arena, Str *ret)
{
    *ret = (Str){NULL, 0};
    if (s.len % 2) {
        return false;
    }
    char *out = arena_alloc(arena, s.len / 2 * 3 + 1);
    if (!out) {
        return true;
    }
    bool big_endian = s.len >= 2 && memcmp(s.ptr, "\xFE\xFF", 2) == 0;
    bool marked = big_endian || (s.len >= 2 && memcmp(s.ptr, "\xFF\xFE", 2) == 0);
    size_t len = 0;
    for (size_t i = marked ? 2 : 0; i < s.len; i += 2) {
        uint32_t c = utf16_unit(s, i, big_endian);
        if (c >= 0xD800 && c <= 0xDFFF) {
            uint32_t low = c < 0xDC00 && i + 2 < s.len ? utf16_unit(s, i + 2, big_endian) : 0;
            bool pair = low >= 0xDC00 && low <= 0xDFFF;
            c = pair ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : UTF_REPLACEMENT;
            i += pair ? 2 : 0;
        }
        len += utf8_encode(c, out + len);
    }
    *ret = (Str){out, len};
    return true;
}
