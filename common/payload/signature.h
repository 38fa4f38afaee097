/*
 * The signature of a webhook: HMAC-SHA256 with the app secret over the raw bytes of the body.
 * Source: developers.facebook.com/docs/graph-api/webhooks/getting-started, "Validating payloads".
 */
#ifndef TICKSTREAM_SIGNATURE_H
#define TICKSTREAM_SIGNATURE_H

#include "base/digest.h"
#include "base/error.h"

typedef struct Verifier Verifier;

/* For up to LIMIT_SECRETS secrets, any of which may have signed; none may be empty. The texts are
 * borrowed for the call. NULL on failure. */
Verifier *verifier_new(const Str *secrets, size_t count);

/*
 * Checks that header is the signature of body: the value of X-Hub-Signature-256, absent
 * when there was none; a repeated header must come joined or as an unparsable text, and
 * fails. false with ERROR_UNSIGNED, whose text says whether it is missing, malformed or
 * wrong; or with ERROR_NO_MEMORY.
 */
bool signature_verify(Verifier *verifier, Str header, Str body, Error *reterr);

/* Reads `sha256=` and 64 hex digits in any case; false when header is anything else. */
bool signature_parse(Str header, unsigned char ret[SHA256_BYTES]);

enum { SIGNATURE_HEADER = 96 }; /* room */

/* The header of a body that this key signs: "X-Hub-Signature-256: sha256=..." and a NUL. false: no
 * memory. */
bool signature_write(HmacKey *key, Str body, char to[SIGNATURE_HEADER]);

/* Takes NULL; returns NULL. */
Verifier *verifier_free(Verifier *verifier);

#endif
