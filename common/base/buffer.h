/*
 * A byte buffer on the heap that outlives requests: the commands of one turn of the loop.
 *
 * Appending is two steps, so that a command of many parts checks for room once: buffer_reserve(),
 * which may move ptr, then writing at ptr + len and adding to len. A new buffer is {0}; its owner
 * ends it with buffer_free().
 */
#ifndef TICKSTREAM_BUFFER_H
#define TICKSTREAM_BUFFER_H

#include "base/str.h"

typedef struct {
    char *ptr;
    size_t len, room;
} Buffer;

/* Makes room for `more` bytes after len; false: no memory, nothing has changed. */
bool buffer_reserve(Buffer *buffer, size_t more);

/* Empties the buffer; memory beyond LIMIT_BUFFER_KEPT goes back. */
void buffer_clear(Buffer *buffer);

/* Gives all memory back. */
void buffer_free(Buffer *buffer);

#endif
