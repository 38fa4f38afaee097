#include "commands/doctor_survey.h"

#include "redis/error_rule.h"
#include "redis/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Rights */

#define STREAM STR_INIT("$STREAM")
#define PROBE STR_INIT("$PROBE")
#define SOURCE STR_INIT("$SOURCE")
#define GROUP STR_INIT("-") /* of nobody */

static bool in_cluster(const Config *config)
{
    return config->redis.kind == SERVERS_CLUSTER;
}

static bool waits_for_replicas(const Config *config)
{
    return config->redis_ack.kind == ACK_REPLICAS;
}

static bool waits_for_disks(const Config *config)
{
    return config->redis_ack.kind == ACK_FSYNC;
}

/* Else dedupe needs it too, and the trial has it. */
static bool without_window(const Config *config)
{
    return config->dedupe_window == 0;
}

static bool by_transaction(const Config *config)
{
    return config->dedupe_window == 0 && config->stream_partitions == 1 && !in_cluster(config);
}

/* Versions of clang-format disagree about bodies that are only braces. */
/* clang-format off */
const RightTry right_tries[] = {
    {"+script|load", HARM_POSTS, 3, {STR_INIT("SCRIPT"), STR_INIT("LOAD"), SOURCE}, NULL},
    {"+wait", HARM_POSTS, 3, {STR_INIT("WAIT"), STR_INIT("0"), STR_INIT("1")}, waits_for_replicas},
    {"+waitaof", HARM_POSTS, 4, {STR_INIT("WAITAOF"), STR_INIT("0"), STR_INIT("0"), STR_INIT("1")}, waits_for_disks},
    {"+asking", HARM_POSTS, 1, {STR_INIT("ASKING")}, in_cluster},
    {"+get", HARM_UPKEEP, 2, {STR_INIT("GET"), PROBE}, without_window},
    {"+time", HARM_UPKEEP, 1, {STR_INIT("TIME")}, without_window},
    {"+pexpire", HARM_UPKEEP, 3, {STR_INIT("PEXPIRE"), PROBE, STR_INIT("1")}, NULL},
    {"+xtrim", HARM_UPKEEP, 4, {STR_INIT("XTRIM"), STREAM, STR_INIT("MINID"), STR_INIT("0")}, NULL},
    {"+xrange", HARM_UPKEEP, 4, {STR_INIT("XRANGE"), STREAM, STR_INIT("0-0"), STR_INIT("0-0")}, NULL},
    {"+xlen", HARM_UPKEEP, 2, {STR_INIT("XLEN"), STREAM}, NULL},
    {"+xpending", HARM_UPKEEP, 3, {STR_INIT("XPENDING"), STREAM, GROUP}, NULL},
    {"+xinfo|stream", HARM_UPKEEP, 3, {STR_INIT("XINFO"), STR_INIT("STREAM"), STREAM}, NULL},
    {"+xinfo|groups", HARM_UPKEEP, 3, {STR_INIT("XINFO"), STR_INIT("GROUPS"), STREAM}, NULL},
    {"+xinfo|consumers", HARM_UPKEEP, 4, {STR_INIT("XINFO"), STR_INIT("CONSUMERS"), STREAM, GROUP}, NULL},
    {"+memory|usage", HARM_UPKEEP, 3, {STR_INIT("MEMORY"), STR_INIT("USAGE"), PROBE}, NULL},
    {"+scard", HARM_UPKEEP, 2, {STR_INIT("SCARD"), PROBE}, NULL},
    {"+info", HARM_CHECKS, 2, {STR_INIT("INFO"), STR_INIT("server")}, NULL},
    {"+role", HARM_CHECKS, 1, {STR_INIT("ROLE")}, NULL},
    {"+client|setname", HARM_CHECKS, 3, {STR_INIT("CLIENT"), STR_INIT("SETNAME"), STR_INIT("tickstream")}, NULL},
    /* Last, since after a MULTI without its EXEC nothing is executed. */
    {"+multi", HARM_POSTS, 1, {STR_INIT("MULTI")}, by_transaction},
    {"+exec", HARM_POSTS, 1, {STR_INIT("EXEC")}, by_transaction},
};
/* clang-format on */

const size_t right_try_count = sizeof(right_tries) / sizeof(right_tries[0]);

/* Asking */

static const StreamKeys *keys_of(const Survey *survey, size_t i)
{
    return survey->partitions->keys[i];
}

static void give_up(ServerFacts *server, const Error *error)
{
    server->code = error->code;
    snprintf(server->why, sizeof(server->why), "%s", error->text);
}

/* NULL: the server does not answer, and is not asked any more. */
static const Reply *ask(Survey *survey, ServerFacts *server, const Str *words, size_t count)
{
    Error error;
    if (server->code != ERROR_NONE) {
        return NULL;
    }
    Client *client = reach_open(&survey->reach, &server->address, &error);
    const Reply *reply = client ? client_call(client, words, count, &error) : NULL;
    if (!reply) {
        reach_close(&survey->reach);
        give_up(server, &error);
    }
    return reply;
}

