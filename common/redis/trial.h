/*
 * What a publication needs of a server, tried without leaving anything behind: the rights, the
 * types of the keys, and room. INFO tells besides whether what is stored will last. Asked at the
 * greeting and by every probe, so that neither is well while publications fail. Where a cluster has
 * moved a key elsewhere, that is no error: whoever publishes is sent on. Pure.
 *
 *   EVALSHA of no script, EVAL of a short one      the rights; has this Lua what ours needs?
 *   XADD of the id 0-0 to each stream              the rights and room: it is refused after those
 *                                                  were checked, and before the stream is made
 *   TYPE of each stream                            which XADD then does not look at
 *   SET of the probe's key                         as the state of dedupe is set; it goes again
 *   GET, TIME, SMISMEMBER, SADD, UNLINK,
 *   PEXPIREAT where it touches                     as dedupe does. SADD adds the member "-" to both
 *                                                  sets, which is in them anyway
 *   INFO memory, persistence, server               may be forbidden to us, and so may TYPE
 */
#ifndef TICKSTREAM_TRIAL_H
#define TICKSTREAM_TRIAL_H

#include "redis/reply.h"
#include "redis/resp.h"
#include "redis/standing.h"

typedef struct {
    const StreamKeys *keys; /* borrowed */
    unsigned asked;         /* a bit for each question that is still to be answered */
    bool in_cluster;        /* a key may be elsewhere */
    bool is_elsewhere;
    bool types_untold;
    Standing standing;
} Trial;

/* Appends the questions; starts anew. false: no memory, and nothing is asked. */
bool trial_write(Trial *trial, Buffer *buffer, const StreamKeys *keys, bool in_cluster);

enum { TRIAL_WORDS = 5 };

/* The same for whoever asks one by one: starts anew, and the words of the question whose answer is
 * to come next; 0 = there is none. */
void trial_begin(Trial *trial, const StreamKeys *keys, bool in_cluster);
size_t trial_words(const Trial *trial, Str words[TRIAL_WORDS]);

/* How many answers are to come. */
size_t trial_left(const Trial *trial);

/*
 * Takes the next answer. NULL; or why it makes no sense, and so all later ones cannot be told
 * apart any more. *ret_error: the error that publications get or would get, the reply itself or one
 * that stands for it; NULL: the answer is as it should be.
 */
const char *trial_take(Trial *trial, const Reply *reply, const Reply **ret_error);

#endif
