#include "commands/reach.h"

#include "base/loop.h"
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

/* NULL: there is none. */
static ReachClient *find_client(Reach *reach, const Address *owner)
{
    for (size_t i = 0; i < REACH_CLIENTS; i++) {
        ReachClient *place = &reach->clients[i];
        const Address here = redis_url_address(&place->url);
        if (place->client && address_eq(&here, owner)) {
            return place;
        }
    }
    return NULL;
}

/* A free one, or else that of the client that was not used for longest, which ends. */
static ReachClient *make_place(Reach *reach)
{
    ReachClient *oldest = &reach->clients[0];
    for (size_t i = 0; i < REACH_CLIENTS && oldest->client; i++) {
        ReachClient *place = &reach->clients[i];
        if (!place->client || place->used_at < oldest->used_at) {
            oldest = place;
        }
    }
    oldest->client = client_close(oldest->client);
    return oldest;
}

static Client *connect_to(Reach *reach, Error *reterr)
{
    const Config *config = reach->config;
    ReachClient *place = make_place(reach);
    place->url = reach->url;
    const ClientTarget target = {
        .url = &place->url, .tls = config_tls(config), .timeout = config->redis_timeout};
    place->client = client_open(&target, reterr);
    place->used_at = loop_clock_ms();
    return place->client;
}

Client *reach_open(Reach *reach, const Address *owner, Error *reterr)
{
    const Config *config = reach->config;
    const int64_t now = loop_clock_ms();
    redis_url_at(&config->redis.server, owner, &reach->url);
    if (!owner->host[0]) {
        snprintf(reach->url.shown, sizeof(reach->url.shown), "%s", config->redis.shown);
        error_set(reterr, ERROR_UNAVAILABLE, "no node of the cluster is known to own it");
        return NULL;
    }
    ReachClient *known = find_client(reach, owner);
    if (known && now - known->used_at > REACH_IDLE_MS) {
        reach_drop(reach, owner);
        known = NULL;
    }
    if (known) {
        known->used_at = now;
        return known->client;
    }
    return connect_to(reach, reterr);
}

void reach_drop(Reach *reach, const Address *owner)
{
    ReachClient *known = find_client(reach, owner);
    if (known) {
        known->client = client_close(known->client);
    }
}

void reach_close(Reach *reach)
{
    for (size_t i = 0; i < REACH_CLIENTS; i++) {
        reach->clients[i].client = client_close(reach->clients[i].client);
    }
}
