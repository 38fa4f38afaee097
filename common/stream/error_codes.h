/*
 * What the codes in the errors of a failed status mean, whether it helps to send the message again,
 * and who can mend it: one row a code in error_codes.c, in our own words.
 *
 * Source: Meta's page of error codes and what it says elsewhere, as of October 2026; of columns
 * "retry" and "who" only our reading, since Meta has none. Senders that queue also report what the
 * API answered to them, so its codes are here too.
 */
#ifndef TICKSTREAM_ERROR_CODES_H
#define TICKSTREAM_ERROR_CODES_H

#include <stddef.h>

typedef enum {
    RETRY_NEVER,  /* it fails alike, or is not wanted */
    RETRY_LATER,  /* the same message may pass */
    RETRY_MENDED, /* only when something was changed */
    RETRIES
} ErrorRetry;

typedef enum {
    MENDER_RECIPIENT, /* the person, or their number */
    MENDER_CONTENT,   /* template, text, media */
    MENDER_BUSINESS,  /* the account, its numbers, their quality */
    MENDER_BILLING,
    MENDER_PACE, /* too much, too fast */
    MENDER_META,
    MENDER_SENDER, /* the program that sends */
    MENDERS
} ErrorMender;

typedef struct {
    unsigned code, last;  /* of these codes; last is mostly code */
    const char *meaning;  /* under 60 characters, ASCII */
    ErrorRetry retry;     /* see error_retry_word() */
    ErrorMender mends_it; /* see error_mender_word() */
} ErrorMeaning;

/* NULL: the code is not known, and nothing is to be guessed from its neighbours. */
const ErrorMeaning *error_meaning(unsigned code);

/* "never", "later", "when mended" */
const char *error_retry_word(ErrorRetry retry);

/* "recipient", "content", "business", "billing", "pace", "Meta", "sender" */
const char *error_mender_word(ErrorMender mender);

/* All rows, by their codes. */
extern const ErrorMeaning error_meanings[];
extern const size_t error_meaning_count;

#endif
