#include "commands/reach.h"

#include "redis/find.h"

#include <stdio.h>

bool reach_find(const Reach *reach, const uint16_t *slots, size_t count, Address *ret_owners,
                Error *reterr)
{
    const Config *config = reach->config;
    const FindTarget target = {.servers = &config->redis,
                               .sentinel_user = config->redis_sentinel_user,
                               .sentinel_password = config->redis_sentinel_password,
                               .tls = config_tls(config),
                               .timeout = config->redis_timeout};
    return redis_find(&target, slots, count, ret_owners, reterr);
}

static bool is_there(const Reach *reach, const Address *owner)
{
    const Address here = redis_url_address(&reach->url);
    return reach->client && address_eq(&here, owner);
}

Client *reach_open(Reach *reach, const Address *owner, Error *reterr)
{
    const Config *config = reach->config;
    if (is_there(reach, owner)) {
        return reach->client;
    }
    reach_close(reach);
    redis_url_at(&config->redis.server, owner, &reach->url);
    if (!owner->host[0]) {
        snprintf(reach->url.shown, sizeof(reach->url.shown), "%s", config->redis.shown);
        error_set(reterr, ERROR_UNAVAILABLE, "no node of the cluster is known to own it");
        return NULL;
    }
    const ClientTarget target = {
        .url = &reach->url, .tls = config_tls(config), .timeout = config->redis_timeout};
    reach->client = client_open(&target, reterr);
    return reach->client;
}

void reach_close(Reach *reach)
{
    reach->client = client_close(reach->client);
}
