#include "http/problem.h"

#include "base/media_type.h"
#include "base/text.h"
#include "http/status.h"

#include <jansson.h>
#include <stdlib.h>

static Str render_json(const HttpStatus *status, const char *detail, Str instance, Arena *arena)
{
    json_auto_t *document =
        json_pack("{s:s%, s:s%, s:i, s:s, s:s%}", "type", status->problem.ptr, status->problem.len,
                  "title", status->phrase.ptr, status->phrase.len, "status", status->number,
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

static Str render_xml(const HttpStatus *status, const char *detail, Str instance, Arena *arena)
{
    Text text = text_begin(arena);
    text_add(
        &text,
        STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\">"));
    add_element(&text, "type", status->problem);
    add_element(&text, "title", status->phrase);
    text_add_format(&text, "<status>%d</status>", status->number);
    add_element(&text, "detail", str_from(detail));
    add_element(&text, "instance", instance);
    text_add(&text, STR("</problem>"));
    Str document = text_finish(&text);
    return document.ptr ? document : STR("<problem xmlns=\"urn:ietf:rfc:7807\"/>");
}

Str problem_render(AnswerFormat format, const Error *error, Str instance, Arena *arena)
{
    char detail[2 * LIMIT_TEXT];
    error_describe(error, detail, sizeof(detail));
    const HttpStatus *status = status_find(http_status(error->code));
    return format == ANSWER_XML ? render_xml(status, detail, instance, arena)
                                : render_json(status, detail, instance, arena);
}

Str problem_media_type(AnswerFormat format)
{
    return format == ANSWER_XML ? STR(MEDIA_PROBLEM_XML) : STR(MEDIA_PROBLEM_JSON);
}
