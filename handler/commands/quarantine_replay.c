#include "commands/quarantine.h"

#include "base/digest.h"
#include "base/loop.h"
#include "commands/pace.h"
#include "commands/publisher.h"
#include "stream/replay.h"

/* One entry under way. What is told of it is borrowed from the reply that it came with. */
typedef struct {
    Outgoing outgoing;
    Payload payload;
    Arena *arena;
    ReplayOutcome outcome;
    Reason reason; /* of what fails */
    char id[HELD_ID];
} Job;

typedef struct {
    Quarantine *quarantine;
    Publisher *publisher; /* NULL: a dry run */
    Pace pace;
    Job jobs[PUBLISHER_MOST];
    size_t count; /* of jobs */

    /* What became of entries, and what was stored, or would be, of those that are ready. */
    uint64_t ready;
    uint64_t reasons[REASON_COUNT]; /* of those that fail */
    uint64_t others[REPLAY_OUTCOMES];
    uint64_t statuses, elements, events;
    uint64_t duplicates; /* of both */
} Replay;

/* Decoding */

static void prepare(Replay *replay, Job *job, const Held *held)
{
    const ReplayItem item = {.pointer = held->pointer,
                             .raw = held->raw,
                             .content_type = held->content_type,
                             .entry_id = held->entry_id,
                             .field = held->field,
                             .phone_number_id = held->phone_number_id};
    const bool keeps_events = replay->quarantine->config->events_stream[0] != '\0';
    arena_reset(job->arena);
    snprintf(job->id, sizeof(job->id), "%.*s", STR_ARG(held->id));
    job->outcome = replay_decode(&item, keeps_events, job->arena, &job->payload, &job->reason);
    job->outgoing.publication = (Publication){.payload = &job->payload,
                                              .arena = job->arena,
                                              .delivery = {.received_at = held->received_at,
                                                           .request_id = held->request_id,
                                                           .content_type = held->content_type}};
}

static void count_outcome(Replay *replay, const Job *job)
{
    if (job->outcome == REPLAY_FAILS) {
        replay->reasons[job->reason]++;
    } else if (job->outcome != REPLAY_READY) {
        replay->others[job->outcome]++;
    }
}

/* Publishing */

static void count_stored(Replay *replay, const Job *job)
{
    const bool keeps_events = replay->quarantine->config->events_stream[0] != '\0';
    replay->ready++;
    replay->events += keeps_events ? job->payload.event_count : 0;
    if (replay->publisher) {
        replay->statuses += job->outgoing.publication.result.accepted;
        replay->elements += job->outgoing.publication.result.quarantined;
        replay->duplicates += job->outgoing.publication.result.duplicates;
    } else {
        replay->statuses += job->payload.status_count;
        replay->elements += job->payload.quarantined_count;
    }
}

/* Why it stops. */
static void complain(Replay *replay)
{
    Rounds *rounds = &replay->quarantine->rounds;
    Error error;
    publisher_why(replay->publisher, &error);
    fprintf(stderr, "quarantine: stopped: %s; what is replayed is done, the rest is where it was\n",
            error.text);
    rounds->status = command_status(error.code);
}

/* Those that are ready; false: one was not stored. */
static bool publish(Replay *replay)
{
    Outgoing *list[PUBLISHER_MOST];
    size_t count = 0;
    for (size_t i = 0; i < replay->count; i++) {
        if (replay->jobs[i].outcome == REPLAY_READY) {
            list[count++] = &replay->jobs[i].outgoing;
        }
    }
    return count == 0 || publisher_publish(replay->publisher, list, count);
}

/* Only what is stored goes. */
static bool settle(Replay *replay, size_t partition)
{
    Str ids[PUBLISHER_MOST];
    uint64_t removed; /* fewer when somebody else was faster: not our concern */
    size_t count = 0;
    for (size_t i = 0; i < replay->count; i++) {
        const Job *job = &replay->jobs[i];
        count_outcome(replay, job);
        if (job->outcome == REPLAY_READY && job->outgoing.publication.code == ERROR_NONE) {
            count_stored(replay, job);
            ids[count++] = str_from(job->id);
        }
    }
    return !replay->publisher ||
           held_remove(&replay->quarantine->rounds, partition, ids, count, &removed);
}

static void wait(const Replay *replay, int64_t milliseconds)
{
    if (replay->publisher && milliseconds > 0) {
        publisher_pause(replay->publisher, milliseconds);
    }
}

