#include "http/cgi.h"

#include "http/parameters.h"
#include "http/status.h"

/* The value of a name; empty when there is none. */
static Str find(char *const *environment, Str name)
{
    for (; *environment; environment++) {
        Str value = str_from(*environment);
        if (str_eq(str_split(&value, '='), name) && value.ptr) {
            return value;
        }
    }
    return STR("");
}

static bool read_path(char *const *environment, Arena *arena, Str *ret)
{
    Str uri = find(environment, STR("REQUEST_URI")), path = str_split(&uri, '?');
    if (str_is_empty(path)) {
        const Str script = find(environment, STR("SCRIPT_NAME"));
        const Str info = find(environment, STR("PATH_INFO"));
        char *joined = arena_alloc(arena, script.len + info.len);
        if (!joined) {
            return false;
        }
        path = (Str){joined, (size_t)(str_put(str_put(joined, script), info) - joined)};
    }
    *ret = path;
    return true;
}

bool cgi_read_request(char *const *environment, Arena *arena, Request *ret)
{
    *ret = (Request){0};
    parameters_set_all(ret, environment);
    return (!str_is_empty(ret->path) || read_path(environment, arena, &ret->path)) &&
           parameters_finish(ret, arena);
}

size_t cgi_head_size(const Response *response, Str request_id)
{
    enum { FIXED = 128 }; /* names, blanks and line ends, and two numbers */
    return FIXED + status_find(response->status)->phrase.len + response->content_type.len +
           request_id.len + response->headers.len;
}

char *cgi_put_head(char *to, const Response *response, Str request_id)
{
    const HttpStatus *status = status_find(response->status);
    to = str_put_number(str_put(to, STR("Status: ")), (size_t)status->number);
    to = str_put(str_put(to, STR(" ")), status->phrase);
    to = str_put(str_put(to, STR("\r\nContent-Type: ")), response->content_type);
    to = str_put_number(str_put(to, STR("\r\nContent-Length: ")),
                        response->body.len + response->withheld);
    to = str_put(str_put(to, STR("\r\nX-Request-Id: ")), request_id);
    to = str_put(to, STR("\r\nCache-Control: no-store\r\n"));
    return str_put(str_put(to, response->headers), STR("\r\n"));
}
