#include "redis/ack.h"

#include "redis/resp.h"

#include <stdio.h>

static bool parse_replicas(Str text, Ack *ack)
{
    ack->kind = ACK_REPLICAS;
    return str_get_number(text, ACK_REPLICAS_MOST, &ack->replicas) && ack->replicas > 0;
}

/* Of fewer than one disk nobody could acknowledge anything. */
static bool parse_fsync(Str text, Ack *ack)
{
    Str local = str_split(&text, ',');
    ack->kind = ACK_FSYNC;
    return str_get_number(local, 1, &ack->local) &&
           str_get_number(text, ACK_REPLICAS_MOST, &ack->replicas) &&
           ack->local + ack->replicas > 0;
}

bool ack_parse(Str text, Ack *ret)
{
    static const Str replicas = STR_INIT("replicas:"), on_disk = STR_INIT("fsync:");
    Ack ack = {.kind = ACK_LOCAL};
    bool ok = str_eq(text, STR("local"));
    if (str_starts_with(text, replicas)) {
        ok = parse_replicas(str_from_offset(text, replicas.len), &ack);
    } else if (str_starts_with(text, on_disk)) {
        ok = parse_fsync(str_from_offset(text, on_disk.len), &ack);
    }
    if (ok) {
        *ret = ack;
    }
    return ok;
}

void ack_show(const Ack *ack, char text[ACK_TEXT])
{
    switch (ack->kind) {
    case ACK_LOCAL:
        snprintf(text, ACK_TEXT, "local");
        break;
    case ACK_REPLICAS:
        snprintf(text, ACK_TEXT, "replicas:%u", ack->replicas);
        break;
    case ACK_FSYNC:
        snprintf(text, ACK_TEXT, "fsync:%u,%u", ack->local, ack->replicas);
        break;
    }
}

bool ack_write(const Ack *ack, Buffer *buffer, int64_t timeout)
{
    const bool on_disk = ack->kind == ACK_FSYNC;
    if (ack->kind == ACK_LOCAL) {
        return true;
    }
    if (!buffer_reserve(buffer, 5 * RESP_FRAME + sizeof("WAITAOF"))) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, on_disk ? 4 : 3);
    to = resp_put_word(to, on_disk ? STR("WAITAOF") : STR("WAIT"));
    to = on_disk ? resp_put_number(to, ack->local) : to;
    to = resp_put_number(to, ack->replicas);
    to = resp_put_number(to, timeout > 0 ? (size_t)timeout : 1); /* to Redis 0 is for ever */
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}

static bool read_count(const Reply *reply, unsigned *ret)
{
    if (reply->kind != REPLY_INTEGER || reply->integer < 0 || reply->integer > INT32_MAX) {
        return false;
    }
    *ret = (unsigned)reply->integer;
    return true;
}

bool ack_read(const Ack *ack, const Reply *reply, Acknowledged *ret)
{
    Acknowledged got = {0};
    bool ok = false;
    if (ack->kind == ACK_REPLICAS) {
        ok = read_count(reply, &got.replicas);
    } else if (ack->kind == ACK_FSYNC) {
        ok = reply->kind == REPLY_LIST && reply->count == 2 &&
             read_count(&reply->items[0], &got.local) && got.local <= 1 &&
             read_count(&reply->items[1], &got.replicas);
    }
    if (ok) {
        *ret = got;
    }
    return ok;
}

bool ack_is_enough(const Ack *ack, const Acknowledged *acknowledged)
{
    return acknowledged->local >= ack->local && acknowledged->replicas >= ack->replicas;
}
