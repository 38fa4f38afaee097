#include "commands/command.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * No signal ends the program half begun: what `run` is sent from here on waits until it listens.
 * Those that a fault raises stay as they are.
 */
static void block_signals(sigset_t *ret_before)
{
    static const int of_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(of_faults) / sizeof(of_faults[0]); i++) {
        sigdelset(&all, of_faults[i]);
    }
    sigprocmask(SIG_SETMASK, &all, ret_before);
}

static int run_command(const Command *command, const char *config_path, int argc, char **argv)
{
    Error error;
    Config *config = NULL;
    if (argc - 1 > command->most_arguments) {
        return command_misused(command);
    }
    if (command->needs_config && !(config = config_load(config_path, environ, &error))) {
        fprintf(stderr, "tickstream: %s\n", error.text);
        return error.code == ERROR_NO_MEMORY ? EXIT_TRY_AGAIN : EXIT_MISUSED;
    }
    int status = command->main(config, argc, argv);
    config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    sigset_t before;
    block_signals(&before);
    prctl(PR_SET_DUMPABLE, 0); /* no core file with the secrets in it, of a worker either */
    /* The options without a value are the commands of the same names. */
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    const char *config_path = NULL, *name = NULL;
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "+", options, &index)) != -1;) {
        if (option == 'c') {
            config_path = optarg;
        } else if (option == 'v') {
            name = options[index].name;
        } else {
            return command_misused(NULL);
        }
    }
    bool is_named = !name && optind < argc;
    const Command *command = command_find(is_named ? argv[optind] : name ? name : "run");
    if (!command) {
        return command_misused(NULL);
    }
    if (!command->takes_signals) {
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    int first = is_named ? optind : optind - 1;
    int status = run_command(command, config_path, argc - first, argv + first);
    bool written = fflush(stdout) == 0 && !ferror(stdout); /* also what was flushed on the way */
    return !written && status == EXIT_DONE ? EXIT_NO : status;
}
