/*
 * A publication that is spread over partitions: a publication for each one that it touches, and one
 * answer when all have ended.
 *
 * It is stored when all are; else its code is that of the first that has ended otherwise, and what
 * the others have stored is recognised when it comes again.
 */
#ifndef TICKSTREAM_SPREAD_H
#define TICKSTREAM_SPREAD_H

#include "stream/partitions.h"
#include "stream/sink.h"

typedef struct Spread Spread;

typedef struct {
    size_t partition;
    Publication publication;
    Spread *spread;
} Part;

struct Spread {
    Publication *whole;
    Part *parts; /* by their partitions */
    size_t count;
    size_t open; /* parts that have not ended */
};

/* The parts of a publication, for count partitions; all of it is the publication's arena's. NULL:
 * no memory. */
Spread *spread_new(Publication *whole, size_t count);

/* A part has ended before it was sent, with its code, and was not told. Returns whether the whole
 * has ended thereby; done() is called for none that ended so. */
bool spread_end(Spread *spread, const Part *part);

#endif
