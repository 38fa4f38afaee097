#include "commands/command.h"

/* main() has read it already, or there would be nothing to print. */
int check_config_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_print(config);
    return EXIT_DONE;
}
