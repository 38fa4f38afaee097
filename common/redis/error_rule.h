/*
 * What Redis can answer instead of doing what it was told, and what is to be done about it.
 * To handle another error reply, add a row to the table in redis_reply.c.
 */
#ifndef TICKSTREAM_ERROR_RULE_H
#define TICKSTREAM_ERROR_RULE_H

#include "base/str.h"

typedef enum {
    ACTION_GIVE_UP,     /* 503; sending it again would not help now */
    ACTION_RETRY,       /* nothing was executed: send it again after a pause, inside the deadline */
    ACTION_SEND_SOURCE, /* the server does not know the script: send it with its source */
    ACTION_RECONNECT,   /* this server is not the one to write to: drop the connection, look it up
                           again, 503 */
} ReplyAction;

typedef struct ReplyRule {
    Str code; /* the first word of the reply; for "ERR ..." more of it */
    ReplyAction action;
    bool alert; /* somebody must do something: logged as an error, not as a warning */
    const char *advice;
} ReplyRule;

/* The rule for an error reply (without its '-'); never NULL: what is not in the table is given up
 * with an alert. */
const ReplyRule *reply_rule(Str error);

#endif
