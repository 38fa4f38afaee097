#include "commands/tail.h"

#include "base/backoff.h"
#include "base/loop.h"
#include "commands/command.h"
#include "redis/error_rule.h"

#include <time.h>

enum {
    PAUSE = 200,   /* milliseconds, when nothing more is there */
    PATIENCE = 3,  /* failures before it is told of a partition that has moved */
    SHRINKING = 8, /* so many times fewer entries are asked for after a failure */
};

static const Backoff backoff = {.first = 200, .most = 2000};

/* What is away */

static void tell_lost(const Tail *tail, size_t partition, Str why, bool is_server)
{
    const Rounds *rounds = &tail->rounds;
    const Str stream = rounds_keys(rounds, partition)->stream;
    char server[ADDRESS_TEXT];
    address_show(&tail->places[partition].server, server);
    if (is_server) {
        fprintf(stderr, "tail: %s is away: %.*s\n", server, STR_ARG(why));
    } else {
        fprintf(stderr, "tail: %.*s cannot be read: %.*s (%s)\n", STR_ARG(stream), STR_ARG(why),
                server);
    }
}

/* What was lost with the same server is one thing to tell, and comes back together. */
static void mark_lost(Tail *tail, size_t partition, const Address *owner, bool is_told)
{
    TailPlace *place = &tail->places[partition];
    if (!place->is_lost) {
        place->is_lost = true;
        place->server = *owner;
        place->failures = 0;
    }
    place->is_told |= is_told;
}

static void postpone(TailPlace *place)
{
    place->failures++;
    place->due = loop_clock_ms() + backoff_pause(&backoff, (unsigned)place->failures);
    place->slice = place->slice / SHRINKING + 1;
}

/* The server does not answer: all that it has waits, and it is told once. */
static void lose_server(Tail *tail, size_t partition, Str why)
{
    Rounds *rounds = &tail->rounds;
    const Address owner = rounds->owners[partition];
    const bool is_new = !tail->places[partition].is_told;
    reach_drop(&rounds->reach, &owner);
    for (size_t i = 0; i < rounds->partitions->count; i++) {
        if (address_eq(&rounds->owners[i], &owner)) {
            mark_lost(tail, i, &owner, true);
            postpone(&tail->places[i]);
        }
    }
    if (is_new) {
        tell_lost(tail, partition, why, true);
    }
}

/* The server answers, but not for this partition: after a failover another one does, at once. */
static void lose_partition(Tail *tail, size_t partition, Str why)
{
    TailPlace *place = &tail->places[partition];
    mark_lost(tail, partition, &tail->rounds.owners[partition], false);
    postpone(place);
    if (place->failures == 1) {
        place->due = 0;
    } else if (place->failures >= PATIENCE && !place->is_told) {
        place->is_told = true;
        tell_lost(tail, partition, why, false);
    }
}

static void tell_found(const Tail *tail, size_t partition)
{
    const Rounds *rounds = &tail->rounds;
    const TailPlace *place = &tail->places[partition];
    char lost[ADDRESS_TEXT], now[ADDRESS_TEXT];
    for (size_t i = 0; i < rounds->partitions->count; i++) {
        const TailPlace *other = &tail->places[i];
        if (other->is_lost && other->is_told && address_eq(&other->server, &place->server)) {
            return; /* the last one tells */
        }
    }
    address_show(&place->server, lost);
    address_show(&rounds->owners[partition], now);
    if (strcmp(lost, now) == 0) {
        fprintf(stderr, "tail: %s is back\n", lost);
    } else {
        fprintf(stderr, "tail: what %s had is read again, from %s\n", lost, now);
    }
}

static void find(Tail *tail, size_t partition)
{
    TailPlace *place = &tail->places[partition];
    const bool is_told = place->is_told;
    place->is_lost = place->is_told = false;
    place->failures = 0;
    if (is_told) {
        tell_found(tail, partition);
    }
}

/* Who owns what is asked once in a turn at most. false: nobody tells. */
static bool look_up(Tail *tail, bool *has_looked)
{
    Error error;
    if (*has_looked) {
        return true;
    }
    *has_looked = true;
    return rounds_look_up(&tail->rounds, &error);
}

/* Reading */

