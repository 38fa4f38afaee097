#include "commands/command.h"

#include <stdio.h>

static void warn(const char *line)
{
    fprintf(stderr, "tickstream: warning: TICKSTREAM_%s\n", line);
}

/* main() has read it already, or there would be nothing to print. */
int check_config_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_print(config);
    config_warn(config, warn);
    return EXIT_DONE;
}
