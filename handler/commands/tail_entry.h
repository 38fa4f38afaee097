/*
 * What an entry of the stream says to who shows it: its fields, its times, its error, and numbers
 * of persons, masked. Pure.
 */
#ifndef TICKSTREAM_TAIL_ENTRY_H
#define TICKSTREAM_TAIL_ENTRY_H

#include "redis/reply.h"
#include "stream/error_codes.h"

#include <stdint.h>

typedef struct {
    Str stream;          /* whose entry it is */
    Str id;              /* of the entry */
    const Reply *fields; /* a list, names and values in turn; NULL = it was deleted */

    /* It is pending: delivered to a consumer, who has not acknowledged it. */
    Str consumer; /* absent = it is not */
    long long deliveries, idle_ms;
} TailEntry;

typedef struct {
    bool as_json;
    bool is_clear;   /* numbers are not masked */
    bool has_colour; /* of a terminal; not of JSON */
    int64_t now;     /* Unix milliseconds: ages count from here */
} TailStyle;

/* Absent when it has no such field. */
Str tail_field(const TailEntry *entry, Str name);

/* When it came, in Unix milliseconds: received_at, else by its id. */
int64_t tail_received_at(const TailEntry *entry);

/* Unix seconds: what the sender says, else when it came. */
int64_t tail_time(const TailEntry *entry);

typedef struct {
    Str code, title;             /* of the first error; absent = it has none */
    size_t count;                /* of errors; 0 also when `errors` cannot be read */
    unsigned number;             /* the code, when it has a */
    const ErrorMeaning *meaning; /* NULL = its code is not known */
} TailFailure;

/* What is wrong with it; texts are the arena's, or the entry's. */
TailFailure tail_failure(const TailEntry *entry, Arena *arena);

/* A number of a person as it is shown, *** and the last digits; the arena's, or as it was. */
Str tail_mask(Str number, const TailStyle *style, Arena *arena);

/* JSON text in which the recipient's number, and others that a member says are of a person, are
 * masked likewise; a number becomes a string. The arena's; absent: no memory. */
Str tail_mask_json(Str json, Str recipient, const TailStyle *style, Arena *arena);

#endif
