#include "redis/upkeep.h"

#include <stdio.h>

static void add(UpkeepCall *call, Str word)
{
    call->words[call->count++] = word;
}

/* The room of a number that is the next word. */
static char *number_room(UpkeepCall *call)
{
    return call->numbers[call->number_count++];
}

static void add_number(UpkeepCall *call, int64_t number)
{
    char *digits = number_room(call);
    const int len = snprintf(digits, UPKEEP_DIGITS, "%lld", (long long)number);
    add(call, (Str){digits, (size_t)len});
}

static void add_most(UpkeepCall *call, const KeepMost *most)
{
    if (most->percent) {
        char *digits = number_room(call);
        const int len = snprintf(digits, UPKEEP_DIGITS, "%u%%", most->percent);
        add(call, (Str){digits, (size_t)len});
    } else {
        add_number(call, most->bytes);
    }
}

static void add_keys(UpkeepCall *call, const StreamKeys *keys)
{
    add(call, STR("8"));
    add(call, keys->stream);
    add(call, keys->upkeep);
    add(call, keys->quarantine);
    /* The lease is no stream: there are no events. */
    add(call, keys->events.ptr ? keys->events : keys->upkeep);
    add(call, keys->dead);
    add(call, keys->room);
    add(call, keys->seen[0]);
    add(call, keys->seen[1]);
}

void upkeep_call(UpkeepCall *ret, const StreamKeys *keys, const Keep *keep,
                 const UpkeepCaller *caller)
{
    ret->count = 0;
    ret->number_count = 0;
    add(ret, STR("EVAL"));
    add(ret, upkeep_script);
    add_keys(ret, keys);
    add(ret, caller->who);
    add_number(ret, UPKEEP_LEASE_MS);
    add_number(ret, keep->trim == TRIM_ACKED ? keep->keep : -1);
    add_number(ret, keep->dead_group);
    add_number(ret, UPKEEP_MOST);
    add_number(ret, keep->quarantine);
    add_number(ret, keep->events);
    add(ret, caller->is_dry ? STR("1") : STR("0"));
    add_most(ret, &keep->quarantine_most);
    add_most(ret, &keep->events_most);
    add_number(ret, caller->partitions ? (int64_t)caller->partitions : 1);
    Str groups = keep->groups;
    for (Str name; ret->count < UPKEEP_WORDS && (name = keep_next_group(&groups)).ptr;) {
        add(ret, name);
    }
}

bool upkeep_write(Buffer *buffer, const StreamKeys *keys, const Keep *keep,
                  const UpkeepCaller *caller)
{
    UpkeepCall call;
    upkeep_call(&call, keys, keep, caller);
    return resp_command(buffer, call.words, call.count);
}

/* The places of what is told, before the groups. */
enum {
    AT_OURS,
    AT_REMOVED,
    AT_MORE = AT_REMOVED + UPKEPT_STREAMS,
    AT_LENGTHS,
    AT_BYTES = AT_LENGTHS + UPKEPT_STREAMS,
    AT_CUT = AT_BYTES + UPKEPT_STREAMS, /* of quarantine and of events */
    AT_USED = AT_CUT + 2,
    AT_MOST,
    AT_DIGESTS,
    AT_VERSION,
    AT_OLDEST,
    AT_WHY,
    AT_GROUPS,
    ANSWERS
};

static bool are_integers(const Reply *items, size_t count, long long least)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind != REPLY_INTEGER || items[i].integer < least) {
            return false;
        }
    }
    return true;
}

/* Is everything there, and nothing counted below 0 that cannot be? */
static bool makes_sense(const Reply *items)
{
    return are_integers(items, AT_LENGTHS, 0) &&
           are_integers(items + AT_LENGTHS, AT_CUT - AT_LENGTHS, -1) &&
           are_integers(items + AT_CUT, 2, 0) && are_integers(items + AT_USED, 3, -1) &&
           items[AT_VERSION].kind == REPLY_TEXT && items[AT_OLDEST].kind == REPLY_TEXT &&
           items[AT_WHY].kind == REPLY_TEXT && are_integers(items + AT_GROUPS, 1, 0);
}

static void take_numbers(long long *ret, const Reply *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ret[i] = items[i].integer;
    }
}

bool upkeep_read(const Reply *reply, Upkept *ret)
{
    const Reply *items = reply->items;
    if (reply->kind != REPLY_LIST || !reply->count || items[0].kind != REPLY_INTEGER) {
        return false;
    }
    *ret = (Upkept){.is_ours = items[AT_OURS].integer != 0};
    if (!ret->is_ours) {
        return true;
    }
    if (reply->count < ANSWERS || !makes_sense(items)) {
        return false;
    }
    *ret = (Upkept){.is_ours = true,
                    .has_more = items[AT_MORE].integer != 0,
                    .cut = {[ENTRY_QUARANTINED] = items[AT_CUT].integer,
                            [ENTRY_EVENT] = items[AT_CUT + 1].integer},
                    .used = items[AT_USED].integer,
                    .most = items[AT_MOST].integer,
                    .digests = items[AT_DIGESTS].integer,
                    .version = items[AT_VERSION].text,
                    .oldest = items[AT_OLDEST].text,
                    .why = items[AT_WHY].text,
                    .groups = (size_t)items[AT_GROUPS].integer,
                    .listed = items + ANSWERS,
                    .listed_count = reply->count - ANSWERS};
    take_numbers(ret->removed, items + AT_REMOVED, UPKEPT_STREAMS);
    take_numbers(ret->length, items + AT_LENGTHS, UPKEPT_STREAMS);
    take_numbers(ret->bytes, items + AT_BYTES, UPKEPT_STREAMS);
    return true;
}

bool upkeep_read_group(const Upkept *upkept, size_t i, UpkeepGroup *ret)
{
    const Reply *group = &upkept->listed[i], *items = group->items;
    if (group->kind != REPLY_LIST || group->count < 8 || !are_integers(items + 1, 2, -1) ||
        !are_integers(items + 5, 3, 0) || items[0].kind != REPLY_TEXT ||
        items[3].kind != REPLY_TEXT || items[4].kind != REPLY_TEXT ||
        items[6].integer > GROUP_DEAD) {
        return false;
    }
    *ret = (UpkeepGroup){.name = items[0].text,
                         .pending = items[1].integer,
                         .lag = items[2].integer,
                         .consumers = items[5].integer,
                         .oldest = items[3].text,
                         .last = items[4].text,
                         .state = (GroupState)items[6].integer,
                         .holds = items[7].integer != 0};
    return true;
}
