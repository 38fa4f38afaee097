#include "commands/command.h"

#include "process/master.h"

int run_main(const Config *config, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    log_setup(config->log_level, config->log_format);
    return master_run(config);
}
