#include "redis/error_rule.h"

#include "base/limits.h"

/* Redis: server.c processCommand() and the command reference; the last row is for everything else.
 */
static const ErrorRule rules[] = {
    {STR_INIT("NOSCRIPT"), VERDICT_SEND_SOURCE, false,
     "the script cache was flushed or the server restarted"},
    {STR_INIT("LOADING"), VERDICT_RETRY, false, "Redis reads its data set after a start"},
    {STR_INIT("BUSY"), VERDICT_RETRY, false, "a script of somebody runs too long"},
    {STR_INIT("TRYAGAIN"), VERDICT_RETRY, false, "a cluster slot is being moved"},
    {STR_INIT("NOREPLICAS"), VERDICT_RETRY, false,
     "fewer good replicas than min-replicas-to-write"},
    {STR_INIT("READONLY"), VERDICT_RECONNECT, true, "this server is a replica"},
    {STR_INIT("MASTERDOWN"), VERDICT_RECONNECT, true,
     "this server is a replica without its master"},
    {STR_INIT("UNBLOCKED"), VERDICT_RECONNECT, true, "this server has become a replica"},
    {STR_INIT("MOVED"), VERDICT_MOVED, true,
     "another cluster node owns the stream: use redis+cluster:// in REDIS_URL"},
    {STR_INIT("ASK"), VERDICT_ASK, false, "a cluster slot is being moved"},
    {STR_INIT("CLUSTERDOWN"), VERDICT_LOOK_UP, true, "the cluster has no owner for the stream"},
    {STR_INIT("CROSSSLOT"), VERDICT_GIVE_UP, true,
     "EVENTS_STREAM must be in the slot of STREAM: use a hash tag"},
    {STR_INIT("OOM"), VERDICT_GIVE_UP, true,
     "maxmemory is reached: consume and trim the streams, or raise it"},
    {STR_INIT("MISCONF"), VERDICT_GIVE_UP, true, "Redis cannot persist: look at its disk and log"},
    {STR_INIT("NOAUTH"), VERDICT_RECONNECT, true, "a password is needed in REDIS_URL"},
    {STR_INIT("WRONGPASS"), VERDICT_RECONNECT, true, "user or password in REDIS_URL is wrong"},
    {STR_INIT("NOPERM"), VERDICT_GIVE_UP, true, "the ACL user lacks a command or a key pattern"},
    {STR_INIT("ERR ACL failure in script:"), VERDICT_GIVE_UP, true,
     "the ACL user lacks a command or a key pattern"}, /* from Redis 7.2 on */
    {STR_INIT("ERR The user executing the script"), VERDICT_GIVE_UP, true,
     "the ACL user lacks a command or a key pattern"}, /* Redis 7.0, for NOPERM inside a script */
    {STR_INIT("WRONGTYPE"), VERDICT_GIVE_UP, true,
     "a key of ours holds something else than a stream"},
    {STR_INIT("EXECABORT"), VERDICT_GIVE_UP, false,
     "a command of the transaction was refused; see the error before"},
    {STR_INIT("ERR max number of clients reached"), VERDICT_RECONNECT, true, "raise maxclients"},
    {STR_INIT("DENIED"), VERDICT_RECONNECT, true,
     "Redis is in protected mode: give it a password, or bind it to an address"},
    {STR_INIT("ERR DB index is out of range"), VERDICT_RECONNECT, true,
     "REDIS_URL names a database that this Redis has not"},
    {STR_INIT("ERR AUTH <password> called without any password configured"), VERDICT_RECONNECT,
     true, "REDIS_URL has a password, but Redis wants none"},
    {STR_INIT("ERR invalid password"), VERDICT_RECONNECT, true,
     "the password in REDIS_URL is wrong"},
    {STR_INIT("ERR unknown command 'WAITAOF'"), VERDICT_RECONNECT, true,
     "REDIS_ACK=fsync needs Redis 7.2, or Valkey, or later"},
    {STR_INIT("ERR WAITAOF"), VERDICT_RECONNECT, true,
     "set appendonly to yes, or REDIS_ACK to fsync:0,N"},
    {STR_INIT("ERR unknown command"), VERDICT_GIVE_UP, true,
     "dedupe needs Redis 6.2, or Valkey, or later"},
    {STR_INIT("ERR no cmsgpack"), VERDICT_GIVE_UP, true,
     "the Lua of this server has no cmsgpack: dedupe needs Redis 6.2, or Valkey, or later"},
    {STR_INIT(""), VERDICT_GIVE_UP, true, "an error that is not expected of XADD, SET and EVALSHA"},
};

const ErrorRule *error_rule(Str error)
{
    const ErrorRule *rule = rules;
    while (!str_is_empty(rule->code)) {
        bool whole_word =
            error.len == rule->code.len ||
            (error.len > rule->code.len && strchr(" ,", error.ptr[rule->code.len]) != NULL);
        if (str_starts_with(error, rule->code) && whole_word) {
            break;
        }
        rule++;
    }
    return rule;
}

bool error_passes(const ErrorRule *rule)
{
    return rule->verdict == VERDICT_RETRY || rule->verdict == VERDICT_LOOK_UP ||
           rule->verdict == VERDICT_MOVED || rule->verdict == VERDICT_ASK;
}

bool error_is_of_rights(Str error)
{
    static const Str beginnings[] = {STR_INIT("NOPERM"), STR_INIT("ERR unknown"),
                                     STR_INIT("ERR Unknown")};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (str_starts_with(error, beginnings[i])) {
            return true;
        }
    }
    return false;
}

Str error_to_show(Str error)
{
    const Str quoting = STR(", with args");
    error.len = error.len < LIMIT_TEXT ? error.len : LIMIT_TEXT;
    for (size_t at = 0; at + quoting.len <= error.len; at++) {
        if (memcmp(error.ptr + at, quoting.ptr, quoting.len) == 0) {
            return (Str){error.ptr, at};
        }
    }
    return error;
}
