#include "process/service.h"

#include "base/digest.h"
#include "payload/codec.h"

static bool open_tls(Service *service)
{
    const TlsSettings settings = config_tls(service->server.config);
    Error error;
    if (!service->server.config->redis.server.tls) {
        return true;
    }
    service->tls = tls_context_new(&settings, &error);
    if (!service->tls) {
        log_line(LOG_ERROR, "redis: %s", error.text);
    }
    return service->tls != NULL;
}

static bool open_verifier(Service *service)
{
    const Secrets *secrets = &service->server.config->app_secrets;
    if (secrets->count) {
        service->server.verifier = verifier_new(secrets->texts, secrets->count);
    }
    return service->server.verifier || !secrets->count;
}

static bool open_sink(Service *service, Loop *loop)
{
    const Config *config = service->server.config;
    service->partitions = config_partitions(config);
    if (!service->partitions) {
        return false;
    }
    const SinkSettings settings = {.servers = &config->redis,
                                   .sentinel_user = config->redis_sentinel_user,
                                   .sentinel_password = config->redis_sentinel_password,
                                   .tls = service->tls,
                                   .partitions = service->partitions,
                                   .ack = config->redis_ack,
                                   .keep = &config->keep,
                                   .timeout = config->redis_timeout,
                                   .requires_durable = config->require_durable};
    service->server.sink = sink_redis_open(loop, &settings);
    return service->server.sink != NULL;
}

bool service_open(Service *service, const Config *config, Loop *loop)
{
    *service = (Service){.server = {.config = config}};
    if (!open_tls(service)) {
        return false;
    }
    if (!open_verifier(service) || !open_sink(service, loop)) {
        log_line(LOG_ERROR, "out of memory at the start");
        return false;
    }
    return true;
}

void service_close(Service *service)
{
    if (service->server.sink) {
        service->server.sink->close(service->server.sink);
    }
    verifier_free(service->server.verifier);
    tls_context_free(service->tls);
    partitions_free(service->partitions);
    codec_shutdown();
    digest_shutdown();
}
