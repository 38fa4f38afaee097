#include "base/buffer.h"

#include "base/limits.h"

#include <stdlib.h>

bool buffer_reserve(Buffer *buffer, size_t more)
{
    if (buffer->room - buffer->len >= more) {
        return true;
    }
    size_t room = buffer->len + more + buffer->len / 2;
    char *grown = realloc(buffer->ptr, room);
    if (!grown) {
        return false;
    }
    buffer->ptr = grown;
    buffer->room = room;
    return true;
}

void buffer_clear(Buffer *buffer)
{
    buffer->len = 0;
    if (buffer->room > LIMIT_BUFFER_KEPT) {
        buffer_free(buffer);
    }
}

void buffer_free(Buffer *buffer)
{
    free(buffer->ptr);
    *buffer = (Buffer){0};
}
