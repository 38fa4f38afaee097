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

static bool find_charset(Str name, Charset *ret)
{
    if (str_eq_nocase(name, STR("utf-8")) || str_eq_nocase(name, STR("utf8"))) {
        *ret = CHARSET_UTF8;
        return true;
    }
    if (str_eq_nocase(name, STR("utf-16"))) {
        *ret = CHARSET_UTF16;
        return true;
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
            return error_set(reterr, ERROR_UNKNOWN_TYPE, "the charset must be utf-8 or utf-16");
        }
    }
    if (type.format == FORMAT_FORM && type.charset != CHARSET_UTF8) {
        return error_set(reterr, ERROR_UNKNOWN_TYPE, "the charset of a form must be utf-8");
    }
    *ret = type;
    return true;
}

Str media_type_text(const MediaType *type, char buf[LIMIT_MEDIA_TYPE])
{
    static const Str charset = STR_INIT("; charset=utf-16");
    char *to = str_put(buf, type->name);
    to = str_put(to, type->charset == CHARSET_UTF16 ? charset : STR(""));
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
    if (!codecs[type.format].decode(str_from_offset(body, skipped), arena, ret, reterr)) {
        move_position(reterr, skipped);
        return false;
    }
    return true;
}

void codec_shutdown(void)
{
    xml_parser_shutdown();
}
