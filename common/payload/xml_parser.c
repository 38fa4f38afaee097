/*
 * How libxml2's push parser is driven.
 *
 * A Parse lives for one call. What libxml2 meets becomes the caller's events until something is
 * wrong: then `failed` is set, once, together with the error. libxml2 may call on even so: whatever
 * comes then only stops the parser again. Events may stop it themselves, its own errors may not
 * (on_error), since it still uses its input then; the next event does.
 *
 * The parser is the process'. Between calls its events find no_parse, which has failed. That memory
 * ran out is known from out_of_memory alone, and then the parser is not used again.
 */
#include "payload/xml_parser.h"

#include "base/utf.h"

#include <libxml/parser.h>
#include <stdint.h>
#include <stdlib.h>

#define NAMESPACE_INSTANCE "http://www.w3.org/2001/XMLSchema-instance"
#define NAMESPACE_SERIALIZATION "http://schemas.microsoft.com/2003/10/Serialization/"

enum {
    /* A body of this size gets a parser of its own, so that what it leaves behind is given back. */
    LARGE = 64 << 10,

    /* What the parser is given at once. It copies its input, and refuses to hold 10 MB of it. */
    CHUNK = 1 << 20,
};

typedef struct {
    xmlParserCtxtPtr parser;
    const XmlEvents *events;
    void *context;
    Str body;
    Error *error;
    bool failed;                              /* error says why */
    bool began;                               /* the root has been seen */
    size_t depth;                             /* of open elements */
    int namespaces;                           /* in scope, of which were declared ... */
    unsigned short declared[LIMIT_DEPTH + 1]; /* ... by the element at each depth */
} Parse;

/* Adds the parser's position to the error; at_tag: back at the `<` of the tag just read. */
static void locate(Parse *parse, bool at_tag)
{
    long at = xmlByteConsumed(parse->parser);
    if (at < 0 || parse->error->code != ERROR_MALFORMED) {
        return;
    }
    size_t offset = (size_t)at < parse->body.len ? (size_t)at : parse->body.len;
    const char *tag = at_tag ? memrchr(parse->body.ptr, '<', offset) : NULL;
    error_locate(parse->error, parse->body, tag ? (size_t)(tag - parse->body.ptr) : offset);
}

/* Ends the parse from within an event. The first error stands. */
static void stop(Parse *parse)
{
    if (!parse->failed) {
        parse->failed = true;
        locate(parse, true);
    }
    xmlStopParser(parse->parser);
}

static bool go_deeper(Parse *parse, int namespaces)
{
    if (parse->body.len >= LARGE && xmlDictSize(parse->parser->dict) > LIMIT_XML_NAMES) {
        return error_malformed(parse->error, REASON_TOO_MANY, "more than %d different names",
                               (int)LIMIT_XML_NAMES);
    }
    if (parse->depth == LIMIT_DEPTH) {
        return error_malformed(parse->error, REASON_TOO_DEEP,
                               "more than %d elements within each other", (int)LIMIT_DEPTH);
    }
    parse->namespaces += namespaces;
    if (parse->namespaces > LIMIT_XML_NAMESPACES) {
        return error_malformed(parse->error, REASON_TOO_MANY, "more than %d namespaces in scope",
                               (int)LIMIT_XML_NAMESPACES);
    }
    parse->declared[++parse->depth] = (unsigned short)namespaces;
    parse->began = true;
    return true;
}

/*
 * Looks for i:nil and z:Ref. An attribute is its local name, prefix, namespace, and the begin and
 * end of its value.
 */
static bool read_attributes(Parse *parse, const xmlChar **attributes, int count, bool *ret_null)
{
    for (const char **a = (const char **)attributes; count--; a += 5) {
        if (!a[2]) {
            continue;
        }
        if (strcmp(a[0], "Ref") == 0 && strcmp(a[2], NAMESPACE_SERIALIZATION) == 0) {
            return error_malformed(parse->error, REASON_FORBIDDEN_XML,
                                   "references to other elements are refused");
        }
        if (strcmp(a[0], "nil") == 0 && strcmp(a[2], NAMESPACE_INSTANCE) == 0) {
            Str value = str_trim((Str){a[3], (size_t)(a[4] - a[3])});
            *ret_null = str_eq(value, STR("true")) || str_eq(value, STR("1"));
        }
    }
    return true;
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count,
                     int defaulted, const xmlChar **attributes)
{
    (void)prefix, (void)namespaces, (void)defaulted;
    Parse *parse = data;
    bool null = false;
    if (parse->failed || !go_deeper(parse, namespace_count) ||
        !read_attributes(parse, attributes, attribute_count, &null) ||
        !parse->events->start(parse->context, (const char *)name, (const char *)uri, null)) {
        stop(parse);
    }
}

