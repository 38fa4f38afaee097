/*
 * What serves the requests of one process: the endpoints' Server with all that it borrows, and the
 * one place that knows which sink there is.
 */
#ifndef TICKSTREAM_SERVICE_H
#define TICKSTREAM_SERVICE_H

#include "endpoints/exchange.h"
#include "redis/sink_redis.h"

typedef struct {
    Server server;
    Partitions *partitions;
    TlsContext *tls;
} Service;

/*
 * Opens the verifier, and the sink on a loop that outlives it; config is borrowed, and who is to
 * hear of answers is the caller's to set. Certificates are read here, so that a reload takes new
 * ones. false: the reason has been logged; to be closed all the same.
 */
bool service_open(Service *service, const Config *config, Loop *loop);

/* First of all the sink, which answers what is under way. */
void service_close(Service *service);

#endif
