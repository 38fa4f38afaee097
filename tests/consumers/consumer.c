/*
 * A consumer of Tickstream's stream. Copy it, replace handle(), and run as many of it as you like:
 *
 *   cc -std=c17 -O2 -o consumer consumer.c -lhiredis -lsqlite3 -pthread   # libhiredis-dev
 * libsqlite3-dev
 *
 * Needs hiredis 0.14 or later, and Redis 7. A line of stderr tells each kind of trouble when it
 * begins, and one when it is over; it ends by SIGTERM or SIGINT alone, with what it has in hand
 * finished.
 *
 *   REDIS_URL    redis://localhost:6379/0, unix:///PATH,
 * redis+sentinel://host:port,host:port/NAME/db, redis+cluster://host:port,host:port; each may have
 * user:password@. (No TLS: hiredis has it in a library of its own, from 1.0 on.) STREAM
 * whatsapp:statuses PARTITIONS   1; N > 1: STREAM:0 to STREAM:N-1, as STREAM_PARTITIONS says
 *   CONSUMERS    1; with ORDINAL (0): this one reads the partitions p with p % CONSUMERS == ORDINAL
 *   GROUP        billing
 *   CONSUMER     host-pid-random; two that run at once must not have the same name
 *   DATABASE     consumer.db: a file of SQLite
 *   CLAIM_IDLE   60000: after so many ms without a sign of life an entry is taken from its consumer
 *   DELIVERIES   5: an entry that has failed so often goes to {STREAM}:dead
 */
#define _GNU_SOURCE
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 100,  /* entries that are read, and handled in one transaction */
    BLOCK = 1000, /* ms: how long a read waits, and so how long SIGTERM may take */
    WORDS = 512,  /* of a command */
    NODES = 16,
};

/* DONE: committed. BAD: this entry cannot be handled. LATER: the trouble is not the entry's. */
typedef enum { DONE, BAD, LATER } Outcome;

typedef struct {
    const char *ptr;
    int len;
} Text;

enum { ENTRY, COUNT, FORWARD, FAILED, STATEMENTS };

/* Reads one stream, in its order, in a thread of its own. */
typedef struct {
    char stream[256];
    pthread_t thread;
    redisContext *redis;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    char node[256]; /* of a cluster, the one to which we were sent; "" = none */
    int port, seed, moves;
    bool asking;
    redisReply **in_hand; /* what nobody else shall claim, and since when */
    size_t in_hand_count;
    long long since;
    char error[512];       /* why the last thing failed */
    char kinds[16][64];    /* of trouble, which were told */
    int kind_count, pause; /* ms */
} Reader;

static atomic_bool stopping;
static const char *stream, *group, *consumer, *database;
static int claim_idle, deliveries_max;
static struct {
    enum { ONE, UNIX, SENTINEL, CLUSTER } kind;
    char user[128], password[256], name[256]; /* UNIX: the path; SENTINEL: the master's name */
    int db, count;
    struct {
        char host[256];
        int port;
    } nodes[NODES];
} servers;

static const char *const schema = /* schema.sql */
    "CREATE TABLE IF NOT EXISTS entries ("
    "    stream TEXT NOT NULL,"
    "    entry_id TEXT NOT NULL,"
    "    PRIMARY KEY (stream, entry_id)"
    ");"
    "CREATE TABLE IF NOT EXISTS messages ("
    "    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 512),"
    "    recipient TEXT NOT NULL,"
    "    status TEXT NOT NULL DEFAULT '',"
    "    rank INTEGER NOT NULL DEFAULT 0,"
    "    at BIGINT NOT NULL DEFAULT 0 CHECK (at BETWEEN 0 AND 99999999999),"
    "    failed BIGINT CHECK (failed BETWEEN 0 AND 99999999999),"
    "    updates INTEGER NOT NULL DEFAULT 1"
    ");";

