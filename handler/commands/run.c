#include "commands/command.h"

#include "process/master.h"

int run_main(const Config *config, int argc, char **argv)
{
    bool one = argc > 1;
    if (one && strcmp(argv[1], "--one") != 0) {
        return command_misused(command_find("run"));
    }
    log_setup(config->log_level, config->log_format);
    return one ? master_run_one(config) : master_run(config);
}
