/*
 * The signature header: what is read, written again, is what stood there.
 */
#include "fuzz.h"
#include "payload/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Str header = fuzz_text(data, size);
    unsigned char digest[SHA256_BYTES];
    char written[7 + 2 * SHA256_BYTES + 1] = "sha256=";
    if (!signature_parse(header, digest)) {
        return 0;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(written + 7 + 2 * i, 3, "%02x", (unsigned)digest[i]);
    }
    CHECK(str_starts_with(header, STR("sha256=")));
    CHECK(str_eq_nocase(header, str_from(written)));
    return 0;
}
