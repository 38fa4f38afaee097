#include "commands/doctor_judge.h"

#include "commands/human.h"
#include "redis/error_rule.h"
#include "stream/entry_id.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MEMORY_WARN = 80, /* percent of maxmemory */
    MEMORY_FAIL = 95,
    QUARANTINE_WARN = 10,
    CLOCK_WARN = 2000,         /* milliseconds */
    DIGESTS_WARN = 1000000,    /* of one set */
    MOVE_US_OF_THOUSAND = 1500 /* tests/bench/move_cost.py: 1.1 to 1.5 us a digest */
};

Finding judge_reached(ErrorCode code, const char *why)
{
    if (code == ERROR_NONE) {
        return found(GRADE_OK, "", "a master, which answers");
    }
    return found(GRADE_FAIL,
                 code == ERROR_SETUP ? "correct REDIS_URL, its user or its password (REDIS_TLS_*)"
                                     : "look whether Redis runs, and whether REDIS_URL and a "
                                       "firewall let us reach it",
                 "%.200s", why);
}

Finding judge_version(const char *version, const Ack *ack)
{
    char *rest;
    const long major = strtol(version, &rest, 10),
               minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0, number = major * 100 + minor;
    if (!version[0]) {
        return found(GRADE_NOTE, "", "its version is not told: INFO is forbidden to us");
    }
    if (number < 602) {
        return found(GRADE_FAIL, "install Redis 6.2, or Valkey, or later",
                     "Redis %s is too old: dedupe needs 6.2", version);
    }
    if (ack->kind == ACK_FSYNC && number < 702) {
        return found(GRADE_FAIL, "install Redis 7.2, or Valkey, or set REDIS_ACK=replicas:N",
                     "Redis %s knows no WAITAOF, which REDIS_ACK=fsync needs", version);
    }
    return found(GRADE_OK, "", "Redis %s will do", version);
}

Finding judge_partitions(unsigned made_with, size_t count)
{
    if (made_with && made_with != count) {
        return found(GRADE_FAIL,
                     "set STREAM_PARTITIONS back; another number needs another name for STREAM",
                     "the stream was made with %u partitions, STREAM_PARTITIONS is %zu: nothing is "
                     "stored",
                     made_with, count);
    }
    return made_with ? found(GRADE_OK, "", "the stream was made with %u, as set", made_with)
                     : found(GRADE_OK, "", "%zu; no worker has noted it yet", count);
}

Finding judge_refusal(Str error)
{
    const Str shown = error_to_show(error);
    if (str_starts_with(error, STR("NOPERM")) || str_starts_with(error, STR("ERR ACL"))) {
        return found(GRADE_FAIL,
                     "give Redis the line that `tickstream acl` prints, with the password",
                     "posts are refused, a right is missing: %.*s", STR_ARG(shown));
    }
    return found(GRADE_FAIL, error_rule(error)->advice, "posts are refused: %.*s", STR_ARG(shown));
}

Finding judge_right(const char *right, Harm harm)
{
    static const struct {
        Grade grade;
        const char *harm;
    } harms[] = {
        [HARM_CHECKS] = {GRADE_WARN, "the service runs, and checks less"},
        [HARM_UPKEEP] = {GRADE_FAIL, "nothing is trimmed, and streams fill up"},
        [HARM_POSTS] = {GRADE_FAIL, "posts are refused"},
    };
    return found(harms[harm].grade,
                 "give Redis the line that `tickstream acl` prints, with the password",
                 "the right %s is missing: %s", right, harms[harm].harm);
}

Finding judge_durability(const Standing *standing, const StreamKeys *keys)
{
    char why[2 * LIMIT_TEXT], remedy[FINDING_TEXT];
    const Durable durable = standing_judge(standing, keys, why);
    const bool evicts = strstr(why, "maxmemory-policy is") != NULL,
               forgets = strstr(why, "appendonly is") != NULL;
    if (durable == DURABLE_YES) {
        return found(GRADE_OK, "", "it neither evicts nor forgets: noeviction, appendonly yes");
    }
    if (durable != DURABLE_NO) {
        return found(GRADE_WARN, "give our user +info (`tickstream acl`)", "%s", why);
    }
    snprintf(remedy, sizeof(remedy), "%s%s%s",
             evicts ? "redis-cli CONFIG SET maxmemory-policy noeviction; " : "",
             forgets ? "redis-cli CONFIG SET appendonly yes; " : "",
             evicts || forgets ? "redis-cli CONFIG REWRITE" : "make room on the disk of Redis");
    return found(GRADE_FAIL, remedy, "%s", why);
}

