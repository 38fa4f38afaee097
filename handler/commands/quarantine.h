/*
 * What the actions of `tickstream quarantine` have in common: what was asked for, and the entries
 * that are meant.
 */
#ifndef TICKSTREAM_QUARANTINE_H
#define TICKSTREAM_QUARANTINE_H

#include "commands/command.h"
#include "commands/held.h"

typedef struct {
    const Config *config;
    Rounds rounds;
    HeldRange range;
    HeldTally tally; /* of the range */

    /* Options. */
    const char *reason, *id;
    int64_t since, until;  /* Unix milliseconds; 0 = not given */
    unsigned number, rate; /* 0 = not given */
    bool is_all, is_sure, is_json, is_raw, may_repeat;
} Quarantine;

/* How many entries of a partition are to be looked at, of which so many were looked at in those
 * before. Of a partition never more than there were at the beginning: what comes meanwhile, and
 * what a replay puts there, is for another time. */
uint64_t quarantine_wanted(const Quarantine *quarantine, size_t partition, uint64_t before);

/* How many that is in all. */
uint64_t quarantine_total(const Quarantine *quarantine);

/* How many there are, and of which reasons. */
void quarantine_print_tally(const HeldTally *tally);

/* Is it a word of payload/reason.h? */
bool quarantine_is_reason(const char *word);

/* The actions. What goes wrong has been told, and is the status of the rounds. */

/* Shows the counts of all, and rows. */
void quarantine_list(Quarantine *quarantine);

/* Shows one entry whole; of those that share its time, when the id is only that, the first. */
void quarantine_show(Quarantine *quarantine);

/* Publishes what can be read now, and removes it; or tells what would be. */
void quarantine_replay(Quarantine *quarantine);

/* Removes; or tells what would be. */
void quarantine_discard(Quarantine *quarantine);

#endif
