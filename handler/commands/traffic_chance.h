/*
 * Chance that follows from a seed alone: numbers that look random. Pure.
 */
#ifndef TICKSTREAM_TRAFFIC_CHANCE_H
#define TICKSTREAM_TRAFFIC_CHANCE_H

#include <stdint.h>

/* One step of splitmix64 (Steele, Lea, Flood 2014): another number for each. */
uint64_t chance_mix(uint64_t x);

/* The next one of a row, whose state it is. */
uint64_t chance_draw(uint64_t *state);

/* 0..1, of a random number. */
double chance_fraction(uint64_t random);

/* An index into rows by their weights, which add up to `sum`. */
unsigned chance_lot(uint64_t random, unsigned sum);

/* What a message has stays the same in all of its statuses; each property has a salt. */
typedef enum { OF_FATE = 1, OF_TIME, OF_PLACE, OF_CODE, OF_KIND, OF_ID, OF_TALK } Property;

/* A random number for a property of a message. */
uint64_t chance_of(uint64_t seed, uint64_t message, Property which);

#endif
