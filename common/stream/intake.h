/*
 * From a body to what is stored of it, whoever has brought it: the webhook, a file, quarantine.
 */
#ifndef TICKSTREAM_INTAKE_H
#define TICKSTREAM_INTAKE_H

#include "payload/codec.h"
#include "stream/entry.h"

/* As payload_decode(), and what its entries would occupy is checked: false with ERROR_MALFORMED,
 * REASON_TOO_MUCH too. */
bool intake_decode(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr);

/* The same of a body whose sender is known, who would only send the same again: what cannot be read
 * is kept whole, and the payload is nothing but the body in quarantine. false: ERROR_NO_MEMORY. */
bool intake_keep(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr);

#endif
