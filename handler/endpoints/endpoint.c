#include "endpoints/endpoint.h"

typedef struct {
    Str path;
    bool legacy; /* matched as the API that it replaces did: any case, one slash may follow */
    void (*get)(Exchange *exchange);
    void (*post)(Exchange *exchange); /* NULL: not allowed */
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

void endpoint_serve(Exchange *exchange)
{
    const Request *request = &exchange->request;
    const Endpoint *endpoint = find_endpoint(request->path);
    Error error;
    if (!endpoint) {
        error_set(&error, ERROR_NOT_FOUND, "there is nothing at this path");
        exchange_problem(exchange, &error, (Str){NULL, 0});
        return;
    }
    if (str_eq(request->method, STR("GET"))) {
        endpoint->get(exchange);
        return;
    }
    if (endpoint->post && str_eq(request->method, STR("POST"))) {
        endpoint->post(exchange);
        return;
    }
    error_set(&error, ERROR_NOT_ALLOWED, "this path does not know the method");
    exchange_problem(exchange, &error,
                     endpoint->post ? STR("Allow: GET, POST\r\n") : STR("Allow: GET\r\n"));
}
