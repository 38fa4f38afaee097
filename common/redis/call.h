/*
 * The call of publish.lua: one body, or a step of it, or many small bodies at once, as one command
 * with one reply. Pure.
 *
 * What several bodies or statuses have in common is sent once, and all values of all statuses are
 * one word: to Redis a word costs as much as a hundred bytes.
 */
#ifndef TICKSTREAM_CALL_H
#define TICKSTREAM_CALL_H

#include "redis/publish.h"
#include "redis/scripts.h"
#include "stream/dedupe.h"

enum {
    SCRIPT_SHA = 40, /* hex digits of a script's name */

    /* Of a call of several bodies: elements, which the script looks up together, and bytes of
       their values as entries_size() counts them. */
    CALL_ELEMENTS = 128,
    CALL_BYTES = 256 << 10
};

/* One of the bodies of a call. */
typedef struct {
    Publishing *publishing; /* its step is not empty */
    const Publication *publication;
    const Digest *digests; /* of all elements of the payload; NULL when keys->window is 0 */
} CallBody;

/* What a call is put together in; kept from one to the next. {0} is a new one. */
typedef struct {
    Buffer plan, values, digests, words, element;
} CallDraft;

void call_draft_free(CallDraft *draft);

/* May this step travel in a call together with others? It may when it has nothing but statuses, and
 * those of all together are at most CALL_ELEMENTS. */
bool call_is_shared(const Publishing *publishing, const StreamKeys *keys);

/*
 * Appends the call of some bodies, for the first time or again; more than one only if each may be
 * shared. sha: the script's name as the server has told it; the source goes along instead if one of
 * them says so. Each of them waits for the one reply. false: no memory, nothing was appended.
 */
bool call_write(CallDraft *draft, Buffer *buffer, const StreamKeys *keys, Str sha,
                const CallBody *bodies, size_t count);

/*
 * Takes the reply to a call into account, for each of its bodies. NULL; or why it makes no sense,
 * and so all later ones cannot be told apart any more; then nothing was taken into account.
 * *ret_behind: seconds by which the server's clock was found to have gone back, or 0.
 */
const char *call_take(const CallBody *bodies, size_t count, const Reply *reply, size_t *ret_behind);

#endif
