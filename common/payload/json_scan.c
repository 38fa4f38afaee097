#include "payload/json_scan.h"

#include "base/utf.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool fail(JsonScanner *scan, const char *at, Reason reason, const char *text)
{
    if (scan->error->code == ERROR_NONE) {
        error_malformed(scan->error, reason, "%s", text);
        error_locate(scan->error, (Str){scan->begin, (size_t)(scan->end - scan->begin)},
                     (size_t)(at - scan->begin));
    }
    scan->pos = scan->end;
    scan->first = false; /* the next item needs a comma, and there is none at the end */
    return false;
}

static bool fail_syntax(JsonScanner *scan, const char *at, const char *text)
{
    return fail(scan, at, REASON_SYNTAX, at < scan->end ? text : "the JSON text ends early");
}

void json_begin(JsonScanner *scan, Str text, Error *error)
{
    *error = (Error){.code = ERROR_NONE};
    *scan = (JsonScanner){
        .begin = text.ptr, .pos = text.ptr, .end = text.ptr + text.len, .error = error};
}

/* Passes white space 16 bytes at a time: in an indented text it is a line end and some blanks. */
static const char *skip_run(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(' '), line_feed = _mm_set1_epi8('\n'),
                  carriage_return = _mm_set1_epi8('\r'), tab = _mm_set1_epi8('\t');
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i spaces =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, space), _mm_cmpeq_epi8(bytes, line_feed));
        __m128i others =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, carriage_return), _mm_cmpeq_epi8(bytes, tab));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(spaces, others)) ^ 0xFFFF;
        if (mask) {
            return p + __builtin_ctz(mask);
        }
    }
#endif
    while (p < end && ascii_is_space(*p)) {
        p++;
    }
    return p;
}

static inline const char *skip_space(const char *p, const char *end)
{
    return p < end && ascii_is_space(*p) ? skip_run(p, end) : p;
}

/*
 * Finds the first byte from p on that a string cannot simply contain: a quote, a backslash, a
 * control character or a byte beyond ASCII. Returns end when there is none. Two versions: 16 bytes
 * at a time where SSE2 is there, 8 bytes in a word elsewhere; the last bytes one by one, so that
 * nothing beyond the end is touched.
 */
#ifdef __SSE2__
static inline const char *find_special(const char *p, const char *end)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  last_control = _mm_set1_epi8(0x1F);
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i found =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(found, bytes));
        if (mask) {
            return p + __builtin_ctz(mask);
        }
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\') {
        p++;
    }
    return p;
}
#else
static inline const char *find_special(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        /* (x - 1) & ~x has the high bit of a zero byte set, (x - 0x20) & ~x that of one < 0x20. */
        uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                         ((word - ones * 0x20) & ~word) | word;
        if (found & highs) {
            break;
        }
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\') {
        p++;
    }
    return p;
}
#endif