Finding judge_fsync(const char *fsync, const Standing *standing, const Ack *ack)
{
    static const char remedy[] =
        "redis-cli CONFIG SET appendfsync always; redis-cli CONFIG REWRITE";
    if (strcmp(standing->aof, "0") == 0) {
        return found(GRADE_NOTE, "", "without appendonly it means nothing what appendfsync is");
    }
    if (!fsync[0]) {
        return found(GRADE_NOTE, "",
                     "appendfsync is not told to our user; CONFIG GET appendfsync shows it to an "
                     "administrator");
    }
    if (strcmp(fsync, "always") == 0 || (ack->kind == ACK_FSYNC && ack->local)) {
        return found(GRADE_OK, "", "appendfsync is %s%s", fsync,
                     ack->kind == ACK_FSYNC ? ", and REDIS_ACK waits for the disk" : "");
    }
    return found(GRADE_WARN, remedy, "appendfsync is %s: when the machine loses its power, %s",
                 fsync,
                 strcmp(fsync, "everysec") == 0
                     ? "what was acknowledged in its last second or two is lost"
                     : "what was acknowledged in its last half minute or so is lost");
}

Finding judge_memory(uint64_t used, uint64_t most)
{
    static const char remedy[] =
        "raise maxmemory; or let groups read and acknowledge, shorten TRIM_KEEP or DEDUPE_WINDOW: "
        "`tickstream trim` shows what is kept and why";
    char is[HUMAN_ROOM], may[HUMAN_ROOM];
    const uint64_t filled = most ? used * 100 / most : 0;
    human_bytes(used, is);
    if (!most) {
        return used ? found(GRADE_WARN,
                            "redis-cli CONFIG SET maxmemory 2gb, or what the machine can spare, "
                            "less than a half of its memory; redis-cli CONFIG REWRITE",
                            "maxmemory is 0: Redis takes memory (%s now) until the kernel kills it",
                            is)
                    : found(GRADE_NOTE, "", "its memory is not told: INFO is forbidden to us");
    }
    return found(filled >= MEMORY_FAIL   ? GRADE_FAIL
                 : filled >= MEMORY_WARN ? GRADE_WARN
                                         : GRADE_OK,
                 filled >= MEMORY_WARN ? remedy : "", "%llu %% of maxmemory is in use: %s of %s%s",
                 (unsigned long long)filled, is, human_bytes(most, may),
                 filled >= MEMORY_FAIL ? "; once it is full, posts are answered 503" : "");
}

Finding judge_rate(double carried, unsigned wanted, uint64_t most)
{
    static const char see[] = "`tickstream size --rate N` shows what each of them takes";
    char count[HUMAN_ROOM], remedy[FINDING_TEXT];
    if (!most) {
        return found(wanted ? GRADE_WARN : GRADE_NOTE, wanted ? "set maxmemory" : "",
                     "no maxmemory is known, so it cannot be said which rate is carried");
    }
    snprintf(remedy, sizeof(remedy), "%sraise maxmemory, or shorten TRIM_KEEP or DEDUPE_WINDOW: %s",
             carried < 1 ? "set TRIM=acked; " : "", see);
    if (carried < 1) {
        return found(wanted ? GRADE_FAIL : GRADE_NOTE, wanted ? remedy : "",
                     "no rate is carried for ever: Redis fills up");
    }
    human_count(carried < 1e9 ? (uint64_t)carried : 1000000000, count);
    if (wanted && carried < wanted) {
        return found(GRADE_FAIL, remedy,
                     "%s statuses a second are carried, not %u: Redis fills up, and posts are "
                     "answered 503",
                     count, wanted);
    }
    return found(GRADE_OK, "", "%s statuses a second are carried%s", count,
                 wanted ? ", more than are wanted" : "; --rate N says whether N are");
}

Finding judge_quarantine(long long entries, long long bytes, uint64_t most)
{
    char count[HUMAN_ROOM], size[HUMAN_ROOM];
    if (entries < 0) {
        return found(GRADE_NOTE, "", "it cannot be looked at");
    }
    human_count((uint64_t)entries, count);
    human_bytes(bytes > 0 ? (uint64_t)bytes : 0, size);
    if (most && bytes > 0 && (uint64_t)bytes > most / 100 * QUARANTINE_WARN) {
        return found(GRADE_WARN,
                     "read what it has (XREVRANGE) and mend its sender; QUARANTINE_KEEP says how "
                     "long it stays",
                     "%s entries take %s, more than a tenth of maxmemory", count, size);
    }
    return found(entries ? GRADE_NOTE : GRADE_OK, "", entries ? "%s entries, %s" : "empty", count,
                 size);
}

Finding judge_clock(int64_t ahead)
{
    char span[HUMAN_ROOM];
    const int64_t apart = ahead < 0 ? -ahead : ahead;
    if (apart < CLOCK_WARN) {
        return found(GRADE_OK, "", "Redis' clock and ours are %lld ms apart", (long long)apart);
    }
    return found(GRADE_WARN, "let NTP set both (timedatectl set-ntp true)",
                 "Redis' clock is %s %s ours: ages and what is kept by them are wrong by that",
                 human_span(apart / 1000, span), ahead > 0 ? "ahead of" : "behind");
}