/* The same, of the kind that is wanted; NULL: it is another, or an error, which can be done
 * without. */
static const Reply *ask_for(Survey *survey, ServerFacts *server, ReplyKind kind, const Str *words,
                            size_t count)
{
    const Reply *reply = ask(survey, server, words, count);
    return reply && reply->kind == kind ? reply : NULL;
}

/* A server */

int survey_replicas(Str info)
{
    int online = -1;
    for (Str rest = info; rest.ptr;) {
        const Str line = str_split(&rest, '\n');
        const Str value = str_from_offset(line, str_find(line, ':'));
        char text[256];
        if (str_starts_with(line, STR("connected_slaves:")) && online < 0) {
            online = 0;
        }
        snprintf(text, sizeof(text), "%.*s", STR_ARG(value));
        if (str_starts_with(line, STR("slave")) && strstr(text, "state=online")) {
            online += online < 0 ? 2 : 1;
        }
    }
    return online;
}

static void ask_info(Survey *survey, ServerFacts *server)
{
    const Reply *reply = ask_for(survey, server, REPLY_TEXT, &STR("INFO"), 1);
    server->replicas = -1;
    if (reply) {
        standing_take(&server->standing, reply->text);
        server->replicas = survey_replicas(reply->text);
    }
}

/* Absent: not told. Valid until the next question. */
static Str ask_setting(Survey *survey, ServerFacts *server, Str name)
{
    const Str words[] = {STR("CONFIG"), STR("GET"), name};
    const Reply *reply = ask_for(survey, server, REPLY_LIST, words, 3);
    return reply && reply->count == 2 ? reply->items[1].text : (Str){NULL, 0};
}

static long long number_of(Str text)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%.*s", STR_ARG(text));
    return strtoll(digits, NULL, 10);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Half of the way lies before Redis looks at its clock. */
static void ask_clock(Survey *survey, ServerFacts *server)
{
    const int64_t before = now_us();
    const Reply *reply = ask_for(survey, server, REPLY_LIST, &STR("TIME"), 1);
    if (reply && reply->count == 2) {
        const int64_t theirs =
            number_of(reply->items[0].text) * 1000000 + number_of(reply->items[1].text);
        server->is_timed = true;
        server->clock_ahead = (theirs - (before + now_us()) / 2) / 1000;
    }
}

static bool is_of_rights(const Reply *reply)
{
    return reply->kind == REPLY_ERROR && error_is_of_rights(reply->text);
}

static Str word_for(Str word, const StreamKeys *keys)
{
    return str_eq(word, STR("$STREAM"))   ? keys->stream
           : str_eq(word, STR("$PROBE"))  ? keys->probe
           : str_eq(word, STR("$SOURCE")) ? publish_script
                                          : word;
}

static void try_right(Survey *survey, ServerFacts *server, size_t i)
{
    const RightTry *row = &right_tries[i];
    Str words[RIGHT_WORDS];
    for (size_t k = 0; k < row->count; k++) {
        words[k] = word_for(row->words[k], server->keys);
    }
    const Reply *reply = ask(survey, server, words, row->count);
    server->lacking |= reply && is_of_rights(reply) ? 1ULL << i : 0;
}

static void try_rights(Survey *survey, ServerFacts *server)
{
    for (size_t i = 0; i < right_try_count; i++) {
        if (!right_tries[i].is_due || right_tries[i].is_due(survey->config)) {
            try_right(survey, server, i);
        }
    }
    if (server->lacking && by_transaction(survey->config)) {
        reach_close(&survey->reach); /* a MULTI may be open */
    }
}

static void ask_server(Survey *survey, ServerFacts *server)
{
    ask_info(survey, server);
    const Str fsync = ask_setting(survey, server, STR("appendfsync"));
    snprintf(server->fsync, sizeof(server->fsync), "%.*s", STR_ARG(fsync));
    if (in_cluster(survey->config)) {
        const Str timeout = ask_setting(survey, server, STR("cluster-node-timeout"));
        server->node_timeout = timeout.ptr ? number_of(timeout) : -1;
    }
    ask_clock(survey, server);
    try_rights(survey, server);
}

/* A server is met with the first partition that it owns. */
static ServerFacts *meet(Survey *survey, const Address *address, size_t i)
{
    for (size_t k = 0; k < survey->server_count; k++) {
        if (address_eq(&survey->servers[k].address, address)) {
            return &survey->servers[k];
        }
    }
    ServerFacts *server = &survey->servers[survey->server_count++];
    *server = (ServerFacts){
        .address = *address, .keys = keys_of(survey, i), .replicas = -1, .node_timeout = -1};
    if (address->host[0]) {
        address_show(address, server->shown);
    } else {
        snprintf(server->shown, sizeof(server->shown), "%.270s", survey->config->redis.shown);
    }
    ask_server(survey, server);
    return server;
}

