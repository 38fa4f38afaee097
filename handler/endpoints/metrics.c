/*
 * /metrics: the counters of the whole pool, whichever worker is asked.
 */
#include "endpoints/endpoint.h"

#include "stats/stats.h"

Served metrics_get(Exchange *exchange)
{
    Text text = text_begin(exchange->arena);
    stats_render(&text);
    exchange_answer(exchange, 200, STR("text/plain; version=0.0.4; charset=utf-8"),
                    text_finish(&text));
    return ANSWERED;
}
