#include "redis/fullness.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "stats/groups.h"
#include "stats/stats.h"
#include "stream/capacity.h"
#include "stream/entry_id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEGABYTE = 1 << 20 };

/* What is known of a partition that is ours. -1 = not known. */
typedef struct {
    bool is_ours;
    long long length[UPKEPT_STREAMS], bytes[UPKEPT_STREAMS];
    long long used, most, digests;
    int64_t oldest;       /* milliseconds; 0 = there is none */
    GroupFigures *groups; /* heap: STATS_GROUPS; NULL = none were told yet */
    size_t group_count;   /* of them */
    unsigned worst;       /* state of its groups that was told */
    char why[LIMIT_TEXT]; /* nothing goes, as was told last */
} Part;

typedef enum { MEMORY_FINE, MEMORY_HIGH, MEMORY_FULL } MemoryLevel;

struct Fullness {
    const Partitions *partitions;
    const Keep *keep;
    MemoryLevel level;   /* that was told */
    long long told_most; /* maxmemory of which was told what it carries */
    GroupFigures groups[STATS_GROUPS];
    Part parts[];
};

static Str name_of(const Fullness *fullness, size_t partition)
{
    return fullness->partitions->keys[partition]->stream;
}

/* Telling */

/* Is it another reason than was told last? */
static bool is_news(Part *part, Str why)
{
    char text[LIMIT_TEXT];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(why));
    const bool is_other = strcmp(text, part->why) != 0;
    memcpy(part->why, text, sizeof(text));
    return is_other && text[0];
}

static void tell_why(Fullness *fullness, size_t partition, Str why)
{
    static LogSite site;
    Part *part = &fullness->parts[partition];
    if (is_news(part, why)) {
        log_rarely(&site, LOG_WARN, "trim: nothing is removed from %.*s: %s",
                   STR_ARG(name_of(fullness, partition)), part->why);
    }
}

void fullness_take_refusal(Fullness *fullness, size_t partition, Str why, const char *advice)
{
    static LogSite site;
    if (is_news(&fullness->parts[partition], why)) {
        log_rarely(&site, LOG_WARN, "trim: %.*s (%s)", STR_ARG(why), advice);
    }
}

static void tell_group(const Fullness *fullness, size_t partition, const UpkeepGroup *group)
{
    static LogSite idle, dead;
    const Str stream = name_of(fullness, partition);
    if (group->state == GROUP_IDLE) {
        log_rarely(&idle, LOG_WARN,
                   "trim: the group %.*s of %.*s has not moved for more than half of "
                   "TRIM_DEAD_GROUP; after all of it the stream does not wait for it any more",
                   STR_ARG(group->name), STR_ARG(stream));
    } else {
        log_rarely(&dead, LOG_ERROR,
                   "trim: the group %.*s of %.*s has not moved for TRIM_DEAD_GROUP: the stream "
                   "does not wait for it any more",
                   STR_ARG(group->name), STR_ARG(stream));
    }
}

/* Each time that it is worse than it was. */
static void tell_groups(Fullness *fullness, size_t partition, const Upkept *upkept)
{
    Part *part = &fullness->parts[partition];
    unsigned worst = GROUP_MOVES;
    UpkeepGroup group;
    for (size_t i = 0; i < upkept->listed_count; i++) {
        if (upkeep_read_group(upkept, i, &group) && group.state > worst) {
            worst = group.state;
            if (worst > part->worst) {
                tell_group(fullness, partition, &group);
            }
        }
    }
    part->worst = worst;
}

static void tell_cut(const Fullness *fullness, size_t partition, const Upkept *upkept)
{
    static LogSite quarantine, events;
    const long long *cut = upkept->cut;
    const Str stream = name_of(fullness, partition);
    stats_add(STAT_QUARANTINE_CUT, (uint64_t)cut[ENTRY_QUARANTINED]);
    stats_add(STAT_EVENTS_CUT, (uint64_t)cut[ENTRY_EVENT]);
    if (cut[ENTRY_QUARANTINED]) {
        log_rarely(&quarantine, LOG_ERROR,
                   "quarantine: of %lld that came for %.*s only reason, place and digest are kept, "
                   "not the bytes: it takes %lld MB, QUARANTINE_MAX is reached",
                   cut[ENTRY_QUARANTINED], STR_ARG(stream),
                   upkept->bytes[ENTRY_QUARANTINED] / MEGABYTE);
    }
    if (cut[ENTRY_EVENT]) {
        log_rarely(&events, LOG_ERROR,
                   "events: of %lld that came for %.*s the bytes are not kept: they take %lld MB, "
                   "EVENTS_MAX is reached",
                   cut[ENTRY_EVENT], STR_ARG(stream), upkept->bytes[ENTRY_EVENT] / MEGABYTE);
    }
}

