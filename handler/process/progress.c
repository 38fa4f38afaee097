#include "process/progress.h"

#include "base/limits.h"

bool progress_is_stuck(const Progress *progress, int64_t now)
{
    int64_t time = now - progress->began;
    bool is_silent = now - progress->moved >= LIMIT_RECEIVE_MS;
    bool is_slow =
        time >= LIMIT_RECEIVE_MS && progress->bytes < (size_t)time / 1000 * LIMIT_RECEIVE_RATE;
    return is_silent || is_slow;
}
