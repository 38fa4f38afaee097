#include "redis/reply.h"

#include "base/limits.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

struct ReplyReader {
    redisReader *hiredis;
    Arena *arena;    /* of the reply that is being read */
    size_t items;    /* of this reply, all levels */
    size_t bytes;    /* fed since the last whole reply */
    bool is_whole;   /* the reply in the arena has been taken: the next one starts afresh */
    bool is_too_big; /* it went over a limit, or memory is out */
};

static ReplyKind kind_of(int type)
{
    switch (type) {
    case REDIS_REPLY_STRING:
        return REPLY_TEXT;
    case REDIS_REPLY_STATUS:
        return REPLY_STATUS;
    case REDIS_REPLY_ERROR:
        return REPLY_ERROR;
    case REDIS_REPLY_INTEGER:
        return REPLY_INTEGER;
    case REDIS_REPLY_NIL:
        return REPLY_NIL;
    case REDIS_REPLY_ARRAY:
        return REPLY_LIST;
    default:
        return REPLY_OTHER;
    }
}

/* hiredis asks for the objects of a reply, outermost first. NULL ends the reading. */

static void *fail(ReplyReader *reader)
{
    reader->is_too_big = true;
    return NULL;
}

/* The place of the reply that a task is about: an item of its parent, or a new one. */
static Reply *place(const redisReadTask *task)
{
    ReplyReader *reader = task->privdata;
    Reply *reply;
    if (task->parent) {
        const Reply *parent = task->parent->obj;
        reply = &parent->items[task->idx];
    } else {
        reply = arena_alloc(reader->arena, sizeof(*reply));
    }
    if (!reply) {
        return fail(reader);
    }
    *reply = (Reply){.kind = kind_of(task->type)};
    return reply;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    ReplyReader *reader = task->privdata;
    Reply *reply = place(task);
    if (reply) {
        reply->text = arena_copy(reader->arena, (Str){text, len});
        if (!reply->text.ptr) {
            return fail(reader);
        }
    }
    return reply;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    Reply *reply = place(task);
    if (reply) {
        reply->integer = value;
    }
    return reply;
}

static void *on_nil(const redisReadTask *task)
{
    Reply *reply = place(task);
    if (reply) {
        reply->kind = REPLY_NIL; /* hiredis says what it could have been */
    }
    return reply;
}

#if HIREDIS_MAJOR >= 1
typedef size_t ArrayLength;
#else
typedef int ArrayLength;
#endif

static void *on_array(const redisReadTask *task, ArrayLength length)
{
    ReplyReader *reader = task->privdata;
    Reply *reply = place(task);
    size_t count = (size_t)length;
    if (!reply) {
        return NULL;
    }
    if (count > LIMIT_REPLY_ITEMS - reader->items) {
        return fail(reader);
    }
    reader->items += count;
    Reply *items = arena_alloc(reader->arena, count * sizeof(*items));
    if (!items) {
        return fail(reader);
    }
    reply->items = items;
    reply->count = count;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *on_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value;
    return on_string(task, text, len);
}

static void *on_bool(const redisReadTask *task, int value)
{
    return on_integer(task, value);
}
#endif

static void on_free(void *reply)
{
    (void)reply; /* the arena's */
}

static redisReplyObjectFunctions functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = on_double,
    .createBool = on_bool,
#endif
    .freeObject = on_free,
};

ReplyReader *reply_reader_new(void)
{
    ReplyReader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        return NULL;
    }
    reader->arena = arena_new();
    reader->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!reader->arena || !reader->hiredis) {
        return reply_reader_free(reader);
    }
    reader->hiredis->privdata = reader;
    return reader;
}

ReplyReader *reply_reader_free(ReplyReader *reader)
{
    if (reader) {
        if (reader->hiredis) {
            redisReaderFree(reader->hiredis);
        }
        arena_free(reader->arena);
        free(reader);
    }
    return NULL;
}

const char *reply_reader_feed(ReplyReader *reader, Str bytes)
{
    reader->bytes += bytes.len;
    if (reader->bytes > LIMIT_REPLY_BYTES) {
        return "a reply that is too large";
    }
    return redisReaderFeed(reader->hiredis, bytes.ptr, bytes.len) == REDIS_OK
               ? NULL
               : reader->hiredis->errstr;
}

const Reply *reply_reader_next(ReplyReader *reader, const char **ret_why)
{
    void *reply = NULL;
    *ret_why = NULL;
    if (reader->is_whole) {
        arena_reset(reader->arena);
        reader->items = 0;
        reader->is_whole = false;
    }
    if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK) {
        *ret_why = reader->is_too_big ? "a reply that is too large" : reader->hiredis->errstr;
        return NULL;
    }
    if (reply) {
        reader->is_whole = true;
        reader->bytes = 0;
    }
    return reply;
}

const Reply *reply_error(const Reply *reply)
{
    if (reply->kind == REPLY_ERROR) {
        return reply;
    }
    for (size_t i = 0; reply->kind == REPLY_LIST && i < reply->count; i++) {
        if (reply->items[i].kind == REPLY_ERROR) {
            return &reply->items[i];
        }
    }
    return NULL;
}

/* Lists whose items are still those of the original. */
typedef struct Pending {
    Reply *list;
    struct Pending *next;
} Pending;

/* What the reply itself holds; lists in it are pending afterwards. */
static bool copy_held(Arena *arena, Reply *reply, Pending **pending)
{
    if (reply->text.ptr) {
        reply->text = arena_copy(arena, reply->text);
        return reply->text.ptr != NULL;
    }
    if (reply->count == 0) {
        reply->items = NULL;
        return true;
    }
    Reply *items = arena_alloc(arena, reply->count * sizeof(*items));
    Pending *more = arena_alloc(arena, sizeof(*more));
    if (!items || !more) {
        return false;
    }
    memcpy(items, reply->items, reply->count * sizeof(*items));
    reply->items = items;
    *more = (Pending){reply, *pending};
    *pending = more;
    return true;
}

const Reply *reply_copy(Arena *arena, const Reply *reply)
{
    Pending *pending = NULL;
    Reply *copy = arena_alloc(arena, sizeof(*copy));
    if (!copy) {
        return NULL;
    }
    *copy = *reply;
    bool ok = copy_held(arena, copy, &pending);
    while (ok && pending) {
        const Reply *list = pending->list;
        pending = pending->next;
        for (size_t i = 0; ok && i < list->count; i++) {
            ok = copy_held(arena, &list->items[i], &pending);
        }
    }
    return ok ? copy : NULL;
}
