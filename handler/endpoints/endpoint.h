/*
 * Which function serves which path and method. To add an endpoint, write its function and add a row
 * to the table in endpoint.c.
 */
#ifndef TICKSTREAM_ENDPOINT_H
#define TICKSTREAM_ENDPOINT_H

#include "endpoints/exchange.h"

/* Serves a request: fills its response, or sees to it that this is done later. */
Served endpoint_serve(Exchange *exchange);

/* The endpoints; they return the same. */
Served webhook_post(Exchange *exchange);  /* webhook.c: statuses into the stream */
Served handshake_get(Exchange *exchange); /* handshake.c: Meta verifies the callback URL */
Served livez_get(Exchange *exchange);     /* health.c: the process serves */
Served readyz_get(Exchange *exchange);    /* health.c: Redis takes writes */
Served metrics_get(Exchange *exchange);   /* metrics.c: Prometheus */

#endif