static const char *const sql[STATEMENTS] = {
    [ENTRY] = "INSERT INTO entries (stream, entry_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [COUNT] = "INSERT INTO messages (id, recipient) VALUES (?1, ?2)"
              " ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1",
    [FORWARD] = "UPDATE messages SET status = ?2, rank = ?3, at = ?4 WHERE id = ?1 AND rank < ?3",
    [FAILED] = "UPDATE messages SET failed = ?2 WHERE id = ?1 AND failed IS NULL",
};

static Text field(const redisReply *entry, const char *name);
static bool equal(Text text, const char *word);
static Outcome execute(Reader *r, int statement, const Text *values, int count);
static Outcome fail(Reader *r, Outcome outcome, const char *format, ...);
static void give_sign_of_life(Reader *r);

/* Replace this ------------------------------------------------------------------------------ */

static bool is_number(Text text)
{
    for (int i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len > 0;
}

/* What an entry does, in a transaction that is committed before the entry is acknowledged: all of
 * it counts once. What is done outside of r->db may happen twice. BAD (with a reason, by fail()):
 * the entry cannot be handled, and after DELIVERIES of them it goes to {STREAM}:dead. LATER: it is
 * tried again for as long as it takes. If it takes long, it calls give_sign_of_life(r) from time to
 * time. With PARTITIONS it is called from several threads, each with a Reader of its own. */
static Outcome handle(Reader *r, const redisReply *entry)
{
    static const struct {
        const char *status;
        Text rank;
    } ranks[] = {
        {"sent", {"1", 1}}, {"delivered", {"2", 1}}, {"read", {"3", 1}}, {"played", {"4", 1}}};
    Text id = field(entry, "id"), status = field(entry, "status"), at = field(entry, "timestamp");
    if (at.len == 0)
        at = (Text){"0", 1};
    if (!is_number(at))
        return fail(r, BAD, "the timestamp is no number: %.40s", at.ptr);
    Outcome outcome = execute(r, COUNT, (Text[]){id, field(entry, "recipient_id")}, 2);
    if (outcome == DONE && equal(status, "failed"))
        return execute(r, FAILED, (Text[]){id, at}, 2);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks && outcome == DONE; i++)
        if (equal(status,
                  ranks[i].status)) /* one of a later Meta is counted, and changes nothing */
            outcome = execute(r, FORWARD, (Text[]){id, status, ranks[i].rank, at}, 4);
    return outcome;
}

/* The rest may stay as it is ---------------------------------------------------------------- */

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void say(const char *name, const char *text)
{
    fprintf(stderr, "consumer: %s: %s\n", name, text);
}

static Outcome fail(Reader *r, Outcome outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->error, sizeof r->error, format, arguments);
    va_end(arguments);
    for (char *p = r->error; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    return outcome;
}

/* One line for each kind, which is the first two words; then a pause that grows from 0.1 s to 5 s.
 */
static void trouble_begins(Reader *r)
{
    char kind[64] = "";
    const char *blank = strchr(r->error, ' ');
    blank = blank ? strchrnul(blank + 1, ' ') : strchr(r->error, 0);
    snprintf(kind, sizeof kind, "%.*s", (int)(blank - r->error), r->error);
    int k = 0;
    while (k < r->kind_count && strcmp(kind, r->kinds[k]) != 0)
        k++;
    if (k == r->kind_count) {
        say(r->stream, r->error);
        if (k < (int)(sizeof r->kinds / sizeof *r->kinds))
            memcpy(r->kinds[r->kind_count++], kind, sizeof kind);
    }
    long long until = now() + r->pause / 2 + rand() % (r->pause / 2);
    r->pause = r->pause < 2500 ? r->pause * 2 : 5000;
    while (!stopping && now() < until) {
        usleep(20000);
        give_sign_of_life(r);
    }
}

static void trouble_is_over(Reader *r)
{
    if (r->kind_count)
        say(r->stream, "goes on");
    r->kind_count = r->moves = 0;
    r->pause = 100;
}

/* Redis: commands and replies. */

