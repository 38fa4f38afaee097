/*
 * XML bodies, as UTF-8 and as UTF-16.
 */
#include "payload/codec.h"
#include "fuzz.h"

static void check_charset(Str body, Charset charset)
{
    Payload payload;
    Error error;
    Arena *arena = fuzz_arena();
    if (payload_decode((MediaType){.format = FORMAT_XML, .charset = charset}, body, arena, &payload, &error)) {
        check_payload(&payload, arena);
    } else {
        check_refusal(&error, 2 * body.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_charset(fuzz_text(data, size), CHARSET_UTF8);
    check_charset(fuzz_text(data, size), CHARSET_UTF16);
    return 0;
}
