#include "commands/tail.h"

#include "commands/command.h"

enum { FIRST_SLICE = 100 }; /* entries that are asked for at a time, at most */

static const Str no_such_group =
    STR_INIT("there is no such group; `tickstream groups` shows all there are");

static bool keep_entry(Tail *tail, size_t partition, EntryId id, const TailEntry *entry)
{
    const Str line = tail_make_line(tail, partition, entry);
    if (line.ptr && !tail_keep_add(&tail->keep, id, partition, line)) {
        rounds_complain(&tail->rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
        return false;
    }
    return line.ptr != NULL;
}

/* Asks for entries from one end of a stream on; fewer of them when they are too large together. */
static const Reply *ask_slice(Tail *tail, size_t partition, Str from, size_t *slice)
{
    Rounds *rounds = &tail->rounds;
    const Str stream = rounds_keys(rounds, partition)->stream;
    const bool backwards = tail->keep.is_newest;
    for (;; *slice = *slice / 8 + 1) {
        Error error = {.code = ERROR_NONE};
        char count[24];
        snprintf(count, sizeof(count), "%zu", *slice);
        const Str words[] = {backwards ? STR("XREVRANGE") : STR("XRANGE"),
                             stream,
                             from,
                             backwards ? STR("-") : STR("+"),
                             STR("COUNT"),
                             str_from(count)};
        const Reply *reply = rounds_call(rounds, partition, words, 6, &error);
        if (reply && reply->kind == REPLY_ERROR) {
            rounds_complain_of_error(rounds, partition, reply->text);
            return NULL;
        }
        if (reply) {
            return reply;
        }
        if (*slice <= 1 || !strstr(error.text, "too large")) {
            return rounds_ask(rounds, partition, words, 6); /* which tells of it */
        }
        reach_drop(&rounds->reach, &rounds->owners[partition]);
    }
}

/* Takes the lines of a slice. *ret_id: of the last entry that was looked at. *ret_more: others may
 * be wanted. */
static bool keep_slice(Tail *tail, size_t partition, const Reply *reply, EntryId *ret_id,
                       bool *ret_more)
{
    TailEntry entry;
    *ret_more = true;
    for (size_t i = 0; *ret_more && i < reply->count; i++) {
        if (!tail_read_entry(reply, i, ret_id, &entry)) {
            rounds_complain_of_nonsense(&tail->rounds,
                                        rounds_keys(&tail->rounds, partition)->stream);
            return false;
        }
        *ret_more = tail_keep_wants(&tail->keep, *ret_id);
        if (*ret_more && !keep_entry(tail, partition, *ret_id, &entry)) {
            return false;
        }
    }
    return true;
}

/* From there on, as far as they are wanted. *ret_first: the id of the first entry, if there is one.
 */
static bool keep_from(Tail *tail, size_t partition, Str from, EntryId *ret_first)
{
    const size_t most = tail->keep.most;
    size_t slice = most > FIRST_SLICE ? FIRST_SLICE : most > 0 ? most : 1;
    char beside[ENTRY_ID_ROOM];
    bool is_first = true, more = true;
    EntryId id;
    while (more) {
        const Reply *reply = ask_slice(tail, partition, from, &slice);
        TailEntry entry;
        if (!reply) {
            return false;
        }
        if (is_first && reply->count && tail_read_entry(reply, 0, &id, &entry)) {
            *ret_first = id;
        }
        if (!keep_slice(tail, partition, reply, &id, &more)) {
            return false;
        }
        is_first = false;
        more = more && reply->count == slice;
        from = more ? entry_id_write(id, true, beside) : from;
    }
    return true;
}

/* The last entries, or at least the place of the last one. */
static bool read_last(Tail *tail, size_t partition)
{
    return keep_from(tail, partition, STR("+"), &tail->places[partition].at);
}

/* Of a group */

/* What the group was given last. false: there is none of the name, or it is not known; why has been
 * told, but of a stream that is not there. */
static bool find_group(Tail *tail, size_t partition, EntryId *ret)
{
    const Str stream = rounds_keys(&tail->rounds, partition)->stream,
              words[] = {STR("XINFO"), STR("GROUPS"), stream};
    const Reply *reply = rounds_try(&tail->rounds, partition, words, 3);
    for (size_t i = 0; reply && i < reply->count; i++) {
        const Reply *group = &reply->items[i];
        bool is_it = false;
        for (size_t k = 0; k + 1 < group->count; k += 2) {
            const Str name = group->items[k].text, value = group->items[k + 1].text;
            is_it = is_it || (str_eq(name, STR("name")) && str_eq(value, str_from(tail->group)));
            if (is_it && str_eq(name, STR("last-delivered-id"))) {
                return entry_id_read(value, ret);
            }
        }
    }
    if (reply && reply->kind != REPLY_ERROR) {
        rounds_complain(&tail->rounds, stream, no_such_group, EXIT_NO);
    } else if (reply && !str_eq(reply->text, STR("ERR no such key"))) {
        rounds_complain_of_error(&tail->rounds, partition, reply->text);
    }
    return false;
}

/* The entry of an id, which may have been deleted. */
static bool keep_pending(Tail *tail, size_t partition, EntryId id, const Reply *pending)
{
    const Str stream = rounds_keys(&tail->rounds, partition)->stream, text = pending->items[0].text,
              words[] = {STR("XRANGE"), stream, text, text};
    const Reply *reply = rounds_ask(&tail->rounds, partition, words, 4);
    TailEntry entry;
    EntryId found;
    if (!reply) {
        return false;
    }
    if (reply->count != 1 || !tail_read_entry(reply, 0, &found, &entry)) {
        entry = (TailEntry){.id = text};
    }
    entry.consumer = pending->items[1].text;
    entry.idle_ms = pending->items[2].integer;
    entry.deliveries = pending->items[3].integer;
    return keep_entry(tail, partition, id, &entry);
}

static bool keep_all_pending(Tail *tail, size_t partition, const Reply *all)
{
    EntryId id;
    for (size_t i = 0; i < all->count; i++) {
        const Reply *pending = &all->items[i];
        if (pending->count != 4 || !entry_id_read(pending->items[0].text, &id) ||
            !tail_keep_wants(&tail->keep, id)) {
            break;
        }
        if (!keep_pending(tail, partition, id, pending)) {
            return false;
        }
    }
    return true;
}

/* Up to what the group was given last. What is pending is copied: more is asked before it is shown.
 */
static bool read_pending(Tail *tail, size_t partition, EntryId last)
{
    char upto[ENTRY_ID_ROOM], count[24];
    snprintf(count, sizeof(count), "%zu", tail->keep.most);
    const Str words[] = {STR("XPENDING"),
                         rounds_keys(&tail->rounds, partition)->stream,
                         str_from(tail->group),
                         STR("-"),
                         entry_id_write(last, false, upto),
                         str_from(count)};
    const Reply *reply = rounds_ask(&tail->rounds, partition, words, 6);
    Arena *arena = reply ? arena_new() : NULL;
    const Reply *copy = arena ? reply_copy(arena, reply) : NULL;
    if (reply && !copy) {
        rounds_complain(&tail->rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
    }
    const bool ok = copy && keep_all_pending(tail, partition, copy);
    arena_free(arena);
    return ok;
}

/* What the group has still before it; of what it was not given yet, nothing when that is shown
 * later. */
static bool read_group(Tail *tail, size_t partition)
{
    EntryId last, first;
    char from[ENTRY_ID_ROOM];
    if (!find_group(tail, partition, &last)) {
        return tail->rounds.status == EXIT_DONE;
    }
    tail->has_group = true;
    tail->places[partition].at = last;
    if (tail->keep.most && !read_pending(tail, partition, last)) {
        return false;
    }
    return tail->follows || keep_from(tail, partition, entry_id_write(last, true, from), &first);
}

bool tail_read_first(Tail *tail)
{
    bool ok = true;
    for (size_t i = 0; ok && i < tail->rounds.partitions->count; i++) {
        ok = tail->group ? read_group(tail, i) : read_last(tail, i);
    }
    if (ok && tail->group && !tail->has_group) {
        rounds_complain(&tail->rounds, STR(""), no_such_group, EXIT_NO);
        return false;
    }
    return ok;
}
