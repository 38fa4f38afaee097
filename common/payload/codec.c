#include "payload/codec.h"

#include "base/media_type.h"
#include "base/utf.h"
#include "payload/xml_parser.h"

static const struct {
    Str name;
    Format format;
} media_types[] = {
    {STR_INIT(MEDIA_JSON), FORMAT_JSON}, {STR_INIT(MEDIA_JSON_OLD), FORMAT_JSON},
    {STR_INIT(MEDIA_XML), FORMAT_XML},   {STR_INIT(MEDIA_XML_OLD), FORMAT_XML},
    {STR_INIT(MEDIA_FORM), FORMAT_FORM},
};

static const struct {
    bool (*decode)(Str body, Arena *arena, Payload *ret, Error *reterr);
} codecs[] = {
    [FORMAT_JSON] = {json_decode},
    [FORMAT_XML] = {xml_decode},
    [FORMAT_FORM] = {form_decode},
};

static bool find_format(Str name, MediaType *ret)
{
    for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
        if (str_eq_nocase(name, media_types[i].name)) {
            ret->format = media_types[i].format;
            ret->name = media_types[i].name;
            return true;
        }
    }
    return false;
}

/* The value of a parameter without its quotes; no known charset needs an escape inside them. */
static Str unquote(Str value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        return (Str){value.ptr + 1, value.len - 2};
    }
    return value;
}

static const struct {
    Str name;
    Charset charset;
} charsets[] = {
    {STR_INIT("utf-8"), CHARSET_UTF8},      {STR_INIT("utf8"), CHARSET_UTF8},
    {STR_INIT("utf-16"), CHARSET_UTF16},    {STR_INIT("iso-8859-1"), CHARSET_LATIN1},
    {STR_INIT("us-ascii"), CHARSET_LATIN1},
};

static bool find_charset(Str name, Charset *ret)
{
    for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
        if (str_eq_nocase(name, charsets[i].name)) {
            *ret = charsets[i].charset;
            return true;
        }
    }
    return false;
}

bool media_type_parse(Str content_type, MediaType *ret, Error *reterr)
{
    MediaType type = {.charset = CHARSET_UTF8};
    if (str_is_empty(str_trim(content_type))) {
        return error_set(reterr, ERROR_UNKNOWN_TYPE, "the request has a body but no Content-Type");
    }
    Str rest = content_type;
    if (!find_format(str_trim(str_split(&rest, ';')), &type)) {
        return error_set(reterr, ERROR_UNKNOWN_TYPE,
                         "the Content-Type must be JSON, XML or " MEDIA_FORM);
    }
    while (rest.ptr) {
        Str value = str_split(&rest, ';');
        Str name = str_trim(str_split(&value, '='));
        if (str_eq_nocase(name, STR("charset")) &&
            !find_charset(unquote(str_trim(value)), &type.charset)) {
            return error_set(reterr, ERROR_UNKNOWN_TYPE,
                             "the charset must be utf-8, utf-16, us-ascii or iso-8859-1");
        }
    }
    if (type.format == FORMAT_FORM && type.charset == CHARSET_UTF16) {
        return error_set(reterr, ERROR_UNKNOWN_TYPE, "the charset of a form cannot be utf-16");
    }
    *ret = type;
    return true;
}

Str media_type_text(const MediaType *type, char buf[LIMIT_MEDIA_TYPE])
{
    static const Str parameters[] = {[CHARSET_UTF8] = STR_INIT(""),
                                     [CHARSET_UTF16] = STR_INIT("; charset=utf-16"),
                                     [CHARSET_LATIN1] = STR_INIT("; charset=iso-8859-1")};
    char *to = str_put(str_put(buf, type->name), parameters[type->charset]);
    return (Str){buf, (size_t)(to - buf)};
}

static bool has_utf16_mark(Str body)
{
    return str_starts_with(body, STR("\xFF\xFE")) || str_starts_with(body, STR("\xFE\xFF"));
}

/* Moves a position behind a byte order mark of so many bytes, which was skipped. */
static void move_position(Error *error, size_t mark)
{
    if (error->line) {
        error->offset += mark;
        error->column += error->line == 1 ? mark : 0;
    }
}

/* The byte of an escape at the beginning of the text, when it is none of ASCII; 0: there is none.
 */
static unsigned char high_escape(Str text)
{
    const int high = text.len > 2 && text.ptr[0] == '%' ? ascii_hex_digit(text.ptr[1]) : -1;
    const int low = high >= 8 ? ascii_hex_digit(text.ptr[2]) : -1;
    return low >= 0 ? (unsigned char)(high * 16 + low) : 0;
}

/* A form in ISO 8859-1 in UTF-8: its bytes from 0x80, bare or as escapes. Absent: no memory. */
static Str form_from_latin1(Str form, Arena *arena)
{
    char *out = arena_alloc(arena, 2 * form.len);
    size_t len = 0;
    for (size_t i = 0; out && i < form.len; i++) {
        const unsigned char escaped = high_escape(str_from_offset(form, i));
        len += utf8_encode(escaped ? escaped : (unsigned char)form.ptr[i], out + len);
        i += escaped ? 2 : 0;
    }
    return (Str){out, len};
}

/* A body that is not UTF-8, as its charset has it. Absent: no memory. */
static Str from_latin1(Format format, Str body, Arena *arena)
{
    return format == FORMAT_FORM ? form_from_latin1(body, arena) : latin1_to_utf8(body, arena);
}

/* Decodes what is UTF-8 by name. ISO 8859-1 is tried when it is not. */
static bool decode_utf8(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr)
{
    bool (*decode)(Str, Arena *, Payload *, Error *) = codecs[type.format].decode;
    if (decode(body, arena, ret, reterr)) {
        return true;
    }
    if (type.charset != CHARSET_LATIN1 || reterr->code != ERROR_MALFORMED ||
        error_reason(reterr) != REASON_ENCODING) {
        return false;
    }
    const Str utf8 = from_latin1(type.format, body, arena);
    Error error;
    if (!utf8.ptr) {
        return error_no_memory(reterr);
    }
    if (decode(utf8, arena, ret, &error)) {
        return true;
    }
    if (error.code != ERROR_MALFORMED) {
        *reterr = error;
    }
    return false;
}

/* Nothing that is not empty passes without a trace. */
static bool check_trace(const Payload *payload, Error *reterr)
{
    return !payload_is_empty(payload) || !payload->has_unread ||
           error_malformed(reterr, REASON_NOT_A_PAYLOAD,
                           "nothing in the body is part of a WebhookPayload");
}

bool payload_decode(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr)
{
    bool utf8_mark = str_starts_with(body, STR("\xEF\xBB\xBF"));
    size_t skipped = 0;
    if (type.format != FORMAT_FORM &&
        (has_utf16_mark(body) || (type.charset == CHARSET_UTF16 && !utf8_mark))) {
        Str utf8;
        if (!utf16_to_utf8(body, arena, &utf8)) {
            return error_malformed(reterr, REASON_ENCODING, "UTF-16 with an odd number of bytes");
        }
        if (!utf8.ptr) {
            return error_no_memory(reterr);
        }
        body = utf8;
    } else if (type.format != FORMAT_FORM && utf8_mark) {
        skipped = 3;
    }
    if (!decode_utf8(type, str_from_offset(body, skipped), arena, ret, reterr)) {
        move_position(reterr, skipped);
        return false;
    }
    return check_trace(ret, reterr);
}

void codec_shutdown(void)
{
    xml_parser_shutdown();
}
