#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* Of this process. Its algorithm is looked up once, since that costs more than a hash. */
static EVP_MD_CTX *sha256_context;

bool sha256(Str data, unsigned char ret[SHA256_BYTES])
{
    bool first = sha256_context == NULL;
    if (first) {
        sha256_context = EVP_MD_CTX_new();
    }
    if (!sha256_context || !EVP_DigestInit_ex(sha256_context, first ? EVP_sha256() : NULL, NULL)) {
        digest_shutdown();
        return false;
    }
    return EVP_DigestUpdate(sha256_context, data.ptr, data.len) &&
           EVP_DigestFinal_ex(sha256_context, ret, NULL);
}

void digest_shutdown(void)
{
    EVP_MD_CTX_free(sha256_context);
    sha256_context = NULL;
}

struct HmacKey {
    EVP_MAC_CTX *context; /* holds the key; initialised anew for each message */
};

static EVP_MAC_CTX *make_context(Str secret)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    if (context && !EVP_MAC_init(context, (const unsigned char *)secret.ptr, secret.len, params)) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    return context;
}

HmacKey *hmac_key_new(Str secret)
{
    HmacKey *key = str_is_empty(secret) ? NULL : calloc(1, sizeof(*key));
    if (key) {
        key->context = make_context(secret);
        if (!key->context) {
            key = hmac_key_free(key);
        }
    }
    return key;
}

bool hmac_sha256(HmacKey *key, Str data, unsigned char ret[SHA256_BYTES])
{
    size_t len;
    return EVP_MAC_init(key->context, NULL, 0, NULL) &&
           EVP_MAC_update(key->context, (const unsigned char *)data.ptr, data.len) &&
           EVP_MAC_final(key->context, ret, &len, SHA256_BYTES) && len == SHA256_BYTES;
}

HmacKey *hmac_key_free(HmacKey *key)
{
    if (key) {
        EVP_MAC_CTX_free(key->context);
        free(key);
    }
    return NULL;
}

bool digest_eq(const unsigned char a[SHA256_BYTES], const unsigned char b[SHA256_BYTES])
{
    return CRYPTO_memcmp(a, b, SHA256_BYTES) == 0;
}

bool secret_eq(Str given, Str expected)
{
    unsigned char a[SHA256_BYTES], b[SHA256_BYTES];
    return sha256(given, a) && sha256(expected, b) && digest_eq(a, b) && str_eq(given, expected);
}