/* A part of a partition. */
static bool replay_part(Replay *replay, const HeldReader *reader)
{
    replay->count = reader->count;
    for (size_t i = 0; i < reader->count; i++) {
        prepare(replay, &replay->jobs[i], &reader->entries[i]);
    }
    const bool is_stored = !replay->publisher || publish(replay);
    if (!is_stored) {
        complain(replay);
    }
    bool ok = settle(replay, reader->partition) && is_stored;
    const int64_t pause = pace_done(&replay->pace, reader->count, loop_clock_ms());
    wait(replay, ok ? pause : 0);
    return ok;
}

static bool replay_partition(Replay *replay, size_t partition)
{
    Quarantine *quarantine = replay->quarantine;
    HeldReader reader = held_reader(&quarantine->rounds, &quarantine->range, partition, true);
    uint64_t left = quarantine_wanted(quarantine, partition, replay->pace.done);
    const size_t most = pace_together(&replay->pace, PUBLISHER_MOST);
    bool ok = true;
    while (ok && left && !reader.is_over) {
        ok = held_read(&reader, left < most ? left : most) && replay_part(replay, &reader);
        left -= reader.count;
    }
    return ok;
}

/* Telling */

static void print_stored(const Replay *replay)
{
    char ready[HUMAN_ROOM], total[HUMAN_ROOM], number[HUMAN_ROOM];
    const bool is_dry = !replay->publisher;
    printf("\n%s of %s %s: %s statuses", human_count(replay->ready, ready),
           human_count(quarantine_total(replay->quarantine), total),
           is_dry ? "would be replayed" : "replayed", human_count(replay->statuses, number));
    if (!is_dry) {
        printf(", %s known already", human_count(replay->duplicates, number));
    }
    if (replay->elements) {
        printf(", %s elements back in quarantine", human_count(replay->elements, number));
    }
    if (replay->events) {
        printf(", %s events", human_count(replay->events, number));
    }
    printf("\n");
}

static uint64_t print_staying(const Replay *replay)
{
    char text[HUMAN_ROOM];
    uint64_t all = 0;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        if (replay->reasons[i]) {
            printf("  %s that fail again: %s\n", human_count(replay->reasons[i], text),
                   reason_word((Reason)i).ptr);
            all += replay->reasons[i];
        }
    }
    for (size_t i = 0; i < REPLAY_OUTCOMES; i++) {
        if (replay->others[i]) {
            printf("  %s %s\n", human_count(replay->others[i], text),
                   replay_words((ReplayOutcome)i).ptr);
            all += replay->others[i];
        }
    }
    return all;
}

static void tell(Replay *replay)
{
    char text[HUMAN_ROOM];
    print_stored(replay);
    const uint64_t staying = print_staying(replay);
    fflush(stdout);
    if (!replay->publisher) {
        printf("Nothing was changed; --yes does it.\n");
    } else if (staying && replay->quarantine->rounds.status == EXIT_DONE) {
        fprintf(stderr, "quarantine: %s entries stay: they cannot be replayed\n",
                human_count(staying, text));
        replay->quarantine->rounds.status = EXIT_NO;
    }
}

/* Beginning and end */

static bool open_all(Replay *replay)
{
    Quarantine *quarantine = replay->quarantine;
    Error error;
    for (size_t i = 0; i < PUBLISHER_MOST; i++) {
        replay->jobs[i].arena = arena_new();
        if (!replay->jobs[i].arena) {
            rounds_complain(&quarantine->rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
            return false;
        }
    }
    if (!quarantine->is_sure || quarantine_total(quarantine) == 0) {
        return true;
    }
    replay->publisher = publisher_open(quarantine->config, quarantine->rounds.partitions, &error);
    if (!replay->publisher) {
        rounds_complain(&quarantine->rounds, STR(""), str_from(error.text),
                        command_status(error.code));
    }
    return replay->publisher != NULL;
}

static void close_all(Replay *replay)
{
    publisher_close(replay->publisher);
    for (size_t i = 0; i < PUBLISHER_MOST; i++) {
        arena_free(replay->jobs[i].arena);
    }
    codec_shutdown();
    digest_shutdown();
}

void quarantine_replay(Quarantine *quarantine)
{
    Replay replay = {.quarantine = quarantine};
    replay.pace = pace_begin("quarantine", "entries", quarantine->is_sure ? quarantine->rate : 0,
                             quarantine_total(quarantine));
    bool ok = open_all(&replay);
    const bool is_open = ok;
    for (size_t i = 0; ok && i < quarantine->rounds.partitions->count; i++) {
        ok = replay_partition(&replay, i);
    }
    pace_end(&replay.pace);
    if (is_open) {
        tell(&replay);
    }
    close_all(&replay);
}
