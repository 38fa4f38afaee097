#include "http/http.h"

#include "http/problem.h"
#include "stats/stats.h"

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
    static const Str json_types[] = {STR_INIT("application/json"), STR_INIT("text/json"),
                                     STR_INIT("application/problem+json")};
    static const Str xml_types[] = {STR_INIT("application/xml"), STR_INIT("text/xml"),
                                    STR_INIT("application/problem+xml")};
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
        str_eq_nocase(type, STR("application/xml")) || str_eq_nocase(type, STR("text/xml"));
    return posted_xml ? ANSWER_XML : ANSWER_JSON;
}

static void count_answer(int status)
{
    static const struct {
        int status;
        Stat stat;
    } rows[] = {
        {200, STAT_ANSWERS_200}, {400, STAT_ANSWERS_400}, {401, STAT_ANSWERS_401},
        {403, STAT_ANSWERS_403}, {404, STAT_ANSWERS_404}, {405, STAT_ANSWERS_405},
        {413, STAT_ANSWERS_413}, {415, STAT_ANSWERS_415}, {503, STAT_ANSWERS_503},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status) {
            stats_add(rows[i].stat, 1);
            return;
        }
    }
}

void http_answer(Exchange *exchange, const Response *response)
{
    count_answer(response->status);
    exchange->respond(exchange, response);
}

void http_respond(Exchange *exchange, int status, Str content_type, Str body)
{
    http_answer(exchange,
                &(Response){.status = status, .content_type = content_type, .body = body});
}

int http_status(ErrorCode code)
{
    switch (code) {
    case ERROR_NONE:
        return 200;
    case ERROR_INVALID:
    case ERROR_MALFORMED:
        return 400;
    case ERROR_UNSIGNED:
        return 401;
    case ERROR_FORBIDDEN:
        return 403;
    case ERROR_NOT_FOUND:
        return 404;
    case ERROR_NOT_ALLOWED:
        return 405;
    case ERROR_TOO_LARGE:
        return 413;
    case ERROR_UNKNOWN_TYPE:
        return 415;
    case ERROR_UNAVAILABLE:
    case ERROR_NO_MEMORY:
    case ERROR_SETUP:
        return 503;
    }
    return 503;
}

void http_problem(Exchange *exchange, const Error *error, Str headers)
{
    const Request *request = &exchange->request;
    AnswerFormat format = negotiate(request->accept, request->content_type);
    int status = http_status(error->code);
    Response response = {
        .status = status,
        .content_type =
            format == ANSWER_XML ? STR("application/problem+xml") : STR("application/problem+json"),
        .headers = headers,
        .body = problem_render(format, status, error, request->request_id, exchange->arena),
    };
    if (status == 503) {
        response.headers = STR("Retry-After: 1\r\n");
    }
    http_answer(exchange, &response);
}
