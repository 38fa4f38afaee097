/*
 * A sink in memory: remembers what was published, as text, and answers as it was told to.
 */
#ifndef TICKSTREAM_MEMORY_SINK_H
#define TICKSTREAM_MEMORY_SINK_H

#include "base/owner.h"
#include "stream/sink.h"

typedef struct {
    Sink sink;

    /* What to do. */
    ErrorCode code; /* how publications end */
    bool later;     /* not before memory_sink_finish() */
    bool connected;

    /* What was done. */
    size_t publications, probes;
    char text[4096];     /* payload_text() of the last publication */
    char request_id[65]; /* its request id, */
    char content_type[128];
    char received_at[24];

    Publication *waiting; /* that memory_sink_finish() will end */
    Probe *asking;
} MemorySink;

/* An empty sink that is connected and accepts everything. */
MemorySink memory_sink(void);

/* Ends the publication or probe that waits: all of its elements were new. */
void memory_sink_finish(MemorySink *memory);

#endif
