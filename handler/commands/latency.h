/*
 * How long things took: a histogram that tells any percentile to within 1.6 %, however many they
 * are. A new one is {0}.
 */
#ifndef TICKSTREAM_LATENCY_H
#define TICKSTREAM_LATENCY_H

#include <stdint.h>

enum { LATENCY_PARTS = 64, LATENCY_BUCKETS = 32 * LATENCY_PARTS };

typedef struct {
    uint64_t count;
    uint64_t worst; /* microseconds, like all times here */
    uint64_t buckets[LATENCY_BUCKETS];
} Latency;

void latency_add(Latency *latency, uint64_t us);

/* The time that the share (0..1) of all is not above; 0 when there are none. */
uint64_t latency_at(const Latency *latency, double share);

/* The share of those that took longer than us. */
double latency_share_over(const Latency *latency, uint64_t us);

#endif
