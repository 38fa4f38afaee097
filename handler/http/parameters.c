#include "http/parameters.h"

#include "base/limits.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static const struct {
    Str name;
    size_t offset; /* of the Str in a Request */
} rows[] = {
    {STR_INIT("REQUEST_METHOD"), offsetof(Request, method)},
    {STR_INIT("DOCUMENT_URI"), offsetof(Request, path)},
    {STR_INIT("QUERY_STRING"), offsetof(Request, query)},
    {STR_INIT("CONTENT_TYPE"), offsetof(Request, content_type)},
    {STR_INIT("HTTP_CONTENT_ENCODING"), offsetof(Request, content_encoding)},
    {STR_INIT("HTTP_ACCEPT"), offsetof(Request, accept)},
    {STR_INIT("REQUEST_ID"), offsetof(Request, request_id)},
    {STR_INIT("TICKSTREAM_SIGNATURE"), offsetof(Request, signature_rule)},
};

static void set_length(Request *request, Str text)
{
    size_t length = 0;
    request->has_length = false;
    request->length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]) || length > SIZE_MAX / 20) {
            return;
        }
        length = length * 10 + (size_t)(text.ptr[i] - '0');
    }
    request->has_length = text.len > 0;
    request->length = length;
}

/* One that is empty stays present until all are set, so that another one is seen to repeat it. */
static void set_signature(Request *request, Str value)
{
    request->signature = request->signature.ptr ? STR("repeated") : value;
}

void parameters_set(Request *request, Str name, Str value)
{
    if (str_eq(name, STR("CONTENT_LENGTH"))) {
        set_length(request, value);
        return;
    }
    if (str_eq(name, STR("HTTP_X_HUB_SIGNATURE_256"))) {
        set_signature(request, value);
        return;
    }
    for (size_t i = 0; value.len && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(name, rows[i].name)) {
            *(Str *)(void *)((char *)request + rows[i].offset) = value;
            return;
        }
    }
}

void parameters_set_all(Request *request, char *const *environment)
{
    for (; *environment; environment++) {
        Str value = str_from(*environment), name = str_split(&value, '=');
        if (value.ptr) {
            parameters_set(request, name, value);
        }
    }
}

/* By a table: digits and letters alternate at random in an id, and a processor that has to guess
 * which of them comes is wrong again and again. */
static bool is_usable_id(Str id)
{
    /* A bit for each character, 32 in a row: "-.0123456789", capitals and '_', small letters. */
    static const uint32_t usable[8] = {[1] = 0x03FF6000, [2] = 0x87FFFFFE, [3] = 0x07FFFFFE};
    if (id.len == 0 || id.len > LIMIT_REQUEST_ID) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        if (!(usable[c / 32] >> c % 32 & 1)) {
            return false;
        }
    }
    return true;
}

static Str make_id(Arena *arena)
{
    enum { HEX_DIGITS = 32 };
    uint64_t words[2];
    char *id = arena_alloc(arena, HEX_DIGITS + 1);
    if (!id) {
        return (Str){NULL, 0};
    }
    if (getrandom(words, sizeof(words), GRND_NONBLOCK) != sizeof(words)) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        words[0] = (uint64_t)now.tv_sec << 32 | (uint64_t)now.tv_nsec;
        words[1] = (uint64_t)(uintptr_t)id;
    }
    snprintf(id, HEX_DIGITS + 1, "%016llx%016llx", (unsigned long long)words[0],
             (unsigned long long)words[1]);
    return (Str){id, HEX_DIGITS};
}

bool parameters_finish(Request *request, Arena *arena)
{
    if (str_is_empty(request->signature)) {
        request->signature = (Str){NULL, 0};
    }
    if (!is_usable_id(request->request_id)) {
        request->request_id = make_id(arena);
    }
    return request->request_id.ptr != NULL;
}