/* "MOVED 3999 10.0.0.7:6379" (or ASK): go there next; without a host it is the one we speak to. */
static bool follow(Reader *r, const char *error)
{
    char host[256] = "";
    const char *to = strrchr(error, ' '), *colon = strrchr(error, ':');
    r->asking = strncmp(error, "ASK ", 4) == 0;
    if ((!r->asking && strncmp(error, "MOVED ", 6) != 0) || !colon || colon < to || r->moves++ > 5)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - to - 1), to + 1);
    if (*host)
        memcpy(r->node, host, sizeof host);
    r->port = atoi(colon + 1);
    return true;
}

/* The reply, which the caller frees; NULL if it is an error, or if there is none: r->error says
 * why. */
static redisReply *answer(Reader *r, redisReply *reply)
{
    if (reply && reply->type != REDIS_REPLY_ERROR)
        return reply;
    if (reply)
        fail(r, LATER, "%s", reply->str);
    else
        fail(r, LATER, "redis: %s", r->redis->err ? r->redis->errstr : "no memory");
    freeReplyObject(reply);
    return NULL;
}

static void begin(Reader *r)
{
    if (r->asking)
        freeReplyObject(redisCommand(r->redis, "ASKING"));
}

static redisReply *ask(Reader *r, const char *format, ...)
{
    va_list arguments;
    begin(r);
    va_start(arguments, format);
    redisReply *reply = redisvCommand(r->redis, format, arguments);
    va_end(arguments);
    return answer(r, reply);
}

/* A command of many words. */
typedef struct {
    int count;
    const char *words[WORDS];
    size_t lengths[WORDS];
} Command;

static void add(Command *c, const char *word, size_t length)
{
    c->words[c->count] = word;
    c->lengths[c->count++] = length;
}

static void add_words(Command *c, const char *const *words)
{
    for (; *words; words++)
        add(c, *words, strlen(*words));
}

/* Of an entry, or of a list of ids alone. */
static const redisReply *id_of(const redisReply *entry)
{
    return entry->type == REDIS_REPLY_ARRAY ? entry->element[0] : entry;
}

static void add_ids(Command *c, redisReply **entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(c, id_of(entries[i])->str, id_of(entries[i])->len);
}

static redisReply *ask_command(Reader *r, Command *c)
{
    begin(r);
    return answer(r, redisCommandArgv(r->redis, c->count, c->words, c->lengths));
}

static bool done(redisReply *reply)
{
    freeReplyObject(reply);
    return reply != NULL;
}

static Text field(const redisReply *entry, const char *name)
{
    const redisReply *fields = entry->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return (Text){fields->element[i + 1]->str, (int)fields->element[i + 1]->len};
    return (Text){"", 0};
}

static bool equal(Text text, const char *word)
{
    return (size_t)text.len == strlen(word) && memcmp(text.ptr, word, strlen(word)) == 0;
}

/* Tells Redis that we live: while handle() works nobody claims what it works on. There is no second
 * thread for it: it is called between entries, in pauses, and while SQLite waits for its lock. */
static void give_sign_of_life(Reader *r)
{
    if (!r->in_hand_count || now() - r->since < claim_idle / 4)
        return;
    Command c = {0};
    r->since = now();
    add_words(&c, (const char *[]){"XCLAIM", r->stream, group, consumer, "0", NULL});
    add_ids(&c, r->in_hand, r->in_hand_count);
    add(&c, "JUSTID", 6);
    done(ask_command(r, &c)); /* trouble is met by XACK too, which tells */
}

static void take(Reader *r, redisReply **entries, size_t count)
{
    r->in_hand = entries;
    r->in_hand_count = count;
    r->since = now();
}

static bool acknowledge(Reader *r, redisReply **entries, size_t count)
{
    Command c = {0};
    if (count == 0)
        return true;
    add_words(&c, (const char *[]){"XACK", r->stream, group, NULL});
    add_ids(&c, entries, count < BATCH ? count : BATCH);
    return done(ask_command(r, &c));
}

