#include "endpoints/exchange.h"

#include "http/problem.h"
#include "http/status.h"

void exchange_answer(Exchange *exchange, const Response *response)
{
    status_count(response->status);
    exchange->respond(exchange, response);
}

void exchange_respond(Exchange *exchange, int status, Str content_type, Str body)
{
    exchange_answer(exchange,
                    &(Response){.status = status, .content_type = content_type, .body = body});
}

void exchange_problem(Exchange *exchange, const Error *error, Str headers)
{
    const Request *request = &exchange->request;
    AnswerFormat format = negotiate(request->accept, request->content_type);
    int status = http_status(error->code);
    exchange_answer(exchange,
                    &(Response){
                        .status = status,
                        .content_type = problem_media_type(format),
                        .headers = status == 503 ? STR("Retry-After: 1\r\n") : headers,
                        .body = problem_render(format, error, request->request_id, exchange->arena),
                    });
}
