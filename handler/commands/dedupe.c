#include "commands/command.h"

#include "commands/human.h"
#include "commands/reach.h"
#include "redis/error_rule.h"
#include "redis/slots.h"
#include "stream/dedupe.h"

#include <stdlib.h>
#include <time.h>

enum {
    SAMPLES = 500, /* members whose size is looked at; of all of them it would take seconds */
    RECENT = 60    /* a set that was written since then is somebody's */
};

/* What became of a question. */
typedef enum {
    TOLD,
    ABSENT,     /* there is no such key */
    FORBIDDEN,  /* to our user, or to everybody: what can be done without */
    WRONG_TYPE, /* the key is something else */
    FAILED
} Outcome;

typedef struct {
    Outcome outcome;
    int64_t value; /* when TOLD, else 0 */
} Number;

/* What is known about the sets of a stream. */
typedef struct {
    const StreamKeys *keys;
    const char *server; /* that was asked */
    int64_t window;     /* today's, in seconds */
    int64_t now;        /* of Redis' clock, or of ours when that is forbidden */
    Outcome clock;      /* TOLD: it is Redis' */
    Outcome state_text; /* of its key */
    bool is_state_read; /* the text made sense */
    DedupeState state;
    Number digests[2], bytes[2];
} Report;

typedef struct {
    Reach reach;
    Client *client; /* reach's */
    Report report;
    int status; /* of the command, once something has failed */
} Inquiry;

/* Asking */

static int complain(const Inquiry *inquiry, const char *why, int status)
{
    char text[2 * LIMIT_TEXT];
    human_plain(str_from(why), text, sizeof(text));
    fprintf(stderr, "dedupe: %s (%s)\n", text, inquiry->report.server);
    return status;
}

static int complain_of_error(const Inquiry *inquiry, const Reply *error)
{
    char text[2 * LIMIT_TEXT];
    const ErrorRule *rule = error_rule(error->text);
    const Str shown = error_to_show(error->text);
    const bool is_known = !str_is_empty(rule->code);
    snprintf(text, sizeof(text), "%.*s%s%s", STR_ARG(shown), is_known ? ": " : "",
             is_known ? rule->advice : "");
    return complain(inquiry, text, error_passes(rule) ? EXIT_TRY_AGAIN : EXIT_NO);
}

static Outcome outcome_of(const Reply *reply)
{
    if (reply->kind != REPLY_ERROR) {
        return reply->kind == REPLY_NIL ? ABSENT : TOLD;
    }
    if (error_is_of_rights(reply->text)) {
        return FORBIDDEN;
    }
    return str_starts_with(reply->text, STR("WRONGTYPE")) ? WRONG_TYPE : FAILED;
}

/* NULL: it makes no sense to go on; the reason has been told. */
static const Reply *ask(Inquiry *inquiry, const Str *words, size_t count, Outcome *ret)
{
    Error error;
    const Reply *reply = client_call(inquiry->client, words, count, &error);
    if (!reply) {
        inquiry->status = complain(inquiry, error.text, EXIT_TRY_AGAIN);
        return NULL;
    }
    *ret = outcome_of(reply);
    if (*ret == FAILED) {
        inquiry->status = complain_of_error(inquiry, reply);
        return NULL;
    }
    return reply;
}

static bool ask_number(Inquiry *inquiry, const Str *words, size_t count, Number *ret)
{
    const Reply *reply = ask(inquiry, words, count, &ret->outcome);
    ret->value = reply ? (int64_t)reply->integer : 0;
    return reply != NULL;
}

static bool ask_time(Inquiry *inquiry)
{
    Report *report = &inquiry->report;
    const Reply *reply = ask(inquiry, &STR("TIME"), 1, &report->clock);
    const bool is_told = reply && reply->kind == REPLY_LIST && reply->count > 0;
    report->now = (int64_t)time(NULL);
    if (is_told) {
        char digits[24];
        snprintf(digits, sizeof(digits), "%.*s", STR_ARG(reply->items[0].text));
        report->now = strtoll(digits, NULL, 10);
    }
    return reply != NULL;
}

