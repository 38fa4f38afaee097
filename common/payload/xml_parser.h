/*
 * XML as events: the only user of libxml2.
 *
 * What a web service may safely read: elements, attributes, text, CDATA, comments. Refused, each
 * with its reason: document types and processing instructions (nothing is ever fetched or
 * expanded), references of .NET's serializer (z:Ref), nesting over LIMIT_DEPTH, bytes that are not
 * UTF-8, and what would make libxml2 slow.
 *
 * One parser is kept between calls, with nothing of the documents but names that it has met; it is
 * made anew when these exceed LIMIT_XML_DICT, after a large body, and after a failed allocation.
 */
#ifndef TICKSTREAM_XML_PARSER_H
#define TICKSTREAM_XML_PARSER_H

#include "base/arena.h"
#include "payload/reason.h"

/*
 * What happens in a document, in its order. Each function gets the caller's context; false, with
 * the caller's error set, ends the parse.
 */
typedef struct {
    /*
     * An element begins. name, borrowed until start() returns, comes without its prefix; uri is
     * its namespace or NULL, during one parse mostly the same pointer for the same namespace;
     * null: it has i:nil="true" (or "1").
     */
    bool (*start)(void *context, const char *name, const char *uri, bool null);

    /* The innermost element ends. */
    bool (*end)(void *context);

    /* A piece of text, not empty, borrowed until text() returns. Line ends are LF. */
    bool (*text)(void *context, Str piece);
} XmlEvents;

/*
 * Parses a document that is UTF-8, without byte order mark, whatever it declares.
 * false: ERROR_MALFORMED with reason and position, ERROR_NO_MEMORY, or what an event has set in the
 * same *reterr; to that a position is added when it is ERROR_MALFORMED.
 */
bool xml_parse(Str body, const XmlEvents *events, void *context, Error *reterr);

/* Does the XML declaration name ISO 8859-1? */
bool xml_declares_latin1(Str body);

/*
 * The document with each character that XML forbids, and each reference to one (&#0;), as U+FFFD;
 * the arena's, or the document itself when there are none. Absent: no memory.
 */
Str xml_replace_forbidden(Str body, Arena *arena);

/* Frees what is kept between calls. */
void xml_parser_shutdown(void);

#endif
