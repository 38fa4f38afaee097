#include "process/turns.h"

#include "base/limits.h"

bool turns_take(Turns *turns, unsigned *last, int64_t spent_ms)
{
    if (turns->was_late && *last == turns->round) {
        return false;
    }
    if (spent_ms > LIMIT_TURN_MS) {
        turns->is_late = true;
        return false;
    }
    *last = turns->round;
    return true;
}

/* A round ends with the first turn in which nobody had to wait. */
void turns_end(Turns *turns)
{
    turns->round += !turns->is_late;
    turns->was_late = turns->is_late;
    turns->is_late = false;
}
