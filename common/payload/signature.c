#include "payload/signature.h"

#include <stdlib.h>

struct Verifier {
    size_t count;
    HmacKey *keys[LIMIT_SECRETS];
};

Verifier *verifier_new(const Str *secrets, size_t count)
{
    Verifier *verifier = count <= LIMIT_SECRETS ? calloc(1, sizeof(*verifier)) : NULL;
    for (size_t i = 0; verifier && i < count; i++) {
        HmacKey *key = hmac_key_new(secrets[i]);
        if (!key) {
            return verifier_free(verifier);
        }
        verifier->keys[verifier->count++] = key;
    }
    return verifier;
}

Verifier *verifier_free(Verifier *verifier)
{
    if (verifier) {
        for (size_t i = 0; i < verifier->count; i++) {
            hmac_key_free(verifier->keys[i]);
        }
        free(verifier);
    }
    return NULL;
}

bool signature_parse(Str header, unsigned char ret[SHA256_BYTES])
{
    const Str prefix = STR("sha256=");
    if (!str_starts_with(header, prefix) || header.len != prefix.len + 2 * (size_t)SHA256_BYTES) {
        return false;
    }
    const char *hex = header.ptr + prefix.len;
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        int high = ascii_hex_digit(hex[2 * i]), low = ascii_hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool signature_verify(Verifier *verifier, Str header, Str body, Error *reterr)
{
    unsigned char given[SHA256_BYTES], expected[SHA256_BYTES];
    if (!header.ptr) {
        return error_set(reterr, ERROR_UNSIGNED, "the X-Hub-Signature-256 header is missing");
    }
    if (!signature_parse(header, given)) {
        return error_set(
            reterr, ERROR_UNSIGNED,
            "the X-Hub-Signature-256 header must be once \"sha256=\" and 64 hex digits");
    }
    for (size_t i = 0; i < verifier->count; i++) {
        if (!hmac_sha256(verifier->keys[i], body, expected)) {
            return error_no_memory(reterr);
        }
        if (digest_eq(given, expected)) {
            return true;
        }
    }
    return error_set(reterr, ERROR_UNSIGNED,
                     "the signature is not that of this body under a secret known here");
}

bool signature_write(HmacKey *key, Str body, char to[SIGNATURE_HEADER])
{
    unsigned char digest[SHA256_BYTES];
    if (!hmac_sha256(key, body, digest)) {
        return false;
    }
    char *end = str_put(to, STR("X-Hub-Signature-256: sha256="));
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        *end++ = "0123456789abcdef"[digest[i] >> 4];
        *end++ = "0123456789abcdef"[digest[i] & 15];
    }
    *end = '\0';
    return true;
}