static bool bury(Reader *r, redisReply **entry, const char *reason, long long deliveries)
{
    Command c = {0};
    char key[300], number[32], line[700];
    const redisReply *id = id_of(*entry), *fields = entry[0]->element[1];
    snprintf(key, sizeof key, "{%s}:dead", r->stream);
    snprintf(number, sizeof number, "%lld", deliveries);
    snprintf(line, sizeof line, "%s goes to the dead after %s deliveries: %s", id->str, number,
             reason);
    say(r->stream, line);
    add_words(&c, (const char *[]){"XADD", key, "*", "stream", r->stream, "entry", id->str, "group",
                                   group, "reason", reason, "deliveries", number, NULL});
    for (size_t i = 0; i + 1 < fields->elements && c.count + 2 <= WORDS; i += 2) {
        add(&c, fields->element[i]->str, fields->element[i]->len);
        add(&c, fields->element[i + 1]->str, fields->element[i + 1]->len);
    }
    return done(ask_command(r, &c)) && acknowledge(r, entry, 1);
}

/* The database. */

static Outcome database_failed(Reader *r)
{
    int code = sqlite3_errcode(r->db);
    bool bad = code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
    return fail(r, bad ? BAD : LATER, "database: %s", sqlite3_errmsg(r->db));
}

static Outcome execute(Reader *r, int statement, const Text *values, int count)
{
    sqlite3_stmt *s = r->statements[statement];
    for (int i = 0; i < count; i++)
        sqlite3_bind_text(s, i + 1, values[i].ptr, values[i].len, SQLITE_STATIC);
    Outcome outcome = sqlite3_step(s) == SQLITE_DONE ? DONE : database_failed(r);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return outcome;
}

static Outcome execute_text(Reader *r, const char *text)
{
    return sqlite3_exec(r->db, text, NULL, NULL, NULL) == SQLITE_OK ? DONE : database_failed(r);
}

/* SQLite calls it while another has the lock: for 5 s, then it is trouble. */
static int wait_for_lock(void *reader, int calls)
{
    usleep(2000);
    give_sign_of_life(reader);
    return calls < 2500 && !stopping;
}

static bool open_database(Reader *r)
{
    if (sqlite3_open(database, &r->db) != SQLITE_OK)
        return database_failed(r) == DONE;
    sqlite3_busy_handler(r->db, wait_for_lock, r);
    /* FULL: what is committed survives the loss of power. Only then is it acknowledged. */
    if (execute_text(r, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") != DONE ||
        execute_text(r, schema) != DONE)
        return false;
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v2(r->db, sql[i], -1, &r->statements[i], NULL) != SQLITE_OK)
            return database_failed(r) == DONE;
    return true;
}

static Outcome handle_all(Reader *r, redisReply **entries, size_t count)
{
    Outcome outcome = execute_text(r, "BEGIN IMMEDIATE");
    Text name = {r->stream, (int)strlen(r->stream)};
    for (size_t i = 0; i < count && outcome == DONE; i++) {
        const redisReply *id = id_of(entries[i]);
        give_sign_of_life(r);
        outcome = execute(r, ENTRY, (Text[]){name, {id->str, (int)id->len}}, 2);
        if (outcome == DONE && sqlite3_changes(r->db)) /* else it was handled before */
            outcome = handle(r, entries[i]);
    }
    return outcome == DONE ? execute_text(r, "COMMIT") : outcome;
}

/* All of them in one transaction, or none. Waits as long as it takes for a database that is away.
 */
static Outcome apply(Reader *r, redisReply **entries, size_t count)
{
    for (;;) {
        Outcome outcome = handle_all(r, entries, count);
        if (!sqlite3_get_autocommit(r->db))
            sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
        if (outcome != LATER || stopping)
            return outcome;
        trouble_begins(r);
    }
}

/* Entries. Each function is false with r->error: then the connection is made anew. */

/* One by itself, which is counted: how often Redis has delivered it decides when it is given up. */
static bool attempt(Reader *r, redisReply **entry)
{
    const char *id = id_of(*entry)->str;
    redisReply *reply = ask(r, "XPENDING %s %s %s %s 1", r->stream, group, id, id);
    if (!reply || reply->elements == 0)
        return done(reply); /* somebody else was quicker */
    long long deliveries = reply->element[0]->element[3]->integer;
    freeReplyObject(reply);
    if (deliveries > deliveries_max)
        return bury(r, entry, "no attempt came to its end", deliveries);
    Outcome outcome = apply(r, entry, 1);
    if (outcome == BAD)
        return deliveries < deliveries_max || bury(r, entry, r->error, deliveries);
    return outcome == DONE && acknowledge(r, entry, 1);
}