Finding judge_replicas(int online, const Ack *ack, ServersKind kind)
{
    const unsigned wanted = ack->kind == ACK_LOCAL ? 0 : ack->replicas;
    char text[ACK_TEXT];
    ack_show(ack, text);
    if (online < 0) {
        return found(GRADE_NOTE, "", "how many replicas there are is not told to our user");
    }
    if ((unsigned)online < wanted) {
        return found(GRADE_FAIL, "start the replicas that are missing, or lower REDIS_ACK",
                     "REDIS_ACK=%s wants %u replicas, and %d %s online: posts are answered 503",
                     text, wanted, online, online == 1 ? "is" : "are");
    }
    if (wanted && (unsigned)online == wanted) {
        return found(GRADE_WARN, "give each master one replica more than REDIS_ACK wants",
                     "REDIS_ACK=%s wants all of the %d replicas: when one is lost posts are "
                     "answered 503",
                     text, online);
    }
    if (online == 0 && kind != SERVERS_ONE) {
        return found(GRADE_WARN, "give each master a replica",
                     "no replica is online: when this server is lost, nobody takes over");
    }
    return found(GRADE_OK, "", "%d online, REDIS_ACK=%s", online, text);
}

Finding judge_moving(long long digests, long long node_timeout)
{
    char count[HUMAN_ROOM];
    const long long blocks = digests * MOVE_US_OF_THOUSAND / 1000000;
    if (digests < 0) {
        return found(GRADE_NOTE, "", "how many digests there are is not told to our user");
    }
    human_count((uint64_t)digests, count);
    if (node_timeout > 0 && blocks >= node_timeout) {
        return found(GRADE_WARN,
                     "before a slot is moved raise cluster-node-timeout on all nodes; for good: "
                     "more partitions, or a shorter DEDUPE_WINDOW",
                     "a set has %s digests: to move it blocks both nodes for about %lld ms, and "
                     "cluster-node-timeout is %lld ms: a failover begins in the middle",
                     count, blocks, node_timeout);
    }
    if (digests > DIGESTS_WARN) {
        return found(
            GRADE_WARN, "more partitions, or a shorter DEDUPE_WINDOW, before a slot must be moved",
            "a set has %s digests: to move it blocks both nodes for about %lld ms", count, blocks);
    }
    return found(GRADE_OK, "", "sets are small enough to be moved");
}

Finding judge_groups(size_t groups, Str missing, Trim trim)
{
    if (missing.ptr) {
        return found(GRADE_FAIL,
                     "tickstream groups --create NAME --from 0, or take it off TRIM_GROUPS",
                     "the group %.*s of TRIM_GROUPS is missing, so nothing is removed",
                     missing.len < 80 ? (int)missing.len : 80, missing.ptr);
    }
    if (groups == 0) {
        return found(GRADE_WARN, "tickstream groups --create NAME --from 0", "no group reads it%s",
                     trim == TRIM_ACKED ? ", so nothing is removed, and Redis fills up" : "");
    }
    return found(GRADE_OK, "", "%zu %s", groups, groups == 1 ? "group reads it" : "groups read it");
}

/* Of an id, against now; both in milliseconds. */
static const char *age_of(Str id, int64_t now, char to[HUMAN_ROOM])
{
    const int64_t age = now - entry_id_ms(id);
    return human_span(age > 0 ? age / 1000 : 0, to);
}

Finding judge_group(const UpkeepGroup *group, bool is_over, int64_t now)
{
    static const char remedy[] =
        "start its consumers, or, if nobody uses it any more, XGROUP DESTROY STREAM NAME";
    char age[HUMAN_ROOM], lag[HUMAN_ROOM] = "?", pending[HUMAN_ROOM], name[64];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(group->name));
    human_count(group->pending > 0 ? (uint64_t)group->pending : 0, pending);
    if (group->lag >= 0) {
        human_count((uint64_t)group->lag, lag);
    }
    if (group->state == GROUP_DEAD) {
        return found(GRADE_WARN, remedy,
                     "the group %s is dead (TRIM_DEAD_GROUP) and not waited for any more: what it "
                     "has not acknowledged is removed; %s pending, lag %s",
                     name, pending, lag);
    }
    if (group->state == GROUP_IDLE) {
        return found(
            GRADE_WARN, remedy,
            "the group %s has not moved for more than half of TRIM_DEAD_GROUP; %s pending, "
            "lag %s",
            name, pending, lag);
    }
    if (group->holds && is_over) {
        return found(GRADE_WARN, remedy,
                     "the group %s holds the stream beyond TRIM_KEEP: %s pending%s%s, lag %s", name,
                     pending, group->oldest.len ? ", the oldest for " : "",
                     group->oldest.len ? age_of(group->oldest, now, age) : "", lag);
    }
    return found(GRADE_OK, "", "the group %s: %s pending, lag %s", name, pending, lag);
}
