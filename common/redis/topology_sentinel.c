#include "base/log.h"
#include "redis/control.h"
#include "redis/error_rule.h"
#include "redis/sentinel.h"
#include "redis/topology_kind.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * All sentinels are asked all the time, since a master that was demoted takes writes for seconds
 * before it learns of it. Each names a master, and the configuration epoch of its knowledge: that
 * grows with each failover, so the greatest wins, and whoever names a smaller one than was ever
 * seen lags behind, perhaps beside a master that does.
 *
 * Among those of the same epoch, which are also those that do not tell theirs, the majority wins,
 * and in doubt the master that we have. At the beginning most of the sentinels must have answered,
 * or all that will.
 *
 * Sentinels that were made anew count from 0 again. When for a while most of them have named
 * smaller epochs, and nobody the one that was seen, that is forgotten.
 */
enum {
    PERIOD = 500, /* milliseconds */
    LEAST = 50,   /* between two questions, whoever suspects */
    ANEW = 30000  /* so long smaller epochs are not believed */
};

typedef enum { NO_ANSWER, NOT_KNOWN, NAMED } Answer;

typedef struct Watcher Watcher;

typedef struct {
    Watcher *watcher;
    Control *control;
    RedisUrl url;
    Answer answer;             /* the last one */
    int64_t asked_at, told_at; /* the last question, and when that was asked which had the answer */
    Address master;
    long long epoch; /* of it; -1 = not told */
} Sentinel;

struct Watcher {
    Topology *topology;
    Timer *timer; /* to the next questions */
    int64_t asked_at;
    long long epoch;          /* the greatest that was seen; -1 = none */
    int64_t smaller_since;    /* most have named smaller ones; INT64_MAX = they have not */
    char why[4 * LIMIT_TEXT]; /* the last that has not answered */
    size_t count;
    Sentinel sentinels[];
};

/* What a sentinel says */

/* Of SENTINEL MASTER, a list of names and values; -1 = it does not tell. */
static long long read_epoch(const Reply *reply)
{
    const size_t count = reply->kind == REPLY_LIST ? reply->count : 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        unsigned epoch;
        if (str_eq(reply->items[i].text, STR("config-epoch"))) {
            const bool is_number = str_get_number(reply->items[i + 1].text, UINT32_MAX, &epoch);
            return is_number ? (long long)epoch : -1;
        }
    }
    return -1;
}

/* NULL, or why there is no answer. */
static const char *read_answers(Sentinel *sentinel, const Reply *const *replies,
                                char text[LIMIT_TEXT + 1])
{
    if (replies[0]->kind == REPLY_ERROR) {
        *str_put(text, error_to_show(replies[0]->text)) = '\0';
        return text;
    }
    if (replies[0]->kind == REPLY_NIL) {
        sentinel->answer = NOT_KNOWN;
        return NULL;
    }
    if (!sentinel_read_master(replies[0], &sentinel->master)) {
        return "its answer to SENTINEL GET-MASTER-ADDR-BY-NAME makes no sense";
    }
    sentinel->answer = NAMED;
    sentinel->epoch = read_epoch(replies[1]);
    return NULL;
}

/* What all say */

static size_t count_answers(const Watcher *watcher, Answer answer)
{
    size_t count = 0;
    for (size_t i = 0; i < watcher->count; i++) {
        count += watcher->sentinels[i].answer == answer;
    }
    return count;
}

static bool is_asking(const Watcher *watcher)
{
    size_t i = 0;
    while (i < watcher->count && !control_is_asking(watcher->sentinels[i].control)) {
        i++;
    }
    return i < watcher->count;
}

static long long greatest_epoch(const Watcher *watcher)
{
    long long greatest = -1;
    for (size_t i = 0; i < watcher->count; i++) {
        const Sentinel *sentinel = &watcher->sentinels[i];
        if (sentinel->answer == NAMED && sentinel->epoch > greatest) {
            greatest = sentinel->epoch;
        }
    }
    return greatest;
}

