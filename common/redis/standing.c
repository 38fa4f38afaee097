#include "redis/standing.h"

#include <stdio.h>
#include <stdlib.h>

/* Versions of clang-format disagree about a body that is only braces. */
/* clang-format off */
#define TEXT_FIELD(word, member) \
    {STR_INIT(word), offsetof(Standing, member), sizeof(((Standing *)0)->member)}
/* clang-format on */

/* Lines of INFO that are of interest. room: of a text; 0 = a number. */
static const struct {
    Str name;
    size_t offset, room;
} fields[] = {
    TEXT_FIELD("redis_version", version),
    TEXT_FIELD("maxmemory_policy", policy),
    TEXT_FIELD("aof_enabled", aof),
    TEXT_FIELD("aof_last_write_status", write_status),
    {STR_INIT("used_memory"), offsetof(Standing, memory), 0},
    {STR_INIT("maxmemory"), offsetof(Standing, most), 0},
};

static void take_field(Standing *standing, size_t i, Str value)
{
    char *to = (char *)standing + fields[i].offset;
    char text[32];
    const size_t room = fields[i].room ? fields[i].room : sizeof(text);
    const size_t len = value.len < room ? value.len : room - 1;
    if (fields[i].room) {
        *str_put(to, (Str){value.ptr, len}) = '\0';
        return;
    }
    *str_put(text, (Str){value.ptr, len}) = '\0';
    const uint64_t number = strtoull(text, NULL, 10);
    memcpy(to, &number, sizeof(number));
}

static void take_line(Standing *standing, Str line)
{
    const size_t colon = str_find(line, ':');
    const Str name = {line.ptr, colon};
    for (size_t i = 0; colon < line.len && i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (str_eq(name, fields[i].name)) {
            Str value = str_from_offset(line, colon + 1);
            value.len -= value.len && value.ptr[value.len - 1] == '\r';
            take_field(standing, i, value);
        }
    }
}

void standing_take(Standing *standing, Str info)
{
    for (Str rest = info; rest.ptr;) {
        take_line(standing, str_split(&rest, '\n'));
    }
}

/* volatile-*: only keys that expire, as those of dedupe do. */
static bool evicts(const Standing *standing, const StreamKeys *keys)
{
    const Str policy = str_from(standing->policy);
    return str_starts_with(policy, STR("allkeys-")) ||
           (str_starts_with(policy, STR("volatile-")) && keys->window);
}

static bool is_broken(const Standing *standing)
{
    return standing->write_status[0] && strcmp(standing->write_status, "ok") != 0;
}

Durable standing_judge(const Standing *standing, const StreamKeys *keys, char why[2 * LIMIT_TEXT])
{
    const bool evicting = evicts(standing, keys),
               forgets = str_eq(str_from(standing->aof), STR("0"));
    const bool untold = !standing->policy[0] || !standing->aof[0];
    char policy[LIMIT_TEXT] = "";
    why[0] = '\0';
    if (evicting) {
        snprintf(policy, sizeof(policy),
                 "maxmemory-policy is %s, which evicts what was acknowledged: set it to noeviction",
                 standing->policy);
    }
    if (evicting || forgets || is_broken(standing)) {
        const char *aof =
            forgets ? "appendonly is no, so a restart forgets what was acknowledged: set it to yes"
            : is_broken(standing) ? "the last write of the AOF failed: look at Redis' disk and log"
                                  : "";
        snprintf(why, 2 * LIMIT_TEXT, "%s%s%s", policy, policy[0] && aof[0] ? "; " : "", aof);
        return DURABLE_NO;
    }
    if (untold) {
        snprintf(why, 2 * LIMIT_TEXT,
                 "INFO does not tell whether Redis evicts (maxmemory-policy) and persists "
                 "(appendonly): see to it, or allow +info");
    }
    return untold ? DURABLE_UNKNOWN : DURABLE_YES;
}