static bool ask_state(Inquiry *inquiry)
{
    Report *report = &inquiry->report;
    const Str words[] = {STR("GET"), report->keys->seen_state};
    const Reply *reply = ask(inquiry, words, 2, &report->state_text);
    report->is_state_read =
        reply && report->state_text == TOLD && dedupe_read_state(reply->text, &report->state);
    return reply != NULL;
}

/* Each set has a member that is no digest. */
static bool ask_set(Inquiry *inquiry, unsigned set)
{
    Report *report = &inquiry->report;
    const Str key = report->keys->seen[set];
    char samples[12];
    const int len = snprintf(samples, sizeof(samples), "%d", SAMPLES);
    const Str count[] = {STR("SCARD"), key},
              size[] = {STR("MEMORY"), STR("USAGE"), key, STR("SAMPLES"), {samples, (size_t)len}};
    bool ok = ask_number(inquiry, count, 2, &report->digests[set]) &&
              ask_number(inquiry, size, 5, &report->bytes[set]);
    report->digests[set].value -= report->digests[set].value > 0;
    return ok;
}

static bool inquire(Inquiry *inquiry)
{
    return ask_time(inquiry) && ask_state(inquiry) && ask_set(inquiry, 0) && ask_set(inquiry, 1);
}

/* What the answers mean */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A key of another type makes every publication fail. */
static bool is_sound(const Inquiry *inquiry)
{
    const Report *report = &inquiry->report;
    const Str *wrong = report->state_text == WRONG_TYPE           ? &report->keys->seen_state
                       : report->digests[0].outcome == WRONG_TYPE ? &report->keys->seen[0]
                       : report->digests[1].outcome == WRONG_TYPE ? &report->keys->seen[1]
                                                                  : NULL;
    char text[1024];
    if (wrong) {
        snprintf(text, sizeof(text),
                 "%.*s holds something else than it should, and nothing can be stored: look at it, "
                 "then rename or remove it",
                 STR_ARG(*wrong));
        complain(inquiry, text, EXIT_NO);
    }
    return !wrong;
}

static bool is_forbidden(const Report *report)
{
    return report->state_text == FORBIDDEN && report->digests[0].outcome == FORBIDDEN &&
           report->bytes[0].outcome == FORBIDDEN;
}

static bool is_empty(const Report *report)
{
    return report->state_text == ABSENT && report->digests[0].value == 0 &&
           report->digests[1].value == 0 && report->bytes[0].value == 0 &&
           report->bytes[1].value == 0;
}

/* Showing */

static void print_label(const char *label)
{
    printf("%-16s", label);
}

static void print_digests(const Number *digests)
{
    char text[HUMAN_ROOM];
    print_label("  digests");
    printf("%s\n", digests->outcome == FORBIDDEN ? "not permitted (+scard)"
                                                 : human_count((uint64_t)digests->value, text));
}

static void print_bytes(const Number *bytes, const Number *digests)
{
    char text[HUMAN_ROOM];
    print_label("  memory");
    if (bytes->outcome != TOLD) {
        printf("%s\n", bytes->outcome == ABSENT ? "none" : "not permitted (+memory|usage)");
        return;
    }
    printf("about %s", human_bytes((uint64_t)bytes->value, text));
    if (digests->value) {
        printf(", %lld bytes a digest", (long long)(bytes->value / digests->value));
    }
    printf("\n");
}

static void print_last(const Report *report, unsigned set)
{
    const int64_t last = report->state.last[set], age = report->now - last;
    char time[HUMAN_ROOM], span[HUMAN_ROOM];
    print_label("  last written");
    printf("%s (", human_time(last, time));
    if (age < -2 * DEDUPE_LEASE_MOST) {
        printf("%s ahead of the clock: the next new status sets it back)\n",
               human_span(-age, span));
    } else if (age <= 0) {
        printf("just now)\n");
    } else {
        printf("%s ago)\n", human_span(age, span));
    }
}