/* Have most of them named smaller epochs than the one that was seen, for long enough? */
static bool have_begun_anew(Watcher *watcher, long long epoch)
{
    const int64_t now = loop_clock_ms();
    const bool is_most = count_answers(watcher, NAMED) > watcher->count / 2;
    if (epoch < 0 || epoch >= watcher->epoch || !is_most) {
        watcher->smaller_since = INT64_MAX;
    } else if (watcher->smaller_since > now) {
        watcher->smaller_since = now;
    }
    return watcher->smaller_since <= now - ANEW;
}

static void see_epoch(Watcher *watcher)
{
    const long long epoch = greatest_epoch(watcher);
    if (have_begun_anew(watcher, epoch)) {
        log_line(LOG_WARN, "redis: the sentinels have begun anew: epoch %lld after %lld", epoch,
                 watcher->epoch);
        watcher->epoch = epoch;
    }
    watcher->epoch = epoch > watcher->epoch ? epoch : watcher->epoch;
}

/* Does its answer count? */
static bool is_believed(const Watcher *watcher, const Sentinel *sentinel)
{
    return sentinel->answer == NAMED && (sentinel->epoch < 0 || sentinel->epoch == watcher->epoch);
}

static size_t count_votes(const Watcher *watcher, const Address *master)
{
    size_t votes = 0;
    for (size_t i = 0; i < watcher->count; i++) {
        const Sentinel *sentinel = &watcher->sentinels[i];
        votes += is_believed(watcher, sentinel) && address_eq(&sentinel->master, master);
    }
    return votes;
}

/* The master that most name, in doubt the one that we have. NULL: nobody names any. */
static const Address *choose(const Watcher *watcher)
{
    const Address *chosen = topology_owner(watcher->topology, 0);
    size_t most = chosen ? count_votes(watcher, chosen) : 0;
    for (size_t i = 0; i < watcher->count; i++) {
        const Sentinel *sentinel = &watcher->sentinels[i];
        const size_t votes =
            is_believed(watcher, sentinel) ? count_votes(watcher, &sentinel->master) : 0;
        if (votes > most) {
            most = votes;
            chosen = &sentinel->master;
        }
    }
    return chosen;
}

static void take_master(Watcher *watcher, const Address *master)
{
    static LogSite site;
    char name[ADDRESS_TEXT];
    bool is_new = false;
    const Address owner = *master; /* which may be the one that is changed */
    for (size_t i = 0; i < watcher->topology->settings.count; i++) {
        is_new = topology_set_owner(watcher->topology, i, &owner) || is_new;
    }
    if (is_new) {
        address_show(&owner, name);
        log_rarely(&site, LOG_INFO, "redis: the master %s is now %s",
                   watcher->topology->settings.servers->master, name);
    }
}

static void decide(Watcher *watcher)
{
    const bool is_first = !topology_owner(watcher->topology, 0);
    const bool is_most = count_answers(watcher, NAMED) > watcher->count / 2;
    see_epoch(watcher);
    const Address *master = choose(watcher);
    if (master && (!is_first || is_most || !is_asking(watcher))) {
        take_master(watcher, master);
    }
}

/* All have answered, or will not. */
static void judge(const Watcher *watcher)
{
    static LogSite unknown, silent;
    const bool told = count_answers(watcher, NAMED) > 0;
    topology_count(told);
    if (told) {
        return;
    }
    if (count_answers(watcher, NOT_KNOWN)) {
        log_rarely(&unknown, LOG_ERROR, "redis: the sentinels do not know %s",
                   watcher->topology->settings.servers->master);
    } else {
        log_rarely(&silent, LOG_WARN, "redis: no sentinel answers (%zu tried): %s", watcher->count,
                   watcher->why);
    }
}

/* Asking */

/* The advice for an error of a Redis server names REDIS_URL, whose password is not for sentinels.
 */
static void note_why(Watcher *watcher, const Sentinel *sentinel, const char *why)
{
    const bool is_password = strncmp(why, "NOAUTH", 6) == 0 || strncmp(why, "WRONGPASS", 9) == 0 ||
                             strncmp(why, "ERR AUTH", 8) == 0;
    const size_t len = is_password ? str_find(str_from(why), '(') : strlen(why);
    snprintf(watcher->why, sizeof(watcher->why), "%.*s%s (%.100s)", (int)len, why,
             is_password ? "(see REDIS_SENTINEL_USER and REDIS_SENTINEL_PASSWORD)" : "",
             sentinel->url.shown);
}

