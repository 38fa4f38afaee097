#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const Str reason_words[REASON_COUNT] = {
    [REASON_NONE] = STR_INIT("none"),
    [REASON_SYNTAX] = STR_INIT("syntax"),
    [REASON_ENCODING] = STR_INIT("encoding"),
    [REASON_TOO_DEEP] = STR_INIT("too_deep"),
    [REASON_NOT_A_PAYLOAD] = STR_INIT("not_a_payload"),
    [REASON_FORBIDDEN_XML] = STR_INIT("forbidden_xml"),
    [REASON_REPEATED] = STR_INIT("repeated"),
    [REASON_BAD_NAME] = STR_INIT("bad_name"),
    [REASON_TOO_MANY] = STR_INIT("too_many"),
    [REASON_TOO_MUCH] = STR_INIT("too_much"),
    [REASON_WRONG_SHAPE] = STR_INIT("wrong_shape"),
    [REASON_MISSING_ID] = STR_INIT("missing_id"),
    [REASON_MISSING_STATUS] = STR_INIT("missing_status"),
};

Str reason_word(Reason reason)
{
    return reason_words[reason];
}

static void fill(Error *error, ErrorCode code, Reason reason, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void fill(Error *error, ErrorCode code, Reason reason, const char *format, va_list args)
{
    *error = (Error){.code = code, .reason = reason};
    vsnprintf(error->text, sizeof(error->text), format, args);
}

bool error_set(Error *reterr, ErrorCode code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, code, REASON_NONE, format, args);
    va_end(args);
    return false;
}

bool error_malformed(Error *reterr, Reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, ERROR_MALFORMED, reason, format, args);
    va_end(args);
    return false;
}

bool error_no_memory(Error *reterr)
{
    return error_set(reterr, ERROR_NO_MEMORY, "out of memory");
}

void error_locate(Error *error, Str body, size_t offset)
{
    size_t line_start = 0;
    error->line = 1;
    error->offset = offset < body.len ? offset : body.len;
    for (size_t i = 0; i < error->offset; i++) {
        if (body.ptr[i] == '\n') {
            error->line++;
            line_start = i + 1;
        }
    }
    error->column = error->offset - line_start + 1;
}

size_t error_describe(const Error *error, char *buf, size_t size)
{
    int n = error->line ? snprintf(buf, size, "%s (line %zu, column %zu, byte %zu)", error->text,
                                   error->line, error->column, error->offset)
                        : snprintf(buf, size, "%s", error->text);
    size_t len = n < 0 ? 0 : (size_t)n;
    return len < size ? len : size - 1;
}
