#include "commands/rounds.h"

#include "commands/command.h"
#include "redis/error_rule.h"
#include "redis/slots.h"
#include "stream/entry_id.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Asking */

void rounds_complain(Rounds *rounds, Str key, Str why, int status)
{
    if (rounds->status != EXIT_DONE) {
        return;
    }
    char text[2 * LIMIT_TEXT];
    human_plain(why, text, sizeof(text));
    rounds->status = status;
    fprintf(stderr, "%s: %.*s%s%s (%s)\n", rounds->command, STR_ARG(key), key.len ? ": " : "", text,
            rounds->reach.url.shown);
}

/* What is asked about there. */
static Str key_of(const Rounds *rounds, size_t place)
{
    return place == rounds->partitions->count ? rounds->partitions->number
                                              : rounds_keys(rounds, place)->stream;
}

/* What a script is told that does what its caller may not; it does not say what that is. */
static bool is_of_rights(Str error)
{
    static const Str says = STR_INIT("ERR The user executing the script can't run");
    return str_starts_with(error, says);
}

void rounds_complain_of_key(Rounds *rounds, Str key, Str error)
{
    const ErrorRule *rule = error_rule(error);
    const Str shown = error_to_show(error);
    const bool passes = rule->verdict == VERDICT_RETRY || rule->verdict == VERDICT_MOVED,
               is_known = !str_is_empty(rule->code);
    char text[2 * LIMIT_TEXT];
    if (is_of_rights(error)) {
        snprintf(text, sizeof(text), "the ACL user lacks a right; `tickstream help %s` names all",
                 rounds->command);
        rounds_complain(rounds, key, str_from(text), EXIT_NO);
        return;
    }
    snprintf(text, sizeof(text), "%.*s%s%s", STR_ARG(shown), is_known ? ": " : "",
             is_known ? rule->advice : "");
    rounds_complain(rounds, key, str_from(text), passes ? EXIT_TRY_AGAIN : EXIT_NO);
}

void rounds_complain_of_nonsense(Rounds *rounds, Str key)
{
    rounds_complain(rounds, key, STR("the reply of the server makes no sense"), EXIT_NO);
}

void rounds_complain_of_error(Rounds *rounds, size_t partition, Str error)
{
    rounds_complain_of_key(rounds, key_of(rounds, partition), error);
}

bool rounds_look_up(Rounds *rounds, Error *reterr)
{
    const Partitions *partitions = rounds->partitions;
    uint16_t slots[PARTITIONS_MOST + 1];
    for (size_t i = 0; i < partitions->count; i++) {
        slots[i] = slot_of(partitions->keys[i]->stream);
    }
    slots[partitions->count] = slot_of(partitions->number);
    return reach_find(&rounds->reach, slots, partitions->count + 1, rounds->owners, reterr);
}

/* Where each partition is, and their number. */
static bool find_owners(Rounds *rounds)
{
    Error error;
    if (!rounds_look_up(rounds, &error)) {
        fprintf(stderr, "%s: %s\n", rounds->command, error.text);
        rounds->status = command_status(error.code);
        return false;
    }
    return true;
}

/* Other partitions than those that workers write to are not to be made, nor looked at. A number
 * that nobody has noted, or that makes no sense, is left to workers. */
static bool is_made_so(Rounds *rounds)
{
    const Partitions *partitions = rounds->partitions;
    const Str words[] = {STR("GET"), partitions->number};
    const Reply *reply = rounds_ask(rounds, partitions->count, words, 2);
    unsigned number = 0;
    char text[LIMIT_TEXT];
    if (reply && reply->kind == REPLY_TEXT && str_get_number(reply->text, UINT32_MAX, &number) &&
        number != partitions->count) {
        snprintf(text, sizeof(text),
                 "the stream was made with %u partitions, STREAM_PARTITIONS is %zu", number,
                 partitions->count);
        rounds_complain(rounds, partitions->number, str_from(text), EXIT_NO);
        return false;
    }
    return reply != NULL;
}

bool rounds_open(Rounds *ret, const char *command, const Config *config)
{
    *ret = (Rounds){.command = command, .reach = {.config = config}};
    ret->partitions = config_partitions(config);
    if (!ret->partitions) {
        fprintf(stderr, "%s: out of memory\n", command);
        ret->status = EXIT_TRY_AGAIN;
        return false;
    }
    return find_owners(ret);
}

bool rounds_begin(Rounds *ret, const char *command, const Config *config)
{
    return rounds_open(ret, command, config) && is_made_so(ret);
}

const Reply *rounds_call(Rounds *rounds, size_t partition, const Str *words, size_t count,
                         Error *reterr)
{
    Client *client = reach_open(&rounds->reach, &rounds->owners[partition], reterr);
    return client ? client_call(client, words, count, reterr) : NULL;
}

const Reply *rounds_try(Rounds *rounds, size_t partition, const Str *words, size_t count)
{
    Error error;
    const Reply *reply = rounds_call(rounds, partition, words, count, &error);
    if (!reply) {
        rounds_complain(rounds, key_of(rounds, partition), str_from(error.text),
                        command_status(error.code));
    }
    return reply;
}

const Reply *rounds_ask(Rounds *rounds, size_t partition, const Str *words, size_t count)
{
    const Reply *reply = rounds_try(rounds, partition, words, count);
    if (reply && reply->kind == REPLY_ERROR) {
        rounds_complain_of_error(rounds, partition, reply->text);
        return NULL;
    }
    return reply;
}

/* The partitions of the server that owns this one. */
static size_t count_beside(const Rounds *rounds, size_t partition)
{
    size_t count = 0;
    for (size_t i = 0; i < rounds->partitions->count; i++) {
        count += address_eq(&rounds->owners[i], &rounds->owners[partition]);
    }
    return count;
}

bool rounds_upkeep(Rounds *rounds, size_t partition, const Keep *keep, const UpkeepCaller *caller,
                   Upkept *ret)
{
    const StreamKeys *keys = rounds_keys(rounds, partition);
    UpkeepCaller whole = *caller;
    UpkeepCall call;
    whole.partitions = count_beside(rounds, partition);
    upkeep_call(&call, keys, keep, &whole);
    const Reply *reply = rounds_ask(rounds, partition, call.words, call.count);
    if (reply && !upkeep_read(reply, ret)) {
        rounds_complain_of_nonsense(rounds, keys->stream);
        return false;
    }
    return reply != NULL;
}

int rounds_end(Rounds *rounds)
{
    reach_close(&rounds->reach);
    partitions_free(rounds->partitions);
    return rounds->status;
}

const StreamKeys *rounds_keys(const Rounds *rounds, size_t partition)
{
    return rounds->partitions->keys[partition];
}

/* Showing */

const char *rounds_age(Str id, char to[HUMAN_ROOM])
{
    if (str_is_empty(id)) {
        return "-";
    }
    const int64_t age = (int64_t)time(NULL) - entry_id_ms(id) / 1000;
    return human_span(age > 0 ? age : 0, to);
}

const char *rounds_name(Str name, char to[NAME_ROOM])
{
    return human_plain(name, to, NAME_ROOM);
}

const char *rounds_count(long long count, char to[HUMAN_ROOM])
{
    return count < 0 ? "?" : human_count((uint64_t)count, to);
}
