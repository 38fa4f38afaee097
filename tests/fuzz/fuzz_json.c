/*
 * JSON bodies: jansson agrees about what JSON is, and a body is a payload exactly when it is an
 * object, unless it goes over a limit.
 */
#include "payload/codec.h"
#include "fuzz.h"
#include "json_oracle.h"

static bool is_object(Str text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[0]) && text.ptr[0]) {
        text = str_from_offset(text, 1);
    }
    return text.len && text.ptr[0] == '{';
}

static void check_json(Str body)
{
    Payload payload;
    Error error;
    Arena *arena = fuzz_arena();
    const Opinion opinion = json_oracle(body);
    if (opinion.wrong) {
        fprintf(stderr, "%s\n", opinion.wrong);
        abort();
    }
    if (json_decode(body, arena, &payload, &error)) {
        CHECK(opinion.accepted && is_object(body));
        check_payload(&payload, arena);
        return;
    }
    check_refusal(&error, body.len);
    CHECK(!opinion.accepted || !is_object(body) || error_reason(&error) == REASON_TOO_MANY);
}

/* The same bytes as whatever a Content-Type may call them. */
static void check_charset(Str body, Charset charset)
{
    Payload payload;
    Error error;
    Arena *arena = fuzz_arena();
    if (payload_decode((MediaType){.format = FORMAT_JSON, .charset = charset}, body, arena, &payload, &error)) {
        check_payload(&payload, arena);
    } else {
        check_refusal(&error, 2 * body.len); /* a UTF-16 body is counted as UTF-8 */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Str body = fuzz_text(data, size);
    check_json(body);
    check_charset(body, CHARSET_UTF8);
    check_charset(body, CHARSET_UTF16);
    return 0;
}
