/*
 * Borrowed text.
 *
 * A Str is a pointer and a length, never an owner: it is valid as long as what it was cut from
 * (a request's body, its arena, a constant). It may hold NUL bytes and is not terminated by
 * one. When ptr is NULL it is absent, which is not the same as empty.
 */
#ifndef TICKSTREAM_STR_H
#define TICKSTREAM_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
    const char *ptr; /* NULL = absent */
    size_t len;      /* bytes */
} Str;

/* A constant text, in an expression or in the initializer of a static table. The argument is
 * a string literal. */
#define STR(literal) ((Str)STR_INIT(literal))
/* Versions of clang-format disagree about a body that is only braces. */
/* clang-format off */
#define STR_INIT(literal) {"" literal, sizeof(literal) - 1}
/* clang-format on */

/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline Str str_from(const char *text)
{
    return (Str){text, text ? strlen(text) : 0};
}

static inline bool str_is_empty(Str s)
{
    return s.len == 0;
}

static inline bool str_eq(Str a, Str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* White space of JSON, XML and text around numbers; HTTP and the configuration know only blanks
 * and tabs, see str_trim(). */
static inline bool ascii_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The value of a hex digit in either case; -1 when it is none. */
static inline int ascii_hex_digit(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Equality without regard to the case of ASCII letters. */
static inline bool str_eq_nocase(Str a, Str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* The part [from, s.len); from must not be beyond the end. */
static inline Str str_from_offset(Str s, size_t from)
{
    return (Str){s.ptr + from, s.len - from};
}

/* The offset of the first c, or s.len. */
static inline size_t str_find(Str s, char c)
{
    const char *found = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return found ? (size_t)(found - s.ptr) : s.len;
}

static inline bool str_starts_with(Str s, Str prefix)
{
    return s.len >= prefix.len && str_eq((Str){s.ptr, prefix.len}, prefix);
}

/*
 * Takes the part before the first separator off the front of *rest and returns it; the
 * separator is dropped. The last part leaves *rest absent, so every part is seen by
 * `while (rest.ptr) part = str_split(&rest, ',')`.
 */
static inline Str str_split(Str *rest, char separator)
{
    size_t at = str_find(*rest, separator);
    Str part = {rest->ptr, at};
    *rest = at < rest->len ? str_from_offset(*rest, at + 1) : (Str){NULL, 0};
    return part;
}

/* Without blanks and tabs on both ends. */
static inline Str str_trim(Str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = str_from_offset(s, 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Without white space in front; an indent is passed eight blanks at a time. */
static inline Str str_skip_space(Str s)
{
    size_t at = 0;
    while (at < s.len && ascii_is_space(s.ptr[at])) {
        at++;
        while (s.len - at >= 8 && memcmp(s.ptr + at, "        ", 8) == 0) {
            at += 8;
        }
    }
    return str_from_offset(s, at);
}

/* Without white space on both ends. */
static inline Str str_trim_space(Str s)
{
    s = str_skip_space(s);
    while (s.len && ascii_is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* Reads a decimal number up to max, which is all of the text. false: it is none, or larger. */
static inline bool str_get_number(Str s, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (!ascii_is_digit(s.ptr[i]) || value > max / 10 || digit > max - value * 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (s.len == 0) {
        return false;
    }
    *ret = value;
    return true;
}

/* Writes the bytes of s to `to`, which must have room; returns where they end. */
static inline char *str_put(char *to, Str s)
{
    if (s.len) {
        memcpy(to, s.ptr, s.len);
    }
    return to + s.len;
}

/* Writes a number in decimal, at most 20 digits. */
static inline char *str_put_number(char *to, size_t number)
{
    char *end = to + 1;
    for (size_t rest = number; rest >= 10; rest /= 10) {
        end++;
    }
    for (char *digit = end; digit > to; number /= 10) {
        *--digit = (char)('0' + number % 10);
    }
    return end;
}

#endif
