#include "redis/resp.h"

static char *put_end(char *to)
{
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* Most words are shorter than 100 bytes. */
static char *put_line(char *to, char type, size_t number)
{
    *to++ = type;
    if (number >= 100) {
        return put_end(str_put_number(to, number));
    }
    if (number >= 10) {
        *to++ = (char)('0' + number / 10);
    }
    *to++ = (char)('0' + number % 10);
    return put_end(to);
}

char *resp_put_head(char *to, size_t words)
{
    return put_line(to, '*', words);
}

char *resp_put_word(char *to, Str word)
{
    return put_end(str_put(put_line(to, '$', word.len), word));
}

char *resp_put_number(char *to, size_t number)
{
    char digits[20] = "";
    const char *end = str_put_number(digits, number);
    return resp_put_word(to, (Str){digits, (size_t)(end - digits)});
}

char *resp_put_joined(char *to, Str first, Str second)
{
    to = put_line(to, '$', first.len + second.len);
    return put_end(str_put(str_put(to, first), second));
}

bool resp_command(Buffer *buffer, const Str *words, size_t count)
{
    size_t size = (count + 1) * RESP_FRAME;
    for (size_t i = 0; i < count; i++) {
        size += words[i].len;
    }
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, count);
    for (size_t i = 0; i < count; i++) {
        to = resp_put_word(to, words[i]);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}