static void print_window(const Report *report, unsigned set)
{
    char span[HUMAN_ROOM];
    const int64_t window = report->state.window[set];
    print_label("  window");
    printf("%s\n", human_span(window, span));
}

/* As publish.lua rotates. */
static void print_end(const Report *report, unsigned older)
{
    const DedupeState *state = &report->state;
    const unsigned current = 1 - older;
    const int64_t silent = report->now - state->last[current],
                  end = state->last[older] + larger(report->window, state->window[older]);
    const bool pauses =
        silent > dedupe_lease((unsigned)report->window) && silent >= report->window / 4;
    char time[HUMAN_ROOM], span[HUMAN_ROOM];
    print_label("  goes");
    if (report->window == 0) {
        printf("not by itself, while DEDUPE_WINDOW is 0\n");
    } else if (pauses && !state->is_kept && end > state->last[current]) {
        printf("%s after the next new status: the pause until then does not count\n",
               human_span(end - state->last[current], span));
    } else if (end <= report->now) {
        printf("with the next new status\n");
    } else {
        printf("%s (in %s), with the first new status from then on\n", human_time(end, time),
               human_span(end - report->now, span));
    }
}

static void print_set(const Report *report, unsigned set)
{
    static const char *const names[] = {"set 0", "set 1"};
    const bool is_current = report->state.current == set;
    printf("\n");
    print_label(!report->is_state_read ? names[set] : is_current ? "current set" : "older set");
    printf("%.*s\n", STR_ARG(report->keys->seen[set]));
    print_digests(&report->digests[set]);
    print_bytes(&report->bytes[set], &report->digests[set]);
    if (report->is_state_read) {
        print_last(report, set);
        print_window(report, set);
    }
    if (report->is_state_read && !is_current) {
        print_end(report, set);
    }
}

static void print_head(const Report *report)
{
    char text[HUMAN_ROOM];
    print_label("stream");
    printf("%.*s (%s)\n", STR_ARG(report->keys->stream), report->server);
    print_label("window");
    printf("%s\n", report->window ? human_span(report->window, text)
                                  : "0: nothing is recognised, nothing is added");
    if (report->clock == FORBIDDEN) {
        print_label("clock");
        printf("this machine's; Redis' own is not permitted (+time)\n");
    }
    if (!report->is_state_read) {
        print_label("state");
        printf("%s\n", report->state_text == FORBIDDEN ? "not permitted (+get)"
                       : report->state_text == ABSENT
                           ? "none: the next new status makes it, and both sets are kept"
                           : "cannot be read: the next new status makes it anew, and both sets are "
                             "kept");
    }
}

static void print_report(const Report *report)
{
    const unsigned first = report->is_state_read ? report->state.current : 0;
    print_head(report);
    print_set(report, first);
    print_set(report, 1 - first);
    printf("\nKeys %.*s:DIGEST of earlier versions are not looked at; they expire by themselves.\n",
           STR_ARG(report->keys->seen_state));
    if (report->window == 0) {
        printf("`tickstream dedupe forget %.*s` frees the memory of both sets.\n",
               STR_ARG(report->keys->stream));
    }
}

static int show(Inquiry *inquiry)
{
    const Report *report = &inquiry->report;
    if (!inquire(inquiry)) {
        return inquiry->status;
    }
    if (!is_sound(inquiry)) {
        return EXIT_NO;
    }
    if (is_forbidden(report)) {
        return complain(inquiry, "the user may not look at the sets: +get +scard on these keys",
                        EXIT_NO);
    }
    if (is_empty(report)) {
        printf("%.*s: nothing is remembered yet (%s)\n", STR_ARG(report->keys->stream),
               report->server);
    } else {
        print_report(report);
    }
    return EXIT_DONE;
}

/* Forgetting */

static bool is_in_use(const Report *report)
{
    const int64_t age = report->now - larger(report->state.last[0], report->state.last[1]);
    return report->is_state_read && age < RECENT && age > -RECENT;
}

