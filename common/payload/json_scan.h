/*
 * A pull scanner for JSON (RFC 8259) over the caller's bytes.
 *
 * One pass, no tree, no copy: values come back as slices of the text exactly as it was written, and
 * escapes are resolved only where a value is asked for and a backslash was seen. Syntax and UTF-8
 * are checked in full, also of what is skipped. Nothing is read beyond the end of the text.
 *
 *     json_begin(&scan, body, &error);
 *     if (json_enter(&scan, JSON_OBJECT))
 *         while (json_member(&scan, &name))
 *             json_value(&scan, &value);          or json_enter()
 *     json_end(&scan)
 *
 * After an error every function returns false and the error stands.
 *
 * Strict but for these, which a status must survive (design of the replaced API, and what senders
 * really do): a lone surrogate escape becomes U+FFFD; \u0000 is data; numbers have any size, since
 * they are kept as text; names may repeat. Nesting is limited to LIMIT_DEPTH.
 */
#ifndef TICKSTREAM_JSON_SCAN_H
#define TICKSTREAM_JSON_SCAN_H

#include "base/arena.h"
#include "payload/reason.h"

typedef enum {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonKind;

typedef struct {
    JsonKind kind;
    bool escaped; /* a string with at least one backslash */
    Str text;     /* as written; a string with its quotes */
} JsonValue;

typedef struct {
    const char *begin, *pos, *end;
    unsigned depth; /* of the containers that are open */
    bool first;     /* nothing of the innermost container has been read yet */
    Error *error;
} JsonScanner;

/* Stands before the document's value. text and error are borrowed for the scanner's life. *error is
 * cleared now; where the text is not JSON it becomes ERROR_MALFORMED with reason and position. */
void json_begin(JsonScanner *scan, Str text, Error *error);

/* The kind of the next value, by its first byte; false at the end of the text and where
 * no value begins. */
bool json_peek(JsonScanner *scan, JsonKind *ret);

/* Goes into the next value, which must be an array or object as json_peek() has found. */
bool json_enter(JsonScanner *scan, JsonKind kind);

/*
 * Goes to the next member of the innermost object: *ret is its name (a JSON_STRING), the scanner
 * stands before its value, which must then be read or skipped. false when the object has ended,
 * which leaves it, or on error.
 */
bool json_member(JsonScanner *scan, JsonValue *ret);

/* Goes to the next element of the innermost array; likewise. */
bool json_element(JsonScanner *scan);

/* Reads the next value whole, with all that it contains. */
bool json_value(JsonScanner *scan, JsonValue *ret);

/* Ends the document: true when nothing but white space follows and no error stands. */
bool json_end(JsonScanner *scan);

/* Is a text one JSON value, whole? */
bool json_is_valid(Str text);

/* true: the last false meant an error, not the end of a container. */
static inline bool json_failed(const JsonScanner *scan)
{
    return scan->error->code != ERROR_NONE;
}

/*
 * The meaning of a scalar: a string without quotes and escapes (the arena's where it had escapes,
 * else borrowed from the text), a number or boolean as written, null as absent. false: no memory.
 * An array or object comes back as written.
 */
bool json_content(const JsonValue *value, Arena *arena, Str *ret);

#endif
