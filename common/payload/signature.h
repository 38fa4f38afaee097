/*
 * The signature of a webhook: HMAC-SHA256 with the app secret over the raw bytes of the body.
 * Source: developers.facebook.com/docs/graph-api/webhooks/getting-started, "Validating payloads".
 */
#ifndef TICKSTREAM_SIGNATURE_H
#define TICKSTREAM_SIGNATURE_H

#include "base/digest.h"
#include "base/error.h"

typedef struct Verifier Verifier;

/* Knows up to LIMIT_SECRETS secrets, any of which may have signed; none may be empty. NULL on
 * failure. */
Verifier *verifier_new(const Str *secrets, size_t count);

/*
 * Is `header` the signature of body? header is the value of X-Hub-Signature-256, absent when there
 * was none; a repeated header must come joined or as an unparsable text, and fails. false with
 * ERROR_UNSIGNED, whose text tells missing, malformed and wrong apart; or with ERROR_NO_MEMORY.
 */
bool signature_verify(Verifier *verifier, Str header, Str body, Error *reterr);

/* Reads `sha256=` and 64 hex digits in any case, nothing else; false when header is anything else.
 */
bool signature_parse(Str header, unsigned char ret[SHA256_BYTES]);

/* Takes NULL; returns NULL. */
Verifier *verifier_free(Verifier *verifier);

#endif