/* Memory */

/* Thousandths of maxmemory that are used; 0: there is no limit, or it is not known. */
static unsigned fill_of(const Part *part)
{
    const bool is_known = part->is_ours && part->used >= 0 && part->most > 0;
    return is_known ? (unsigned)((double)part->used * 1000 / (double)part->most) : 0;
}

static const Part *fullest(const Fullness *fullness)
{
    const Part *worst = &fullness->parts[0];
    for (size_t i = 1; i < fullness->partitions->count; i++) {
        const Part *part = &fullness->parts[i];
        worst = fill_of(part) > fill_of(worst) ? part : worst;
    }
    return worst;
}

/* Where it was, it stays for a while. */
static bool is_at(MemoryLevel level, unsigned percent, MemoryLevel before, unsigned fill)
{
    return fill >= (percent - (before >= level ? FULL_SLACK : 0)) * 10;
}

static MemoryLevel level_of(MemoryLevel before, unsigned fill)
{
    return is_at(MEMORY_FULL, FULL_ALARM, before, fill)  ? MEMORY_FULL
           : is_at(MEMORY_HIGH, FULL_WARN, before, fill) ? MEMORY_HIGH
                                                         : MEMORY_FINE;
}

/* When it is worse than was told, and when it is over. */
static void tell_memory(Fullness *fullness)
{
    const Part *part = fullest(fullness);
    const unsigned fill = fill_of(part);
    const MemoryLevel before = fullness->level, now = level_of(before, fill);
    const long long used = part->used / MEGABYTE, most = part->most / MEGABYTE;
    fullness->level = now;
    if (now > before) {
        log_line(now == MEMORY_FULL ? LOG_ERROR : LOG_WARN,
                 "redis: %u %% of maxmemory are used (%lld of %lld MB, the server of %.*s): when "
                 "all of it is, posts are answered 503. Consume and trim the streams, or raise it",
                 fill / 10, used, most,
                 STR_ARG(name_of(fullness, (size_t)(part - fullness->parts))));
    } else if (now == MEMORY_FINE && before != MEMORY_FINE) {
        log_line(LOG_INFO, "redis: no more than %u %% of maxmemory are used now (%lld of %lld MB)",
                 fill / 10, used, most);
    }
}

/* What a server carries, when it is another memory than was told of. */
static void tell_rate(Fullness *fullness, size_t partition, const Upkept *upkept, size_t beside)
{
    const Partitions *partitions = fullness->partitions;
    const int64_t window = INT64_C(1000) * partitions->keys[partition]->window;
    Load load = capacity_load(window, fullness->keep);
    if (upkept->most <= 0 || upkept->most == fullness->told_most) {
        return;
    }
    fullness->told_most = upkept->most;
    load.digest = capacity_digest(upkept->version);
    const double share = (double)partitions->count / (double)beside,
                 rate = share * capacity_rate(&load, (double)upkept->most);
    if (rate >= 1e9) {
        return;
    }
    char text[64];
    snprintf(text, sizeof(text), rate < 1 ? "no rate for ever" : "about %.0f statuses/s", rate);
    log_line(LOG_INFO, "redis: maxmemory of %lld MB carries %s%s (`tickstream size` says more)",
             upkept->most / MEGABYTE, text,
             rate >= 1                          ? " while all groups keep up"
             : fullness->keep->trim == TRIM_OFF ? ", since nothing is removed (TRIM=off)"
                                                : "");
}

/* Counting */

static void count_groups(Fullness *fullness)
{
    size_t count = 0;
    for (size_t i = 0; i < fullness->partitions->count; i++) {
        const Part *part = &fullness->parts[i];
        for (size_t k = 0; part->is_ours && k < part->group_count; k++) {
            count = groups_add(fullness->groups, count, &part->groups[k]);
        }
    }
    stats_set_groups(fullness->groups, count);
}

/* What is known of a number, of all partitions that are ours. */
static uint64_t sum(const Fullness *fullness, size_t offset)
{
    uint64_t all = 0;
    for (size_t i = 0; i < fullness->partitions->count; i++) {
        const Part *part = &fullness->parts[i];
        long long number;
        memcpy(&number, (const char *)part + offset, sizeof(number));
        all += part->is_ours && number > 0 ? (uint64_t)number : 0;
    }
    return all;
}

