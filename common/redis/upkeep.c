#include "redis/upkeep.h"

#include <stdio.h>

enum { ANSWERS = 12 /* items before the groups */ };

static void add(UpkeepCall *call, Str word)
{
    call->words[call->count++] = word;
}

static void add_numbers(UpkeepCall *call, const long long numbers[UPKEEP_NUMBERS])
{
    for (size_t i = 0; i < UPKEEP_NUMBERS; i++) {
        char *digits = call->numbers[i];
        const int len = snprintf(digits, sizeof(call->numbers[0]), "%lld", numbers[i]);
        add(call, (Str){digits, (size_t)len});
    }
}

void upkeep_call(UpkeepCall *ret, const StreamKeys *keys, const Keep *keep,
                 const UpkeepCaller *caller)
{
    const long long numbers[UPKEEP_NUMBERS] = {UPKEEP_LEASE_MS,
                                               keep->trim == TRIM_ACKED ? (long long)keep->keep
                                                                        : -1,
                                               (long long)keep->dead_group,
                                               UPKEEP_MOST,
                                               (long long)keep->quarantine,
                                               (long long)keep->events};
    ret->count = 0;
    add(ret, STR("EVAL"));
    add(ret, upkeep_script);
    add(ret, STR("4"));
    add(ret, keys->stream);
    add(ret, keys->upkeep);
    add(ret, keys->quarantine);
    /* The lease is no stream: there are no events. */
    add(ret, keys->events.ptr ? keys->events : keys->upkeep);
    add(ret, caller->who);
    add_numbers(ret, numbers);
    add(ret, caller->is_dry ? STR("1") : STR("0"));
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

static bool are_integers(const Reply *items, const size_t *which, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[which[i]].kind != REPLY_INTEGER) {
            return false;
        }
    }
    return true;
}

/* Is everything there, and nothing counted below 0 that cannot be? */
static bool makes_sense(const Reply *items)
{
    static const size_t numbers[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 11}, counts[] = {1, 2, 3, 11};
    if (!are_integers(items, numbers, sizeof(numbers) / sizeof(numbers[0])) ||
        items[6].kind != REPLY_TEXT || items[10].kind != REPLY_TEXT) {
        return false;
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (items[counts[i]].integer < 0) {
            return false;
        }
    }
    return true;
}

bool upkeep_read(const Reply *reply, Upkept *ret)
{
    const Reply *items = reply->items;
    if (reply->kind != REPLY_LIST || !reply->count || items[0].kind != REPLY_INTEGER) {
        return false;
    }
    *ret = (Upkept){.is_ours = items[0].integer != 0};
    if (!ret->is_ours) {
        return true;
    }
    if (reply->count < ANSWERS || !makes_sense(items)) {
        return false;
    }
    *ret = (Upkept){.is_ours = true,
                    .removed = {items[1].integer, items[2].integer, items[3].integer},
                    .has_more = items[4].integer != 0,
                    .length = {items[5].integer, items[7].integer, items[9].integer},
                    .quarantine_bytes = items[8].integer,
                    .oldest = items[6].text,
                    .why = items[10].text,
                    .groups = (size_t)items[11].integer,
                    .listed = items + ANSWERS,
                    .listed_count = reply->count - ANSWERS};
    return true;
}

bool upkeep_read_group(const Upkept *upkept, size_t i, UpkeepGroup *ret)
{
    static const size_t numbers[] = {1, 2, 5, 6, 7};
    const Reply *group = &upkept->listed[i], *items = group->items;
    if (group->kind != REPLY_LIST || group->count < 8 ||
        !are_integers(items, numbers, sizeof(numbers) / sizeof(numbers[0])) ||
        items[0].kind != REPLY_TEXT || items[3].kind != REPLY_TEXT || items[4].kind != REPLY_TEXT ||
        items[6].integer < GROUP_MOVES || items[6].integer > GROUP_DEAD) {
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
