#include "http/status.h"

#include <assert.h>

#define PROBLEM(name) STR_INIT("urn:tickstream:problem:" name)

/* The last row stands for what nobody here answers. nginx/problems.conf has the same types. */
static const HttpStatus rows[] = {
    {200, STR_INIT("OK"), {NULL, 0}, STAT_ANSWERS_200},
    {400, STR_INIT("Bad Request"), PROBLEM("bad-request"), STAT_ANSWERS_400},
    {401, STR_INIT("Unauthorized"), PROBLEM("unauthorized"), STAT_ANSWERS_401},
    {403, STR_INIT("Forbidden"), PROBLEM("forbidden"), STAT_ANSWERS_403},
    {404, STR_INIT("Not Found"), PROBLEM("not-found"), STAT_ANSWERS_404},
    {405, STR_INIT("Method Not Allowed"), PROBLEM("method-not-allowed"), STAT_ANSWERS_405},
    {413, STR_INIT("Content Too Large"), PROBLEM("payload-too-large"), STAT_ANSWERS_413},
    {415, STR_INIT("Unsupported Media Type"), PROBLEM("unsupported-media-type"), STAT_ANSWERS_415},
    {503, STR_INIT("Service Unavailable"), PROBLEM("unavailable"), STAT_ANSWERS_503},
};

const HttpStatus *status_find(int number)
{
    const HttpStatus *row = rows, *last = &rows[sizeof(rows) / sizeof(rows[0]) - 1];
    while (row->number != number && row != last) {
        row++;
    }
    assert(row->number == number);
    return row;
}

void status_count(int number)
{
    stats_add(status_find(number)->stat, 1);
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
