#include "commands/command.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/loop.h"
#include "commands/options.h"
#include "commands/pace.h"
#include "commands/publisher.h"
#include "commands/recording.h"
#include "commands/rounds.h"
#include "payload/signature.h"
#include "stream/intake.h"

#include <stdlib.h>
#include <time.h>

enum { TOLD = 20 }; /* refusals that are told one by one */

/* One body under way. */
typedef struct {
    Outgoing outgoing;
    Payload payload;
    Arena *arena;
    char place[300]; /* where it was recorded */
    char received_at[24], request_id[64], content_type[LIMIT_MEDIA_TYPE];
} Job;

typedef struct {
    const Config *config;
    bool is_sure, is_unsigned, is_json, may_repeat; /* options */
    unsigned rate;                                  /* 0 = as fast as it goes */
    const char *type;

    Recording recording;
    Verifier *verifier; /* NULL: signatures are not looked at */
    Rounds rounds;
    Publisher *publisher; /* NULL: a dry run */
    Pace pace;
    time_t began;
    Job jobs[PUBLISHER_MOST];
    size_t count, bytes; /* of the jobs that are filled, of their bodies */

    uint64_t bodies, refused, ignored, dropped;
    PublishResult result; /* of those that are stored, or would be */
    int status;           /* of the command */
} Backfill;

/* One body, from its record to what is published */

/* It is left out. */
static void refuse(Backfill *backfill, const char *place, const Error *error)
{
    backfill->refused++;
    backfill->status = backfill->status == EXIT_DONE ? EXIT_NO : backfill->status;
    if (backfill->refused <= TOLD) {
        pace_end(&backfill->pace);
        fprintf(stderr, "backfill: %s: %s\n", place, error->text);
    }
}

/* What is not known of its delivery: it came now, and its request has a name of ours. */
static void deliver(const Backfill *backfill, Job *job, const Record *record, const MediaType *type)
{
    Delivery *delivery = &job->outgoing.publication.delivery;
    const unsigned long long number = backfill->bodies + backfill->count;
    snprintf(job->received_at, sizeof(job->received_at), "%lld", (long long)clock_unix_ms());
    snprintf(job->request_id, sizeof(job->request_id), "backfill-%lld-%llu",
             (long long)backfill->began, number);
    *delivery = (Delivery){
        .received_at = record->received_at.ptr ? record->received_at : str_from(job->received_at),
        .request_id = record->request_id.ptr ? record->request_id : str_from(job->request_id),
        .content_type = media_type_text(type, job->content_type)};
}

static bool prepare(Backfill *backfill, Job *job, const Record *record, Error *reterr)
{
    MediaType type;
    if (str_is_empty(record->body)) {
        return error_set(reterr, ERROR_INVALID, "the body is empty");
    }
    if ((backfill->verifier &&
         !signature_verify(backfill->verifier, record->signature, record->body, reterr)) ||
        !media_type_parse(record->content_type, &type, reterr) ||
        !intake_keep(type, record->body, job->arena, &job->payload, reterr)) {
        return false;
    }
    job->outgoing.publication = (Publication){.payload = &job->payload, .arena = job->arena};
    deliver(backfill, job, record, &type);
    return true;
}

/* Those that are filled */

static void count_stored(Backfill *backfill, const Job *job)
{
    const PublishResult *result = &job->outgoing.publication.result;
    const Payload *payload = &job->payload;
    const bool is_dry = !backfill->publisher;
    backfill->bodies++;
    backfill->result.accepted += is_dry ? payload->status_count : result->accepted;
    backfill->result.quarantined += is_dry ? payload->quarantined_count : result->quarantined;
    backfill->result.duplicates += is_dry ? 0 : result->duplicates;
    backfill->ignored += payload->ignored;
    backfill->dropped += payload->dropped_members;
}

/* Why it stops, and where. */
static void complain(Backfill *backfill, const Job *first)
{
    Error error;
    publisher_why(backfill->publisher, &error);
    pace_end(&backfill->pace);
    fprintf(stderr, "backfill: stopped at %s: %s; call it again: what is stored is recognised\n",
            first->place, error.text);
    backfill->status = command_status(error.code);
}

