#include "commands/command.h"

#include "base/text.h"
#include "commands/human.h"
#include "commands/reach.h"
#include "redis/error_rule.h"
#include "redis/slots.h"

#include <stdlib.h>

enum { ADDRESS_LEAST = 5, NAME_LEAST = 6 }; /* width of "owner", of "stream" */

/* One more than partitions are asked about: the number that is noted beside the stream is last. */
enum { PLACES = PARTITIONS_MOST + 1 };

typedef struct {
    Reach reach;
    const Partitions *partitions;
    uint16_t slots[PLACES];
    Address owners[PLACES]; /* "" = not known */
    bool is_told[PARTITIONS_MOST];
    uint64_t lengths[PARTITIONS_MOST];
    unsigned made_with; /* 0 = nobody has noted it yet, or it is not known */
    bool is_made_told;
    int status; /* of the command */
} Survey;

/* Asking */

static bool in_cluster(const Survey *survey)
{
    return survey->reach.config->redis.kind == SERVERS_CLUSTER;
}

/* The first complaint is told; what is wrong with others follows from it, or is seen next time. */
static void complain(Survey *survey, const char *text, int status)
{
    if (survey->status == EXIT_DONE) {
        fprintf(stderr, "partitions: %s\n", text);
        survey->status = status;
    }
}

static void complain_of_key(Survey *survey, Str key, Str why, int status)
{
    char text[4 * LIMIT_TEXT];
    snprintf(text, sizeof(text), "%.*s: %.*s (%.280s)", STR_ARG(key), STR_ARG(why),
             survey->reach.url.shown);
    complain(survey, text, status);
}

/* NULL: there is no answer; why has been told. */
static const Reply *ask(Survey *survey, size_t place, const char *command, Str key)
{
    Error error;
    const Str words[] = {str_from(command), key};
    Client *client = reach_open(&survey->reach, &survey->owners[place], &error);
    const Reply *reply = client ? client_call(client, words, 2, &error) : NULL;
    if (!reply) {
        complain_of_key(survey, key, str_from(error.text), command_status(error.code));
        return NULL;
    }
    if (reply->kind == REPLY_ERROR) {
        const bool passes = error_passes(error_rule(reply->text));
        complain_of_key(survey, key, error_to_show(reply->text), passes ? EXIT_TRY_AGAIN : EXIT_NO);
        return NULL;
    }
    return reply;
}

static void ask_length(Survey *survey, size_t i)
{
    const Reply *reply = ask(survey, i, "XLEN", survey->partitions->keys[i]->stream);
    survey->is_told[i] = reply && reply->kind == REPLY_INTEGER;
    survey->lengths[i] = survey->is_told[i] ? (uint64_t)reply->integer : 0;
}

static void ask_number(Survey *survey)
{
    const Str key = survey->partitions->number;
    const Reply *reply = ask(survey, survey->partitions->count, "GET", key);
    survey->is_made_told = reply && reply->kind == REPLY_NIL;
    if (reply && reply->kind == REPLY_TEXT) {
        survey->is_made_told = str_get_number(reply->text, UINT32_MAX, &survey->made_with);
        if (!survey->is_made_told) {
            complain_of_key(survey, key, STR("is no number of partitions"), EXIT_NO);
        }
    }
}

static void compare_number(Survey *survey)
{
    char text[2 * LIMIT_TEXT];
    if (survey->made_with && survey->made_with != survey->partitions->count) {
        snprintf(text, sizeof(text),
                 "the stream was made with %u partitions, STREAM_PARTITIONS is %zu: nothing is "
                 "stored",
                 survey->made_with, survey->partitions->count);
        complain_of_key(survey, survey->partitions->number, str_from(text), EXIT_NO);
    }
}

/* false: nobody tells where anything is. */
static bool inquire(Survey *survey)
{
    const Partitions *partitions = survey->partitions;
    Error error;
    for (size_t i = 0; i < partitions->count; i++) {
        survey->slots[i] = slot_of(partitions->keys[i]->stream);
    }
    survey->slots[partitions->count] = slot_of(partitions->number);
    if (!reach_find(&survey->reach, survey->slots, partitions->count + 1, survey->owners, &error)) {
        complain(survey, error.text, command_status(error.code));
        return false;
    }
    ask_number(survey);
    compare_number(survey);
    for (size_t i = 0; i < partitions->count; i++) {
        ask_length(survey, i);
    }
    return true;
}

/* Showing */

static const char *show_owner(const Address *owner, char text[ADDRESS_TEXT])
{
    address_show(owner, text);
    return owner->host[0] ? text : "?";
}

