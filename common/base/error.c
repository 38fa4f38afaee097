#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set_list(Error *reterr, ErrorCode code, const char *format, va_list args)
{
    *reterr = (Error){.code = code};
    vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    return false;
}

bool error_set(Error *reterr, ErrorCode code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_set_list(reterr, code, format, args);
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
