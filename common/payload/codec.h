/*
 * From media type to payload.
 *
 * To add a format: write codec_NAME.c with one decode function that calls the builder of payload.h,
 * and add its media types to the table in codec.c.
 */
#ifndef TICKSTREAM_CODEC_H
#define TICKSTREAM_CODEC_H

#include "payload/payload.h"

typedef enum {
    CHARSET_UTF8,
    CHARSET_UTF16,  /* little endian unless a byte order mark says otherwise */
    CHARSET_LATIN1, /* ISO 8859-1, or US-ASCII: UTF-8 when it is that, else ISO 8859-1 */
} Charset;

typedef enum {
    FORMAT_JSON,
    FORMAT_XML,
    FORMAT_FORM,
} Format;

typedef struct {
    Format format;
    Charset charset;
    Str name; /* type and subtype in lower case; static */
} MediaType;

/*
 * Reads a Content-Type (RFC 9110 section 8.3): type and subtype in any case, `charset` possibly
 * quoted, other parameters ignored. false with ERROR_UNKNOWN_TYPE when it is absent, unreadable,
 * not ours, or of a charset other than utf-8, utf-16 (not forms), us-ascii and iso-8859-1.
 */
bool media_type_parse(Str content_type, MediaType *ret, Error *reterr);

/* What was read of a Content-Type, to be kept: "text/xml; charset=utf-16". Written to buf. */
Str media_type_text(const MediaType *type, char buf[LIMIT_MEDIA_TYPE]);

/*
 * Decodes a body. The payload is the arena's and borrows from body.
 * false: ERROR_MALFORMED with reason and, where known, position (of a UTF-16 body, that in its
 * UTF-8 form); or ERROR_NO_MEMORY. Never anything else. A body that is well-formed, but in which
 * nothing is known, is malformed too: REASON_NOT_A_PAYLOAD. Empty without error is only what has
 * nothing but `object` and an `entry` that is nothing.
 */
bool payload_decode(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr);

/* One for each format; what payload_decode() calls with a body that is UTF-8 by name. */
bool json_decode(Str body, Arena *arena, Payload *ret, Error *reterr);
bool xml_decode(Str body, Arena *arena, Payload *ret, Error *reterr);
bool form_decode(Str body, Arena *arena, Payload *ret, Error *reterr);

/* Frees what the codecs keep between calls. */
void codec_shutdown(void);

#endif