/* NULL: there is no answer now, or none that passes, which has been told and is the end. */
static const Reply *ask(Tail *tail, size_t partition, const Str *words, size_t count)
{
    Error error;
    const Reply *reply = rounds_call(&tail->rounds, partition, words, count, &error);
    if (!reply) {
        lose_server(tail, partition, str_from(error.text));
        return NULL;
    }
    if (reply->kind != REPLY_ERROR) {
        return reply;
    }
    const ErrorRule *rule = error_rule(reply->text);
    if (error_passes(rule) || rule->verdict == VERDICT_RECONNECT) {
        lose_partition(tail, partition, error_to_show(reply->text));
    } else {
        rounds_complain_of_error(&tail->rounds, partition, reply->text);
    }
    return NULL;
}

/* A server that has taken over may lack what was shown, or its clock may be behind: what it gets
 * now would have ids that lie before our place. false: it cannot be asked. */
static bool check_place(Tail *tail, size_t partition)
{
    const Str stream = rounds_keys(&tail->rounds, partition)->stream,
              words[] = {STR("XREVRANGE"), stream, STR("+"), STR("-"), STR("COUNT"), STR("1")};
    TailPlace *place = &tail->places[partition];
    const Reply *reply = ask(tail, partition, words, 6);
    TailEntry entry;
    EntryId last = {0, 0};
    char text[ENTRY_ID_ROOM], shown[ENTRY_ID_ROOM];
    if (!reply) {
        return false;
    }
    if (reply->count && !tail_read_entry(reply, 0, &last, &entry)) {
        return true;
    }
    if (entry_id_compare(last, place->at) < 0) {
        fprintf(stderr, "tail: %.*s ends at %.*s now, and was shown up to %.*s\n", STR_ARG(stream),
                STR_ARG(entry_id_write(last, false, text)),
                STR_ARG(entry_id_write(place->at, false, shown)));
        place->at = last;
    }
    return true;
}

static bool print_slice(Tail *tail, size_t partition, const Reply *reply)
{
    TailPlace *place = &tail->places[partition];
    TailEntry entry;
    bool ok = true;
    tail_begin_printing();
    for (size_t i = 0; ok && i < reply->count; i++) {
        EntryId id;
        ok = tail_read_entry(reply, i, &id, &entry);
        const Str line = ok ? tail_make_line(tail, partition, &entry) : (Str){NULL, 0};
        ok = line.ptr && fwrite(line.ptr, 1, line.len, stdout) == line.len;
        place->at = ok ? id : place->at;
    }
    return tail_end_printing(tail) && ok;
}

/* The next slice of a partition. *ret_more: there may be another one at once. false: the end. */
static bool read_on(Tail *tail, size_t partition, bool *ret_more)
{
    TailPlace *place = &tail->places[partition];
    const size_t slice = place->slice;
    char from[ENTRY_ID_ROOM], count[24];
    snprintf(count, sizeof(count), "%zu", slice);
    const Str words[] = {STR("XRANGE"),
                         rounds_keys(&tail->rounds, partition)->stream,
                         entry_id_write(place->at, true, from),
                         STR("+"),
                         STR("COUNT"),
                         str_from(count)};
    const Reply *reply = ask(tail, partition, words, 6);
    if (!reply) {
        return tail->rounds.status == EXIT_DONE;
    }
    place->slice = 2 * slice < TAIL_SLICE ? 2 * slice : TAIL_SLICE;
    *ret_more |= reply->count == slice;
    return print_slice(tail, partition, reply);
}

/* A partition whose turn it is. */
static bool take_turn(Tail *tail, size_t partition, bool *has_looked, bool *ret_more)
{
    TailPlace *place = &tail->places[partition];
    if (place->due > loop_clock_ms()) {
        return true;
    }
    if (place->is_lost) {
        if (!look_up(tail, has_looked)) {
            postpone(place);
            return true;
        }
        if (!check_place(tail, partition)) {
            return tail->rounds.status == EXIT_DONE;
        }
        find(tail, partition);
    }
    return read_on(tail, partition, ret_more);
}

void tail_follow(Tail *tail)
{
    bool ok = true;
    for (size_t i = 0; i < tail->rounds.partitions->count; i++) {
        tail->places[i].slice = TAIL_SLICE;
    }
    while (ok) {
        bool has_looked = false, more = false;
        for (size_t i = 0; ok && i < tail->rounds.partitions->count; i++) {
            ok = take_turn(tail, i, &has_looked, &more);
        }
        if (ok && !more) {
            nanosleep(&(struct timespec){.tv_nsec = PAUSE * 1000000L}, NULL);
        }
    }
}
