/*
 * Payloads as text, so that a codec's rules can be read as a table of {label, body, text}.
 *
 * A line for each thing that a payload holds, absent members and the defaults of errors and extra
 * left out:
 *
 *     object 'o'
 *     status id='wamid.1' status='sent' entry='1' field='messages'
 *     quarantined missing_id /entry/0/changes/0/value/statuses/1 {"status":"sent"}
 *     event {"field":"f","value":{}} entry='1' field='f'
 *
 * The envelope comes last in its line. Control characters, backslashes and DEL are written as \xHH.
 */
#ifndef TICKSTREAM_PAYLOAD_TEXT_H
#define TICKSTREAM_PAYLOAD_TEXT_H

#include "payload/payload.h"

typedef bool Decode(Str body, Arena *arena, Payload *ret, Error *reterr);

/* The caller frees the text with free(). */
char *payload_text(const Payload *payload);

/*
 * What a codec makes of a body: payload_text(), or "malformed REASON\n", or "no memory\n". The body
 * is moved to the end of a page after which nothing may be read. The caller frees the text with
 * free().
 */
char *decoded_text(Decode *decode, Str body);

/* Like decoded_text(), but with "malformed REASON LINE:COLUMN BYTE TEXT\n". */
char *decoded_error(Decode *decode, Str body);

typedef struct {
    const char *label;
    Str body; /* STR_INIT("...") */
    const char *want;
} DecodeCase;

/* Compares decoded_text() of every case with what is wanted; prints all that differ, then fails. */
void assert_decodes(Decode *decode, const DecodeCase *cases, size_t count);

/* The same with decoded_error(). */
void assert_errors(Decode *decode, const DecodeCase *cases, size_t count);

/* The same for one body that was made on the spot. */
void assert_decoded(Decode *decode, Str body, const char *want);

/* begin, then `count` times part with each '#' as the number from 0, then end; the arena's. */
Str repeat(Arena *arena, const char *begin, const char *part, size_t count, const char *end);

/*
 * Decodes a good body with every allocation failing in its turn; asserts that each result is either
 * the same as without a failure or ERROR_NO_MEMORY, and that the next call succeeds. reset is
 * called before each decoding; may be NULL. Needs the link flags of failing_malloc.h.
 */
void assert_survives_failing_malloc(Decode *decode, Str body, void (*reset)(void));

#endif
