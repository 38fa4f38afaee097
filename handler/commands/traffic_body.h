/*
 * Writes one payload in any of the three formats: a tree of objects, lists and texts, which the
 * caller goes through once, in the order of Meta's JSON.
 *
 *     BodyWriter writer = {.format = FORMAT_XML, .to = &buffer};
 *     body_begin(&writer);
 *     body_open(&writer, &NAME_ENTRY, true);
 *     body_open(&writer, &NAME_ITEM..., false); ...
 *
 * The buffer must have room for all of it: BODY_STATUS_ROOM for each status, BODY_ROOM for the
 * rest. Texts are ASCII without control characters, quotes, backslashes, '<', '>' and '&'.
 */
#ifndef TICKSTREAM_TRAFFIC_BODY_H
#define TICKSTREAM_TRAFFIC_BODY_H

#include "base/buffer.h"
#include "payload/codec.h"

enum { BODY_DEPTH = 12, BODY_PATH = 160, BODY_STATUS_ROOM = 2048, BODY_ROOM = 4096 };

/* A name as JSON and forms spell it, and as DataContract XML does; of a list also what its elements
 * are called there. */
typedef struct {
    Str json, xml, item;
} BodyName;

typedef struct {
    Format format;
    Buffer *to;
    size_t depth;
    struct {
        const BodyName *name;
        bool is_list;
        size_t count; /* of what it has so far */
        size_t path;  /* length of a form's path before it */
    } open[BODY_DEPTH];
    char path[BODY_PATH]; /* of a form */
    size_t path_len;
    bool has_pairs; /* a form's */
} BodyWriter;

/* The root, an object. */
void body_begin(BodyWriter *writer);

/* An object or a list, in an object under its name; in a list (where the name is not used) always
 * an object. */
void body_open(BodyWriter *writer, const BodyName *name, bool is_list);
void body_close(BodyWriter *writer);

/* A member of an object. */
void body_text(BodyWriter *writer, const BodyName *name, Str text);

/* The same for a number or true or false, which only JSON tells from a text. */
void body_literal(BodyWriter *writer, const BodyName *name, Str literal);

/* The end of the root. */
void body_end(BodyWriter *writer);

#endif