static bool go_back(Parse *parse)
{
    parse->namespaces -= parse->declared[parse->depth--];
    return parse->events->end(parse->context);
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    (void)name, (void)prefix, (void)uri;
    Parse *parse = data;
    if (parse->failed || !go_back(parse)) {
        stop(parse);
    }
}

static void on_text(void *data, const xmlChar *piece, int len)
{
    Parse *parse = data;
    Str text = {(const char *)piece, (size_t)len};
    if (len && (parse->failed || !parse->events->text(parse->context, text))) {
        stop(parse);
    }
}

/* The push parser leaves line ends in CDATA as they came (XML 1.0 section 2.11 wants LF). */
static void on_cdata(void *data, const xmlChar *piece, int len)
{
    const Parse *parse = data;
    const xmlChar *end = piece + len;
    while (piece < end) {
        const xmlChar *cr = memchr(piece, '\r', (size_t)(end - piece));
        on_text(data, piece, (int)((cr ? cr : end) - piece));
        if (!cr || parse->failed) {
            return; /* a parser that was stopped has freed the piece */
        }
        on_text(data, (const xmlChar *)"\n", 1);
        if (parse->failed) {
            return;
        }
        piece = cr + 1 < end && cr[1] == '\n' ? cr + 2 : cr + 1;
    }
}

static void forbid(Parse *parse, const char *text)
{
    if (!parse->failed) {
        error_malformed(parse->error, REASON_FORBIDDEN_XML, "%s", text);
    }
    stop(parse);
}

static void on_doctype(void *data, const xmlChar *name, const xmlChar *external_id,
                       const xmlChar *system_id)
{
    (void)name, (void)external_id, (void)system_id;
    forbid(data, "a document type is refused");
}

static void on_instruction(void *data, const xmlChar *target, const xmlChar *content)
{
    (void)target, (void)content;
    forbid(data, "a processing instruction is refused");
}

/* In our words, since libxml2's would quote the document. */
static const char *describe(int code)
{
    static const struct {
        int code;
        const char *text;
    } problems[] = {
        {XML_ERR_DOCUMENT_EMPTY, "no element where the root must begin"},
        {XML_ERR_DOCUMENT_END, "the document is cut short"},
        {XML_ERR_TAG_NAME_MISMATCH, "an end tag without its start tag"},
        {XML_ERR_GT_REQUIRED, "a tag that is not closed"},
        {XML_ERR_NAME_REQUIRED, "a name must stand here"},
        {XML_ERR_SPACE_REQUIRED, "a blank must stand here"},
        {XML_ERR_ATTRIBUTE_REDEFINED, "an attribute stands twice in one tag"},
        {XML_ERR_INVALID_CHAR, "a character that XML does not allow"},
        {XML_ERR_INVALID_CHARREF, "a reference to a character that XML does not allow"},
        {XML_ERR_UNDECLARED_ENTITY, "an entity that is not declared"},
        {XML_NS_ERR_UNDEFINED_NAMESPACE, "a prefix that is not declared"},
    };
    for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
        if (problems[i].code == code) {
            return problems[i].text;
        }
    }
    return "not well-formed";
}

#if LIBXML_VERSION >= 21200
typedef const xmlError *ParserError;
#else
typedef xmlError *ParserError;
#endif

/* The parser must not be stopped here: it may still use its input. The next event does that. */
static void on_error(void *data, ParserError error)
{
    Parse *parse = data;
    if (!parse->failed && error->level >= XML_ERR_ERROR) {
        parse->failed = true;
        bool ended = parse->began && parse->depth == 0 && error->code == XML_ERR_DOCUMENT_END;
        error_malformed(parse->error, REASON_SYNTAX, "%s",
                        ended ? "something follows the root element" : describe(error->code));
        locate(parse, false);
    }
}

/*
 * libxml2 2.9 reports most failed allocations as some other error of the document, or not at all.
 * So they are noted where they happen.
 */
static bool out_of_memory;

static void *note(void *block)
{
    out_of_memory |= block == NULL;
    return block;
}

static void *noting_malloc(size_t size)
{
    return note(malloc(size));
}

static void *noting_realloc(void *block, size_t size)
{
    return note(realloc(block, size));
}

static char *noting_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = noting_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static void ignore_message(void *data, const char *format, ...)
{
    (void)data, (void)format;
}

static void ignore_error(void *data, ParserError error)
{
    (void)data, (void)error;
}

/* Kept between calls: to make it costs as much as to read a small document. */
static xmlParserCtxtPtr idle_parser;

/* The data of an idle parser's events. */
static Parse no_parse = {.failed = true};

