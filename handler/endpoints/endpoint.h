/*
 * Which function serves which path and method. To add an endpoint, write its function and add a row
 * to the table in endpoint.c.
 */
#ifndef TICKSTREAM_ENDPOINT_H
#define TICKSTREAM_ENDPOINT_H

#include "endpoints/exchange.h"

/* Serves a request: answers it at once or sees to it that it is answered later. */
void endpoint_serve(Exchange *exchange);

/* The endpoints. Each answers exactly once. */
void webhook_post(Exchange *exchange);  /* webhook.c: statuses into the stream */
void handshake_get(Exchange *exchange); /* handshake.c: Meta verifies the callback URL */
void livez_get(Exchange *exchange);     /* health.c: the process serves */
void readyz_get(Exchange *exchange);    /* health.c: Redis takes writes */
void metrics_get(Exchange *exchange);   /* metrics.c: Prometheus */

#endif
