/*
 * Publications as Redis commands, and what the replies to them mean. Pure: bytes go into a buffer,
 * replies come as values; nothing is sent, no clock is read.
 *
 * With a dedupe window a publication is one call of the script publish.lua; without one it is an
 * XADD, some in a MULTI/EXEC, or, when they are many, the script.
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

/* What Redis does with a publication or a probe. Outlives the payload: a reply that nobody waits
 * for any more is still to be counted. */
typedef struct {
    size_t statuses, quarantined, events; /* that are published */
    bool is_probe;
    bool by_script;
    bool with_source;      /* the script was sent itself, not by its name */
    size_t replies;        /* that are still to come */
    const ErrorRule *rule; /* for the first error among them; NULL = none so far */
    PublishResult result;
} Publishing;

/* What a payload would append. Nothing at all: publishing_is_empty(). */
Publishing publishing_of(const StreamKeys *keys, const Payload *payload);
bool publishing_is_empty(const Publishing *publishing);

/*
 * Appends the commands of a publication that is not empty, for the first time or again. sha: the
 * script's name as the server has told it. digests: of all elements; needed where keys->window is
 * not 0. with_source says whether the script itself is sent. false: no memory, nothing was
 * appended.
 */
bool publish_write(Publishing *publishing, Buffer *buffer, const StreamKeys *keys, Str sha,
                   const Publication *publication, const Digest *digests);

/* Appends a write that stores nothing lasting. */
bool publish_write_probe(Publishing *publishing, Buffer *buffer, const StreamKeys *keys);

/*
 * Takes the next reply into account. NULL; or why it makes no sense, and so all later ones cannot
 * be told apart any more.
 */
const char *publish_take(Publishing *publishing, const Reply *reply);

/* What became of it, once no reply is to come any more. The result says how, if it was stored. */
Verdict publish_verdict(const Publishing *publishing);

#endif