static xmlParserCtxtPtr new_parser(void)
{
    xmlSAXHandler events = {
        .initialized = XML_SAX2_MAGIC,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text, /* the same, or every text would first be examined */
        .cdataBlock = on_cdata,
        .internalSubset = on_doctype,
        .processingInstruction = on_instruction,
        .serror = on_error,
    };
    xmlMemSetup(free, noting_malloc, noting_realloc, noting_strdup);
    xmlSetGenericErrorFunc(NULL, ignore_message);
    xmlSetStructuredErrorFunc(NULL, ignore_error);
    xmlInitParser();
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&events, &no_parse, NULL, 0, NULL);
    if (parser) {
        xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                      XML_PARSE_IGNORE_ENC);
    }
    return parser;
}

static void free_parser(void)
{
    xmlFreeParserCtxt(idle_parser);
    idle_parser = NULL;
}

void xml_parser_shutdown(void)
{
    free_parser();
    xmlCleanupParser();
}

/* How much of the rest to parse at once: up to a `<`, so that no tag or reference is cut. */
static size_t chunk_size(Str rest)
{
    if (rest.len <= CHUNK) {
        return rest.len;
    }
    const char *cut = memrchr(rest.ptr + 1, '<', CHUNK - 1);
    if (!cut) {
        cut = memchr(rest.ptr + CHUNK, '<', rest.len - CHUNK);
    }
    return cut ? (size_t)(cut - rest.ptr) : rest.len;
}

/* Runs the body through the parser; true: it is a whole document, and no event refused it. */
static bool run(Parse *parse)
{
    xmlParserCtxtPtr parser = parse->parser;
    parser->userData = parse;
    if (xmlCtxtResetPush(parser, NULL, 0, NULL, NULL) != 0) {
        return false;
    }
    for (Str rest = parse->body; rest.len && !parse->failed;) {
        size_t size = chunk_size(rest);
        xmlParseChunk(parser, rest.ptr, (int)size, size == rest.len);
        rest = str_from_offset(rest, size);
    }
    bool whole = !parse->failed && parser->wellFormed && parse->began && parse->depth == 0;
    parser->userData = &no_parse;
    xmlCtxtReset(parser);
    return whole;
}

/* The encoding that the XML declaration names; absent when there is none. */
static Str find_encoding(Str body)
{
    Str none = {NULL, 0};
    if (!str_starts_with(body, STR("<?xml")) || str_starts_with(body, STR("<?xml-"))) {
        return none;
    }
    Str declaration = {body.ptr, str_find(body, '>')};
    const char *found = memmem(declaration.ptr, declaration.len, "encoding", 8);
    if (!found) {
        return none;
    }
    Str rest = str_from_offset(declaration, (size_t)(found - declaration.ptr));
    size_t quote =
        str_find(rest, '"') < str_find(rest, '\'') ? str_find(rest, '"') : str_find(rest, '\'');
    if (quote == rest.len) {
        return none;
    }
    char mark = rest.ptr[quote];
    rest = str_from_offset(rest, quote + 1);
    return str_split(&rest, mark);
}

bool xml_declares_latin1(Str body)
{
    const Str name = find_encoding(body);
    return str_eq_nocase(name, STR("iso-8859-1")) || str_eq_nocase(name, STR("us-ascii"));
}

/* Is this a character of XML 1.0 (section 2.2)? */
static bool is_allowed(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xD800) ||
           (c > 0xDFFF && c < 0xFFFE) || (c > 0xFFFF && c <= 0x10FFFF);
}

/* The length of a character reference, from & to ;, to a character that is forbidden; 0: there is
 * none. */
static size_t forbidden_reference(Str text)
{
    const bool hex = text.len > 2 && text.ptr[2] == 'x';
    uint32_t c = 0;
    size_t at = hex ? 3 : 2;
    if (!str_starts_with(text, STR("&#"))) {
        return 0;
    }
    const size_t digits = at;
    for (int digit; at < text.len && (digit = ascii_hex_digit(text.ptr[at])) >= 0; at++) {
        if (!hex && digit > 9) {
            return 0;
        }
        c = c > 0x10FFFF ? c : c * (hex ? 16 : 10) + (uint32_t)digit;
    }
    return at > digits && at < text.len && text.ptr[at] == ';' && !is_allowed(c) ? at + 1 : 0;
}

/* The length of a forbidden character; 0: it is none. */
static size_t forbidden_character(Str text)
{
    const unsigned char c = (unsigned char)text.ptr[0];
    if (c < 0x20) {
        return c == '\t' || c == '\n' || c == '\r' ? 0 : 1;
    }
    return str_starts_with(text, STR("\xEF\xBF\xBE")) || str_starts_with(text, STR("\xEF\xBF\xBF"))
               ? 3
               : 0;
}

