/*
 * The commands of the program: a table, and one file for each.
 *
 * To add one: NAME.c with NAME_main(), its declaration below, and a row in command.c.
 */
#ifndef TICKSTREAM_COMMAND_H
#define TICKSTREAM_COMMAND_H

#include "base/error.h"
#include "config.h"

#include <stdio.h>

/* What a script may rely on, whatever the command. */
enum {
    EXIT_DONE = 0,
    EXIT_NO = 1,      /* the answer is no, or it cannot be done as things are */
    EXIT_MISUSED = 2, /* arguments or configuration are wrong; nothing was begun */
    EXIT_TRY_AGAIN =
        75, /* EX_TEMPFAIL of sysexits.h: the machine lacks something that may return */
};

/*
 * Runs a command. config is NULL when the command needs none, else borrowed. argv[0] is the
 * command's name, or whatever stands there when it was not named. Returns the exit status; what is
 * wrong has been told in one line on standard error.
 */
typedef int CommandMain(const Config *config, int argc, char **argv);

typedef struct {
    const char *name;
    CommandMain *main;
    int most_arguments;
    bool needs_config;
    bool takes_signals;    /* runs with all signals blocked, as main() has begun */
    const char *arguments; /* as the usage shows them; "" = none */
    const char *summary;   /* one line */
    const char *details;   /* further lines, each with its line end; "" = none */
} Command;

extern const Command commands[];
extern const size_t command_count;

/* NULL: there is no such command. */
const Command *command_find(const char *name);

/* Says how the program, or one command of it, is called, on standard error; EXIT_MISUSED. */
int command_misused(const Command *command);

/* The status of a command that an error has ended: EXIT_NO when somebody must do something about
 * it, else it may pass. */
int command_status(ErrorCode code);

/* Says what is wrong with its arguments, in one line on standard error; EXIT_MISUSED. */
int command_refuse(const char *name, const Error *error);

/* The line that shows how a command is called; all of them for NULL. */
void command_print_usage(FILE *to, const Command *command);

CommandMain run_main, check_config_main, acl_main, partitions_main, groups_main, consumers_main,
    trim_main, tail_main, erase_main, dedupe_main, quarantine_main, backfill_main, size_main,
    doctor_main, healthcheck_main, sign_main, send_main, cgi_main, help_main, version_main;

#endif
