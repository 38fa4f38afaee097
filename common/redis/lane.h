/*
 * One server that is written to: its link, what is under way on it in the order in which the
 * replies will come, and, when others than the server must acknowledge (ack.h), the barrier behind
 * that.
 *
 *   sent --> in_flight --> all replies are there --> finished()               ACK_LOCAL
 *                          stored --> the barrier is answered --> finished()  else
 *
 * There is one barrier at a time: it covers all that was sent before it, what is sent meanwhile
 * waits for the next one. So a status waits for two round trips at most, and nothing is asked for
 * each. When too few acknowledge, the lane is weak: all that waits is refused, and so is what is
 * new; several times a second the probe's key is written with a barrier behind it, until enough
 * acknowledge. It begins so, too. (One that owns no partition has no key to write: it only waits.)
 *
 * Events come from the loop only, or from inside lane_look() and lane_after_events():
 *
 *   ready     it takes writes
 *   finished  all replies to a sending are there, and it is acknowledged if it is stored
 *   lost      the connection has gone or could not be made, or too few acknowledge
 *
 * Who is called by finished() owns the sending again, and returns NULL, or why the connection must
 * end. Before lost() all has ended that was under way; it returns for how many more somebody has
 * waited. lane_use() and a new connection can make a lane weak without an event.
 */
#ifndef TICKSTREAM_LANE_H
#define TICKSTREAM_LANE_H

#include "redis/link.h"
#include "redis/sending.h"

typedef struct Lane Lane;

typedef struct {
    void (*ready)(void *arg, Lane *lane);
    const char *(*finished)(void *arg, Lane *lane, Sending *sending);
    size_t (*lost)(void *arg, Lane *lane);
} LaneEvents;

/* All of it is borrowed for the lane's life. */
typedef struct {
    bool needs_word;   /* a connection takes no writes before lane_confirm() */
    LinkSettings link; /* url and greeting.keys: what all servers have in common, and the lane's */
    SendingPool *pool;
    LaneEvents events;
    void *arg;
} LaneSettings;

/* Starts to connect. keys: of a partition, with which it is greeted. NULL: no memory. */
Lane *lane_open(Loop *loop, const LaneSettings *settings, const Address *address,
                const StreamKeys *keys);

/* Which partition's keys are there, for what must be tried there: those of any that it owns. NULL:
 * it owns none, and is sent only what others send on to it. */
void lane_use(Lane *lane, const StreamKeys *keys);

const Address *lane_address(const Lane *lane);
const char *lane_shown(const Lane *lane); /* for logs */

/* Does it take writes now? Takes NULL, which does not. */
bool lane_is_ready(const Lane *lane);

/* Since when (loop_clock_ms()) it is connected and waits for lane_confirm(); 0: it does not. */
int64_t lane_doubted_since(const Lane *lane);

/* It is the right server still. ready() follows from inside, unless others do not acknowledge. */
void lane_confirm(Lane *lane);

/* Not yet, but has it not failed either? Then it is worth while to wait for a moment. */
bool lane_is_opening(const Lane *lane);

/* ... and has it room for more? */
bool lane_takes_more(const Lane *lane);

/* Appends one, or those of a batch, to what leaves when the turn of the loop ends, or earlier when
 * it is much. false: no memory, nothing has changed. */
bool lane_send(Lane *lane, Sending *sending, CallDraft *draft, const StreamKeys *keys);
bool lane_send_batch(Lane *lane, Batch *batch, CallDraft *draft, const StreamKeys *keys);

/* After the events of a turn: what was appended leaves, with a barrier if one is due. */
void lane_after_events(Lane *lane);

/* Judges deadlines as of a time. Not from inside an event. */
void lane_look(Lane *lane, int64_t at);

/* Has it been silent for long, with something under way? */
bool lane_is_silent(const Lane *lane, int64_t at);

/* Is something under way, or is there anything else that lane_look() must see to? */
bool lane_is_busy(const Lane *lane);

/* During finished(): where the server has sent it on to, when it has. NULL: it makes no sense. */
const Address *lane_redirect(const Lane *lane, uint16_t *ret_slot);

/* Its link, for what is told and asked of it. */
Link *lane_link(Lane *lane);

/* In words: "ok", "ok, 1 replicas acknowledge", or why it takes nothing. Valid until next time. */
const char *lane_state(const Lane *lane);

/* Ends all that is under way with ERROR_UNAVAILABLE. No event follows. Not from inside an event of
 * it. Takes NULL; returns NULL. */
Lane *lane_close(Lane *lane);

#endif
