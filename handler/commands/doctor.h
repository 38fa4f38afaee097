/*
 * `tickstream doctor`: what can be wrong, and how to mend it.
 *
 * A table of checks in doctor.c, each a function that looks and tells one or several findings.
 * Facts are asked for once (of Redis by survey_take(), of a URL by visit_make()); the checks hold
 * them against what they should be, by the judgements of doctor_judge.h. To add a check: its
 * function, its declaration below, a row in doctor.c, and its judgement.
 */
#ifndef TICKSTREAM_DOCTOR_H
#define TICKSTREAM_DOCTOR_H

#include "base/arena.h"
#include "commands/doctor_judge.h"

typedef struct Survey Survey;
typedef struct Visit Visit;

typedef struct {
    const char *url;   /* of the webhook; NULL = it is not looked at */
    const char *ca;    /* file of CAs for it; NULL = the system's */
    const char *nginx; /* file or directory */
    bool is_nginx_given;
    unsigned rate; /* statuses a second that must be carried; 0 = none is given */
    bool as_json;
} DoctorOptions;

typedef struct {
    const char *check;
    Finding finding;
    const char *where; /* the arena's; "" = about nobody in particular */
    size_t more;       /* others of whom the same is true */
} Told;

typedef struct {
    Config config; /* a copy; what it points to is borrowed */
    DoctorOptions options;
    Arena *arena;      /* of texts and findings */
    const char *check; /* that is looking */
    Told *told;
    size_t count, room;
    bool has_failed; /* a finding was lost: no memory */
    Survey *survey;  /* of Redis; NULL = it was not asked */
    Visit *visit;    /* of the URL; likewise */
} Doctor;

/* A finding of the check that is looking; where is copied. The same finding at another place is
 * told together with it. */
void doctor_tell(Doctor *doctor, const char *where, const Finding *finding);

/* Looks at one thing, and tells at least one finding, unless it could not be seen. */
typedef void DoctorCheck(Doctor *doctor);

/* What a check needs to have been asked. */
typedef enum { NEEDS_NOTHING, NEEDS_REDIS, NEEDS_URL } Needs;

typedef struct {
    const char *name; /* as it is printed */
    DoctorCheck *look;
    Needs needs;
} DoctorRow;

extern const DoctorRow doctor_rows[]; /* in the order in which they are told */
extern const size_t doctor_row_count;

/* Settings and this machine: doctor_settings.c */
DoctorCheck check_settings, check_secrets, check_files, check_nginx, check_workers, check_host;

/* Redis: doctor_redis.c. The survey is there. */
DoctorCheck check_redis, check_version, check_partitions, check_posts, check_rights,
    check_durability, check_fsync, check_memory, check_rate, check_replicas, check_clock,
    check_moving, check_groups, check_quarantine;

/* A URL: doctor_url.c. The visit is there. */
DoctorCheck check_name, check_certificate, check_handshake, check_signature, check_unsigned,
    check_body_limit, check_latency, check_time;

Visit *visit_make(Doctor *doctor);
Visit *visit_free(Visit *visit); /* takes NULL; returns NULL */

#endif
