#include "commands/traffic_body.h"

#define NAMESPACE "http://schemas.datacontract.org/2004/07/NEOWAY.Model.WhatsAppNotification"

static void put(BodyWriter *writer, Str text)
{
    Buffer *to = writer->to;
    to->len = (size_t)(str_put(to->ptr + to->len, text) - to->ptr);
}

static void put_char(BodyWriter *writer, char c)
{
    writer->to->ptr[writer->to->len++] = c;
}

/* A slash is escaped as Meta does it. */
static void put_json_text(BodyWriter *writer, Str text)
{
    put_char(writer, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '/') {
            put_char(writer, '\\');
        }
        put_char(writer, text.ptr[i]);
    }
    put_char(writer, '"');
}

static bool is_plain(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '.' ||
           c == '_' || c == '-';
}

static void put_form_text(BodyWriter *writer, Str text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (is_plain(c) || c == ' ') {
            put_char(writer, c == ' ' ? '+' : c);
        } else {
            put_char(writer, '%');
            put_char(writer, hex[(unsigned char)c >> 4]);
            put_char(writer, hex[c & 15]);
        }
    }
}

/* The name of what comes next, in an element of XML. */
static Str xml_name(const BodyWriter *writer, const BodyName *name)
{
    const size_t top = writer->depth - 1;
    return writer->open[top].is_list ? writer->open[top].name->item : name->xml;
}

static void put_tag(BodyWriter *writer, const char *begin, Str name)
{
    put(writer, str_from(begin));
    put(writer, name);
    put_char(writer, '>');
}

/* A comma where one belongs, and in an object the name. */
static void put_json_name(BodyWriter *writer, const BodyName *name)
{
    const size_t top = writer->depth - 1;
    if (writer->open[top].count > 0) {
        put_char(writer, ',');
    }
    if (!writer->open[top].is_list) {
        put_json_text(writer, name->json);
        put_char(writer, ':');
    }
}

/* Makes the path longer by a name, or by an index of the list that is open. */
static void extend_path(BodyWriter *writer, const BodyName *name)
{
    const size_t top = writer->depth - 1;
    char *end = writer->path + writer->path_len;
    const bool is_first = writer->path_len == 0;
    if (!is_first) {
        *end++ = '[';
    }
    end = writer->open[top].is_list ? str_put_number(end, writer->open[top].count)
                                    : str_put(end, name->json);
    if (!is_first) {
        *end++ = ']';
    }
    writer->path_len = (size_t)(end - writer->path);
}

static void push(BodyWriter *writer, const BodyName *name, bool is_list, size_t path)
{
    writer->open[writer->depth].name = name;
    writer->open[writer->depth].is_list = is_list;
    writer->open[writer->depth].count = 0;
    writer->open[writer->depth].path = path;
    writer->depth++;
}

void body_begin(BodyWriter *writer)
{
    writer->depth = writer->path_len = 0;
    writer->has_pairs = false;
    push(writer, NULL, false, 0);
    if (writer->format == FORMAT_JSON) {
        put_char(writer, '{');
    } else if (writer->format == FORMAT_XML) {
        put(writer, STR("<WebhookPayload xmlns=\"" NAMESPACE "\">"));
    }
}

void body_open(BodyWriter *writer, const BodyName *name, bool is_list)
{
    const size_t path = writer->path_len, top = writer->depth - 1;
    if (writer->format == FORMAT_JSON) {
        put_json_name(writer, name);
        put_char(writer, is_list ? '[' : '{');
    } else if (writer->format == FORMAT_XML) {
        put_tag(writer, "<", xml_name(writer, name));
    } else {
        extend_path(writer, name);
    }
    writer->open[top].count++;
    push(writer, name, is_list, path);
}

void body_close(BodyWriter *writer)
{
    const size_t top = writer->depth - 1;
    const bool is_list = writer->open[top].is_list;
    writer->depth--;
    if (writer->format == FORMAT_JSON) {
        put_char(writer, is_list ? ']' : '}');
    } else if (writer->format == FORMAT_XML) {
        put_tag(writer, "</", xml_name(writer, writer->open[top].name));
    }
    writer->path_len = writer->open[top].path;
}

static void put_pair(BodyWriter *writer, const BodyName *name, Str text)
{
    const size_t path = writer->path_len;
    if (writer->has_pairs) {
        put_char(writer, '&');
    }
    extend_path(writer, name);
    put(writer, (Str){writer->path, writer->path_len});
    put_char(writer, '=');
    put_form_text(writer, text);
    writer->path_len = path;
    writer->has_pairs = true;
}

static void put_member(BodyWriter *writer, const BodyName *name, Str text, bool is_text)
{
    if (writer->format == FORMAT_FORM) {
        put_pair(writer, name, text);
    } else if (writer->format == FORMAT_XML) {
        put_tag(writer, "<", name->xml);
        put(writer, text);
        put_tag(writer, "</", name->xml);
    } else {
        put_json_name(writer, name);
        if (is_text) {
            put_json_text(writer, text);
        } else {
            put(writer, text);
        }
    }
    writer->open[writer->depth - 1].count++;
}

void body_text(BodyWriter *writer, const BodyName *name, Str text)
{
    put_member(writer, name, text, true);
}

void body_literal(BodyWriter *writer, const BodyName *name, Str literal)
{
    put_member(writer, name, literal, false);
}

void body_end(BodyWriter *writer)
{
    if (writer->format == FORMAT_JSON) {
        put_char(writer, '}');
    } else if (writer->format == FORMAT_XML) {
        put(writer, STR("</WebhookPayload>"));
    }
}