static bool handle_new(Reader *r, redisReply **entries, size_t count)
{
    take(r, entries, count);
    Outcome outcome = apply(r, entries, count);
    bool ok = outcome == BAD || (outcome == DONE && acknowledge(r, entries, count));
    for (size_t i = 0; i < count && outcome == BAD && ok && !stopping;
         i++) /* one of them; which? */
        ok = attempt(r, entries + i);
    take(r, NULL, 0);
    return ok;
}

static bool retry(Reader *r, redisReply **entry)
{
    if (entry[0]->type != REDIS_REPLY_ARRAY)
        return true;
    if (entry[0]->element[1]->type != REDIS_REPLY_ARRAY) /* it was removed from the stream */
        return acknowledge(r, entry, 1);
    take(r, entry, 1);
    bool ok = attempt(r, entry);
    take(r, NULL, 0);
    return ok;
}

static redisReply *read_group(Reader *r, const char *after, int count, redisReply **ret_entries)
{
    redisReply *reply = ask(r, "XREADGROUP GROUP %s %s COUNT %d BLOCK %d STREAMS %s %s", group,
                            consumer, count, BLOCK, r->stream, after);
    *ret_entries = reply && reply->elements ? reply->element[0]->element[1] : NULL;
    return reply;
}

/* What an earlier run under this name has left, or we did before a connection was lost. */
static bool retry_own(Reader *r)
{
    char after[64] = "0";
    while (!stopping) {
        redisReply *entries, *reply = read_group(r, after, 1, &entries);
        if (!entries || entries->elements == 0)
            return done(reply);
        snprintf(after, sizeof after, "%s", id_of(entries->element[0])->str);
        bool ok = retry(r, entries->element);
        freeReplyObject(reply);
        if (!ok)
            return false;
    }
    return true;
}

/* What nobody gives a sign of life for: one after the other, so that one which kills us counts
 * alone. */
static bool claim(Reader *r)
{
    char cursor[64] = "0-0";
    bool ok = true;
    do {
        redisReply *reply = ask(r, "XAUTOCLAIM %s %s %s %d %s COUNT 1", r->stream, group, consumer,
                                claim_idle, cursor);
        if (!reply)
            return false;
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        if (reply->elements > 2) /* they were removed from the stream */
            ok = acknowledge(r, reply->element[2]->element, reply->element[2]->elements);
        for (size_t i = 0; i < reply->element[1]->elements && ok; i++)
            ok = retry(r, reply->element[1]->element + i);
        freeReplyObject(reply);
    } while (ok && !stopping && strcmp(cursor, "0-0") != 0);
    return ok;
}

static bool read_on(Reader *r)
{
    long long claim_at = 0;
    bool ok = true;
    while (ok && !stopping) {
        if (now() >= claim_at) {
            ok = claim(r);
            claim_at = now() + claim_idle / 2;
            continue;
        }
        redisReply *entries, *reply = read_group(r, ">", BATCH, &entries);
        if (!reply)
            return false;
        trouble_is_over(r);
        ok = !entries || handle_new(r, entries->element, entries->elements);
        freeReplyObject(reply);
    }
    return ok;
}

/* A full Redis refuses it before it sees whether the group is there. */
static bool create_group(Reader *r)
{
    redisReply *reply = ask(r, "XGROUP CREATE %s %s 0 MKSTREAM", r->stream, group);
    char why[sizeof(r->error)];
    memcpy(why, r->error, sizeof(why));
    if (done(reply) || strncmp(why, "BUSYGROUP", 9) == 0 ||
        (r->redis && !r->redis->err && done(ask(r, "XPENDING %s %s", r->stream, group))))
        return true;
    memcpy(r->error, why, sizeof(why));
    return false;
}

