/*
 * What the doctor says of what he has seen: facts in, a finding out. Pure: nobody is asked here.
 *
 * A finding says what is so, in one line, and, where it is not well, what mends it. Whom it is
 * about (a server, a partition) is not in it: whoever tells it adds that. Nothing of a secret is in
 * any text.
 */
#ifndef TICKSTREAM_DOCTOR_JUDGE_H
#define TICKSTREAM_DOCTOR_JUDGE_H

#include "config.h"
#include "redis/standing.h"
#include "redis/upkeep.h"

typedef enum {
    GRADE_OK,
    GRADE_NOTE, /* it could not be looked at, or is worth to be known */
    GRADE_WARN, /* it works, and may be wrong, or go wrong */
    GRADE_FAIL, /* something does not work, or what was acknowledged can be lost */
    GRADES
} Grade;

enum { FINDING_TEXT = 480 }; /* bytes with the NUL; what is longer is cut */

typedef struct {
    Grade grade;
    char what[FINDING_TEXT];
    char remedy[FINDING_TEXT]; /* "" = there is nothing to do */
} Finding;

/* A finding of a printf format; remedy is borrowed for the call. */
Finding found(Grade grade, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Settings */

/* One of SECRET_SHORT ... of a setting, or 0: all of its `count` secrets are well. */
Finding judge_secrets(const char *setting, unsigned fault, size_t count);

/* There is none. */
Finding judge_no_secret(const char *setting);

/* Of what stat() tells of a file that holds a secret; mode 0: it is not there any more. */
Finding judge_secret_file(const SecretFile *file, unsigned mode);

Finding judge_trim(const Keep *keep);

/* What nginx's files say of the webhook; -1 = they say nothing. */
typedef struct {
    bool repeats;                     /* a POST is sent once more when a connection breaks */
    long long max_body, read_timeout; /* bytes; milliseconds */
} NginxFacts;

Finding judge_repetition(const NginxFacts *nginx, int64_t window);
Finding judge_nginx_limits(const NginxFacts *nginx, const Config *config);

/* Whoever listens where nginx connects. status: of /readyz, 0 = there was no answer, and why. */
Finding judge_workers(int status, const char *why);

/* Redis */

/* code: ERROR_NONE, it answers; else as client_open() says it. */
Finding judge_reached(ErrorCode code, const char *why);
Finding judge_version(const char *version, const Ack *ack);

/* made_with: 0 = nobody has noted it yet. */
Finding judge_partitions(unsigned made_with, size_t count);

/* An error that a publication would get. */
Finding judge_refusal(Str error);

/* How bad it is that a right is missing. */
typedef enum { HARM_CHECKS, HARM_UPKEEP, HARM_POSTS } Harm;
Finding judge_right(const char *right, Harm harm);

Finding judge_durability(const Standing *standing, const StreamKeys *keys);

/* appendfsync; "" = we are not told. */
Finding judge_fsync(const char *fsync, const Standing *standing, const Ack *ack);

Finding judge_memory(uint64_t used, uint64_t most);
/* What the settings carry for ever, in statuses a second: 0, nothing is removed; INFINITY. wanted:
 * 0 = not known. most: maxmemory of the server that carries least. */
Finding judge_rate(double carried, unsigned wanted, uint64_t most);

Finding judge_quarantine(long long entries, long long bytes, uint64_t most);

/* Redis' clock against ours, in milliseconds; positive: it is ahead. */
Finding judge_clock(int64_t ahead);

/* online: of one server; -1 = it does not tell. */
Finding judge_replicas(int online, const Ack *ack, ServersKind kind);

/* The larger set of a partition, -1 = not known; cluster-node-timeout in milliseconds, -1. */
Finding judge_moving(long long digests, long long node_timeout);

/* groups: there are so many. missing: one of TRIM_GROUPS that is not there; absent = none. */
Finding judge_groups(size_t groups, Str missing, Trim trim);

/* is_over: the oldest entry of the stream is older than TRIM_KEEP. now: Unix milliseconds. */
Finding judge_group(const UpkeepGroup *group, bool is_over, int64_t now);

/* The machine, when Redis is on it. */
Finding judge_overcommit(char setting); /* of vm.overcommit_memory; '\0' = not known */
Finding judge_huge_pages(Str setting);  /* "always [madvise] never"; absent = not known */

/* A URL */

/* What a GET without parameters is answered. */
enum { KNOCK_STATUS = 400 };

/* Such a GET. is_ours: the answer is a problem document of ours. */
typedef struct {
    int status; /* 0 = no answer, and why */
    const char *why;
    bool is_ours;
    const char *host, *address; /* "" = not known */
} KnockFacts;

Finding judge_name(const KnockFacts *knock);

typedef struct {
    bool is_tls, is_private; /* the address is of this machine or of a private network */
    const char *fault;       /* why it is not accepted; "" = it is */
    int64_t until, now;      /* Unix seconds; until 0 = not known */
} CertificateFacts;

Finding judge_certificate(const CertificateFacts *certificate);

/* which: of several tokens or secrets, from 1 on; 0: there is only one. */
Finding judge_handshake(int status, bool is_echoed, size_t which);

/* has_counts: all four are there, and 0. */
Finding judge_signature(int status, bool has_counts, size_t which);
Finding judge_unsigned(int status, const Config *config);

/* Statuses of a body of MAX_BODY bytes, and of one of a byte more; 0 = no answer. */
Finding judge_body_limit(int whole, int over, size_t max_body);

/* Milliseconds of so many probes. */
Finding judge_latency(double median, double worst, size_t count);

/* The clock of the answer against ours, in seconds; positive: it is ahead. */
Finding judge_time(int64_t ahead);

#endif
