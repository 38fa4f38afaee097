/*
 * The query of the GET handshake: a challenge that would be sent back is short and cannot end a
 * header or a line.
 */
#include "fuzz.h"
#include "endpoints/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Secrets tokens = {.count = 2, .texts = {STR_INIT("t"), STR_INIT("a b")}};
    Handshake handshake;
    Error error;
    if (!handshake_parse(fuzz_text(data, size), fuzz_arena(), &handshake, &error)) {
        CHECK(error.code == ERROR_INVALID);
        return 0;
    }
    if (!handshake_check(&handshake, &tokens, &error)) {
        CHECK(error.code == ERROR_FORBIDDEN || error.code == ERROR_INVALID);
        return 0;
    }
    CHECK(str_eq(handshake.mode, STR("subscribe")));
    CHECK(str_eq(handshake.token, STR("t")) || str_eq(handshake.token, STR("a b")));
    CHECK(handshake.challenge.len > 0 && handshake.challenge.len <= LIMIT_CHALLENGE);
    for (size_t i = 0; i < handshake.challenge.len; i++) {
        CHECK((unsigned char)handshake.challenge.ptr[i] >= 0x20);
    }
    return 0;
}
