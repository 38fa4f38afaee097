#include "config.h"
#include "commands/healthcheck.h"
#include "process/master.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#ifndef TICKSTREAM_VERSION
#define TICKSTREAM_VERSION "0"
#endif

enum { EXIT_USAGE = 2 };

static int print_usage(FILE *to, int status)
{
    fprintf(to, "Usage: tickstream [--config FILE] [--check-config | --help | --version]\n"
                "       tickstream [--config FILE] healthcheck [/readyz | /livez]\n");
    return status;
}

static int print_help(void)
{
    print_usage(stdout, 0);
    printf("\nTakes WhatsApp status webhooks from nginx over FastCGI and appends each status to a "
           "Redis stream\n"
           "before the sender gets its 200. Settings, as TICKSTREAM_NAME=value in the environment "
           "or in FILE;\n"
           "TICKSTREAM_NAME_FILE=path reads the value from a file:\n\n");
    config_print_help();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'C'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    const char *config_path = NULL;
    bool only_check = false;
    Error error;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'C':
            only_check = true;
            break;
        case 'h':
            return print_help();
        case 'v':
            printf("tickstream %s\n", TICKSTREAM_VERSION);
            return 0;
        default:
            return print_usage(stderr, EXIT_USAGE);
        }
    }
    bool healthcheck = optind < argc && str_eq(str_from(argv[optind]), STR("healthcheck"));
    if (argc - optind > (healthcheck ? 2 : 0)) {
        return print_usage(stderr, EXIT_USAGE);
    }
    Config *config = config_load(config_path, environ, &error);
    if (!config) {
        fprintf(stderr, "tickstream: %s\n", error.text);
        return EXIT_USAGE;
    }
    if (only_check || healthcheck) {
        int status = 0;
        if (only_check) {
            config_print(config);
        } else {
            status = healthcheck_run(config, optind + 1 < argc ? argv[optind + 1] : "/readyz");
        }
        config_free(config);
        return status;
    }
    log_setup(config->log_level, config->log_format);
    return master_run(config, config_path);
}
