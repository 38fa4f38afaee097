#include "commands/latency.h"

/*
 * Below LATENCY_PARTS each time has a bucket of its own; from there on every power of two is
 * divided into half as many parts. What is beyond the last bucket, half an hour, is counted there.
 */
enum { HALF = LATENCY_PARTS / 2 };

static unsigned bucket_of(uint64_t us)
{
    unsigned shift = 0;
    while (us >> shift >= LATENCY_PARTS) {
        shift++;
    }
    const uint64_t bucket = shift * HALF + (us >> shift);
    return bucket < LATENCY_BUCKETS ? (unsigned)bucket : LATENCY_BUCKETS - 1;
}

/* The longest time that falls into a bucket. */
static uint64_t end_of(unsigned bucket)
{
    const unsigned shift = bucket < LATENCY_PARTS ? 0 : bucket / HALF - 1;
    return ((uint64_t)(bucket - shift * HALF + 1) << shift) - 1;
}

void latency_add(Latency *latency, uint64_t us)
{
    latency->count++;
    latency->worst = us > latency->worst ? us : latency->worst;
    latency->buckets[bucket_of(us)]++;
}

uint64_t latency_at(const Latency *latency, double share)
{
    const double wanted = share * (double)latency->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS && latency->count; i++) {
        seen += latency->buckets[i];
        if (seen && (double)seen >= wanted) {
            return end_of(i) < latency->worst ? end_of(i) : latency->worst;
        }
    }
    return latency->worst;
}

double latency_share_over(const Latency *latency, uint64_t us)
{
    uint64_t over = 0;
    for (unsigned i = bucket_of(us) + 1; i < LATENCY_BUCKETS; i++) {
        over += latency->buckets[i];
    }
    return latency->count ? (double)over / (double)latency->count : 0;
}
