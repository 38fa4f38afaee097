#include "http/fcgi_record.h"

#include <fastcgi.h>

_Static_assert(sizeof(FCGI_Header) == FCGI_HEAD_BYTES, "the head of a record");
_Static_assert(sizeof(FCGI_EndRequestRecord) == FCGI_END_BYTES, "a record that ends a request");
_Static_assert(FCGI_MAX_LENGTH == FCGI_CONTENT_BYTES, "the length of a record has 16 bits");

char *fcgi_put_head(char *to, unsigned type, unsigned id, size_t length)
{
    const FCGI_Header head = {
        .version = FCGI_VERSION_1,
        .type = (unsigned char)type,
        .requestIdB1 = (unsigned char)(id >> 8),
        .requestIdB0 = (unsigned char)id,
        .contentLengthB1 = (unsigned char)(length >> 8),
        .contentLengthB0 = (unsigned char)length,
    };
    memcpy(to, &head, sizeof(head));
    return to + sizeof(head);
}

FcgiHead fcgi_read_head(const void *bytes)
{
    FCGI_Header head;
    memcpy(&head, bytes, sizeof(head));
    return (FcgiHead){
        .version = head.version,
        .type = head.type,
        .id = (uint16_t)(head.requestIdB1 << 8 | head.requestIdB0),
        .length = (size_t)head.contentLengthB1 << 8 | head.contentLengthB0,
        .padding = head.paddingLength,
    };
}

char *fcgi_put_end(char *to, unsigned id)
{
    const FCGI_EndRequestBody body = {.protocolStatus = FCGI_REQUEST_COMPLETE};
    to = fcgi_put_head(to, FCGI_END_REQUEST, id, sizeof(body));
    memcpy(to, &body, sizeof(body));
    return to + sizeof(body);
}

/* Name-value pairs (section 3.4): a length below 128 has one byte, others have four, of which the
 * first has its highest bit set. */

static size_t length_size(size_t length)
{
    return length < 0x80 ? 1 : 4;
}

static char *put_length(char *to, size_t length)
{
    if (length >= 0x80) {
        *to++ = (char)(0x80 | (length >> 24 & 0x7F));
        *to++ = (char)(length >> 16);
        *to++ = (char)(length >> 8);
    }
    *to++ = (char)length;
    return to;
}

char *fcgi_put_pair(char *to, Str name, Str value)
{
    to = put_length(put_length(to, name.len), value.len);
    return str_put(str_put(to, name), value);
}

size_t fcgi_pair_size(Str name, Str value)
{
    return length_size(name.len) + length_size(value.len) + name.len + value.len;
}

static bool take_length(Str *rest, size_t *ret)
{
    size_t bytes = rest->len && (unsigned char)rest->ptr[0] >= 0x80 ? 4 : 1;
    if (rest->len < bytes) {
        return false;
    }
    size_t length = (unsigned char)rest->ptr[0] & 0x7F;
    for (size_t i = 1; i < bytes; i++) {
        length = length << 8 | (unsigned char)rest->ptr[i];
    }
    *rest = str_from_offset(*rest, bytes);
    *ret = length;
    return true;
}

static bool take_text(Str *rest, size_t length, Str *ret)
{
    if (length > rest->len) {
        return false;
    }
    *ret = (Str){rest->ptr, length};
    *rest = str_from_offset(*rest, length);
    return true;
}

bool fcgi_take_pair(Str *rest, Str *ret_name, Str *ret_value)
{
    size_t name, value;
    return take_length(rest, &name) && take_length(rest, &value) &&
           take_text(rest, name, ret_name) && take_text(rest, value, ret_value);
}