/* Connections. */

static bool connect_to(Reader *r, const char *host, int port)
{
    struct timeval soon = {1, 0}, patience = {BLOCK / 1000 + 5, 0};
    redisFree(r->redis);
    r->redis = servers.kind == UNIX ? redisConnectUnixWithTimeout(host, soon)
                                    : redisConnectWithTimeout(host, port, soon);
    if (!r->redis || r->redis->err)
        return fail(r, LATER, "redis: %s (%s:%d)", r->redis ? r->redis->errstr : "no memory", host,
                    port) == DONE;
    redisSetTimeout(r->redis, patience);
    return true;
}

/* Asks the sentinels, one after the other, for the master; the first that knows is believed. */
static bool connect_to_master(Reader *r)
{
    for (int i = 0; i < servers.count; i++) {
        redisReply *reply = NULL;
        char host[256] = "";
        int port = 0;
        if (connect_to(r, servers.nodes[i].host, servers.nodes[i].port))
            reply = ask(r, "SENTINEL get-master-addr-by-name %s", servers.name);
        if (reply && reply->elements == 2) {
            snprintf(host, sizeof host, "%s", reply->element[0]->str);
            port = atoi(reply->element[1]->str);
        } else if (reply) {
            fail(r, LATER, "redis: the sentinels know no master %s", servers.name);
        }
        freeReplyObject(reply);
        if (port)
            return connect_to(r, host, port);
    }
    return false;
}

static bool connect_to_cluster(Reader *r)
{
    if (*r->node && connect_to(r, r->node, r->port))
        return true;
    r->asking = false;
    int seed = r->seed++ % servers.count;
    snprintf(r->node, sizeof r->node, "%s", servers.nodes[seed].host);
    r->port = servers.nodes[seed].port;
    return connect_to(r, r->node, r->port);
}

static bool connect_redis(Reader *r)
{
    bool ok = servers.kind == UNIX       ? connect_to(r, servers.name, 0)
              : servers.kind == SENTINEL ? connect_to_master(r)
              : servers.kind == CLUSTER
                  ? connect_to_cluster(r)
                  : connect_to(r, servers.nodes[0].host, servers.nodes[0].port);
    if (ok && *servers.user)
        ok = done(ask(r, "AUTH %s %s", servers.user, servers.password));
    else if (ok && *servers.password)
        ok = done(ask(r, "AUTH %s", servers.password));
    return ok && (!servers.db || done(ask(r, "SELECT %d", servers.db)));
}

static void close_all(Reader *r)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(r->statements[i]);
    memset(r->statements, 0, sizeof r->statements);
    sqlite3_close(r->db);
    redisFree(r->redis);
    r->db = NULL;
    r->redis = NULL;
}

static void *run(void *reader)
{
    Reader *r = reader;
    while (!stopping) {
        bool ok =
            open_database(r) && connect_redis(r) && create_group(r) && retry_own(r) && read_on(r);
        if (!ok && !stopping && !follow(r, r->error)) {
            r->node[0] = 0;
            trouble_begins(r);
        }
        close_all(r);
    }
    return NULL;
}

/* Settings. */

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static void misused(const char *name)
{
    fprintf(stderr, "consumer: %s is not understood: see the head of consumer.c\n", name);
    exit(2);
}

static int number(const char *name, const char *otherwise, int least)
{
    char *end;
    long value = strtol(setting(name, otherwise), &end, 10);
    if (*end || value < least || value > 1000000000)
        misused(name);
    return (int)value;
}

/* Copies from..to, with %40 as @. */
static void copy(char *into, size_t size, const char *from, const char *to)
{
    unsigned c;
    size_t n = 0;
    for (; from < to; from++) {
        if (*from == '%' && sscanf(from + 1, "%2x", &c) == 1)
            from += 2;
        else
            c = (unsigned char)*from;
        if (n + 1 == size)
            misused("REDIS_URL");
        into[n++] = (char)c;
    }
    into[n] = 0;
}

