#include "json_oracle.h"

#include "payload/json_scan.h"

/* Four of its names are ours too. */
#define JSON_NULL JANSSON_NULL
#define JSON_STRING JANSSON_STRING
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_OBJECT JANSSON_OBJECT
#include <jansson.h>
#undef JSON_NULL
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

#include <math.h>
#include <stdlib.h>

/* What the scanner reads, as jansson's values: the slices are interpreted here, apart from the
 * scanner's own idea of them. */
typedef struct {
    JsonScanner scan;
    Arena *arena;
    unsigned differ;
} Reader;

static void *or_abort(void *made)
{
    if (!made) {
        abort();
    }
    return made;
}

/* Finds surrogate escapes without their other half; the text is well-formed JSON. */
static bool has_lone_surrogate(Str text)
{
    bool after_high = false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned unit = 0;
        if (text.ptr[i] == '\\') {
            i++;
            if (text.ptr[i] == 'u') {
                unit = (unsigned)strtoul((char[5]){text.ptr[i + 1], text.ptr[i + 2],
                                                   text.ptr[i + 3], text.ptr[i + 4], '\0'},
                                         NULL, 16);
                i += 4;
            }
        }
        bool high = unit >= 0xD800 && unit < 0xDC00, low = unit >= 0xDC00 && unit < 0xE000;
        if (after_high != low) {
            return true;
        }
        after_high = high;
    }
    return after_high;
}

static Str read_string(Reader *reader, const JsonValue *value)
{
    Str content;
    if (!json_content(value, reader->arena, &content)) {
        abort();
    }
    if (has_lone_surrogate(value->text)) {
        reader->differ |= DIFFER_LONE_SURROGATE;
    }
    return content;
}

static json_t *make_number(Reader *reader, Str text)
{
    char *digits = or_abort(malloc(text.len + 1));
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    double number = strtod(digits, NULL);
    free(digits);
    if (!isfinite(number)) {
        reader->differ |= DIFFER_HUGE_REAL;
        number = 0;
    }
    return or_abort(json_real(number));
}

static json_t *make_scalar(Reader *reader, const JsonValue *value)
{
    Str content;
    switch (value->kind) {
    case JSON_NULL:
        return json_null();
    case JSON_BOOLEAN:
        return str_eq(value->text, STR("true")) ? json_true() : json_false();
    case JSON_NUMBER:
        return make_number(reader, value->text);
    default:
        content = read_string(reader, value);
        return or_abort(json_stringn_nocheck(content.ptr, content.len));
    }
}

static json_t *read_value(Reader *reader);

static json_t *read_object(Reader *reader)
{
    json_t *object = or_abort(json_object());
    JsonValue member;
    json_enter(&reader->scan, JSON_OBJECT);
    while (json_member(&reader->scan, &member)) {
        Str name = read_string(reader, &member);
        if (memchr(name.ptr, '\0', name.len)) {
            reader->differ |= DIFFER_NUL_IN_NAME;
        }
        json_t *value = read_value(reader);
        if (value && json_object_setn_new_nocheck(object, name.ptr, name.len, value) != 0) {
            abort();
        }
    }
    return object;
}

static json_t *read_array(Reader *reader)
{
    json_t *array = or_abort(json_array());
    json_enter(&reader->scan, JSON_ARRAY);
    while (json_element(&reader->scan)) {
        json_t *value = read_value(reader);
        if (value && json_array_append_new(array, value) != 0) {
            abort();
        }
    }
    return array;
}

/* The next value; NULL after an error. */
static json_t *read_value(Reader *reader)
{
    JsonKind kind;
    JsonValue value;
    if (!json_peek(&reader->scan, &kind)) {
        return NULL;
    }
    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
        return kind == JSON_OBJECT ? read_object(reader) : read_array(reader);
    }
    return json_value(&reader->scan, &value) ? make_scalar(reader, &value) : NULL;
}

/* Passing a text over in one piece must end as walking through it does. */
static bool is_skipped_likewise(Str text, const Error *walked)
{
    JsonScanner scan;
    JsonValue value;
    Error error;
    json_begin(&scan, text, &error);
    bool ok = json_value(&scan, &value) && json_end(&scan);
    return ok == (walked->code == ERROR_NONE) && error.code == walked->code &&
           error_reason(&error) == error_reason(walked) && error.offset == walked->offset;
}

/* jansson's reader cannot put a NUL back that it has met at the end of a number or word. */
static bool is_overlooked_nul(Str text, size_t offset)
{
    char before = offset > 0 ? text.ptr[offset - 1] : ' ';
    return offset < text.len && text.ptr[offset] == '\0' &&
           (ascii_is_digit(before) || (before >= 'a' && before <= 'z'));
}

static const char *compare(const json_t *ours, const Error *error, unsigned differ,
                           const json_t *theirs)
{
    if (error->code != ERROR_NONE) {
        return theirs ? "only jansson accepts this" : NULL;
    }
    if (differ) {
        return theirs ? "jansson accepts what is listed as a leniency" : NULL;
    }
    if (!theirs) {
        return "only the scanner accepts this";
    }
    return json_equal(ours, theirs) ? NULL : "the values differ";
}

Opinion json_oracle(Str text)
{
    Error error;
    Reader reader = {.arena = or_abort(arena_new())};
    json_begin(&reader.scan, text, &error);
    json_t *ours = read_value(&reader);
    bool accepted = json_end(&reader.scan);
    json_t *theirs = json_loadb(text.ptr, text.len,
                                JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    Opinion opinion = {.accepted = accepted, .differ = reader.differ};
    if (error.code != ERROR_NONE && error_reason(&error) == REASON_TOO_DEEP) {
        opinion.differ = DIFFER_DEPTH;
    } else if (error.code != ERROR_NONE && is_overlooked_nul(text, error.offset)) {
        opinion.differ = DIFFER_NUL_BYTE;
    } else {
        opinion.wrong = compare(ours, &error, reader.differ, theirs);
    }
    if (!is_skipped_likewise(text, &error)) {
        opinion.wrong = "walking and skipping differ";
    }
    json_decref(ours);
    json_decref(theirs);
    arena_free(reader.arena);
    return opinion;
}
