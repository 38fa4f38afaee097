/*
 * Names of form fields: entry[0][changes][0][value][statuses][0][id], brackets or dots, in any
 * case, as the JSON sample or as .NET spells them. Pure: what a name means, and where it stands.
 */
#ifndef TICKSTREAM_FORM_NAME_H
#define TICKSTREAM_FORM_NAME_H

#include "payload/payload.h"

#include <stdint.h>

typedef enum {
    TEXT, /* a leaf */
    PAYLOAD,
    ENTRIES,
    ENTRY,
    CHANGES,
    CHANGE,
    VALUE,
    METADATA,
    STATUSES,
    STATUS,
    ERRORS,
    ERROR,
    PLACES
} Place;

/* Lists on the way to a leaf. */
enum { LEVELS = 4 };

typedef struct {
    unsigned depth; /* how many lists contain it */
    Place item;     /* of a list */
} PlaceKind;

extern const PlaceKind form_places[PLACES];

/* What a name leads to. The order of the table is that of the JSON sample, in which the leaves of
 * one object are then expected. */
typedef struct {
    Str name, net_name; /* as in JSON, as in .NET when that is more than another case */
    Place in, is;
    size_t offset; /* of a leaf, in its object */
} Member;

typedef struct {
    uint64_t indexes;     /* 16 bits for each level, the outermost first; 0 where there is none */
    const Member *member; /* the members' order is that of the table */
    Str value;
    size_t offset; /* of the pair in the body */
} Leaf;

/* A pair of an unknown name, or of nothing in place of an object or list. */
typedef struct {
    uint64_t indexes; /* as of a leaf */
    Place in;         /* what keeps it; of nothing: what it is */
    Str path;         /* what its name goes on with, from the unknown part; absent = nothing */
    Str value;        /* as in the body */
    size_t offset;
} Stray;

/* Fills *error with REASON_BAD_NAME; returns false. */
bool form_bad_name(Error *error, const char *text);

/*
 * Finds out what a decoded name means. ret->member is NULL when it is unknown, or has no value
 * where an object or a list belongs; then *ret_stray says what it stands in, and how it goes on
 * there. What is below a text belongs to the object that the text is in. false: the error is set.
 */
bool form_read_name(Str name, bool has_value, Leaf *ret, Stray *ret_stray, Error *reterr);

/* Takes what stands before the next '[' or '.' off the front of a name. */
Str form_take_plain(Str *rest);

#endif
