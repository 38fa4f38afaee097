/*
 * Why a body, or an element of one, is not stored as a status.
 */
#ifndef TICKSTREAM_REASON_H
#define TICKSTREAM_REASON_H

#include "base/error.h"

/* Each has a word, which is part of the stream contract (field `reason` of the quarantine stream):
 * words are added, never renamed. */
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

/* All the words, for tables; terminated. */
extern const Str reason_words[REASON_COUNT];

/* The stable word of a reason, e.g. "wrong_shape"; terminated. */
Str reason_word(Reason reason);

/* error_set() for ERROR_MALFORMED; the reason is the error's kind. */
bool error_malformed(Error *reterr, Reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The reason of an ERROR_MALFORMED. */
static inline Reason error_reason(const Error *error)
{
    return (Reason)error->kind;
}

#endif
