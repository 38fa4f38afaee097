/*
 * What went wrong, named by what the answer should be about.
 *
 * Leaf code fills an Error and returns false; nobody logs or answers on the way up. The one place
 * that turns an ErrorCode into an HTTP status is http.c.
 */
#ifndef TICKSTREAM_ERROR_H
#define TICKSTREAM_ERROR_H

#include "base/limits.h"
#include "base/str.h"

typedef enum {
    ERROR_NONE,
    ERROR_BAD_REQUEST, /* the request itself cannot be served: no body, a repeated parameter */
    ERROR_UNSIGNED,    /* signature missing, malformed or wrong */
    ERROR_FORBIDDEN,   /* handshake with a wrong token or mode */
    ERROR_NOT_FOUND,   /* no such path */
    ERROR_METHOD_NOT_ALLOWED, /* the path is known, the method is not */
    ERROR_TOO_LARGE,          /* body over TICKSTREAM_MAX_BODY */
    ERROR_UNKNOWN_TYPE,       /* media type, charset or content encoding */
    ERROR_MALFORMED,          /* the body is not what its media type says; see reason */
    ERROR_UNAVAILABLE, /* our own trouble: Redis, overload, shutdown. The sender shall try again */
    ERROR_NO_MEMORY,   /* likewise, and never blamed on the sender */
} ErrorCode;

/*
 * Why a body or an element is not stored as a status. The words are part of the stream contract
 * (field `reason` of the quarantine stream): never renamed, only added to.
 */
typedef enum {
    REASON_NONE,
    REASON_SYNTAX,         /* the body does not follow the grammar of its media type */
    REASON_ENCODING,       /* bytes that are not the text encoding that was announced */
    REASON_TOO_DEEP,       /* nesting over LIMIT_DEPTH */
    REASON_NOT_A_PAYLOAD,  /* well-formed, but the root is not a WebhookPayload */
    REASON_FORBIDDEN_XML,  /* a DTD, a processing instruction, z:Ref */
    REASON_REPEATED,       /* a single XML element twice, two values for one form name */
    REASON_BAD_NAME,       /* a form name with a gap, an empty or huge index, an open bracket */
    REASON_TOO_MANY,       /* more elements than LIMIT_ITEMS, more pairs than LIMIT_FORM_PAIRS */
    REASON_TOO_MUCH,       /* entries that would occupy more than LIMIT_COMMANDS */
    REASON_WRONG_SHAPE,    /* an element of another kind than the payload has at this place */
    REASON_MISSING_ID,     /* a status without a non-empty id */
    REASON_MISSING_STATUS, /* a status without a non-empty status */
    REASON_COUNT
} Reason;

typedef struct {
    ErrorCode code;
    Reason reason;         /* for ERROR_MALFORMED */
    size_t line, column;   /* of the body, from 1; 0 = not known. The column counts bytes */
    size_t offset;         /* bytes from the start of the body; meaningful when line is */
    char text[LIMIT_TEXT]; /* one sentence without position, without anything secret, without bytes
                              of the body */
} Error;

/* The stable word of a reason, e.g. "wrong_shape". */
Str reason_word(Reason reason);

/* Fills *reterr and returns false, so that a leaf can `return error_set(...)`. The text is a printf
 * format. */
bool error_set(Error *reterr, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for ERROR_MALFORMED. */
bool error_malformed(Error *reterr, Reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for ERROR_NO_MEMORY. */
bool error_no_memory(Error *reterr);

/* Adds line, column and offset of the byte at `offset` of body. */
void error_locate(Error *error, Str body, size_t offset);

/* The text with its position, e.g. "expected ',' (line 3, column 14, byte 120)". Returns the length
 * written. */
size_t error_describe(const Error *error, char *buf, size_t size);

#endif