static void print_forgotten(const Report *report)
{
    char digests[HUMAN_ROOM], bytes[HUMAN_ROOM];
    printf("%.*s: ", STR_ARG(report->keys->stream));
    if (report->digests[0].outcome == FORBIDDEN) {
        printf("all digests are forgotten; how many is not permitted (+scard)\n");
        return;
    }
    human_count((uint64_t)(report->digests[0].value + report->digests[1].value), digests);
    human_bytes((uint64_t)(report->bytes[0].value + report->bytes[1].value), bytes);
    printf("%s digests are forgotten", digests);
    if (report->bytes[0].outcome != FORBIDDEN) {
        printf(", about %s", bytes);
    }
    printf("\n");
}

static int forget(Inquiry *inquiry)
{
    const Report *report = &inquiry->report;
    const StreamKeys *keys = report->keys;
    const Str words[] = {STR("UNLINK"), keys->seen_state, keys->seen[0], keys->seen[1]};
    Outcome outcome;
    if (!inquire(inquiry)) {
        return inquiry->status;
    }
    if (!is_sound(inquiry)) {
        return EXIT_NO;
    }
    if (is_in_use(report)) {
        return complain(inquiry,
                        "the sets were written a moment ago: end or reload what still does, then "
                        "wait two minutes",
                        EXIT_NO);
    }
    if (is_empty(report)) {
        printf("%.*s: nothing is remembered\n", STR_ARG(keys->stream));
        return EXIT_DONE;
    }
    const Reply *reply = ask(inquiry, words, 4, &outcome);
    if (!reply || outcome != TOLD) {
        return reply ? complain_of_error(inquiry, reply) : inquiry->status;
    }
    print_forgotten(report);
    return EXIT_DONE;
}

/* All partitions, in brief */

static void print_brief_head(const Config *config, size_t count, int width)
{
    char text[HUMAN_ROOM];
    print_label("stream");
    printf("%s, %zu partitions (%s)\n", config->stream, count, config->redis.shown);
    print_label("window");
    printf("%s\n\n", config->dedupe_window ? human_span(config->dedupe_window / 1000, text)
                                           : "0: nothing is recognised, nothing is added");
    printf("%-*s  %15s  %15s  %10s  %s\n", width, "stream", "current set", "older set", "memory",
           "last written");
}

static void print_brief_digests(const Number *digests)
{
    char text[HUMAN_ROOM];
    printf("  %15s", digests->outcome == FORBIDDEN ? "not permitted"
                                                   : human_count((uint64_t)digests->value, text));
}

static void print_brief(const Report *report, int width)
{
    const unsigned current = report->is_state_read ? report->state.current : 0;
    const bool is_size_told = report->bytes[0].outcome != FORBIDDEN;
    const int64_t bytes = report->bytes[0].value + report->bytes[1].value;
    char text[HUMAN_ROOM];
    printf("%-*.*s", width, STR_ARG(report->keys->stream));
    print_brief_digests(&report->digests[current]);
    print_brief_digests(&report->digests[1 - current]);
    printf("  %10s", is_size_told ? human_bytes((uint64_t)bytes, text) : "?");
    printf("  %s\n", report->is_state_read ? human_time(report->state.last[current], text) : "-");
}

/* The command */

static int complain_of_server(const Inquiry *inquiry, const Error *error)
{
    return complain(inquiry, error->text, command_status(error->code));
}

/* Turns to the keys of a stream, and to their owner. false: the reason has been told. */
static bool turn_to(Inquiry *inquiry, const StreamKeys *keys, const Address *owner)
{
    Error error;
    inquiry->report = (Report){.keys = keys, .window = keys->window};
    inquiry->client = reach_open(&inquiry->reach, owner, &error);
    inquiry->report.server = inquiry->reach.url.shown;
    if (!inquiry->client) {
        inquiry->status = complain_of_server(inquiry, &error);
    }
    return inquiry->client != NULL;
}