static const struct {
    Stat stat;
    size_t offset;
} sums[] = {
    {STAT_STREAM_ENTRIES, offsetof(Part, length[ENTRY_STATUS])},
    {STAT_STREAM_BYTES, offsetof(Part, bytes[ENTRY_STATUS])},
    {STAT_QUARANTINE_ENTRIES, offsetof(Part, length[ENTRY_QUARANTINED])},
    {STAT_QUARANTINE_BYTES, offsetof(Part, bytes[ENTRY_QUARANTINED])},
    {STAT_EVENTS_ENTRIES, offsetof(Part, length[ENTRY_EVENT])},
    {STAT_EVENTS_BYTES, offsetof(Part, bytes[ENTRY_EVENT])},
    {STAT_DEAD_ENTRIES, offsetof(Part, length[UPKEPT_DEAD])},
    {STAT_DIGESTS, offsetof(Part, digests)},
};

static void count(Fullness *fullness)
{
    const Part *full = fullest(fullness);
    uint64_t ours = 0, age = 0;
    const int64_t now = clock_unix_ms();
    for (size_t i = 0; i < fullness->partitions->count; i++) {
        const Part *part = &fullness->parts[i];
        ours += part->is_ours;
        if (part->is_ours && part->oldest && now > part->oldest) {
            const uint64_t seconds = (uint64_t)(now - part->oldest) / 1000;
            age = seconds > age ? seconds : age;
        }
    }
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        stats_set(sums[i].stat, sum(fullness, sums[i].offset));
    }
    stats_set(STAT_UPKEEP_PARTITIONS, ours);
    stats_set(STAT_STREAM_AGE, age);
    stats_set(STAT_REDIS_MEMORY, full->is_ours && full->used > 0 ? (uint64_t)full->used : 0);
    stats_set(STAT_REDIS_FILL, fill_of(full));
    count_groups(fullness);
}

/* Taking */

/* Without memory for them there are none. */
static void take_groups(Part *part, const Upkept *upkept)
{
    UpkeepGroup group;
    part->group_count = 0;
    if (!part->groups) {
        part->groups = calloc(STATS_GROUPS, sizeof(*part->groups));
    }
    for (size_t i = 0; part->groups && i < upkept->listed_count && i < STATS_GROUPS; i++) {
        if (upkeep_read_group(upkept, i, &group)) {
            part->groups[part->group_count++] =
                group_figures(group.name, group.pending, group.lag, entry_id_ms(group.oldest));
        }
    }
}

static void take_figures(Part *part, const Upkept *upkept)
{
    memcpy(part->length, upkept->length, sizeof(part->length));
    memcpy(part->bytes, upkept->bytes, sizeof(part->bytes));
    part->used = upkept->used;
    part->most = upkept->most;
    part->digests = upkept->digests;
    part->oldest = entry_id_ms(upkept->oldest);
    take_groups(part, upkept);
}

void fullness_take(Fullness *fullness, size_t partition, const Upkept *upkept, size_t beside)
{
    Part *part = &fullness->parts[partition];
    part->is_ours = upkept->is_ours;
    if (part->is_ours) {
        take_figures(part, upkept);
        for (size_t i = 0; i < UPKEPT_STREAMS; i++) {
            stats_add(STAT_TRIMMED, (uint64_t)upkept->removed[i]);
        }
        tell_cut(fullness, partition, upkept);
        tell_rate(fullness, partition, upkept, beside);
    }
    if (part->is_ours && fullness->keep->trim != TRIM_OFF) {
        tell_why(fullness, partition, upkept->why);
        tell_groups(fullness, partition, upkept);
    }
    tell_memory(fullness);
    count(fullness);
}

Fullness *fullness_new(const Partitions *partitions, const Keep *keep)
{
    Fullness *fullness =
        calloc(1, sizeof(*fullness) + partitions->count * sizeof(fullness->parts[0]));
    if (fullness) {
        fullness->partitions = partitions;
        fullness->keep = keep;
    }
    return fullness;
}

Fullness *fullness_free(Fullness *fullness)
{
    for (size_t i = 0; fullness && i < fullness->partitions->count; i++) {
        free(fullness->parts[i].groups);
    }
    free(fullness);
    return NULL;
}
