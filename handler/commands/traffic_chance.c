#include "commands/traffic_chance.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

uint64_t chance_mix(uint64_t x)
{
    x += GOLDEN;
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint64_t chance_draw(uint64_t *state)
{
    *state += GOLDEN;
    return chance_mix(*state);
}

double chance_fraction(uint64_t random)
{
    return (double)(random >> 11) / (double)(UINT64_C(1) << 53);
}

unsigned chance_lot(uint64_t random, unsigned sum)
{
    return (unsigned)(random % sum);
}

uint64_t chance_of(uint64_t seed, uint64_t message, Property which)
{
    return chance_mix(chance_mix(seed + which) + message);
}
