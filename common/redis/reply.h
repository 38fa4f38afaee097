/*
 * Replies of Redis as values, made from bytes by hiredis' reader: its only user.
 *
 * Bytes are fed as they come; replies are taken one by one, each valid until the next is taken.
 * What a server can make us hold is bounded: LIMIT_REPLY_ITEMS elements and LIMIT_REPLY_BYTES bytes
 * a reply; a server that sends more is treated like one that sends nonsense.
 */
#ifndef TICKSTREAM_REPLY_H
#define TICKSTREAM_REPLY_H

#include "base/arena.h"

typedef enum {
    REPLY_NIL,
    REPLY_STATUS, /* "OK", "QUEUED" */
    REPLY_ERROR,
    REPLY_INTEGER,
    REPLY_TEXT, /* a bulk string */
    REPLY_LIST,
    REPLY_OTHER /* of RESP3: nothing that was asked for */
} ReplyKind;

typedef struct Reply Reply;

struct Reply {
    ReplyKind kind;
    Str text; /* of a status, an error (without its '-'), a text */
    long long integer;
    Reply *items; /* of a list */
    size_t count;
};

/* The first error of a reply: itself, or one of its items, as EXEC has of its commands. NULL =
 * none.
 */
const Reply *reply_error(const Reply *reply);

/* A copy with all that it holds, the arena's; NULL: no memory. */
const Reply *reply_copy(Arena *arena, const Reply *reply);

typedef struct ReplyReader ReplyReader;

ReplyReader *reply_reader_new(void);                 /* NULL: no memory */
ReplyReader *reply_reader_free(ReplyReader *reader); /* takes NULL; returns NULL */

/* Adds bytes, which are copied. Returns NULL, or why the connection must end. */
const char *reply_reader_feed(ReplyReader *reader, Str bytes);

/*
 * Takes the next reply. NULL with *ret_why == NULL: it has not come whole yet. NULL with a reason:
 * the bytes are no replies, and nothing that follows can be told apart. The reason is borrowed
 * until the reader is freed.
 */
const Reply *reply_reader_next(ReplyReader *reader, const char **ret_why);

#endif
