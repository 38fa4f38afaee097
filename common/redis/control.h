/*
 * A connection beside those that publish, on which short questions are asked: who owns a slot, who
 * is the master. It is made when something is asked, kept, and made anew when it has gone.
 *
 * answered() comes from the loop only, exactly once for each question, never from inside a function
 * that is called here; from inside it another question may be asked, and control_close() be called.
 * Any server will do, a replica and a sentinel too. Of a name with several addresses one is taken
 * at random, and another one after each failure.
 */
#ifndef TICKSTREAM_CONTROL_H
#define TICKSTREAM_CONTROL_H

#include "base/loop.h"
#include "redis/reply.h"
#include "redis/tls.h"
#include "redis/url.h"

typedef struct Control Control;

/* replies: one for each command, valid during the call; NULL: there is no answer, and why. */
typedef void ControlAnswered(void *arg, const Reply *const *replies, const char *why);

/* url and tls are borrowed for its life; timeout: milliseconds for a question with its connection,
 * all together. NULL: no memory. */
Control *control_open(Loop *loop, const RedisUrl *url, TlsContext *tls, int64_t timeout,
                      ControlAnswered *answered, void *arg);

typedef struct {
    const Str *words;
    size_t count;
} ControlCommand;

enum { CONTROL_COMMANDS = 4 };

/* Asks 1 to CONTROL_COMMANDS commands, borrowed for the call; nothing may be asked already. false:
 * no memory, and nothing will be answered. */
bool control_ask(Control *control, const ControlCommand *commands, size_t count);

/* Until answered() is called. */
bool control_is_asking(const Control *control);

/* Nothing is answered any more. Takes NULL; returns NULL. */
Control *control_close(Control *control);

#endif
