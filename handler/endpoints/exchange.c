#include "endpoints/exchange.h"

#include "http/problem.h"
#include "http/status.h"

#include <assert.h>

void exchange_answer(Exchange *exchange, int status, Str content_type, Str body)
{
    assert(exchange->response.status == 0);
    exchange->response = (Response){.status = status, .content_type = content_type, .body = body};
    if (str_eq(exchange->request.method, STR("HEAD"))) {
        exchange->response.body = STR("");
        exchange->response.withheld = body.len;
    }
    status_count(status);
}

void exchange_answer_problem(Exchange *exchange, const Error *error, Str headers)
{
    const Request *request = &exchange->request;
    AnswerFormat format = negotiate(request->accept, request->content_type);
    int status = http_status(error->code);
    Str document = problem_render(format, error, request->request_id, exchange->arena);
    exchange_answer(exchange, status, problem_media_type(format), document);
    exchange->response.headers = status == 503 ? STR("Retry-After: 1\r\n") : headers;
}
