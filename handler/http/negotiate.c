#include "http/negotiate.h"

#include "base/media_type.h"
/* Quality of a media range's parameters in thousandths: 1000 without q, 0 for a refusal or
 * nonsense. */
static int parse_quality(Str parameters)
{
    while (parameters.ptr) {
        Str value = str_split(&parameters, ';');
        Str name = str_trim(str_split(&value, '='));
        value = str_trim(value);
        if (!str_eq_nocase(name, STR("q"))) {
            continue;
        }
        int quality = 0, digit = 1000;
        for (size_t i = 0; i < value.len && i < 5; i++) {
            if (ascii_is_digit(value.ptr[i])) {
                quality += (value.ptr[i] - '0') * digit;
                digit /= 10;
            } else if (value.ptr[i] != '.' || i != 1) {
                return 0;
            }
        }
        return quality > 1000 ? 1000 : quality;
    }
    return 1000;
}

/* What an Accept thinks of a format: the quality that its most specific matching range gives. */
typedef struct {
    int quality, specificity;
} Preference;

static void prefer(Preference *preference, int specificity, int quality)
{
    if (specificity > preference->specificity ||
        (specificity == preference->specificity && quality > preference->quality)) {
        *preference = (Preference){quality, specificity};
    }
}

static bool is_one_of(Str range, const Str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(range, names[i])) {
            return true;
        }
    }
    return false;
}

static AnswerFormat negotiate_accept(Str accept)
{
    static const Str json_types[] = {STR_INIT(MEDIA_JSON), STR_INIT(MEDIA_JSON_OLD),
                                     STR_INIT(MEDIA_PROBLEM_JSON)};
    static const Str xml_types[] = {STR_INIT(MEDIA_XML), STR_INIT(MEDIA_XML_OLD),
                                    STR_INIT(MEDIA_PROBLEM_XML)};
    Preference json = {0}, xml = {0};
    while (accept.ptr) {
        Str parameters = str_split(&accept, ',');
        Str range = str_trim(str_split(&parameters, ';'));
        int quality = parse_quality(parameters);
        if (is_one_of(range, json_types, 3)) {
            prefer(&json, 3, quality);
        } else if (is_one_of(range, xml_types, 3)) {
            prefer(&xml, 3, quality);
        } else if (str_eq_nocase(range, STR("application/*")) ||
                   str_eq_nocase(range, STR("text/*"))) {
            prefer(&json, 2, quality);
            prefer(&xml, 2, quality);
        } else if (str_eq(range, STR("*/*"))) {
            prefer(&json, 1, quality);
            prefer(&xml, 1, quality);
        }
    }
    return xml.quality > json.quality ? ANSWER_XML : ANSWER_JSON;
}

AnswerFormat negotiate(Str accept, Str content_type)
{
    if (!str_is_empty(str_trim(accept))) {
        return negotiate_accept(accept);
    }
    Str type = str_trim(str_split(&content_type, ';'));
    bool posted_xml =
        str_eq_nocase(type, STR(MEDIA_XML)) || str_eq_nocase(type, STR(MEDIA_XML_OLD));
    return posted_xml ? ANSWER_XML : ANSWER_JSON;
}

Str answer_media_type(AnswerFormat format)
{
    return format == ANSWER_XML ? STR(MEDIA_XML) : STR(MEDIA_JSON);
}