static void on_answered(void *arg, const Reply *const *replies, const char *why)
{
    char text[LIMIT_TEXT + 1];
    Sentinel *sentinel = arg;
    Watcher *watcher = sentinel->watcher;
    sentinel->answer = NO_ANSWER;
    sentinel->told_at = sentinel->asked_at;
    why = replies ? read_answers(sentinel, replies, text) : why;
    if (why) {
        note_why(watcher, sentinel, why);
    }
    decide(watcher);
    if (!is_asking(watcher)) {
        judge(watcher);
    }
}

static bool ask(Sentinel *sentinel)
{
    const Str name = str_from(sentinel->watcher->topology->settings.servers->master);
    const Str address[] = {STR("SENTINEL"), STR("GET-MASTER-ADDR-BY-NAME"), name};
    const Str state[] = {STR("SENTINEL"), STR("MASTER"), name};
    const ControlCommand commands[] = {{address, 3}, {state, 3}};
    if (control_is_asking(sentinel->control)) {
        return true;
    }
    sentinel->asked_at = loop_clock_ms();
    return control_ask(sentinel->control, commands, 2);
}

static void ask_all(void *arg)
{
    Watcher *watcher = arg;
    watcher->asked_at = loop_clock_ms();
    for (size_t i = 0; i < watcher->count; i++) {
        if (!ask(&watcher->sentinels[i])) {
            watcher->sentinels[i].answer = NO_ANSWER;
            note_why(watcher, &watcher->sentinels[i], "out of memory");
        }
    }
    if (!is_asking(watcher)) { /* no memory for any */
        judge(watcher);
    }
}

/* As a kind of topology */

static bool open_one_of_them(Watcher *watcher, const Address *seed)
{
    const TopologySettings *settings = &watcher->topology->settings;
    Sentinel *sentinel = &watcher->sentinels[watcher->count++];
    sentinel->watcher = watcher;
    redis_url_at(&settings->servers->server, seed, &sentinel->url);
    sentinel->url.db = 0;
    snprintf(sentinel->url.user, sizeof(sentinel->url.user), "%s", settings->sentinel_user);
    snprintf(sentinel->url.password, sizeof(sentinel->url.password), "%s",
             settings->sentinel_password);
    sentinel->control = control_open(watcher->topology->loop, &sentinel->url, settings->tls,
                                     TOPOLOGY_TIMEOUT, on_answered, sentinel);
    return sentinel->control != NULL;
}

static bool open_sentinel(Topology *topology)
{
    const RedisServers *servers = topology->settings.servers;
    Watcher *watcher = topology->finder =
        calloc(1, sizeof(*watcher) + servers->seed_count * sizeof(Sentinel));
    if (!watcher) {
        return false;
    }
    watcher->topology = topology;
    watcher->epoch = -1;
    watcher->smaller_since = INT64_MAX;
    watcher->timer = loop_timer(topology->loop, ask_all, watcher);
    if (!watcher->timer) {
        return false;
    }
    for (size_t i = 0; i < servers->seed_count; i++) {
        if (!open_one_of_them(watcher, &servers->seeds[i])) {
            return false;
        }
    }
    timer_start(watcher->timer, 0, PERIOD);
    return true;
}

static void suspect(Topology *topology, const Address *hint)
{
    Watcher *watcher = topology->finder;
    const int64_t left = watcher->asked_at + LEAST - loop_clock_ms();
    (void)hint;
    timer_start(watcher->timer, left > 0 ? left : 0, PERIOD);
}

static bool is_sure(const Topology *topology, int64_t since)
{
    const Watcher *watcher = topology->finder;
    size_t i = 0;
    while (i < watcher->count && watcher->sentinels[i].told_at >= since) {
        i++;
    }
    return i == watcher->count;
}

static void close_sentinel(Topology *topology)
{
    Watcher *watcher = topology->finder;
    if (watcher) {
        for (size_t i = 0; i < watcher->count; i++) {
            control_close(watcher->sentinels[i].control);
        }
        timer_close(watcher->timer);
        free(watcher);
    }
}

const TopologyKind topology_sentinel = {
    .open = open_sentinel, .suspect = suspect, .is_sure = is_sure, .close = close_sentinel};
