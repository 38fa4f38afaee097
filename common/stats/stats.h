/*
 * The numbers of the whole pool, in memory that the master and its workers share.
 *
 * Each worker writes the cells of a slot of its own, with plain relaxed stores, since a slot has
 * one writer at a time; any process reads the cells of all slots and adds them up. A slot outlives
 * its worker and is taken over by the next, which goes on counting: counters, histograms and
 * maxima never go back. Gauges are cleared in between. What the cells mean stands in metrics.h.
 *
 * The order is stats_open() in the master, fork, stats_use() in the worker. Before that, and in a
 * program that does neither, numbers go nowhere.
 */
#ifndef TICKSTREAM_STATS_H
#define TICKSTREAM_STATS_H

#include "base/text.h"
#include "stats/metrics.h"

/* Makes the shared memory for so many slots, before the first fork. false: no memory. */
bool stats_open(size_t workers);

/* From now on this process is the writer of that slot, whose gauges it clears. */
void stats_use(size_t slot);

/* Adds n to a cell of a counter. */
void stats_add(Stat stat, uint64_t n);

/* Adds 1 to the value of a labelled counter; a value that the metric does not have is counted
 * as its last. */
void stats_add_value(Stat counter, Str value);

/* Adds a number, in the unit of its bounds, to a histogram. */
void stats_observe(Stat histogram, uint64_t number);

/* The value of a gauge or maximum. */
void stats_set(Stat stat, uint64_t value);

/* A cell of one slot. */
uint64_t stats_of(size_t slot, Stat stat);

/* Of all slots together, as it is reported, in its own unit. */
uint64_t stats_total(Stat stat);

/* What a dead worker cannot take back: its gauges become 0. By the master, before another worker
 * has the slot. */
void stats_clear_gauges(size_t slot);

/* All metrics, of all slots together, in Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). */
void stats_render(Text *text);

#endif
