#include "redis/find.h"

#include "redis/client.h"
#include "redis/error_rule.h"
#include "redis/sentinel.h"
#include "redis/slots.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const FindTarget *target;
    const uint16_t *slots;
    size_t count;
    Address *owners; /* that are known as yet; "" = not known */
} Search;

/* What is asked of one, and what the answer tells. */
typedef struct {
    const char *who; /* in an error: "no ... answers" */
    size_t count;
    Str words[3];
    bool (*take)(Search *search, const Address *asked, const Reply *reply, Error *reterr);
} Way;

static bool knows_all(const Search *search)
{
    size_t i = 0;
    while (i < search->count && search->owners[i].host[0]) {
        i++;
    }
    return i == search->count;
}

static bool take_master(Search *search, const Address *asked, const Reply *reply, Error *reterr)
{
    const char *name = search->target->servers->master;
    Address master;
    (void)asked;
    if (reply->kind == REPLY_NIL) {
        return error_set(reterr, ERROR_SETUP, "it knows no master %.60s", name);
    }
    if (!sentinel_read_master(reply, &master)) {
        return error_set(reterr, ERROR_UNAVAILABLE,
                         "its answer to SENTINEL GET-MASTER-ADDR-BY-NAME makes no sense");
    }
    for (size_t i = 0; i < search->count; i++) {
        search->owners[i] = master;
    }
    return true;
}

static bool take_map(Search *search, const Address *asked, const Reply *reply, Error *reterr)
{
    return slots_read(reply, asked, search->slots, search->count, search->owners) ||
           error_set(reterr, ERROR_UNAVAILABLE, "its answer to CLUSTER SLOTS makes no sense");
}

static Way way_to(const RedisServers *servers)
{
    return servers->kind == SERVERS_SENTINEL
               ? (Way){"sentinel",
                       3,
                       {STR("SENTINEL"), STR("GET-MASTER-ADDR-BY-NAME"), str_from(servers->master)},
                       take_master}
               : (Way){"node of the cluster", 2, {STR("CLUSTER"), STR("SLOTS")}, take_map};
}

/* How one of them is spoken to: sentinels have users of their own, and no databases. */
static void url_of(const FindTarget *target, const Address *seed, RedisUrl *ret)
{
    redis_url_at(&target->servers->server, seed, ret);
    if (target->servers->kind == SERVERS_SENTINEL) {
        ret->db = 0;
        snprintf(ret->user, sizeof(ret->user), "%s", target->sentinel_user);
        snprintf(ret->password, sizeof(ret->password), "%s", target->sentinel_password);
    }
}

static bool take(Search *search, const Way *way, const Address *asked, const Reply *reply,
                 Error *reterr)
{
    if (reply->kind == REPLY_ERROR) {
        const bool passes = error_passes(error_rule(reply->text));
        return error_set(reterr, passes ? ERROR_UNAVAILABLE : ERROR_SETUP, "%.*s",
                         STR_ARG(error_to_show(reply->text)));
    }
    return way->take(search, asked, reply, reterr);
}

static bool ask(Search *search, const Way *way, const Address *seed, Error *reterr)
{
    RedisUrl url;
    url_of(search->target, seed, &url);
    const ClientTarget target = {.url = &url,
                                 .any_role = true,
                                 .tls = search->target->tls,
                                 .timeout = search->target->timeout};
    Client *client = client_open(&target, reterr);
    const Reply *reply = client ? client_call(client, way->words, way->count, reterr) : NULL;
    const bool ok = reply && take(search, way, seed, reply, reterr);
    client_close(client);
    return ok;
}

static bool fail(const Way *way, const RedisServers *servers, const Error *last, Error *reterr)
{
    char shown[ADDRESS_TEXT];
    address_show(&servers->seeds[servers->seed_count - 1], shown);
    return last->code == ERROR_NO_MEMORY
               ? error_no_memory(reterr)
               : error_set(reterr, last->code, "no %s answers (%zu tried): %.80s (%.40s)", way->who,
                           servers->seed_count, last->text, shown);
}

/* One that knows only some is not the last to be asked. */
static bool ask_in_turn(Search *search, Error *reterr)
{
    const RedisServers *servers = search->target->servers;
    const Way way = way_to(servers);
    Error last = {.code = ERROR_UNAVAILABLE};
    bool told = false;
    for (size_t i = 0; i < servers->seed_count && !(told && knows_all(search)); i++) {
        told = ask(search, &way, &servers->seeds[i], &last) || told;
    }
    return told || fail(&way, servers, &last, reterr);
}

bool redis_find(const FindTarget *target, const uint16_t *slots, size_t count, Address *ret_owners,
                Error *reterr)
{
    Address *owners = calloc(count, sizeof(*owners));
    Search search = {.target = target, .slots = slots, .count = count, .owners = owners};
    if (!owners) {
        return error_no_memory(reterr);
    }
    const bool is_one = target->servers->kind == SERVERS_ONE,
               found = is_one || ask_in_turn(&search, reterr);
    for (size_t i = 0; found && i < count; i++) {
        ret_owners[i] = is_one ? target->servers->seeds[0] : owners[i];
    }
    free(owners);
    return found;
}
