/*
 * What the doctor asks of Redis: each server of the topology once, and each partition.
 *
 * Nothing is left behind but what each worker leaves at its start (trial.h): the member "-" in the
 * sets of dedupe, and for a second the key of probes.
 */
#ifndef TICKSTREAM_DOCTOR_SURVEY_H
#define TICKSTREAM_DOCTOR_SURVEY_H

#include "commands/doctor_judge.h"
#include "commands/reach.h"
#include "redis/trial.h"

enum { RIGHT_WORDS = 6 };

/* A command that needs a right, in a form that changes nothing. Those of a publication are in the
 * trial; these are the others. */
typedef struct {
    const char *right; /* as `tickstream acl` prints it: "+xinfo|stream" */
    Harm harm;
    size_t count;
    Str words[RIGHT_WORDS]; /* $STREAM and $PROBE stand for keys, $SOURCE for publish.lua */
    bool (*is_due)(const Config *config); /* NULL: always */
} RightTry;

extern const RightTry right_tries[];
extern const size_t right_try_count;

typedef struct {
    Address address;
    char shown[ADDRESS_TEXT];
    ErrorCode code;       /* ERROR_NONE: it answers */
    char why[LIMIT_TEXT]; /* else */
    Standing standing;    /* as INFO tells */
    char fsync[12];       /* appendfsync; "" = not told */
    int replicas;         /* online; -1 = not told */
    bool is_timed;
    int64_t clock_ahead;        /* milliseconds */
    long long node_timeout;     /* -1 = not told, or no cluster */
    unsigned long long lacking; /* bits: right_tries */
    const StreamKeys *keys;     /* of its first partition */
    size_t partitions;          /* that it owns */
} ServerFacts;

enum { FAULTS = 3 };

typedef struct {
    ServerFacts *server;
    Str faults[FAULTS]; /* errors that a publication would get; different ones */
    size_t fault_count;
    bool types_untold;
    long long seen[2]; /* digests; -1 = not known */
    bool is_kept_up;   /* upkept is what the dry run has told */
    Upkept upkept;     /* the arena's */
    Str upkeep_error;  /* why not; absent = it was not asked */
} PartitionFacts;

typedef struct Survey {
    const Config *config;
    Arena *arena;
    Reach reach;
    Partitions *partitions;
    Error error; /* ERROR_NONE, or nobody tells where anything is */
    bool is_number_told;
    unsigned made_with; /* 0 = nobody has noted it */
    size_t server_count;
    ServerFacts servers[PARTITIONS_MOST + 1];
    PartitionFacts facts[PARTITIONS_MOST];
} Survey;

/* Asks all, each that does not answer once. The config is borrowed, texts are the arena's. NULL: no
 * memory. */
Survey *survey_take(const Config *config, Arena *arena);
Survey *survey_free(Survey *survey); /* takes NULL; returns NULL */

/* How many replicas INFO says are online; -1: it does not say. */
int survey_replicas(Str info);

#endif
