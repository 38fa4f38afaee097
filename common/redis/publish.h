/*
 * What becomes of a publication in Redis: by which steps it is stored, as which commands, and what
 * the replies mean. Pure: bytes go into a buffer, replies come as values; nothing is sent, no clock
 * is read.
 *
 * With a dedupe window it is stored by a call of the script (redis/call.h), and so is whatever has
 * elements that are no statuses, since the script heeds how many bytes of them may be kept.
 * Statuses alone, without a window, are an XADD, some in a MULTI/EXEC, or, when they are many, the
 * script.
 *
 * One of more than LIMIT_STEP elements is published in steps, each when the one before is stored,
 * so that others get their turn in between: a script stops the whole server while it runs.
 */
#ifndef TICKSTREAM_PUBLISH_H
#define TICKSTREAM_PUBLISH_H

#include "redis/error_rule.h"
#include "redis/reply.h"
#include "redis/resp.h"
#include "stream/keys.h"
#include "stream/sink.h"

/* What Redis does with a step of a publication. Outlives the payload: a reply that nobody waits for
 * any more is still to be counted. */
typedef struct {
    size_t statuses, quarantined, events; /* of this step */
    size_t first[ENTRY_KINDS];            /* in the payload: those before are stored */
    bool by_script;
    bool with_source;      /* the script was, or is to be, sent itself, not by its name */
    size_t replies;        /* that are still to come */
    const ErrorRule *rule; /* for the first error among them; NULL = none so far */
    PublishResult result;  /* of all steps that are stored */
} Publishing;

/* The first step: what a payload would append. Nothing at all: publishing_is_empty(). */
Publishing publishing_of(const StreamKeys *keys, const Payload *payload);
bool publishing_is_empty(const Publishing *publishing);

/* How many elements the step has; how many of a kind, and to which stream these go. */
size_t publishing_total(const Publishing *publishing);
size_t publishing_count(const Publishing *publishing, EntryKind kind);
Str publishing_stream(const StreamKeys *keys, EntryKind kind);

/* When a step is stored: goes on to the next one, which is empty when there is none. */
void publishing_next(Publishing *publishing, const StreamKeys *keys, const Payload *payload);

/*
 * Appends the XADDs of a step that is not by_script, for the first time or again. false: no memory,
 * nothing was appended.
 */
bool publish_write(Publishing *publishing, Buffer *buffer, const StreamKeys *keys,
                   const Publication *publication);

/*
 * Takes the next reply to them into account. NULL; or why it makes no sense, and so all later ones
 * cannot be told apart any more: that text.
 */
extern const char publish_senseless[];
const char *publish_take(Publishing *publishing, const Reply *reply);

/* For whoever writes commands and takes replies: so many are to come; a step is stored, with these
 * counts; it has failed, or a part of it. */
void publishing_sent(Publishing *publishing, size_t replies);
void publishing_stored(Publishing *publishing, const PublishResult *of_step);
void publishing_failed(Publishing *publishing, const Reply *error);

/* What became of it, once no reply is to come any more. The result says how, if it was stored. */
Verdict publish_verdict(const Publishing *publishing);

#endif
