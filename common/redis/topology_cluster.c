#include "base/backoff.h"
#include "base/log.h"
#include "redis/control.h"
#include "redis/error_rule.h"
#include "redis/slots.h"
#include "redis/topology_kind.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A look-up asks one node after the other for CLUSTER SLOTS, until one tells an owner of ours. At
 * most one is under way; the timer starts the next:
 *
 *   wanted   somebody suspects something, or what is known is not all: after a pause since the last
 *            question, which grows while that goes on
 *   else     now and then, since a map can be old without anybody having met it
 *
 * A node may have looked at its map as soon as it was asked. So a MOVED that comes before the
 * answer is younger: the answer does not count for that slot, and another look-up is wanted.
 */
enum {
    NOW_AND_THEN = 10000, /* milliseconds */
    QUIET = 10000         /* after so long without a suspicion the pauses begin anew */
};

static const Backoff pauses = {.first = 50, .most = 1000};

typedef struct {
    Topology *topology;
    Timer *timer; /* to the next look-up; runs while none is under way */
    bool is_wanted;
    unsigned looked;      /* wanted look-ups since it was quiet */
    int64_t suspected_at; /* loop_clock_ms() */

    bool is_looking;
    Address hint;   /* a node that may know better, asked before all others; "" = none */
    Address *nodes; /* the others: those from next on are still to be asked */
    size_t count, next;
    size_t tried;
    char why[4 * LIMIT_TEXT]; /* the last one has told nothing */

    Control *control; /* of the node that was asked last; NULL = none */
    RedisUrl url;     /* of it */
    int64_t asked_at; /* loop_clock_ms() */
    bool *is_younger; /* of each slot: what is known is younger than the question */
    Address *told;    /* of each slot: what is new; "" = nothing */
} Cluster;

static size_t slot_count(const Cluster *cluster)
{
    return cluster->topology->settings.count;
}

/* Who is asked */

static void add_node(Cluster *cluster, const Address *node)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (address_eq(&cluster->nodes[i], node)) {
            return;
        }
    }
    cluster->nodes[cluster->count++] = *node;
}

static void shuffle(Address *nodes, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        const size_t picked = (size_t)random() % left;
        const Address last = nodes[left - 1];
        nodes[left - 1] = nodes[picked];
        nodes[picked] = last;
    }
}

/* Owners before seeds, each in random order. */
static void list_nodes(Cluster *cluster)
{
    const RedisServers *servers = cluster->topology->settings.servers;
    cluster->count = cluster->next = 0;
    for (size_t i = 0; i < slot_count(cluster); i++) {
        const Address *owner = topology_owner(cluster->topology, i);
        if (owner) {
            add_node(cluster, owner);
        }
    }
    const size_t owners = cluster->count;
    for (size_t i = 0; i < servers->seed_count; i++) {
        add_node(cluster, &servers->seeds[i]);
    }
    shuffle(cluster->nodes, owners);
    shuffle(cluster->nodes + owners, cluster->count - owners);
}

/* Nobody is asked twice. */
static void take_hint(Cluster *cluster, Address *ret)
{
    *ret = cluster->hint;
    cluster->hint.host[0] = '\0';
    for (size_t i = cluster->next; i < cluster->count; i++) {
        if (address_eq(&cluster->nodes[i], ret)) {
            cluster->nodes[i] = cluster->nodes[cluster->next++];
            return;
        }
    }
}

/* false: all have been asked. */
static bool take_node(Cluster *cluster, Address *ret)
{
    if (cluster->hint.host[0]) {
        take_hint(cluster, ret);
        return true;
    }
    if (cluster->next == cluster->count) {
        return false;
    }
    *ret = cluster->nodes[cluster->next++];
    return true;
}

/* What is told */

