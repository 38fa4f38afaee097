#include "commands/command.h"

#include "commands/hook.h"
#include "commands/human.h"
#include "commands/near.h"
#include "commands/options.h"
#include "commands/sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Options */

typedef struct {
    double rate, seconds, connections, seed, failed, batch;
    const char *format, *ledger, *ca;
    const char *url;
    bool is_sure; /* that the server may be a stranger's */
} Options;

static const char *const format_names[] = {
    [FORMAT_JSON] = "json", [FORMAT_XML] = "xml", [FORMAT_FORM] = "form"};

/* The format by its name; -1 = a mix. false: there is none of the name. */
static bool find_format(const char *name, int *ret)
{
    *ret = -1;
    for (int i = 0; name && i < 3; i++) {
        if (strcmp(name, format_names[i]) == 0) {
            *ret = i;
        }
    }
    return !name || *ret >= 0 || strcmp(name, "mix") == 0;
}

static bool read_options(Options *ret, int argc, char **argv, Error *reterr)
{
    int first = argc, format;
    const Option options[] = {{"rate", OPTION_REAL, &ret->rate, 0.1, 50000, 0},
                              {"seconds", OPTION_REAL, &ret->seconds, 0.1, 864000, 0},
                              {"connections", OPTION_REAL, &ret->connections, 1, 512, 0},
                              {"seed", OPTION_REAL, &ret->seed, 0, 9007199254740992.0, 0},
                              {"failed", OPTION_REAL, &ret->failed, 0, 1, 0},
                              {"batch", OPTION_REAL, &ret->batch, 1, TRAFFIC_BATCH_MOST, 0},
                              OPTION("format", OPTION_TEXT, &ret->format),
                              OPTION("ledger", OPTION_TEXT, &ret->ledger),
                              OPTION("ca", OPTION_TEXT, &ret->ca),
                              OPTION("yes-really", OPTION_FLAG, &ret->is_sure)};
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return false;
    }
    if (first + 1 != argc) {
        return error_set(reterr, ERROR_INVALID, "it wants one URL");
    }
    ret->url = argv[first];
    return find_format(ret->format, &format) ||
           error_set(reterr, ERROR_INVALID, "--format wants json, xml, form or mix");
}

/* Progress */

typedef struct {
    const Options *options;
    bool is_terminal;
    int64_t told;
} Progress;

enum { BAR = 30, LINE_MS = 10000 };

static void tell_line(const SenderFigures *figures)
{
    char posted[HUMAN_ROOM], wanted[HUMAN_ROOM];
    fprintf(stderr,
            "send: %s of %s statuses after %" PRId64 " s, 200: %" PRIu64 ", 503: %" PRIu64
            ", none: %" PRIu64 "\n",
            human_count(figures->posted, posted), human_count(figures->wanted, wanted),
            figures->elapsed_ms / 1000, figures->answers[200], figures->answers[503],
            figures->answers[0]);
}

static void tell_bar(const SenderFigures *figures)
{
    static const char full[] = "##############################",
                      empty[] = "..............................";
    const int part = figures->wanted ? (int)(figures->posted * BAR / figures->wanted) : BAR,
              drawn = part < BAR ? part : BAR;
    char posted[HUMAN_ROOM], taken[HUMAN_ROOM];
    fprintf(stderr, "\r[%.*s%.*s] %s posted, %s taken%s ", drawn, full, BAR - drawn, empty,
            human_count(figures->posted, posted), human_count(figures->taken, taken),
            figures->is_over ? ", waiting for the rest" : "");
}

static void on_progress(void *arg, const SenderFigures *figures)
{
    Progress *progress = arg;
    if (progress->is_terminal) {
        tell_bar(figures);
    } else if (figures->elapsed_ms >= progress->told + LINE_MS) {
        progress->told = figures->elapsed_ms;
        tell_line(figures);
    }
}

/* Summary */

static const char *span_of(uint64_t us, char to[HUMAN_ROOM])
{
    const double ms = (double)us / 1000;
    snprintf(to, HUMAN_ROOM, ms < 100 ? "%.1f ms" : "%.0f ms", ms);
    return to;
}

static void print_posted(const SenderFigures *figures)
{
    char numbers[6][HUMAN_ROOM];
    printf("posted    %s statuses in %s bodies (%s JSON, %s XML, %s form), %s\n",
           human_count(figures->posted, numbers[0]), human_count(figures->bodies, numbers[1]),
           human_count(figures->formats[FORMAT_JSON], numbers[2]),
           human_count(figures->formats[FORMAT_XML], numbers[3]),
           human_count(figures->formats[FORMAT_FORM], numbers[4]),
           human_bytes(figures->bytes, numbers[5]));
}

static void print_answers(const SenderFigures *figures)
{
    char number[HUMAN_ROOM];
    printf("answers ");
    for (size_t i = 1; i < SENDER_STATUS_MOST; i++) {
        if (figures->answers[i]) {
            printf("  %zu: %s", i, human_count(figures->answers[i], number));
        }
    }
    if (figures->answers[0]) {
        printf("  none: %s (%s)", human_count(figures->answers[0], number), figures->why);
    }
    printf("\n");
    if (figures->retries) {
        printf("          %s bodies were posted again because of one that was not 200\n",
               human_count(figures->retries, number));
    }
}

