#include "redis/pack.h"

#include <stdint.h>

enum {
    FIX_STR = 0xa0,
    STR_8 = 0xd9,
    STR_16 = 0xda,
    STR_32 = 0xdb,
    UINT_16 = 0xcd,
    UINT_32 = 0xce,
    NIL = 0xc0,
    TRUE = 0xc3,
};

/* So many bytes of a number, the highest first. */
static char *put_bytes(char *to, size_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        *to++ = (char)(number >> (8 * i));
    }
    return to;
}

static char *put_headed(char *to, int head, size_t number, int bytes)
{
    *to++ = (char)head;
    return put_bytes(to, number, bytes);
}

char *pack_text(char *to, Str text)
{
    if (text.len < 32) {
        *to++ = (char)(FIX_STR | text.len);
    } else if (text.len <= UINT8_MAX) {
        to = put_headed(to, STR_8, text.len, 1);
    } else if (text.len <= UINT16_MAX) {
        to = put_headed(to, STR_16, text.len, 2);
    } else {
        to = put_headed(to, STR_32, text.len, 4);
    }
    return str_put(to, text);
}

char *pack_number(char *to, size_t number)
{
    if (number < 128) {
        *to++ = (char)number;
        return to;
    }
    return number <= UINT16_MAX ? put_headed(to, UINT_16, number, 2)
                                : put_headed(to, UINT_32, number, 4);
}

char *pack_nil(char *to)
{
    *to++ = (char)NIL;
    return to;
}

char *pack_true(char *to)
{
    *to++ = (char)TRUE;
    return to;
}
