#include "commands/command.h"

#ifndef TICKSTREAM_VERSION
#define TICKSTREAM_VERSION "0"
#endif

static void print_all(void)
{
    command_print_usage(stdout, NULL);
    printf("\n"
           "Takes WhatsApp status webhooks from nginx over FastCGI and appends each status to a\n"
           "Redis stream before the sender gets its 200. --check-config, --help and --version are\n"
           "the commands of these names.\n"
           "\n"
           "Exit status: %d done; %d no, or it cannot be done as things are; %d arguments or\n"
           "configuration are wrong, nothing was begun; %d the machine lacks something that may\n"
           "return, such as memory: try again.\n"
           "\n"
           "Settings, as TICKSTREAM_NAME=value in the environment or in FILE;\n"
           "TICKSTREAM_NAME_FILE=path reads the value from a file:\n\n",
           EXIT_DONE, EXIT_NO, EXIT_MISUSED, EXIT_TRY_AGAIN);
    config_print_help();
}

int help_main(const Config *config, int argc, char **argv)
{
    (void)config;
    if (argc < 2) {
        print_all();
        return EXIT_DONE;
    }
    const Command *command = command_find(argv[1]);
    if (!command) {
        return command_misused(NULL);
    }
    command_print_usage(stdout, command);
    printf("\n  %s\n%s", command->summary, command->details);
    return EXIT_DONE;
}

int version_main(const Config *config, int argc, char **argv)
{
    (void)config;
    (void)argc;
    (void)argv;
    printf("tickstream %s\n", TICKSTREAM_VERSION);
    return EXIT_DONE;
}
