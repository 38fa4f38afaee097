#include "commands/record.h"

#include "base/base64.h"
#include "base/limits.h"
#include "payload/json_scan.h"

#include <stddef.h>

typedef struct {
    Record record;
    Str base64;
} Members;

static const struct {
    Str name;
    size_t offset;
    bool takes_number;
} members[] = {
    {STR_INIT("content_type"), offsetof(Members, record.content_type), false},
    {STR_INIT("signature"), offsetof(Members, record.signature), false},
    {STR_INIT("body"), offsetof(Members, record.body), false},
    {STR_INIT("body_base64"), offsetof(Members, base64), false},
    {STR_INIT("received_at"), offsetof(Members, record.received_at), true},
    {STR_INIT("request_id"), offsetof(Members, record.request_id), false},
};

static bool read_value(const JsonValue *value, size_t row, Arena *arena, Members *to, Error *reterr)
{
    const bool fits = value->kind == JSON_STRING || value->kind == JSON_NULL ||
                      (value->kind == JSON_NUMBER && members[row].takes_number);
    if (!fits) {
        return error_set(reterr, ERROR_INVALID, "%s is no text", members[row].name.ptr);
    }
    return json_content(value, arena, (Str *)((char *)to + members[row].offset)) ||
           error_no_memory(reterr);
}

static bool read_member(JsonScanner *scan, const JsonValue *name, Arena *arena, Members *to,
                        Error *reterr)
{
    JsonValue value;
    Str plain;
    if (!json_value(scan, &value)) {
        return false;
    }
    if (!json_content(name, arena, &plain)) {
        return error_no_memory(reterr);
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (str_eq(plain, members[i].name)) {
            return read_value(&value, i, arena, to, reterr);
        }
    }
    return true;
}

static bool read_members(Str line, Arena *arena, Members *to, Error *reterr)
{
    JsonScanner scan;
    JsonValue name;
    JsonKind kind;
    json_begin(&scan, line, reterr);
    if (!json_peek(&scan, &kind) || kind != JSON_OBJECT || !json_enter(&scan, JSON_OBJECT)) {
        return error_set(reterr, ERROR_INVALID, "the line is no object of JSON");
    }
    while (json_member(&scan, &name)) {
        if (!read_member(&scan, &name, arena, to, reterr)) {
            return false;
        }
    }
    return json_end(&scan);
}

static bool read_body(Members *from, Arena *arena, Error *reterr)
{
    Str *body = &from->record.body;
    if (!body->ptr == !from->base64.ptr) {
        return error_set(reterr, ERROR_INVALID, "one of body and body_base64 is needed");
    }
    if (from->base64.ptr && !base64_decode(from->base64, arena, body)) {
        return error_set(reterr, ERROR_INVALID, "body_base64 is no Base64");
    }
    return body->ptr || error_no_memory(reterr);
}

static bool is_made_of(Str text, size_t most, const char *others, bool letters)
{
    bool ok = text.len > 0 && text.len <= most;
    for (size_t i = 0; ok && i < text.len; i++) {
        const char c = text.ptr[i];
        ok = ascii_is_digit(c) || (letters && ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
             (c && strchr(others, c));
    }
    return ok;
}

static bool check(const Record *record, Error *reterr)
{
    enum { TIME_DIGITS = 19 };
    if (record->received_at.ptr && !is_made_of(record->received_at, TIME_DIGITS, "", false)) {
        return error_set(reterr, ERROR_INVALID, "received_at wants Unix milliseconds");
    }
    if (record->request_id.ptr && !is_made_of(record->request_id, LIMIT_REQUEST_ID, "._-", true)) {
        return error_set(reterr, ERROR_INVALID, "request_id wants up to %d of A-Za-z0-9._-",
                         (int)LIMIT_REQUEST_ID);
    }
    return true;
}

bool record_read(Str line, Arena *arena, Record *ret, Error *reterr)
{
    Members read = {.base64 = {NULL, 0}};
    if (!read_members(line, arena, &read, reterr) || !read_body(&read, arena, reterr) ||
        !check(&read.record, reterr)) {
        return false;
    }
    *ret = read.record;
    return true;
}
