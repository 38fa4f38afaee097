/*
 * What an error reply of Redis means. To treat another error, add a row to the table in
 * error_rule.c.
 */
#ifndef TICKSTREAM_ERROR_RULE_H
#define TICKSTREAM_ERROR_RULE_H

#include "base/str.h"

/* What became of what was asked, and so what is to be done. */
typedef enum {
    VERDICT_STORED,  /* no error */
    VERDICT_GIVE_UP, /* 503; sending it again would not help now */
    VERDICT_RETRY,   /* nothing was executed: send it again after a pause, inside the deadline */
    VERDICT_SEND_SOURCE, /* the server does not know the script: send it with its source */
    VERDICT_MOVED,       /* nothing was executed: another server of the cluster owns the slot */
    VERDICT_ASK,         /* nothing was executed: this key has gone ahead of its slot; ask there */
    VERDICT_LOOK_UP,     /* as VERDICT_RETRY, and somebody should look who owns the slot */
    VERDICT_RECONNECT,   /* this server is not the one to write to: end the connection, look it up
                            again, 503 */
} Verdict;

typedef struct {
    Str code; /* the first word of the reply; for "ERR ..." more of it */
    Verdict verdict;
    bool alert; /* somebody must do something: logged as an error, not as a warning */
    const char *advice;
} ErrorRule;

/* The rule for an error reply (without its '-'); never NULL: what is not in the table is given up
 * with an alert. */
const ErrorRule *error_rule(Str error);

/* Does it pass by itself, so that it is worth while to ask again, here or elsewhere? */
bool error_passes(const ErrorRule *rule);

/* Is it refused to our user, or to everybody? Providers take commands away, which then are unknown.
 */
bool error_is_of_rights(Str error);

/* As much of an error reply as may be logged: some quote the command, and so what is nobody's
 * business; all are cut. */
Str error_to_show(Str error);

#endif
