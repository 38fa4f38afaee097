#include "redis/rights.h"

/* Adds a pattern that matches this text alone, and then whatever `after` matches; in quotes, since
 * redis-cli takes lines apart at blanks. */
static void add_keys(Text *to, const char *before, Str name, const char *after)
{
    text_add_format(to, " \"~%s", before);
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (strchr("*?[]\\", c)) {
            text_add(to, STR("\\\\")); /* one for the pattern, doubled for the quotes */
        }
        if (c == '"' || c == '\\') {
            text_add(to, STR("\\"));
        }
        text_add(to, (Str){&name.ptr[i], 1});
    }
    text_add_format(to, "%s\"", after);
}

static void begin_line(Text *to, const char *user)
{
    text_add_format(to, "ACL SETUSER %s on >PASSWORD", user[0] ? user : "tickstream");
}

/* The keys of all partitions, and the one that says how many they are. */
static void add_all_keys(Text *to, const RightsSettings *settings)
{
    const Partitions *partitions = settings->partitions;
    const Str stream = str_from(settings->stream);
    if (partitions->count > 1) {
        add_keys(to, "", stream, ":*");
        add_keys(to, "{", stream, ":*");
        add_keys(to, "{", stream, "}:partitions");
        return;
    }
    add_keys(to, "", stream, "");
    add_keys(to, "{", stream, "}:*");
    if (partitions->keys[0]->events.ptr) {
        add_keys(to, "", partitions->keys[0]->events, "");
    }
}

/* What a publication sends. */
static void add_publishing(Text *to, const StreamKeys *keys)
{
    text_add(to, STR(" +evalsha +eval +script|load +xadd +set +type +get +time"));
    if (keys->window) {
        text_add(to, STR(" +smismember +sadd +unlink"));
        text_add(to, keys->touches ? STR(" +pexpireat") : STR(""));
    } else if (!keys->by_script) {
        text_add(to, STR(" +multi +exec"));
    }
}

/* What upkeep.lua calls besides: +get, +set, +time are a publication's too, +info a
 * greeting's. */
static void add_upkeep(Text *to)
{
    text_add(to, STR(" +pexpire +xtrim +xrange +xlen +xpending +xinfo|stream +xinfo|groups "
                     "+xinfo|consumers +memory|usage +scard"));
}

static Str barrier(const Ack *ack)
{
    switch (ack->kind) {
    case ACK_LOCAL:
        break;
    case ACK_REPLICAS:
        return STR(" +wait");
    case ACK_FSYNC:
        return STR(" +waitaof");
    }
    return STR("");
}

static void add_sentinels_line(Text *to, const char *user)
{
    begin_line(to, user);
    text_add(to, STR(" +sentinel|get-master-addr-by-name +sentinel|master +client|setname\n"));
}

void rights_describe(Text *to, const RightsSettings *settings)
{
    const ServersKind kind = settings->servers->kind;
    const RedisUrl *url = &settings->servers->server;
    begin_line(to, url->user);
    add_all_keys(to, settings);
    add_publishing(to, settings->partitions->keys[0]);
    add_upkeep(to);
    text_add(to, barrier(&settings->ack));
    text_add(to, kind == SERVERS_CLUSTER ? STR(" +cluster|slots +asking") : STR(""));
    text_add(to, STR(" +info +role +client|setname"));
    text_add(to, url->db ? STR(" +select\n") : STR("\n"));
    if (kind == SERVERS_SENTINEL) {
        add_sentinels_line(to, settings->sentinel_user);
    }
}
