#include "http/problem.h"

#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>

/* The stable types; nginx/problems.conf uses the same. */
static const struct {
    int status;
    const char *type;
    const char *title;
} kinds[] = {
    {400, "urn:tickstream:problem:bad-request", "Bad Request"},
    {401, "urn:tickstream:problem:unauthorized", "Unauthorized"},
    {403, "urn:tickstream:problem:forbidden", "Forbidden"},
    {404, "urn:tickstream:problem:not-found", "Not Found"},
    {405, "urn:tickstream:problem:method-not-allowed", "Method Not Allowed"},
    {413, "urn:tickstream:problem:payload-too-large", "Payload Too Large"},
    {415, "urn:tickstream:problem:unsupported-media-type", "Unsupported Media Type"},
    {503, "urn:tickstream:problem:unavailable", "Service Unavailable"},
};

static size_t find_kind(int status)
{
    size_t i = 0;
    while (kinds[i].status != status && i + 1 < sizeof(kinds) / sizeof(kinds[0])) {
        i++;
    }
    return i;
}

static Str render_json(size_t kind, const char *detail, Str instance, Arena *arena)
{
    json_auto_t *document = json_pack("{s:s, s:s, s:i, s:s, s:s%}", "type", kinds[kind].type,
                                      "title", kinds[kind].title, "status", kinds[kind].status,
                                      "detail", detail, "instance", instance.ptr, instance.len);
    char *text = document ? json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    Str copy = text ? arena_copy(arena, str_from(text)) : (Str){NULL, 0};
    free(text);
    return copy.ptr ? copy : STR("{}");
}

static void add_element(Text *text, const char *name, Str content)
{
    text_add_format(text, "<%s>", name);
    text_add_xml(text, content);
    text_add_format(text, "</%s>", name);
}

static Str render_xml(size_t kind, const char *detail, Str instance, Arena *arena)
{
    Text text = text_begin(arena);
    text_add(
        &text,
        STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\">"));
    add_element(&text, "type", str_from(kinds[kind].type));
    add_element(&text, "title", str_from(kinds[kind].title));
    text_add_format(&text, "<status>%d</status>", kinds[kind].status);
    add_element(&text, "detail", str_from(detail));
    add_element(&text, "instance", instance);
    text_add(&text, STR("</problem>"));
    Str document = text_finish(&text);
    return document.ptr ? document : STR("<problem xmlns=\"urn:ietf:rfc:7807\"/>");
}

Str problem_render(AnswerFormat format, int status, const Error *error, Str instance, Arena *arena)
{
    char detail[2 * LIMIT_TEXT];
    error_describe(error, detail, sizeof(detail));
    size_t kind = find_kind(status);
    return format == ANSWER_XML ? render_xml(kind, detail, instance, arena)
                                : render_json(kind, detail, instance, arena);
}