/* How wide the columns of texts are. */
static void measure(const Survey *survey, int *ret_name, int *ret_owner)
{
    char text[ADDRESS_TEXT];
    size_t name = NAME_LEAST, owner = ADDRESS_LEAST;
    for (size_t i = 0; i < survey->partitions->count; i++) {
        const size_t name_len = survey->partitions->keys[i]->stream.len,
                     owner_len = strlen(show_owner(&survey->owners[i], text));
        name = name_len > name ? name_len : name;
        owner = owner_len > owner ? owner_len : owner;
    }
    *ret_name = (int)name;
    *ret_owner = (int)owner;
}

static void print_head(const Survey *survey)
{
    const Config *config = survey->reach.config;
    printf("%-16s%s (%s)\n", "stream", config->stream, config->redis.shown);
    printf("%-16s%zu\n", "partitions", survey->partitions->count);
    printf("%-16s", "made with");
    if (survey->made_with) {
        printf("%u\n\n", survey->made_with);
    } else {
        printf("%s\n\n", survey->is_made_told ? "no worker has noted it yet" : "not known");
    }
}

static void print_row(const Survey *survey, size_t i, int name_width, int owner_width)
{
    char owner[ADDRESS_TEXT], length[HUMAN_ROOM];
    const Str name = survey->partitions->keys[i]->stream;
    printf("%9zu  %-*.*s  ", i, name_width, STR_ARG(name));
    if (in_cluster(survey)) {
        printf("%5u  ", survey->slots[i]);
    }
    printf("%-*s  %s\n", owner_width, show_owner(&survey->owners[i], owner),
           survey->is_told[i] ? human_count(survey->lengths[i], length) : "?");
}

static void print_all(const Survey *survey)
{
    int name_width, owner_width;
    measure(survey, &name_width, &owner_width);
    print_head(survey);
    printf("partition  %-*s  %s%-*s  length\n", name_width, "stream",
           in_cluster(survey) ? " slot  " : "", owner_width, "owner");
    for (size_t i = 0; i < survey->partitions->count; i++) {
        print_row(survey, i, name_width, owner_width);
    }
}

static void add_number(Text *to, bool is_known, uint64_t number)
{
    if (is_known) {
        text_add_format(to, "%llu", (unsigned long long)number);
    } else {
        text_add(to, STR("null"));
    }
}

static void add_row(const Survey *survey, size_t i, Text *to)
{
    char owner[ADDRESS_TEXT];
    const bool is_owned = survey->owners[i].host[0] != '\0';
    text_add_format(to, "%s\n{\"partition\":%zu,\"stream\":", i ? "," : "", i);
    text_add_json(to, survey->partitions->keys[i]->stream);
    if (in_cluster(survey)) {
        text_add_format(to, ",\"slot\":%u", survey->slots[i]);
    }
    text_add(to, STR(",\"owner\":"));
    if (is_owned) {
        text_add_json(to, str_from(show_owner(&survey->owners[i], owner)));
    } else {
        text_add(to, STR("null"));
    }
    text_add(to, STR(",\"length\":"));
    add_number(to, survey->is_told[i], survey->lengths[i]);
    text_add(to, STR("}"));
}

/* One object; each partition is a line of it. */
static void print_json(Survey *survey)
{
    Arena *arena = arena_new();
    Text text = text_begin(arena);
    Str result = {NULL, 0};
    if (arena) {
        text_add(&text, STR("{\"stream\":"));
        text_add_json(&text, str_from(survey->reach.config->stream));
        text_add(&text, STR(",\"made_with\":"));
        add_number(&text, survey->made_with != 0, survey->made_with);
        text_add(&text, STR(",\"partitions\":["));
        for (size_t i = 0; i < survey->partitions->count; i++) {
            add_row(survey, i, &text);
        }
        text_add(&text, STR("]}\n"));
        result = text_finish(&text);
    }
    if (result.ptr) {
        printf("%.*s", STR_ARG(result));
    } else {
        complain(survey, "out of memory", EXIT_TRY_AGAIN);
    }
    arena_free(arena);
}

int partitions_main(const Config *config, int argc, char **argv)
{
    const bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !as_json) {
        return command_misused(command_find("partitions"));
    }
    Survey survey = {.reach = {.config = config}};
    Partitions *partitions = config_partitions(config);
    survey.partitions = partitions;
    if (!partitions) {
        complain(&survey, "out of memory", EXIT_TRY_AGAIN);
    } else if (inquire(&survey)) {
        if (as_json) {
            print_json(&survey);
        } else {
            print_all(&survey);
        }
    }
    reach_close(&survey.reach);
    partitions_free(partitions);
    return survey.status;
}