static int with_keys(Inquiry *inquiry, const StreamKeys *keys, int (*then)(Inquiry *inquiry))
{
    const uint16_t slot = slot_of(keys->seen_state);
    Address owner;
    Error error;
    if (!reach_find(&inquiry->reach, &slot, 1, &owner, &error)) {
        return complain_of_server(inquiry, &error);
    }
    return turn_to(inquiry, keys, &owner) ? then(inquiry) : inquiry->status;
}

static Inquiry inquiry_of(const Config *config)
{
    return (Inquiry){.reach = {.config = config}, .report = {.server = config->redis.shown}};
}

static int with_stream(const Config *config, const char *stream, int (*then)(Inquiry *inquiry))
{
    Inquiry inquiry = inquiry_of(config);
    StreamKeys *keys = config_keys(config, stream);
    const int status = keys ? with_keys(&inquiry, keys, then)
                            : complain(&inquiry, "out of memory", EXIT_TRY_AGAIN);
    reach_close(&inquiry.reach);
    stream_keys_free(keys);
    return status;
}

static int show_each(Inquiry *inquiry, const Partitions *partitions)
{
    const size_t count = partitions->count;
    const int width = (int)partitions->keys[count - 1]->stream.len;
    uint16_t slots[PARTITIONS_MOST];
    Address owners[PARTITIONS_MOST];
    Error error;
    for (size_t i = 0; i < count; i++) {
        slots[i] = slot_of(partitions->keys[i]->seen_state);
    }
    if (!reach_find(&inquiry->reach, slots, count, owners, &error)) {
        return complain_of_server(inquiry, &error);
    }
    print_brief_head(inquiry->reach.config, count, width);
    for (size_t i = 0; i < count; i++) {
        if (!turn_to(inquiry, partitions->keys[i], &owners[i]) || !inquire(inquiry)) {
            return inquiry->status;
        }
        if (!is_sound(inquiry)) {
            return EXIT_NO;
        }
        print_brief(&inquiry->report, width);
    }
    printf("\n`tickstream dedupe show %s:0` tells more of one.\n", inquiry->reach.config->stream);
    return EXIT_DONE;
}

static int show_partitions(const Config *config)
{
    Inquiry inquiry = inquiry_of(config);
    Partitions *partitions = config_partitions(config);
    const int status = partitions ? show_each(&inquiry, partitions)
                                  : complain(&inquiry, "out of memory", EXIT_TRY_AGAIN);
    reach_close(&inquiry.reach);
    partitions_free(partitions);
    return status;
}

static bool is_stream_name(const char *name)
{
    return strlen(name) < sizeof(((Config *)0)->stream) && stream_keys_allow(str_from(name));
}

/* Is it one that workers add digests to? "S:1" of two partitions is, "S:2" and "S:01" are not. */
static bool is_written_to(const Config *config, const char *stream)
{
    char name[sizeof(config->stream) + 24];
    if (config->stream_partitions == 1) {
        return strcmp(stream, config->stream) == 0;
    }
    for (size_t i = 0; i < config->stream_partitions; i++) {
        snprintf(name, sizeof(name), "%s:%zu", config->stream, i);
        if (strcmp(stream, name) == 0) {
            return true;
        }
    }
    return false;
}

static int forget_stream(const Config *config, const char *stream)
{
    if (config->dedupe_window > 0 && is_written_to(config, stream)) {
        fprintf(stderr,
                "dedupe: %s is in use (STREAM): what is delivered again would be stored twice; "
                "with DEDUPE_WINDOW=0 it can be forgotten\n",
                stream);
        return EXIT_NO;
    }
    return with_stream(config, stream, forget);
}

int dedupe_main(const Config *config, int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "show", *stream = argc > 2 ? argv[2] : NULL;
    const bool shows = strcmp(verb, "show") == 0, forgets = strcmp(verb, "forget") == 0;
    if ((!shows && !forgets) || (stream && !is_stream_name(stream)) || (forgets && !stream)) {
        return command_misused(command_find("dedupe"));
    }
    if (forgets) {
        return forget_stream(config, stream);
    }
    return !stream && config->stream_partitions > 1
               ? show_partitions(config)
               : with_stream(config, stream ? stream : config->stream, show);
}
