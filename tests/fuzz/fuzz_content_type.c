/*
 * Content-Type, and Accept, which is read by the same rules.
 */
#include "payload/codec.h"
#include "fuzz.h"
#include "http/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Str header = fuzz_text(data, size);
    MediaType type = {.charset = CHARSET_UTF8};
    Error error;
    if (media_type_parse(header, &type, &error)) {
        CHECK(type.format <= FORMAT_FORM && type.charset <= CHARSET_UTF16);
        CHECK(type.format != FORMAT_FORM || type.charset == CHARSET_UTF8);
        /* To a client without Accept the answer has the format that it posted. */
        CHECK((negotiate(STR(""), header) == ANSWER_XML) == (type.format == FORMAT_XML));
    } else {
        CHECK(error.code == ERROR_UNKNOWN_TYPE);
    }
    AnswerFormat format = negotiate(header, STR("application/json"));
    CHECK(format == ANSWER_JSON || format == ANSWER_XML);
    return 0;
}