/* A partition */

static void add_fault(Survey *survey, PartitionFacts *facts, Str error)
{
    const Str shown = error_to_show(error);
    for (size_t i = 0; i < facts->fault_count; i++) {
        if (str_eq(facts->faults[i], shown)) {
            return;
        }
    }
    const Str copy = arena_copy(survey->arena, shown);
    if (copy.ptr && facts->fault_count < FAULTS) {
        facts->faults[facts->fault_count++] = copy;
    }
}

/* What a publication sends, one by one, to be told of all that is refused. */
static void try_posts(Survey *survey, size_t i)
{
    PartitionFacts *facts = &survey->facts[i];
    Trial trial;
    Str words[TRIAL_WORDS];
    const Reply *error;
    trial_begin(&trial, keys_of(survey, i), in_cluster(survey->config));
    for (size_t count; (count = trial_words(&trial, words)) > 0;) {
        const Reply *reply = ask(survey, facts->server, words, count);
        if (!reply) {
            return;
        }
        const char *why = trial_take(&trial, reply, &error);
        if (why || error) {
            add_fault(survey, facts, why ? str_from(why) : error->text);
        }
    }
    facts->types_untold = trial.types_untold;
}

/* Members of a set; -1: not told. */
static long long ask_digests(Survey *survey, ServerFacts *server, Str set)
{
    const Str words[] = {STR("SCARD"), set};
    const Reply *reply = ask_for(survey, server, REPLY_INTEGER, words, 2);
    return reply ? reply->integer : -1;
}

/* What upkeep would do, whatever TRIM says: so groups are judged by TRIM_KEEP. */
static void try_upkeep(Survey *survey, size_t i)
{
    PartitionFacts *facts = &survey->facts[i];
    Keep keep = survey->config->keep;
    const UpkeepCaller caller = {.who = STR("doctor"), .is_dry = true};
    UpkeepCall call;
    keep.trim = TRIM_ACKED;
    upkeep_call(&call, keys_of(survey, i), &keep, &caller);
    const Reply *reply = ask(survey, facts->server, call.words, call.count);
    const Reply *copy = reply ? reply_copy(survey->arena, reply) : NULL;
    if (!copy) {
        return;
    }
    facts->is_kept_up = upkeep_read(copy, &facts->upkept);
    facts->upkeep_error = copy->kind == REPLY_ERROR ? error_to_show(copy->text)
                                                    : STR("the reply of the server makes no sense");
}

static void ask_partition(Survey *survey, const Address *owner, size_t i)
{
    PartitionFacts *facts = &survey->facts[i];
    facts->server = meet(survey, owner, i);
    facts->server->partitions++;
    try_posts(survey, i);
    for (size_t set = 0; set < 2; set++) {
        facts->seen[set] =
            ask_digests(survey, facts->server, survey->partitions->keys[i]->seen[set]);
    }
    try_upkeep(survey, i);
}

/* All */

static void ask_number(Survey *survey, const Address *owner)
{
    const Str words[] = {STR("GET"), survey->partitions->number};
    ServerFacts *server = meet(survey, owner, 0);
    const Reply *reply = ask(survey, server, words, 2);
    survey->is_number_told = reply && reply->kind != REPLY_ERROR;
    if (reply && reply->kind == REPLY_TEXT) {
        str_get_number(reply->text, UINT32_MAX, &survey->made_with);
    }
}

static void ask_all(Survey *survey)
{
    const Partitions *partitions = survey->partitions;
    uint16_t slots[PARTITIONS_MOST + 1];
    Address owners[PARTITIONS_MOST + 1] = {0};
    for (size_t i = 0; i < partitions->count; i++) {
        slots[i] = slot_of(partitions->keys[i]->stream);
    }
    slots[partitions->count] = slot_of(partitions->number);
    if (!reach_find(&survey->reach, slots, partitions->count + 1, owners, &survey->error)) {
        return;
    }
    for (size_t i = 0; i < partitions->count; i++) {
        ask_partition(survey, &owners[i], i);
    }
    ask_number(survey, &owners[partitions->count]);
}

Survey *survey_take(const Config *config, Arena *arena)
{
    Survey *survey = calloc(1, sizeof(*survey));
    if (!survey || !(survey->partitions = config_partitions(config))) {
        return survey_free(survey);
    }
    survey->config = config;
    survey->arena = arena;
    survey->reach.config = config;
    ask_all(survey);
    reach_close(&survey->reach);
    return survey;
}

Survey *survey_free(Survey *survey)
{
    if (survey) {
        partitions_free(survey->partitions);
        free(survey);
    }
    return NULL;
}
