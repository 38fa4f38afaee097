/*
 * Whose turn it is when more peers can be read from than a turn of the loop has time for.
 *
 * A turn begins with nobody after LIMIT_TURN_MS; who was told to wait comes first in the next one.
 * The loop reports the waiting ones again and always in the same order, so those who have been
 * served are passed over until all have been: a round. No clock and no list: pure arithmetic.
 */
#ifndef TICKSTREAM_TURNS_H
#define TICKSTREAM_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* {0} = nothing has happened. */
typedef struct {
    unsigned round;
    bool is_late;  /* in this turn somebody was told to wait, */
    bool was_late; /* in the one before */
} Turns;

/*
 * Is it the turn of one who was last served in round *last? Then *last becomes this round.
 * spent_ms: how long this turn of the loop has taken. A new one has *last = turns->round - 1.
 */
bool turns_take(Turns *turns, unsigned *last, int64_t spent_ms);

/* At the end of each turn of the loop. */
void turns_end(Turns *turns);

#endif