/* The end of what no reference stands in, when that begins here: CDATA, a comment. NULL: neither.
 */
static const char *literal_end(Str text)
{
    return str_starts_with(text, STR("<![CDATA[")) ? "]]>"
           : str_starts_with(text, STR("<!--"))    ? "-->"
                                                   : NULL;
}

Str xml_replace_forbidden(Str body, Arena *arena)
{
    const char *end = NULL; /* of what no reference stands in */
    char *out = NULL, *to = NULL;
    for (size_t at = 0, bad; at < body.len; at += bad ? bad : 1) {
        const Str rest = str_from_offset(body, at);
        if (!end) {
            end = literal_end(rest);
        } else if (str_starts_with(rest, str_from(end))) {
            end = NULL;
        }
        bad = forbidden_character(rest);
        bad = bad || end ? bad : forbidden_reference(rest);
        if (bad && !out) { /* the longest that can come of it: each byte left as three */
            out = arena_alloc(arena, at + 3 * (body.len - at));
            if (!out) {
                return (Str){NULL, 0};
            }
            to = str_put(out, (Str){body.ptr, at});
        }
        if (out) {
            to = str_put(to, bad ? STR("\xEF\xBF\xBD") : (Str){rest.ptr, 1});
        }
    }
    return out ? (Str){out, (size_t)(to - out)} : body;
}

/* The encodings that a document may declare: UTF-8, ASCII, which is a part of it, and UTF-16, which
 * has become UTF-8 before; ISO 8859-1 when the bytes are UTF-8 all the same. */
static bool is_known_encoding(Str name)
{
    static const Str names[] = {STR_INIT("utf-8"),    STR_INIT("utf8"),      STR_INIT("us-ascii"),
                                STR_INIT("ascii"),    STR_INIT("utf-16"),    STR_INIT("utf-16le"),
                                STR_INIT("utf-16be"), STR_INIT("iso-8859-1")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* The length of a tag: up to the first `>` outside of quotes. */
static size_t tag_length(Str text)
{
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return i + 1;
        }
    }
    return text.len;
}

/* The offset of the first tag longer than LIMIT_XML_TAG, or the length of the body. A tag that
 * is not closed ends before the next `<`. */
static size_t find_long_tag(Str body)
{
    size_t at = str_find(body, '<');
    while (body.len - at > LIMIT_XML_TAG) {
        Str tail = str_from_offset(body, at + 1);
        size_t next = str_find(tail, '<');
        bool is_tag = tail.ptr[0] != '!' && tail.ptr[0] != '?';
        if (is_tag && next >= LIMIT_XML_TAG && tag_length((Str){tail.ptr, next}) >= LIMIT_XML_TAG) {
            return at;
        }
        at += 1 + next;
    }
    return body.len;
}

static bool refuse_at(Error *reterr, Str body, size_t offset)
{
    error_locate(reterr, body, offset);
    return false;
}

/* What must be known before the parser sees the body. */
static bool check_body(Str body, Error *reterr)
{
    size_t at = utf8_find_invalid(body);
    if (at < body.len) {
        error_malformed(reterr, REASON_ENCODING, "bytes that are not UTF-8");
        return refuse_at(reterr, body, at);
    }
    Str encoding = find_encoding(body);
    if (encoding.ptr && !is_known_encoding(encoding)) {
        error_malformed(reterr, REASON_ENCODING,
                        "the XML declaration names an encoding other than utf-8");
        return refuse_at(reterr, body, (size_t)(encoding.ptr - body.ptr));
    }
    at = find_long_tag(body);
    if (at < body.len) {
        error_malformed(reterr, REASON_TOO_MANY, "a tag of more than %d bytes", (int)LIMIT_XML_TAG);
        return refuse_at(reterr, body, at);
    }
    return true;
}

bool xml_parse(Str body, const XmlEvents *events, void *context, Error *reterr)
{
    if (!check_body(body, reterr)) {
        return false;
    }
    out_of_memory = false;
    if (body.len >= LARGE) {
        free_parser();
    }
    if (!idle_parser) {
        idle_parser = new_parser();
    }
    *reterr = (Error){.code = ERROR_NONE};
    Parse parse = {
        .parser = idle_parser, .events = events, .context = context, .body = body, .error = reterr};
    bool whole = idle_parser && !out_of_memory && run(&parse);
    if (!idle_parser || out_of_memory) {
        xml_parser_shutdown();
        return error_no_memory(reterr);
    }
    if (body.len >= LARGE || xmlDictGetUsage(idle_parser->dict) > LIMIT_XML_DICT) {
        free_parser();
    }
    if (!whole && reterr->code == ERROR_NONE) {
        return error_malformed(reterr, REASON_SYNTAX, "not a whole document");
    }
    return whole;
}
