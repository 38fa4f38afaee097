#include "endpoints/endpoint.h"

#include <assert.h>

typedef struct {
    Str path;
    bool legacy; /* matched as the API that it replaces did: any case, one slash may follow */
    Served (*get)(Exchange *exchange);
    Served (*post)(Exchange *exchange); /* NULL: not allowed */
} Endpoint;

static const Endpoint endpoints[] = {
    {STR_INIT("/api/webhook/whatsapp"), true, handshake_get, webhook_post},
    {STR_INIT("/livez"), false, livez_get, NULL},
    {STR_INIT("/readyz"), false, readyz_get, NULL},
    {STR_INIT("/metrics"), false, metrics_get, NULL},
};

static bool is_path(const Endpoint *endpoint, Str path)
{
    if (!endpoint->legacy) {
        return str_eq(path, endpoint->path);
    }
    if (path.len == endpoint->path.len + 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    return str_eq_nocase(path, endpoint->path);
}

static const Endpoint *find_endpoint(Str path)
{
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (is_path(&endpoints[i], path)) {
            return &endpoints[i];
        }
    }
    return NULL;
}

static Served refuse(Exchange *exchange, ErrorCode code, const char *why, Str headers)
{
    Error error;
    error_set(&error, code, "%s", why);
    exchange_answer_problem(exchange, &error, headers);
    return ANSWERED;
}

/* A probe may be asked without its text, which exchange_answer() keeps back. The webhook, as the
 * API that it replaces, knows GET and POST. */
static bool is_head(const Endpoint *endpoint, Str method)
{
    return !endpoint->legacy && str_eq(method, STR("HEAD"));
}

static Served serve(Exchange *exchange)
{
    const Request *request = &exchange->request;
    const Endpoint *endpoint = find_endpoint(request->path);
    if (!endpoint) {
        return refuse(exchange, ERROR_NOT_FOUND, "there is nothing at this path", (Str){NULL, 0});
    }
    if (str_eq(request->method, STR("GET")) || is_head(endpoint, request->method)) {
        return endpoint->get(exchange);
    }
    if (endpoint->post && str_eq(request->method, STR("POST"))) {
        return endpoint->post(exchange);
    }
    return refuse(exchange, ERROR_NOT_ALLOWED, "this path does not know the method",
                  endpoint->post ? STR("Allow: GET, POST\r\n") : STR("Allow: GET, HEAD\r\n"));
}

Served endpoint_serve(Exchange *exchange)
{
    exchange->response = (Response){0};
    Served served = serve(exchange);
    assert((served == ANSWERED) == (exchange->response.status != 0));
    return served;
}
