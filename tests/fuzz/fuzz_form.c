/*
 * Form bodies.
 */
#include "payload/codec.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Payload payload;
    Error error;
    Arena *arena = fuzz_arena();
    if (form_decode(fuzz_text(data, size), arena, &payload, &error)) {
        check_payload(&payload, arena);
    } else {
        check_refusal(&error, size);
    }
    return 0;
}
