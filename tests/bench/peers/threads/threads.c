/* Blocking libfcgi: each thread accepts a connection, reads a body, decodes it with jansson, sends one
 * XADD for each status down its own hiredis connection and answers after the replies.
 *
 * threads LISTEN_SOCKET REDIS_SOCKET THREADS */
#include <fcgiapp.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { FIELDS = 14, WORDS = 3 + 2 * FIELDS, MAX_BODY = 3 << 20 };

static const char *redis_path;
static int listener;

struct command {
    int argc;
    const char *argv[WORDS];
    size_t size[WORDS];
};

static void add(struct command *c, const char *text, size_t size)
{
    c->argv[c->argc] = text;
    c->size[c->argc++] = size;
}

static void add_text(struct command *c, const char *name, const char *text)
{
    add(c, name, strlen(name));
    add(c, text, strlen(text));
}

static void add_member(struct command *c, const char *name, const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    add(c, name, strlen(name));
    add(c, value ? json_string_value(value) : "", value ? json_string_length(value) : 0);
}

static char *dump_extra(json_t *status)
{
    static const char *const known[] = {"id", "status", "timestamp", "recipient_id", "errors"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_object_del(status, known[i]);
    }
    return json_dumps(status, JSON_COMPACT);
}

static void append_status(redisContext *redis, const json_t *root, const json_t *entry,
                          const json_t *change, json_t *status, const char *now, const char *request)
{
    const json_t *value = json_object_get(change, "value");
    const json_t *metadata = json_object_get(value, "metadata");
    json_t *kept = json_copy(status), *list = json_object_get(status, "errors");
    char *errors = list ? json_dumps(list, JSON_COMPACT) : strdup("[]");
    char *extra = dump_extra(kept);
    struct command c = {.argc = 0};

    add_text(&c, "XADD", "whatsapp:statuses");
    add(&c, "*", 1);
    add_member(&c, "id", status, "id");
    add_member(&c, "status", status, "status");
    add_member(&c, "timestamp", status, "timestamp");
    add_member(&c, "recipient_id", status, "recipient_id");
    add_member(&c, "phone_number_id", metadata, "phone_number_id");
    add_member(&c, "display_phone_number", metadata, "display_phone_number");
    add_member(&c, "entry_id", entry, "id");
    add_member(&c, "field", change, "field");
    add_member(&c, "messaging_product", value, "messaging_product");
    add_member(&c, "object", root, "object");
    add_text(&c, "errors", errors);
    add_text(&c, "extra", extra);
    add_text(&c, "received_at", now);
    add_text(&c, "request_id", request);
    redisAppendCommandArgv(redis, c.argc, c.argv, c.size);
    free(errors);
    free(extra);
    json_decref(kept);
}

static size_t append_payload(redisContext *redis, const json_t *root, const char *request)
{
    struct timeval tv;
    char now[32];
    size_t i, j, k, count = 0;
    json_t *entry, *change, *status;

    gettimeofday(&tv, NULL);
    snprintf(now, sizeof now, "%lld", tv.tv_sec * 1000LL + tv.tv_usec / 1000);
    json_array_foreach (json_object_get(root, "entry"), i, entry) {
        json_array_foreach (json_object_get(entry, "changes"), j, change) {
            json_array_foreach (json_object_get(json_object_get(change, "value"), "statuses"), k, status) {
                append_status(redis, root, entry, change, status, now, request);
                count++;
            }
        }
    }
    return count;
}

static int take_replies(redisContext *redis, size_t count)
{
    int good = 1;
    for (size_t i = 0; i < count; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(redis, (void **)&reply) != REDIS_OK) {
            return 0;
        }
        good &= reply->type == REDIS_REPLY_STRING;
        freeReplyObject(reply);
    }
    return good;
}

static void answer(FCGX_Request *r, redisContext *redis, char *body)
{
    int size = FCGX_GetStr(body, MAX_BODY, r->in);
    json_t *root = json_loadb(body, (size_t)size, 0, NULL);
    if (!root) {
        FCGX_PutS("Status: 400\r\n\r\n", r->out);
        return;
    }
    size_t count = append_payload(redis, root, FCGX_GetParam("REQUEST_ID", r->envp));
    if (take_replies(redis, count)) {
        FCGX_FPrintF(r->out,
                     "Content-Type: application/json\r\n\r\n"
                     "{\"accepted\":%d,\"duplicates\":0,\"quarantined\":0,\"ignored\":0}",
                     (int)count);
    } else {
        FCGX_PutS("Status: 503\r\n\r\n", r->out);
    }
    json_decref(root);
}

static void *serve(void *unused)
{
    (void)unused;
    FCGX_Request r;
    char *body = malloc(MAX_BODY);
    redisContext *redis = redisConnectUnix(redis_path);
    if (!body || !redis || redis->err) {
        exit(1);
    }
    FCGX_InitRequest(&r, listener, 0);
    while (FCGX_Accept_r(&r) == 0) {
        answer(&r, redis, body);
        FCGX_Finish_r(&r);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    redis_path = argv[2];
    FCGX_Init();
    signal(SIGTERM, SIG_DFL);
    listener = FCGX_OpenSocket(argv[1], 1024);
    for (int i = atoi(argv[3]); i > 1; i--) {
        pthread_t thread;
        pthread_create(&thread, NULL, serve, NULL);
    }
    serve(NULL);
    return 1;
}