/* The names of those that own what is new, as many as there is room for. */
static void list_new_owners(const Cluster *cluster, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < slot_count(cluster); i++) {
        size_t same = 0;
        while (same < i && !address_eq(&cluster->told[same], &cluster->told[i])) {
            same++;
        }
        if (same < i || !cluster->told[i].host[0]) {
            continue;
        }
        char name[ADDRESS_TEXT];
        address_show(&cluster->told[i], name);
        if (used + strlen(name) + sizeof(", ...") > size) {
            snprintf(text + used, size - used, "...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

/* Takes what was told; leaves in it what was new. */
static void take_told(Cluster *cluster)
{
    static LogSite site;
    char owners[2 * LIMIT_TEXT] = "";
    size_t news = 0;
    for (size_t i = 0; i < slot_count(cluster); i++) {
        Address *owner = &cluster->told[i];
        const bool is_new = owner->host[0] && topology_set_owner(cluster->topology, i, owner);
        owner->host[0] = is_new ? owner->host[0] : '\0';
        news += is_new;
    }
    if (news) {
        list_new_owners(cluster, owners, sizeof(owners));
        log_rarely(&site, LOG_INFO, "redis: %zu of %zu slots are now at %s", news,
                   slot_count(cluster), owners);
    }
}

static void forget_told(Cluster *cluster)
{
    for (size_t i = 0; i < slot_count(cluster); i++) {
        cluster->told[i] = (Address){.port = 0};
    }
}

/* Which owners of ours the node tells. NULL, or why none. */
static const char *read_map(Cluster *cluster, const Reply *reply, char text[LIMIT_TEXT + 1])
{
    const Address asked = redis_url_address(&cluster->url);
    size_t i = 0;
    if (reply->kind == REPLY_ERROR) {
        *str_put(text, error_to_show(reply->text)) = '\0';
        return text;
    }
    forget_told(cluster);
    if (!slots_read(reply, &asked, cluster->topology->settings.slots, slot_count(cluster),
                    cluster->told)) {
        return "its answer to CLUSTER SLOTS makes no sense";
    }
    while (i < slot_count(cluster) && !cluster->told[i].host[0]) {
        i++;
    }
    return i < slot_count(cluster) ? NULL : "it knows no owner of a slot of ours";
}

/* When the next look-up is due. */

static void schedule(Cluster *cluster)
{
    if (!cluster->is_looking) { /* else when that has ended */
        const int64_t pause =
            cluster->is_wanted ? backoff_pause(&pauses, cluster->looked + 1) : NOW_AND_THEN;
        const int64_t left = cluster->asked_at + backoff_jitter(pause) - loop_clock_ms();
        timer_start(cluster->timer, left > 0 ? left : 0, 0);
    }
}

static void want(Cluster *cluster)
{
    const int64_t now = loop_clock_ms();
    if (now - cluster->suspected_at >= QUIET) {
        cluster->looked = 0;
    }
    cluster->suspected_at = now;
    if (!cluster->is_wanted) {
        cluster->is_wanted = true;
        schedule(cluster);
    }
}

/* A look-up */

static bool knows_all(const Cluster *cluster)
{
    size_t i = 0;
    while (i < slot_count(cluster) && topology_owner(cluster->topology, i)) {
        i++;
    }
    return i == slot_count(cluster);
}

static void end_look(Cluster *cluster, bool told)
{
    static LogSite site;
    cluster->is_looking = false;
    topology_count(told);
    if (!told) {
        log_rarely(&site, LOG_WARN, "redis: no node of the cluster answers (%zu tried): %s",
                   cluster->tried, cluster->why);
    }
    if (!told || !knows_all(cluster)) {
        want(cluster);
    }
    schedule(cluster);
}

static void note_why(Cluster *cluster, const char *why)
{
    snprintf(cluster->why, sizeof(cluster->why), "%s (%.100s)", why, cluster->url.shown);
}

static void on_answered(void *arg, const Reply *const *replies, const char *why);

/* false: no memory. */
static bool ask_node(Cluster *cluster, const Address *node)
{
    static const Str words[] = {STR_INIT("CLUSTER"), STR_INIT("SLOTS")};
    const TopologySettings *settings = &cluster->topology->settings;
    const Address asked = redis_url_address(&cluster->url);
    if (!cluster->control || !address_eq(&asked, node)) {
        cluster->control = control_close(cluster->control);
        redis_url_at(&settings->servers->server, node, &cluster->url);
        cluster->control = control_open(cluster->topology->loop, &cluster->url, settings->tls,
                                        TOPOLOGY_TIMEOUT, on_answered, cluster);
    }
    cluster->tried++;
    cluster->asked_at = loop_clock_ms();
    memset(cluster->is_younger, 0, slot_count(cluster) * sizeof(*cluster->is_younger));
    return cluster->control && control_ask(cluster->control, &(ControlCommand){words, 2}, 1);
}

static void ask_next(Cluster *cluster)
{
    Address node;
    while (take_node(cluster, &node)) {
        if (ask_node(cluster, &node)) {
            return;
        }
        note_why(cluster, "out of memory");
    }
    end_look(cluster, false);
}

static void on_answered(void *arg, const Reply *const *replies, const char *why)
{
    char text[LIMIT_TEXT + 1];
    Cluster *cluster = arg;
    why = replies ? read_map(cluster, replies[0], text) : why;
    if (why) {
        note_why(cluster, why);
        ask_next(cluster);
        return;
    }
    for (size_t i = 0; i < slot_count(cluster); i++) {
        if (cluster->is_younger[i]) {
            cluster->told[i].host[0] = '\0';
        }
    }
    take_told(cluster);
    end_look(cluster, true);
}

static void look(void *arg)
{
    Cluster *cluster = arg;
    cluster->looked += cluster->is_wanted ? 1 : 0;
    cluster->is_wanted = false;
    cluster->is_looking = true;
    cluster->tried = 0;
    list_nodes(cluster);
    ask_next(cluster);
}

/* As a kind of topology */

static bool open_cluster(Topology *topology)
{
    const size_t count = topology->settings.count;
    Cluster *cluster = topology->finder = calloc(1, sizeof(*cluster));
    if (!cluster) {
        return false;
    }
    cluster->topology = topology;
    cluster->timer = loop_timer(topology->loop, look, cluster);
    cluster->nodes = calloc(count + LIMIT_SEEDS, sizeof(*cluster->nodes));
    cluster->told = calloc(count, sizeof(*cluster->told));
    cluster->is_younger = calloc(count, sizeof(*cluster->is_younger));
    if (!cluster->timer || !cluster->nodes || !cluster->told || !cluster->is_younger) {
        return false;
    }
    cluster->is_wanted = true;
    timer_start(cluster->timer, 0, 0);
    return true;
}

static void suspect(Topology *topology, const Address *hint)
{
    Cluster *cluster = topology->finder;
    if (hint) {
        cluster->hint = *hint;
    }
    want(cluster);
}

/* The slot may be that of several partitions. */
static void moved(Topology *topology, size_t i, const Address *to)
{
    Cluster *cluster = topology->finder;
    const Address owner = *to;
    const uint16_t *slots = topology->settings.slots;
    for (size_t k = 0; k < slot_count(cluster); k++) {
        const bool is_it = slots[k] == slots[i];
        cluster->told[k] = is_it ? owner : (Address){.port = 0};
        cluster->is_younger[k] = cluster->is_younger[k] || is_it;
    }
    take_told(cluster);
    suspect(topology, &owner);
}

static void close_cluster(Topology *topology)
{
    Cluster *cluster = topology->finder;
    if (cluster) {
        control_close(cluster->control);
        timer_close(cluster->timer);
        free(cluster->nodes);
        free(cluster->told);
        free(cluster->is_younger);
        free(cluster);
    }
}

const TopologyKind topology_cluster = {
    .open = open_cluster, .suspect = suspect, .moved = moved, .close = close_cluster};
