#include "commands/command.h"

#include "commands/options.h"
#include "commands/sizing.h"

#include <math.h>
#include <stdlib.h>

enum { EXAMPLE = 100 }; /* statuses a second, where nothing else is known */

/* Showing */

/* For what somebody might ask for. */
static uint64_t whole(double number)
{
    return number < 1e18 ? (uint64_t)number : (uint64_t)1e18;
}

static const char *rate_text(double rate, char to[HUMAN_ROOM])
{
    if (rate >= 10) {
        return human_count(whole(rate), to);
    }
    snprintf(to, HUMAN_ROOM, "%.2g", rate);
    return to;
}

static const char *bytes_text(double bytes, char to[HUMAN_ROOM])
{
    return human_bytes(whole(bytes), to);
}

static const char *span_text(double seconds, char to[HUMAN_ROOM])
{
    return human_span((int64_t)whole(seconds), to);
}

static void print_part(const char *name, double bytes)
{
    char text[HUMAN_ROOM];
    printf("  %-11s%12s  ", name, bytes_text(bytes, text));
}

static const char *entry_source(const Sizing *sizing)
{
    return sizing->wishes.entry > 0 ? "as given" : sizing->is_measured ? "measured" : "assumed";
}

static void print_stream(const Sizing *sizing, const Need *need)
{
    char entries[HUMAN_ROOM], keep[HUMAN_ROOM];
    if (isinf(need->stream)) {
        printf("  %-11s%12s  nothing is removed (TRIM=off); ", "stream", "no end");
    } else {
        print_part("stream", need->stream);
        printf("%s entries, kept for %s (TRIM_KEEP); ", human_count(whole(need->entries), entries),
               human_span(sizing->config->keep.keep / 1000, keep));
    }
    printf("%.0f bytes each, %s\n", sizing->entry, entry_source(sizing));
}

static void print_dedupe(const Sizing *sizing, const Load *load, const Need *need)
{
    const char *version = sizing->decisive->standing.version;
    char digests[HUMAN_ROOM], window[HUMAN_ROOM];
    print_part("dedupe", need->dedupe);
    if (load->window == 0) {
        printf("nothing is remembered (DEDUPE_WINDOW=0)\n");
        return;
    }
    printf("%s digests, two windows of %s (DEDUPE_WINDOW); up to %.0f bytes each, %s%s\n",
           human_count(whole(need->digests), digests), span_text(load->window, window),
           load->digest, version[0] ? "Redis " : "assumed", version);
}

/* What follows from these two. */
static void print_sums(const Need *need)
{
    print_part("quarantine", need->others);
    printf("and events (QUARANTINE_MAX, EVENTS_MAX)\n");
    print_part("maxmemory", need->memory);
    printf("the sum\n");
    print_part("machine", need->machine);
    printf("also what the allocator wastes, and what is copied while the AOF is rewritten\n");
    print_part("disk", need->disk);
    printf("the AOF when it is rewritten, and the new one\n");
}

static void print_rest(const Load *load, const Need *need)
{
    print_part("server", load->server);
    printf("Redis itself, its clients, and what else is in it\n");
    if (!isinf(need->memory)) {
        print_sums(need);
    }
    print_part("AOF", need->aof);
    printf("a second, until it is rewritten\n\n");
}

static void print_need(const Sizing *sizing, double rate)
{
    const Supplier *server = sizing->decisive;
    const Load load = sizing_load(sizing, server);
    const double share = sizing_share(sizing, server);
    const Need need = capacity_need(&load, rate * share);
    char text[HUMAN_ROOM], shown[ADDRESS_TEXT];
    printf("%s statuses/s", rate_text(rate, text));
    if (sizing->supply.count > 1) {
        address_show(&server->owner, shown);
        printf(", of which %s, with %zu of %zu partitions, gets %s", shown, server->partitions,
               sizing->supply.partitions, rate_text(rate * share, text));
    }
    printf("\n");
    print_stream(sizing, &need);
    print_dedupe(sizing, &load, &need);
    print_rest(&load, &need);
}

static void print_server(const Sizing *sizing, const Supplier *server)
{
    char shown[ADDRESS_TEXT], most[HUMAN_ROOM], used[HUMAN_ROOM], rate[HUMAN_ROOM];
    const Standing *standing = &server->standing;
    address_show(&server->owner, shown);
    printf("%-24s  %10zu  %10s  %10s  %s\n", shown, server->partitions,
           standing->most         ? human_bytes(standing->most, most)
           : standing->version[0] ? "not set"
                                  : "?",
           standing->memory ? human_bytes(standing->memory, used) : "?",
           standing->most ? rate_text(sizing_carried(sizing, server), rate) : "?");
}