static void publish(Backfill *backfill)
{
    Outgoing *list[PUBLISHER_MOST];
    for (size_t i = 0; i < backfill->count; i++) {
        list[i] = &backfill->jobs[i].outgoing;
    }
    publisher_publish(backfill->publisher, list, backfill->count);
}

/* Publishes them; false: it stops. */
static bool flush(Backfill *backfill)
{
    const Job *failed = NULL;
    const size_t count = backfill->count;
    if (backfill->publisher && count) {
        publish(backfill);
    }
    for (size_t i = 0; i < count; i++) {
        const Job *job = &backfill->jobs[i];
        if (job->outgoing.publication.code == ERROR_NONE) {
            count_stored(backfill, job);
        } else {
            failed = failed ? failed : job;
        }
    }
    backfill->count = backfill->bytes = 0;
    if (failed) {
        complain(backfill, failed);
        return false;
    }
    const int64_t pause = pace_done(&backfill->pace, count, loop_clock_ms());
    if (backfill->publisher && pause > 0) {
        publisher_pause(backfill->publisher, pause);
    }
    return true;
}

static void take(Backfill *backfill, const Record *record)
{
    Job *job = &backfill->jobs[backfill->count];
    Error error;
    if (!prepare(backfill, job, record, &error)) {
        refuse(backfill, backfill->recording.place, &error);
        return;
    }
    snprintf(job->place, sizeof(job->place), "%s", backfill->recording.place);
    backfill->bytes += record->body.len;
    backfill->count++;
}

/* All of them. */
static void store(Backfill *backfill)
{
    const size_t most = pace_together(&backfill->pace, PUBLISHER_MOST);
    RecordingAnswer answer = RECORDING_BODY;
    bool ok = true;
    while (ok && answer != RECORDING_OVER) {
        Arena *arena = backfill->jobs[backfill->count].arena;
        Record record;
        Error error;
        arena_reset(arena);
        answer = recording_next(&backfill->recording, arena, &record, &error);
        if (answer == RECORDING_BODY) {
            take(backfill, &record);
        } else if (answer == RECORDING_BAD) {
            refuse(backfill, backfill->recording.place, &error);
        }
        if (backfill->count >= most || backfill->bytes >= PUBLISHER_BYTES ||
            answer == RECORDING_OVER) {
            ok = flush(backfill);
        }
    }
}

/* Telling */

static void tell_json(const Backfill *backfill)
{
    printf("{\"bodies\":%llu,\"accepted\":%zu,\"duplicates\":%zu,\"quarantined\":%zu,\"ignored\":%"
           "llu,\"refused\":%llu}\n",
           (unsigned long long)backfill->bodies, backfill->result.accepted,
           backfill->result.duplicates, backfill->result.quarantined,
           (unsigned long long)backfill->ignored, (unsigned long long)backfill->refused);
}

static void tell(const Backfill *backfill)
{
    char bodies[HUMAN_ROOM], accepted[HUMAN_ROOM], duplicates[HUMAN_ROOM], quarantined[HUMAN_ROOM],
        ignored[HUMAN_ROOM], refused[HUMAN_ROOM];
    const bool is_dry = !backfill->publisher;
    if (backfill->is_json) {
        tell_json(backfill);
        return;
    }
    printf("%s bodies%s: %s accepted, %s duplicates, %s quarantined, %s ignored; %s refused\n",
           human_count(backfill->bodies, bodies), is_dry ? " would be stored" : "",
           human_count(backfill->result.accepted, accepted),
           is_dry ? "?" : human_count(backfill->result.duplicates, duplicates),
           human_count(backfill->result.quarantined, quarantined),
           human_count(backfill->ignored, ignored), human_count(backfill->refused, refused));
    if (backfill->dropped) {
        printf("%s unknown members were dropped: too many or too long\n",
               human_count(backfill->dropped, ignored));
    }
    if (is_dry) {
        printf("Nothing was stored; --yes does it.\n");
    }
}

