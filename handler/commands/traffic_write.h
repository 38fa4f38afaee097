/*
 * One body of made-up traffic, from the steps of messages that it tells of: ids, recipients,
 * errors, prices, as Meta writes them.
 */
#ifndef TICKSTREAM_TRAFFIC_WRITE_H
#define TICKSTREAM_TRAFFIC_WRITE_H

#include "commands/traffic.h"
#include "commands/traffic_body.h"

enum { TRAFFIC_NUMBERS = 4 }; /* business numbers */

/* What becomes of a message. */
typedef enum { STEP_SENT, STEP_DELIVERED, STEP_READ, STEP_FAILED } StepKind;

/* Times are milliseconds from the start. */
typedef struct {
    uint64_t due;      /* when it is posted */
    uint64_t happened; /* not before a status that it has overtaken */
    uint64_t message;
    StepKind kind;
} TrafficStep;

/* What is borrowed for the call, but statuses: they are filled, one for each step. */
typedef struct {
    const TrafficSettings *settings;
    size_t number; /* of the business, below TRAFFIC_NUMBERS */
    const TrafficStep *steps;
    size_t count;
    TrafficStatus *statuses;
} TrafficDraft;

/* The writer's buffer has room for it. */
void traffic_write(const TrafficDraft *draft, BodyWriter *writer);

#endif