/* Reads four hex digits; -1 when they are not there. */
static int32_t read_hex4(const char *p, const char *end)
{
    if (end - p < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = ascii_hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Checks the escape whose backslash is at p; returns its end, or NULL after an error. */
static const char *check_escape(JsonScanner *scan, const char *p)
{
    if (scan->end - p < 2) {
        fail_syntax(scan, scan->end, "");
        return NULL;
    }
    if (p[1] == 'u') {
        if (read_hex4(p + 2, scan->end) < 0) {
            fail_syntax(scan, p, "\\u without four hex digits");
            return NULL;
        }
        return p + 6;
    }
    if (!p[1] || !strchr("\"\\/bfnrt", p[1])) {
        fail_syntax(scan, p, "an unknown escape in a string");
        return NULL;
    }
    return p + 2;
}

/* Passes the string whose opening quote is at p; returns the byte after the closing one, or NULL
 * after an error. */
static const char *pass_string(JsonScanner *scan, const char *p, bool *ret_escaped)
{
    const char *end = scan->end;
    bool escaped = false;
    p++;
    for (;;) {
        p = find_special(p, end);
        if (p == end) {
            fail_syntax(scan, p, "");
            return NULL;
        }
        if (*p == '"') {
            *ret_escaped = escaped;
            return p + 1;
        }
        if (*p == '\\') {
            escaped = true;
            p = check_escape(scan, p);
            if (!p) {
                return NULL;
            }
            continue;
        }
        if ((unsigned char)*p < 0x20) {
            fail_syntax(scan, p, "a control character in a string");
            return NULL;
        }
        size_t len = utf8_sequence(p, (size_t)(end - p));
        if (len == 0) {
            fail(scan, p, REASON_ENCODING, "bytes that are not UTF-8");
            return NULL;
        }
        p += len;
    }
}

static const char *pass_digits(const char *p, const char *end)
{
    while (p < end && ascii_is_digit(*p)) {
        p++;
    }
    return p;
}

static const char *pass_number(JsonScanner *scan, const char *p)
{
    const char *end = scan->end;
    p += *p == '-';
    const char *digits = p;
    p = p < end && *p == '0' ? p + 1 : pass_digits(p, end);
    bool valid = p > digits;
    if (valid && p < end && *p == '.') {
        digits = ++p;
        p = pass_digits(p, end);
        valid = p > digits;
    }
    if (valid && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        p = pass_digits(p, end);
        valid = p > digits;
    }
    if (!valid || (p < end && ascii_is_digit(*p))) {
        fail_syntax(scan, p, "not a number");
        return NULL;
    }
    return p;
}

static const char *pass_literal(JsonScanner *scan, const char *p, Str literal)
{
    if ((size_t)(scan->end - p) < literal.len || memcmp(p, literal.ptr, literal.len) != 0) {
        fail_syntax(scan, p, "not a JSON value");
        return NULL;
    }
    return p + literal.len;
}

/* Passes the scalar at p. */
static const char *pass_scalar(JsonScanner *scan, const char *p, JsonKind *ret_kind,
                               bool *ret_escaped)
{
    switch (*p) {
    case '"':
        *ret_kind = JSON_STRING;
        return pass_string(scan, p, ret_escaped);
    case 'n':
        *ret_kind = JSON_NULL;
        return pass_literal(scan, p, STR("null"));
    case 't':
        *ret_kind = JSON_BOOLEAN;
        return pass_literal(scan, p, STR("true"));
    case 'f':
        *ret_kind = JSON_BOOLEAN;
        return pass_literal(scan, p, STR("false"));
    default:
        *ret_kind = JSON_NUMBER;
        if (*p == '-' || ascii_is_digit(*p)) {
            return pass_number(scan, p);
        }
        fail_syntax(scan, p, "not a JSON value");
        return NULL;
    }
}

/* Passes a member's name and colon; p is before the name. Returns the start of the value. */
static const char *pass_name(JsonScanner *scan, const char *p, JsonValue *ret)
{
    if (p == scan->end || *p != '"') {
        fail_syntax(scan, p, "expected a member name in quotes");
        return NULL;
    }
    const char *start = p;
    p = pass_string(scan, p, &ret->escaped);
    if (!p) {
        return NULL;
    }
    ret->kind = JSON_STRING;
    ret->text = (Str){start, (size_t)(p - start)};
    p = skip_space(p, scan->end);
    if (p == scan->end || *p != ':') {
        fail_syntax(scan, p, "expected ':' after a member name");
        return NULL;
    }
    return skip_space(p + 1, scan->end);
}

/* Which of the open containers are objects, one bit each: skipping does without recursion. */
typedef struct {
    uint64_t bits[(LIMIT_DEPTH + 63) / 64];
} KindStack;

static void push_kind(KindStack *stack, unsigned depth, bool is_object)
{
    uint64_t bit = (uint64_t)1 << (depth % 64);
    stack->bits[depth / 64] =
        is_object ? stack->bits[depth / 64] | bit : stack->bits[depth / 64] & ~bit;
}

static bool top_is_object(const KindStack *stack, unsigned depth)
{
    return stack->bits[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
}

/*
 * Goes to the next value in the containers deeper than `base`, and leaves those that end before
 * it; when all have ended, to the end of the last. first: the innermost has just begun. NULL
 * after an error.
 */
static const char *pass_to_next(JsonScanner *scan, const char *p, const KindStack *stack,
                                unsigned base, bool first)
{
    while (scan->depth > base) {
        bool is_object = top_is_object(stack, scan->depth);
        p = skip_space(p, scan->end);
        if (p < scan->end && *p == (is_object ? '}' : ']')) {
            scan->depth--;
            first = false;
            p++;
            continue;
        }
        if (!first) {
            if (p == scan->end || *p != ',') {
                fail_syntax(scan, p, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
                return NULL;
            }
            p = skip_space(p + 1, scan->end);
        }
        JsonValue name;
        return is_object ? pass_name(scan, p, &name) : p;
    }
    return p;
}

/* Passes the array or object at p with all that it contains. */
static const char *pass_container(JsonScanner *scan, const char *p)
{
    KindStack stack = {0};
    const unsigned base = scan->depth;
    do {
        bool first = false;
        if (p == scan->end) {
            fail_syntax(scan, p, "");
            return NULL;
        }
        if (*p == '{' || *p == '[') {
            if (scan->depth == LIMIT_DEPTH) {
                fail(scan, p, REASON_TOO_DEEP, "nested too deep");
                return NULL;
            }
            push_kind(&stack, scan->depth++, *p == '{');
            first = true;
            p++;
        } else {
            JsonKind kind;
            bool escaped;
            p = pass_scalar(scan, p, &kind, &escaped);
            if (!p) {
                return NULL;
            }
        }
        p = pass_to_next(scan, p, &stack, base, first);
    } while (p && scan->depth > base);
    return p;
}

bool json_peek(JsonScanner *scan, JsonKind *ret)
{
    const char *p = scan->pos = skip_space(scan->pos, scan->end);
    if (json_failed(scan)) {
        return false;
    }
    if (p == scan->end) {
        return fail_syntax(scan, p, "");
    }
    switch (*p) {
    case '{':
        *ret = JSON_OBJECT;
        return true;
    case '[':
        *ret = JSON_ARRAY;
        return true;
    case '"':
        *ret = JSON_STRING;
        return true;
    case 'n':
        *ret = JSON_NULL;
        return true;
    case 't':
    case 'f':
        *ret = JSON_BOOLEAN;
        return true;
    default:
        *ret = JSON_NUMBER;
        return *p == '-' || ascii_is_digit(*p) ? true : fail_syntax(scan, p, "not a JSON value");
    }
}

bool json_enter(JsonScanner *scan, JsonKind kind)
{
    const char *p = scan->pos = skip_space(scan->pos, scan->end);
    if (p == scan->end || *p != (kind == JSON_OBJECT ? '{' : '[')) {
        return fail_syntax(scan, p, kind == JSON_OBJECT ? "expected '{'" : "expected '['");
    }
    if (scan->depth == LIMIT_DEPTH) {
        return fail(scan, p, REASON_TOO_DEEP, "nested too deep");
    }
    scan->depth++;
    scan->first = true;
    scan->pos = p + 1;
    return true;
}

/* Goes to the next item of the innermost container; NULL when there is none, which leaves the
 * container, or after an error. */
static const char *next_item(JsonScanner *scan, char close, const char *expected)
{
    const char *p = skip_space(scan->pos, scan->end);
    if (p < scan->end && *p == close) {
        scan->depth--;
        scan->first = false;
        scan->pos = p + 1;
        return NULL;
    }
    if (!scan->first) {
        if (p == scan->end || *p != ',') {
            fail_syntax(scan, p, expected);
            return NULL;
        }
        p = skip_space(p + 1, scan->end);
    }
    scan->first = false;
    return p;
}

bool json_member(JsonScanner *scan, JsonValue *ret)
{
    const char *p = next_item(scan, '}', "expected ',' or '}'");
    p = p ? pass_name(scan, p, ret) : NULL;
    if (!p) {
        return false;
    }
    scan->pos = p;
    return true;
}

bool json_element(JsonScanner *scan)
{
    const char *p = next_item(scan, ']', "expected ',' or ']'");
    if (!p) {
        return false;
    }
    if (p < scan->end && *p == ']') {
        return fail_syntax(scan, p, "not a JSON value");
    }
    scan->pos = p;
    return true;
}

bool json_value(JsonScanner *scan, JsonValue *ret)
{
    const char *start = skip_space(scan->pos, scan->end);
    const char *p;
    ret->escaped = false;
    if (start == scan->end) {
        return fail_syntax(scan, start, "");
    }
    if (*start == '{' || *start == '[') {
        ret->kind = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
        p = pass_container(scan, start);
    } else {
        p = pass_scalar(scan, start, &ret->kind, &ret->escaped);
    }
    if (!p) {
        return false;
    }
    ret->text = (Str){start, (size_t)(p - start)};
    scan->first = false;
    scan->pos = p;
    return true;
}

bool json_end(JsonScanner *scan)
{
    if (json_failed(scan)) {
        return false;
    }
    const char *p = skip_space(scan->pos, scan->end);
    return p == scan->end ? true : fail_syntax(scan, p, "something follows the JSON document");
}

bool json_is_valid(Str text)
{
    JsonScanner scan;
    JsonValue value;
    Error error;
    json_begin(&scan, text, &error);
    return json_value(&scan, &value) && json_end(&scan);
}

/* Resolves the \u escape at p, and the second half of a surrogate pair with it; returns its end. */
static const char *unescape_unicode(const char *p, const char *end, uint32_t *ret)
{
    uint32_t c = (uint32_t)read_hex4(p + 2, end);
    p += 6;
    if (c >= 0xD800 && c <= 0xDFFF) {
        bool escape_follows = c < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u';
        uint32_t low = escape_follows ? (uint32_t)read_hex4(p + 2, end) : 0;
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *ret = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            return p + 6;
        }
        c = UTF_REPLACEMENT;
    }
    *ret = c;
    return p;
}

static char unescape_letter(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

/* The text without escapes, in out. An escape is never shorter than what it stands for, so that
 * text.len bytes are room enough. */
static Str unescape(Str text, char *out)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    char *to = out;
    while (p < end) {
        size_t plain = str_find((Str){p, (size_t)(end - p)}, '\\');
        memcpy(to, p, plain);
        to += plain;
        p += plain;
        if (p == end) {
            break;
        }
        if (p[1] == 'u') {
            uint32_t c;
            p = unescape_unicode(p, end, &c);
            to += utf8_encode(c, to);
        } else {
            *to++ = unescape_letter(p[1]);
            p += 2;
        }
    }
    return (Str){out, (size_t)(to - out)};
}

bool json_content(const JsonValue *value, Arena *arena, Str *ret)
{
    if (value->kind == JSON_NULL) {
        *ret = (Str){NULL, 0};
        return true;
    }
    if (value->kind != JSON_STRING) {
        *ret = value->text;
        return true;
    }
    Str inner = {value->text.ptr + 1, value->text.len - 2};
    if (!value->escaped) {
        *ret = inner;
        return true;
    }
    char *out = arena_alloc(arena, inner.len);
    if (!out) {
        return false;
    }
    *ret = unescape(inner, out);
    return true;
}