/* "host:port", "host", "[::1]:port". */
static void add_node(const char *from, const char *to)
{
    const char *close = memchr(from, ']', (size_t)(to - from));
    const char *colon = memchr(close ? close : from, ':', (size_t)(to - (close ? close : from)));
    const char *end = close ? close : colon ? colon : to;
    if (servers.count == NODES || from == to)
        misused("REDIS_URL");
    copy(servers.nodes[servers.count].host, sizeof servers.nodes->host, from + (close != NULL),
         end);
    servers.nodes[servers.count++].port = colon                      ? atoi(colon + 1)
                                          : servers.kind == SENTINEL ? 26379
                                                                     : 6379;
}

static void read_url(const char *url)
{
    static const char *const schemes[] = {"redis://", "unix://", "redis+sentinel://",
                                          "redis+cluster://"};
    int kind = 3;
    while (kind > 0 && strncmp(url, schemes[kind], strlen(schemes[kind])) != 0)
        kind--;
    if (strncmp(url, schemes[kind], strlen(schemes[kind])) != 0)
        misused("REDIS_URL");
    servers.kind = (unsigned)kind;
    const char *place = url + strlen(schemes[kind]), *path = strchrnul(place, '/');
    const char *login = memrchr(place, '@', (size_t)(path - place));
    if (login) {
        const char *colon = memchr(place, ':', (size_t)(login - place));
        copy(servers.user, sizeof servers.user, place, colon ? colon : login);
        copy(servers.password, sizeof servers.password, colon ? colon + 1 : login, login);
        place = login + 1;
    }
    const char *db = kind == UNIX ? strstr(path, "?db=") : strrchr(path, '/');
    if (kind == UNIX)
        copy(servers.name, sizeof servers.name, path, strchrnul(path, '?'));
    if (kind == SENTINEL && *path)
        copy(servers.name, sizeof servers.name, path + 1, strchrnul(path + 1, '/'));
    if (db && (kind != SENTINEL || db != path))
        servers.db = atoi(db + (kind == UNIX ? 4 : 1));
    for (const char *comma; kind != UNIX && place < path; place = comma + (comma < path)) {
        comma = memchr(place, ',', (size_t)(path - place));
        comma = comma ? comma : path;
        add_node(place, comma);
    }
    if (kind == UNIX || kind == SENTINEL ? !*servers.name : !servers.count)
        misused("REDIS_URL");
}

/* Unique: a name that two share would give each the other's pending entries. */
static const char *consumer_name(void)
{
    static char name[320];
    char host[256] = "";
    unsigned random = 0;
    gethostname(host, sizeof host - 1);
    if (getentropy(&random, sizeof random) != 0)
        misused("CONSUMER");
    srand(random);
    snprintf(name, sizeof name, "%s-%d-%08x", host, (int)getpid(), random);
    return setting("CONSUMER", name);
}

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = true;
}

int main(void)
{
    stream = setting("STREAM", "whatsapp:statuses");
    group = setting("GROUP", "billing");
    consumer = consumer_name();
    database = setting("DATABASE", "consumer.db");
    claim_idle = number("CLAIM_IDLE", "60000", 4);
    deliveries_max = number("DELIVERIES", "5", 1);
    read_url(setting("REDIS_URL", "redis://localhost:6379/0"));
    int partitions = number("PARTITIONS", "1", 1), consumers = number("CONSUMERS", "1", 1);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGPIPE, SIG_IGN);
    Reader *readers = calloc((size_t)partitions, sizeof *readers), *end = readers;
    if (!readers)
        misused("PARTITIONS");
    for (int p = partitions == 1 ? 0 : number("ORDINAL", "0", 0); p < partitions;
         p += consumers, end++) {
        snprintf(end->stream, sizeof end->stream, partitions == 1 ? "%s" : "%s:%d", stream, p);
        end->pause = 100;
        if (pthread_create(&end->thread, NULL, run, end) != 0)
            misused("PARTITIONS");
    }
    for (Reader *r = readers; r < end; r++)
        pthread_join(r->thread, NULL);
    free(readers);
    return 0;
}