static void print_taken(const SenderFigures *figures)
{
    char numbers[4][HUMAN_ROOM];
    printf("taken     %s statuses: %s accepted, %s duplicates (bodies posted twice: %s)\n",
           human_count(figures->taken, numbers[0]), human_count(figures->accepted, numbers[1]),
           human_count(figures->duplicates, numbers[2]), human_count(figures->again, numbers[3]));
    if (figures->quarantined || figures->ignored) {
        printf("          %s quarantined, %s ignored: the server reads them otherwise\n",
               human_count(figures->quarantined, numbers[0]),
               human_count(figures->ignored, numbers[1]));
    }
    if (figures->twice) {
        printf("          %s were accepted twice: nothing recognises what is repeated there\n",
               human_count(figures->twice, numbers[0]));
    }
}

/* Meta's own page on throughput: a median of 250 ms at most, and less than 1 % over a second. */
static void print_latency(const SenderFigures *figures)
{
    enum { MEDIAN_US = 250000, SLOW_US = 1000000 };
    static const double shares[] = {0.5, 0.95, 0.99};
    const Latency *latency = &figures->latency;
    char spans[4][HUMAN_ROOM];
    for (size_t i = 0; i < 3; i++) {
        span_of(latency_at(latency, shares[i]), spans[i]);
    }
    const double slow = latency_share_over(latency, SLOW_US);
    printf("latency   median %s, 95 %% within %s, 99 %% within %s, worst %s\n", spans[0], spans[1],
           spans[2], span_of(latency->worst, spans[3]));
    printf("Meta asks a median of 250 ms or less: %s; less than 1 %% over 1 s: %s (%.2f %%)\n",
           latency_at(latency, 0.5) <= MEDIAN_US ? "yes" : "NO", slow < 0.01 ? "yes" : "NO",
           slow * 100);
}

static void print_missing(const SenderFigures *figures)
{
    char number[HUMAN_ROOM];
    const uint64_t unknown = figures->posted - figures->taken - figures->refused;
    if (figures->refused) {
        printf("refused   %s statuses, which are not posted again\n",
               human_count(figures->refused, number));
    }
    if (unknown) {
        printf("not taken %s statuses, until %d s after the end\n", human_count(unknown, number),
               SENDER_AFTERWARDS_MS / 1000);
    }
    if (figures->wanted > figures->posted) {
        printf("not sent  %s statuses: not within their time, with so many connections\n",
               human_count(figures->wanted - figures->posted, number));
    }
}

static int print_summary(const SenderFigures *figures)
{
    print_posted(figures);
    print_answers(figures);
    print_taken(figures);
    print_latency(figures);
    print_missing(figures);
    return figures->taken == figures->posted && figures->posted >= figures->wanted ? EXIT_DONE
                                                                                   : EXIT_NO;
}

/* The command */

/* May it be sent to? Anything else has been told. */
static int check_server(const Options *options, const char *url)
{
    Error error;
    bool is_near = false;
    if (!near_url(url, &is_near, &error)) {
        fprintf(stderr, "send: %s\n", error.text);
        return error.code == ERROR_INVALID ? EXIT_MISUSED : EXIT_TRY_AGAIN;
    }
    if (!is_near && !options->is_sure) {
        fprintf(stderr,
                "send: %s is neither this machine nor in a private network; add "
                "--yes-really when you may load it like this\n",
                url);
        return EXIT_MISUSED;
    }
    return EXIT_DONE;
}

/* Another one in each run. */
static double any_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)((uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32) /
           2;
}

static int run(const Options *options, const SenderSettings *settings)
{
    static SenderFigures figures;
    Progress progress = {.options = options, .is_terminal = isatty(STDERR_FILENO)};
    Error error;
    const bool ok = sender_run(settings, on_progress, &progress, &figures, &error);
    if (progress.is_terminal) {
        fprintf(stderr, "\r\033[K");
    }
    if (!ok) {
        fprintf(stderr, "send: %s\n", error.text);
        return error.code == ERROR_NO_MEMORY ? EXIT_TRY_AGAIN : EXIT_NO;
    }
    if (figures.latency.count == 0) {
        fprintf(stderr, "send: nobody answers at %s: %s\n", settings->url, figures.why);
        return EXIT_TRY_AGAIN;
    }
    return print_summary(&figures);
}

static int send_to(const Config *config, const Options *options, const char *url)
{
    SenderSettings settings = {.url = url,
                               .ca = options->ca,
                               .secret = config->app_secrets.count ? config->app_secrets.texts[0]
                                                                   : STR(""),
                               .seconds = options->seconds,
                               .connections = (size_t)options->connections,
                               .repeated = 0.01,
                               .traffic = {.seed = (uint64_t)options->seed,
                                           .start = (int64_t)time(NULL),
                                           .rate = options->rate,
                                           .failed = options->failed,
                                           .batch = (size_t)options->batch}};
    find_format(options->format, &settings.traffic.format);
    if (options->ledger) {
        settings.ledger = fopen(options->ledger, "we");
        if (!settings.ledger) {
            fprintf(stderr, "send: %s: %s\n", options->ledger, strerror(errno));
            return EXIT_MISUSED;
        }
    }
    int status = run(options, &settings);
    if (settings.ledger && (fclose(settings.ledger) != 0)) {
        fprintf(stderr, "send: %s: %s\n", options->ledger, strerror(errno));
        status = EXIT_NO;
    }
    return status;
}

int send_main(const Config *config, int argc, char **argv)
{
    char url[2048];
    Options options = {.rate = 100, .seconds = 10, .connections = 64, .failed = 0.04};
    options.seed = any_seed();
    Error error;
    if (!read_options(&options, argc, argv, &error)) {
        return command_refuse("send", &error);
    }
    hook_url(options.url, url, sizeof(url));
    const int status = check_server(&options, url);
    return status == EXIT_DONE ? send_to(config, &options, url) : status;
}
