/*
 * SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104) by OpenSSL's libcrypto, with contexts that are
 * made once. A process uses these from one thread.
 */
#ifndef TICKSTREAM_DIGEST_H
#define TICKSTREAM_DIGEST_H

#include "base/str.h"

enum { SHA256_BYTES = 32 };

/* The digest of data; false when libcrypto fails (no memory). */
bool sha256(Str data, unsigned char ret[SHA256_BYTES]);

typedef struct HmacKey HmacKey;

/* A key made of a secret that is not empty; NULL on failure. */
HmacKey *hmac_key_new(Str secret);

bool hmac_sha256(HmacKey *key, Str data, unsigned char ret[SHA256_BYTES]);

/* Forgets the key; takes NULL; returns NULL. */
HmacKey *hmac_key_free(HmacKey *key);

/* Equality in a time that does not depend on where the bytes differ. */
bool digest_eq(const unsigned char a[SHA256_BYTES], const unsigned char b[SHA256_BYTES]);

/* Equality of two texts, in a time that depends neither on their bytes nor on the
 * length of `expected`. */
bool secret_eq(Str given, Str expected);

/* Frees what sha256() keeps between calls. */
void digest_shutdown(void);

#endif
