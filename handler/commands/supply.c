#include "commands/supply.h"

#include "commands/command.h"
#include "redis/error_rule.h"
#include "stream/capacity.h"

#include <stdlib.h>

/* Nodes of a stream whose size is looked at: its entries are alike, those of quarantine are not. */
#define ALIKE "64"
#define UNLIKE "1000"

/* NULL: there is no answer, or none that can be done without; why has been told. */
static const Reply *ask(Rounds *rounds, size_t partition, const Str *words, size_t count)
{
    const Reply *reply = rounds_try(rounds, partition, words, count);
    if (reply && reply->kind == REPLY_ERROR && !error_is_of_rights(reply->text)) {
        rounds_complain_of_error(rounds, partition, reply->text);
        return NULL;
    }
    return reply;
}

/* Adds a number; none when there is no such key, or it is not permitted. */
static bool add_number(Rounds *rounds, size_t partition, const Str *words, size_t count, double *to)
{
    const Reply *reply = ask(rounds, partition, words, count);
    *to += reply && reply->kind == REPLY_INTEGER ? (double)reply->integer : 0;
    return reply != NULL;
}

static bool add_length(Rounds *rounds, size_t partition, Str key, double *to)
{
    return add_number(rounds, partition, (Str[]){STR("XLEN"), key}, 2, to);
}

static bool add_bytes(Rounds *rounds, size_t partition, Str key, Str samples, double *to)
{
    const Str words[] = {STR("MEMORY"), STR("USAGE"), key, STR("SAMPLES"), samples};
    return add_number(rounds, partition, words, 5, to);
}

/* Each set has a member that is no digest. */
static bool add_set(Rounds *rounds, size_t partition, Str key, Supplier *to)
{
    double members = 0;
    const bool ok = add_number(rounds, partition, (Str[]){STR("SCARD"), key}, 2, &members);
    to->digests += members > 0 ? members - 1 : 0;
    to->dedupe += capacity_set(str_from(to->standing.version), members);
    return ok;
}

static bool add_partition(Rounds *rounds, size_t partition, Supplier *to)
{
    const StreamKeys *keys = rounds_keys(rounds, partition);
    return add_length(rounds, partition, keys->stream, &to->entries) &&
           add_bytes(rounds, partition, keys->stream, STR(ALIKE), &to->stream) &&
           add_set(rounds, partition, keys->seen[0], to) &&
           add_set(rounds, partition, keys->seen[1], to) &&
           add_bytes(rounds, partition, keys->quarantine, STR(UNLIKE), &to->quarantine) &&
           (!keys->events.ptr ||
            add_bytes(rounds, partition, keys->events, STR(UNLIKE), &to->quarantine));
}

static bool ask_standing(Rounds *rounds, size_t partition, Standing *ret)
{
    static const Str sections[] = {STR_INIT("server"), STR_INIT("memory")};
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        const Reply *reply = ask(rounds, partition, (Str[]){STR("INFO"), sections[i]}, 2);
        if (!reply) {
            return false;
        }
        if (reply->kind == REPLY_TEXT) {
            standing_take(ret, reply->text);
        }
    }
    return true;
}

/* The server of a partition, which is asked when it was not yet. */
static Supplier *find_server(Rounds *rounds, size_t partition, Supply *supply)
{
    const Address *owner = &rounds->owners[partition];
    for (size_t i = 0; i < supply->count; i++) {
        if (address_eq(&supply->servers[i].owner, owner)) {
            return &supply->servers[i];
        }
    }
    Supplier *server = &supply->servers[supply->count];
    *server = (Supplier){.owner = *owner};
    if (!ask_standing(rounds, partition, &server->standing)) {
        return NULL;
    }
    supply->count++;
    return server;
}

bool supply_ask(Rounds *rounds, Supply *ret)
{
    const size_t partitions = rounds->partitions->count;
    *ret = (Supply){.servers = calloc(partitions, sizeof(*ret->servers)), .partitions = partitions};
    if (!ret->servers) {
        rounds_complain(rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
        return false;
    }
    for (size_t i = 0; i < partitions; i++) {
        Supplier *server = find_server(rounds, i, ret);
        if (!server || !add_partition(rounds, i, server)) {
            return false;
        }
        server->partitions++;
    }
    return true;
}

bool supply_plan(uint64_t memory, Supply *ret)
{
    *ret = (Supply){.servers = calloc(1, sizeof(*ret->servers)), .count = 1, .partitions = 1};
    if (!ret->servers) {
        return false;
    }
    ret->servers[0].partitions = 1;
    ret->servers[0].standing.most = memory;
    return true;
}

void supply_free(Supply *supply)
{
    free(supply->servers);
    supply->servers = NULL;
}
