#include "commands/command.h"

#include "base/text.h"
#include "commands/rounds.h"
#include "redis/slots.h"

#include <stdlib.h>

enum { ADDRESS_LEAST = 5, NAME_LEAST = 6 }; /* width of "owner", of "stream" */

typedef struct {
    Rounds rounds;
    bool is_told[PARTITIONS_MOST];
    uint64_t lengths[PARTITIONS_MOST];
    unsigned made_with; /* 0 = nobody has noted it yet, or it is not known */
    bool is_made_told;
} Survey;

static size_t count_of(const Survey *survey)
{
    return survey->rounds.partitions->count;
}

static Str stream_of(const Survey *survey, size_t i)
{
    return rounds_keys(&survey->rounds, i)->stream;
}

static const Config *config_of(const Survey *survey)
{
    return survey->rounds.reach.config;
}

static bool in_cluster(const Survey *survey)
{
    return config_of(survey)->redis.kind == SERVERS_CLUSTER;
}

/* Asking */

static void ask_length(Survey *survey, size_t i)
{
    const Str words[] = {STR("XLEN"), stream_of(survey, i)};
    const Reply *reply = rounds_ask(&survey->rounds, i, words, 2);
    survey->is_told[i] = reply && reply->kind == REPLY_INTEGER;
    survey->lengths[i] = survey->is_told[i] ? (uint64_t)reply->integer : 0;
}

static void ask_number(Survey *survey)
{
    Rounds *rounds = &survey->rounds;
    const Str key = rounds->partitions->number, words[] = {STR("GET"), key};
    const Reply *reply = rounds_ask(rounds, count_of(survey), words, 2);
    survey->is_made_told = reply && reply->kind == REPLY_NIL;
    if (reply && reply->kind == REPLY_TEXT) {
        survey->is_made_told = str_get_number(reply->text, UINT32_MAX, &survey->made_with);
        if (!survey->is_made_told) {
            rounds_complain(rounds, key, STR("is no number of partitions"), EXIT_NO);
        }
    }
}

static void compare_number(Survey *survey)
{
    char text[LIMIT_TEXT];
    if (survey->made_with && survey->made_with != count_of(survey)) {
        snprintf(text, sizeof(text),
                 "the stream was made with %u partitions, STREAM_PARTITIONS is %zu: nothing is "
                 "stored",
                 survey->made_with, count_of(survey));
        rounds_complain(&survey->rounds, survey->rounds.partitions->number, str_from(text),
                        EXIT_NO);
    }
}

static void inquire(Survey *survey)
{
    ask_number(survey);
    compare_number(survey);
    for (size_t i = 0; i < count_of(survey); i++) {
        ask_length(survey, i);
    }
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
    for (size_t i = 0; i < count_of(survey); i++) {
        const size_t name_len = stream_of(survey, i).len,
                     owner_len = strlen(show_owner(&survey->rounds.owners[i], text));
        name = name_len > name ? name_len : name;
        owner = owner_len > owner ? owner_len : owner;
    }
    *ret_name = (int)name;
    *ret_owner = (int)owner;
}

static void print_head(const Survey *survey)
{
    const Config *config = config_of(survey);
    printf("%-16s%s (%s)\n", "stream", config->stream, config->redis.shown);
    printf("%-16s%zu\n", "partitions", count_of(survey));
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
    const Str name = stream_of(survey, i);
    printf("%9zu  %-*.*s  ", i, name_width, STR_ARG(name));
    if (in_cluster(survey)) {
        printf("%5u  ", slot_of(stream_of(survey, i)));
    }
    printf("%-*s  %s\n", owner_width, show_owner(&survey->rounds.owners[i], owner),
           survey->is_told[i] ? human_count(survey->lengths[i], length) : "?");
}

static void print_all(const Survey *survey)
{
    int name_width, owner_width;
    measure(survey, &name_width, &owner_width);
    print_head(survey);
    printf("partition  %-*s  %s%-*s  length\n", name_width, "stream",
           in_cluster(survey) ? " slot  " : "", owner_width, "owner");
    for (size_t i = 0; i < count_of(survey); i++) {
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
    const bool is_owned = survey->rounds.owners[i].host[0] != '\0';
    text_add_format(to, "%s\n{\"partition\":%zu,\"stream\":", i ? "," : "", i);
    text_add_json(to, stream_of(survey, i));
    if (in_cluster(survey)) {
        text_add_format(to, ",\"slot\":%u", slot_of(stream_of(survey, i)));
    }
    text_add(to, STR(",\"owner\":"));
    if (is_owned) {
        text_add_json(to, str_from(show_owner(&survey->rounds.owners[i], owner)));
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
        text_add_json(&text, str_from(config_of(survey)->stream));
        text_add(&text, STR(",\"made_with\":"));
        add_number(&text, survey->made_with != 0, survey->made_with);
        text_add(&text, STR(",\"partitions\":["));
        for (size_t i = 0; i < count_of(survey); i++) {
            add_row(survey, i, &text);
        }
        text_add(&text, STR("]}\n"));
        result = text_finish(&text);
    }
    if (result.ptr) {
        printf("%.*s", STR_ARG(result));
    } else {
        rounds_complain(&survey->rounds, STR(""), STR("out of memory"), EXIT_TRY_AGAIN);
    }
    arena_free(arena);
}

int partitions_main(const Config *config, int argc, char **argv)
{
    const bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !as_json) {
        return command_misused(command_find("partitions"));
    }
    Survey survey = {.made_with = 0};
    if (rounds_open(&survey.rounds, "partitions", config)) {
        inquire(&survey);
        if (as_json) {
            print_json(&survey);
        } else {
            print_all(&survey);
        }
    }
    return rounds_end(&survey.rounds);
}
