/*
 * Commands that go from partition to partition: who owns each, what is asked of it, and what is
 * said when that fails.
 */
#ifndef TICKSTREAM_ROUNDS_H
#define TICKSTREAM_ROUNDS_H

#include "commands/human.h"
#include "commands/reach.h"
#include "redis/upkeep.h"

typedef struct {
    const char *command; /* that complains */
    Reach reach;
    Partitions *partitions;
    Address owners[PARTITIONS_MOST + 1]; /* last: of the key of their number; "" = not known */
    int status;                          /* of the command */
} Rounds;

/* Finds the owner of each partition. false: nobody tells where anything is, and so it has been
 * told. Ends with rounds_end() in any case. */
bool rounds_open(Rounds *ret, const char *command, const Config *config);

/* The same, for those that write or go through entries. false: also when the stream was made with
 * another number of partitions, which has been told. */
bool rounds_begin(Rounds *ret, const char *command, const Config *config);

/* Asks the owner of a partition. NULL: there is no answer, or it is an error; why has been told.
 * The reply is valid until something else is asked. */
const Reply *rounds_ask(Rounds *rounds, size_t partition, const Str *words, size_t count);

/* The same, but errors are replies, which the caller tells. */
const Reply *rounds_try(Rounds *rounds, size_t partition, const Str *words, size_t count);

/* As rounds_try(), and nothing is told: NULL with *reterr, as of client_open() and client_call().
 * Before it can be asked again, reach_drop() the owner. */
const Reply *rounds_call(Rounds *rounds, size_t partition, const Str *words, size_t count,
                         Error *reterr);

/* Looks again who owns what, after a server is lost or has said MOVED. false: nobody tells, nothing
 * has changed, and nothing was told. */
bool rounds_look_up(Rounds *rounds, Error *reterr);

/* As rounds_complain() of what a server has against it, with advice. */
void rounds_complain_of_error(Rounds *rounds, size_t partition, Str error);

/* The same of another key than the stream. */
void rounds_complain_of_key(Rounds *rounds, Str key, Str error);

/* Of a reply that is none of those that the question has. */
void rounds_complain_of_nonsense(Rounds *rounds, Str key);

/* As rounds_ask() for the script of upkeep.h; how many partitions share a server is added here. */
bool rounds_upkeep(Rounds *rounds, size_t partition, const Keep *keep, const UpkeepCaller *caller,
                   Upkept *ret);

/* Of all complaints the first is told, in one line, and decides the status. */
void rounds_complain(Rounds *rounds, Str key, Str why, int status);

/* Returns the status of the command. */
int rounds_end(Rounds *rounds);

const StreamKeys *rounds_keys(const Rounds *rounds, size_t partition);

/* How long ago an entry was stored: "3 d 2 h"; "-" when there is none. */
const char *rounds_age(Str id, char to[HUMAN_ROOM]);

enum { NAME_ROOM = 64 };

/* A name that others have chosen: without what would steer a terminal, and cut. */
const char *rounds_name(Str name, char to[NAME_ROOM]);

/* A count; "?" when it is negative: not known. */
const char *rounds_count(long long count, char to[HUMAN_ROOM]);

#endif
