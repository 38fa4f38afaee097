#include "commands/quarantine.h"

#include "base/loop.h"
#include "commands/pace.h"

#include <time.h>

static bool discard_part(const HeldReader *reader, uint64_t *ret_removed)
{
    Str ids[HELD_PART];
    char texts[HELD_PART][HELD_ID];
    for (size_t i = 0; i < reader->count; i++) {
        snprintf(texts[i], HELD_ID, "%.*s", STR_ARG(reader->entries[i].id));
        ids[i] = str_from(texts[i]);
    }
    return held_remove(reader->rounds, reader->partition, ids, reader->count, ret_removed);
}

static void pause_for(int64_t milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000,
                                  .tv_nsec = milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static bool discard_partition(Quarantine *quarantine, size_t partition, Pace *pace,
                              uint64_t *removed)
{
    HeldReader reader = held_reader(&quarantine->rounds, &quarantine->range, partition, false);
    uint64_t left = quarantine_wanted(quarantine, partition, pace->done), some;
    const size_t most = pace_together(pace, HELD_PART);
    bool ok = true;
    while (ok && left && !reader.is_over) {
        ok = held_read(&reader, left < most ? left : most) && discard_part(&reader, &some);
        *removed += ok ? some : 0;
        left -= reader.count;
        pause_for(pace_done(pace, reader.count, loop_clock_ms()));
    }
    return ok;
}

void quarantine_discard(Quarantine *quarantine)
{
    Pace pace = pace_begin("quarantine", "entries", quarantine->rate, quarantine_total(quarantine));
    char text[HUMAN_ROOM];
    uint64_t removed = 0;
    bool ok = true;
    if (!quarantine->is_sure) {
        printf("\n%s would be discarded, with all that is in them.\n"
               "Nothing was changed; --yes does it.\n",
               human_count(quarantine_total(quarantine), text));
        return;
    }
    for (size_t i = 0; ok && i < quarantine->rounds.partitions->count; i++) {
        ok = discard_partition(quarantine, i, &pace, &removed);
    }
    pace_end(&pace);
    printf("\n%s discarded\n", human_count(removed, text));
}
