/*
 * Publications as Redis commands, and what the replies to them mean. Pure: bytes go into a buffer,
 * replies come as values; nothing is sent, no clock is read.
 *
 * With a dedupe window a publication is one call of the script publish.lua; without one it is an
 * XADD, some in a MULTI/EXEC, or, when they are many, the script. One of more than LIMIT_STEP
 * elements is published in steps, each when the one before is stored, so that others get their turn
 * in between: a script stops the whole server while it runs.
 */
#ifndef TICKSTREAM_PUBLISH_H
#define TICKSTREAM_PUBLISH_H

#include "redis/error_rule.h"
#include "redis/reply.h"
#include "redis/resp.h"
#include "stream/dedupe.h"
#include "stream/keys.h"
#include "stream/sink.h"

/* The source of publish.lua. */
extern const Str publish_script;

enum { SCRIPT_SHA = 40 }; /* hex digits of a script's name */

/* What Redis does with a step of a publication. Outlives the payload: a reply that nobody waits for
 * any more is still to be counted. */
typedef struct {
    size_t statuses, quarantined, events; /* of this step */
    size_t first[ENTRY_KINDS];            /* in the payload: those before are stored */
    bool by_script;
    bool with_source;      /* the script was sent itself, not by its name */
    size_t replies;        /* that are still to come */
    const ErrorRule *rule; /* for the first error among them; NULL = none so far */
    PublishResult result;  /* of all steps that are stored */
} Publishing;

/* The first step: what a payload would append. Nothing at all: publishing_is_empty(). */
Publishing publishing_of(const StreamKeys *keys, const Payload *payload);
bool publishing_is_empty(const Publishing *publishing);

/* When a step is stored: goes on to the next one, which is empty when there is none. */
void publishing_next(Publishing *publishing, const StreamKeys *keys, const Payload *payload);

/*
 * Appends the commands of a step that is not empty, for the first time or again. sha: the
 * script's name as the server has told it. digests: of all elements of the payload; needed where
 * keys->window is not 0. with_source says whether the script itself is sent. false: no memory,
 * nothing was appended.
 */
bool publish_write(Publishing *publishing, Buffer *buffer, const StreamKeys *keys, Str sha,
                   const Publication *publication, const Digest *digests);

/*
 * Takes the next reply into account. NULL; or why it makes no sense, and so all later ones cannot
 * be told apart any more.
 */
const char *publish_take(Publishing *publishing, const Reply *reply);

/* What became of it, once no reply is to come any more. The result says how, if it was stored. */
Verdict publish_verdict(const Publishing *publishing);

#endif