static void print_servers(const Sizing *sizing)
{
    if (sizing->wishes.memory > 0) {
        printf("No Redis was asked (--memory).\n");
        return;
    }
    printf("%-24s  %10s  %10s  %10s  %s\n", "server", "partitions", "maxmemory", "in use",
           "carries");
    for (size_t i = 0; i < sizing->supply.count; i++) {
        print_server(sizing, &sizing->supply.servers[i]);
    }
}

/* The verdict */

static int refuse(const char *text)
{
    fprintf(stderr, "size: %s\n", text);
    return EXIT_NO;
}

static int judge_unlimited(const Sizing *sizing)
{
    return refuse(sizing->decisive->standing.version[0]
                      ? "maxmemory is not set: Redis takes what the machine has, and is killed for "
                        "more; set it to what stands above"
                      : "the server does not tell its maxmemory (+info): name it with --memory");
}

/* It gets full, as fast as the server does that is the first. */
static int judge_full(const Sizing *sizing, double rate)
{
    const Supplier *server = sizing->decisive;
    const Load load = sizing_load(sizing, server);
    const double full =
        capacity_full(&load, (double)server->standing.most, rate * sizing_share(sizing, server));
    char text[256], span[HUMAN_ROOM], shown[2][HUMAN_ROOM];
    const bool is_removed = !isinf(load.keep);
    snprintf(text, sizeof(text), "%s%s statuses/s fill an empty Redis in %s; it carries %s",
             is_removed ? "" : "TRIM=off removes nothing: ", rate_text(rate, shown[0]),
             span_text(full, span), is_removed ? rate_text(sizing->carries, shown[1]) : "none");
    if (sizing->wishes.rate > 0) {
        return refuse(text);
    }
    printf("%s.\n", text);
    return EXIT_DONE;
}

static int judge(const Sizing *sizing, double rate)
{
    const Supplier *server = sizing->decisive;
    const Load load = sizing_load(sizing, server);
    char text[HUMAN_ROOM], shown[HUMAN_ROOM];
    if (server->standing.most == 0) {
        return judge_unlimited(sizing);
    }
    if (rate > sizing->carries) {
        return judge_full(sizing, rate);
    }
    const double away =
        capacity_away(&load, (double)server->standing.most, rate * sizing_share(sizing, server));
    printf("Carries %s statuses/s for as long as all groups keep up",
           rate_text(sizing->carries, text));
    printf("; at %s/s one may be away for %s.\n", rate_text(rate, shown), span_text(away, text));
    return EXIT_DONE;
}

static int show(Sizing *sizing)
{
    sizing_decide(sizing);
    const double rate = sizing->wishes.rate > 0 ? sizing->wishes.rate
                        : sizing->carries > 0   ? sizing->carries
                                                : EXAMPLE;
    print_need(sizing, rate);
    print_servers(sizing);
    fflush(stdout);
    return judge(sizing, rate);
}

/* The command */

static bool read_wishes(int argc, char **argv, Wishes *ret, Error *reterr)
{
    int first = argc;
    const Option options[] = {{"rate", OPTION_REAL, &ret->rate, 0.001, 1e9, 0},
                              {"bytes", OPTION_REAL, &ret->entry, 1, 1e9, 0},
                              OPTION("memory", OPTION_BYTES, &ret->memory)};
    return options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first,
                        reterr) &&
           (first == argc ||
            error_set(reterr, ERROR_INVALID, "%.80s is no option of it", argv[first]));
}

static int show_planned(Sizing *sizing)
{
    if (!supply_plan((uint64_t)sizing->wishes.memory, &sizing->supply)) {
        fprintf(stderr, "size: out of memory\n");
        return EXIT_TRY_AGAIN;
    }
    return show(sizing);
}

static int show_real(Sizing *sizing)
{
    Rounds rounds;
    int status = EXIT_DONE;
    if (rounds_begin(&rounds, "size", sizing->config) && supply_ask(&rounds, &sizing->supply)) {
        status = show(sizing);
    }
    const int asking = rounds_end(&rounds);
    return asking == EXIT_DONE ? status : asking;
}

int size_main(const Config *config, int argc, char **argv)
{
    Sizing sizing = {.config = config};
    Error error;
    if (!read_wishes(argc, argv, &sizing.wishes, &error)) {
        return command_refuse("size", &error);
    }
    const int status = sizing.wishes.memory > 0 ? show_planned(&sizing) : show_real(&sizing);
    supply_free(&sizing.supply);
    return status;
}
