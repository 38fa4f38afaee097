/*
 * How far the groups of consumers are, in memory that the master and its workers share: beside the
 * cells of stats.h, since the names of groups are whatever consumers have chosen.
 *
 * stats.c opens, clears and renders them with its own. A worker writes the groups of its slot;
 * whoever reads while it does reads again, so that a name never stands beside another one's
 * figures.
 */
#ifndef TICKSTREAM_GROUPS_H
#define TICKSTREAM_GROUPS_H

#include "base/text.h"

#include <stdint.h>

enum {
    STATS_GROUPS = 32,    /* of a slot; more are not told */
    STATS_GROUP_NAME = 48 /* bytes with the end; what is longer is cut */
};

/* Of one group, of some partitions together. */
typedef struct {
    char name[STATS_GROUP_NAME];
    int64_t pending;
    int64_t lag;    /* entries that it has not read; -1 = not known */
    int64_t oldest; /* when its oldest pending entry was stored, Unix milliseconds; 0 = none */
} GroupFigures;

/* The name is cut, and without what would break a line of text. */
GroupFigures group_figures(Str name, int64_t pending, int64_t lag, int64_t oldest);

/* Adds a group, also to figures of the same name, to those that there are; returns how many there
 * are then, at most STATS_GROUPS. */
size_t groups_add(GroupFigures to[STATS_GROUPS], size_t count, const GroupFigures *group);

/* All groups of the own slot, from now on. */
void stats_set_groups(const GroupFigures *groups, size_t count);

/* All groups of all slots, at most STATS_GROUPS; returns how many. */
size_t stats_groups(GroupFigures to[STATS_GROUPS]);

/* For stats.c. false: no memory. */
bool groups_open(size_t slots);
void groups_use(size_t slot);
void groups_clear(size_t slot);
void groups_render(Text *text);

#endif