static void tell_refused(const Backfill *backfill)
{
    char text[HUMAN_ROOM];
    if (backfill->refused > TOLD) {
        fprintf(stderr, "backfill: and %s more were refused\n",
                human_count(backfill->refused - TOLD, text));
    }
}

/* Beginning and end */

static bool check(const Backfill *backfill, Error *reterr)
{
    const Config *config = backfill->config;
    MediaType type;
    if (backfill->type && !media_type_parse(str_from(backfill->type), &type, reterr)) {
        return false;
    }
    if (backfill->recording.count == 0) {
        return error_set(reterr, ERROR_INVALID, "which files?");
    }
    if (!backfill->is_unsigned && !config->app_secrets.count) {
        return error_set(
            reterr, ERROR_INVALID,
            "without APP_SECRET no signature can be checked; --unsigned looks at none");
    }
    return !backfill->is_sure || backfill->may_repeat || publisher_check_window(config, reterr);
}

static bool understand(Backfill *backfill, int argc, char **argv, Error *reterr)
{
    const Option options[] = {
        OPTION("yes", OPTION_FLAG, &backfill->is_sure),
        OPTION("unsigned", OPTION_FLAG, &backfill->is_unsigned),
        OPTION("json", OPTION_FLAG, &backfill->is_json),
        OPTION("allow-duplicates", OPTION_FLAG, &backfill->may_repeat),
        OPTION("type", OPTION_TEXT, &backfill->type),
        OPTION("rate", OPTION_RATE, &backfill->rate),
    };
    int first = argc;
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return false;
    }
    backfill->recording = (Recording){.files = argv + first,
                                      .count = (size_t)(argc - first),
                                      .type = backfill->type,
                                      .most = backfill->config->max_body};
    return check(backfill, reterr);
}

static bool open_own(Backfill *backfill)
{
    const Secrets *secrets = &backfill->config->app_secrets;
    bool ok = true;
    if (!backfill->is_unsigned) {
        backfill->verifier = verifier_new(secrets->texts, secrets->count);
        ok = backfill->verifier != NULL;
    }
    for (size_t i = 0; i < PUBLISHER_MOST; i++) {
        backfill->jobs[i].arena = arena_new();
        ok &= backfill->jobs[i].arena != NULL;
    }
    if (!ok) {
        fprintf(stderr, "backfill: out of memory\n");
        backfill->status = EXIT_TRY_AGAIN;
    }
    return ok;
}

/* Whatever the streams are and wherever: as of any command. */
static bool open_publisher(Backfill *backfill)
{
    Rounds *rounds = &backfill->rounds;
    Error error;
    if (rounds_begin(rounds, "backfill", backfill->config)) {
        backfill->publisher = publisher_open(backfill->config, rounds->partitions, &error);
        if (!backfill->publisher) {
            rounds_complain(rounds, STR(""), str_from(error.text), command_status(error.code));
        }
    }
    backfill->status = rounds->status;
    return backfill->publisher != NULL;
}

static void close_all(Backfill *backfill)
{
    recording_close(&backfill->recording);
    publisher_close(backfill->publisher);
    if (backfill->is_sure) {
        rounds_end(&backfill->rounds);
    }
    for (size_t i = 0; i < PUBLISHER_MOST; i++) {
        arena_free(backfill->jobs[i].arena);
    }
    verifier_free(backfill->verifier);
    codec_shutdown();
    digest_shutdown();
}

int backfill_main(const Config *config, int argc, char **argv)
{
    Backfill backfill = {.config = config, .began = time(NULL)};
    Error error;
    if (!understand(&backfill, argc, argv, &error)) {
        return command_refuse("backfill", &error);
    }
    backfill.pace = pace_begin("backfill", "bodies", backfill.is_sure ? backfill.rate : 0, 0);
    if (open_own(&backfill) && (!backfill.is_sure || open_publisher(&backfill))) {
        store(&backfill);
        pace_end(&backfill.pace);
        tell(&backfill);
        tell_refused(&backfill);
    }
    close_all(&backfill);
    return backfill.status;
}
