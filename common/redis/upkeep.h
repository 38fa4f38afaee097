/*
 * The call of upkeep.lua: removes from the streams of a partition what is kept no longer, and tells
 * how full they are. Pure.
 */
#ifndef TICKSTREAM_UPKEEP_H
#define TICKSTREAM_UPKEEP_H

#include "redis/reply.h"
#include "redis/resp.h"
#include "redis/scripts.h"
#include "stream/entry.h"
#include "stream/keep.h"
#include "stream/keys.h"

enum {
    UPKEEP_MOST = 1000,     /* entries that a call removes: some milliseconds of the server */
    UPKEEP_LEASE_MS = 30000 /* for which whoever has called is the one who removes */
};

typedef struct {
    Str who;           /* who asks: another text for each process */
    bool is_dry;       /* nothing is removed, nothing written */
    size_t partitions; /* that share the server's memory; 0 = this one alone */
} UpkeepCaller;

enum { UPKEEP_WORDS = 22 + KEEP_GROUPS, UPKEEP_NUMBERS = 9, UPKEEP_DIGITS = 24 };

/* The call in words, some of which are in it: it is filled where it stays. */
typedef struct {
    Str words[UPKEEP_WORDS];
    size_t count;
    char numbers[UPKEEP_NUMBERS][UPKEEP_DIGITS];
    size_t number_count;
} UpkeepCall;

/* What is told of keys, keep and caller is borrowed for the call's life. */
void upkeep_call(UpkeepCall *ret, const StreamKeys *keys, const Keep *keep,
                 const UpkeepCaller *caller);

/* Appends the call. false: no memory, nothing was appended. */
bool upkeep_write(Buffer *buffer, const StreamKeys *keys, const Keep *keep,
                  const UpkeepCaller *caller);

typedef enum { GROUP_MOVES, GROUP_IDLE, GROUP_DEAD } GroupState;

typedef struct {
    Str name;
    long long pending, lag, consumers; /* lag: -1 = not known */
    Str oldest, last;                  /* ids: of the oldest pending entry, "" = none; delivered */
    GroupState state;
    bool holds; /* of all groups this one holds the stream */
} UpkeepGroup;

/* The streams of a partition: those of an EntryKind, and what consumers gave up. */
enum { UPKEPT_DEAD = ENTRY_KINDS, UPKEPT_STREAMS };

/* What a call has told; texts are the reply's. -1 = not known. */
typedef struct {
    bool is_ours;                      /* else nothing more is known: another one sees to it */
    long long removed[UPKEPT_STREAMS]; /* from each */
    bool has_more;                     /* to remove */
    long long length[UPKEPT_STREAMS], bytes[UPKEPT_STREAMS];
    long long cut[ENTRY_KINDS]; /* of how many the bytes were not kept since it was told before */
    long long used, most;       /* the server's memory in bytes; most: 0 = maxmemory is not set */
    long long digests;          /* that dedupe remembers */
    Str version;                /* of the server */
    Str oldest;                 /* id of the stream's oldest entry; "" = none */
    Str why;                    /* nothing goes; "" = it does, if there is something */
    size_t groups;              /* of which so many are told: */
    const Reply *listed;
    size_t listed_count;
} Upkept;

/* false: the reply makes no sense. */
bool upkeep_read(const Reply *reply, Upkept *ret);
bool upkeep_read_group(const Upkept *upkept, size_t i, UpkeepGroup *ret);

#endif
