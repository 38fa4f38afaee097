#include "base/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Up to three bytes as four characters. */
static char *put_group(char *to, Str bytes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++) {
        bits = bits << 8 | (i < bytes.len ? (unsigned char)bytes.ptr[i] : 0);
    }
    for (size_t i = 0; i < 4; i++) {
        *to++ = i <= bytes.len ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
    return to;
}

char *base64_put(char *to, Str bytes)
{
    for (size_t at = 0; at < bytes.len; at += 3) {
        const size_t left = bytes.len - at;
        to = put_group(to, (Str){bytes.ptr + at, left < 3 ? left : 3});
    }
    return to;
}

Str base64_encode(Str bytes, Arena *arena)
{
    char *text = arena_alloc(arena, (bytes.len + 2) / 3 * 4);
    return text ? (Str){text, (size_t)(base64_put(text, bytes) - text)} : (Str){NULL, 0};
}

/* The text without the padding that its length allows. */
static Str without_padding(Str text)
{
    for (size_t i = 0; i < 2 && text.len && text.ptr[text.len - 1] == '='; i++) {
        text.len--;
    }
    return text;
}

/* -1: none of the alphabet. */
static int digit_of(char c)
{
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

bool base64_decode(Str text, Arena *arena, Str *ret)
{
    const Str rest = text.len % 4 == 0 ? without_padding(text) : text;
    char *bytes = arena_alloc(arena, rest.len), *to = bytes;
    uint32_t bits = 0;
    for (size_t i = 0; bytes && i < rest.len; i++) {
        const int digit = digit_of(rest.ptr[i]);
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0) {
            *to++ = (char)(bits >> (6 - 2 * (i % 4)) & 0xFF);
        }
    }
    *ret = (Str){bytes, (size_t)(to - bytes)};
    return rest.len % 4 != 1;
}
