#include "commands/command.h"

const Command commands[] = {
    {"run", run_main, 1, true, true, "[--one]", "take webhooks from nginx; also without a command",
     "  Starts the workers, replaces those that die, and serves until SIGTERM, SIGINT or SIGQUIT,\n"
     "  which let it finish what it has accepted. SIGHUP reads the configuration again.\n"
     "  --one: this process is the only worker, in the foreground, for a debugger.\n"},
    {"check-config", check_config_main, 0, true, false, "",
     "print the settings that are in force, secrets masked", ""},
    {"acl", acl_main, 0, true, false, "", "print the Redis ACL line that the settings need",
     "  For redis-cli, with a password in place of PASSWORD:\n"
     "  tickstream acl | sed 's/>PASSWORD/>...'/ | redis-cli\n"
     "  Each node of a cluster, and each replica, needs it. With sentinels a second line is for\n"
     "  them: they refuse the first, and Redis the second.\n"},
    {"partitions", partitions_main, 1, true, false, "[--json]",
     "show where each partition of the stream is",
     "  Of each partition its stream, in a cluster its slot, the server that owns it, and how "
     "many\n"
     "  entries the stream has; and the number of partitions that the stream was made with, which\n"
     "  must be STREAM_PARTITIONS. --json: the same for programs; null is what is not known.\n"
     "\n"
     "  Beside what `tickstream acl` grants it needs +xlen. 75 when a server cannot be reached, 1\n"
     "  when one refuses us, or when the stream was made with another number.\n"},
    {"groups", groups_main, 4, true, false, "[--create NAME --from 0|$]",
     "show who reads the stream, or make a group",
     "  Of each partition its groups of consumers: how many entries are pending and how many were\n"
     "  not read yet (lag; ? when Redis does not know), how old the oldest pending one and the "
     "one\n"
     "  that was delivered last are, and how long ago a consumer has asked for something. The one\n"
     "  that holds the stream is the furthest behind: what it needs cannot be trimmed.\n"
     "\n"
     "  --create: makes a group on all partitions, which then also exist: --from 0 reads all that\n"
     "  is there, --from $ what comes from now on. Where it exists already it stays as it is.\n"
     "\n"
     "  Needs +eval +time +xlen +xrange +xpending +xinfo on the streams of `tickstream acl`, and\n"
     "  --create +xgroup. 75 when a server cannot be reached, 1 when one refuses us.\n"},
    {"consumers", consumers_main, 3, true, false, "reap IDLE [--yes]",
     "remove consumers that are gone",
     "  Those that have asked for nothing for IDLE (90s, 30m, 12h, 7d), of all groups, and that\n"
     "  nothing is pending on: no entry is lost. Without --yes it only shows them. One that waits\n"
     "  with BLOCK for longer than IDLE is made again by Redis when it gets something.\n"
     "\n"
     "  Needs +eval +get +xinfo, and --yes +xgroup. 75 when a server cannot be reached, 1 when "
     "one\n"
     "  refuses us.\n"},
    {"trim", trim_main, 1, true, false, "[--dry-run | --yes]", "remove what is kept no longer",
     "  From the stream what every group has acknowledged and is older than TRIM_KEEP, from\n"
     "  quarantine and events what is older than QUARANTINE_KEEP and EVENTS_KEEP; also with\n"
     "  TRIM=off. TRIM_GROUPS and TRIM_DEAD_GROUP are heeded.\n"
     "\n"
     "  Without --yes nothing is removed: it shows what would be, and what the rest is needed\n"
     "  for. --yes removes a thousand entries at a time with pauses between. It may be ended at\n"
     "  any time and called again, while workers write, trim by themselves, or are down.\n"
     "\n"
     "  Beside what groups needs: +xtrim +pexpire. 75 when a server cannot be reached, 1 when one\n"
     "  refuses us, or when nothing may go: without any group, or without one of TRIM_GROUPS.\n"},
    {"dedupe", dedupe_main, 2, true, false, "[show|forget] [STREAM]",
     "show what is remembered of a stream, or forget it",
     "  show: which of the two sets is added to, what each holds and takes, when it was written,\n"
     "  when the older one goes. Without STREAM it is the configured one, of which partitions are\n"
     "  shown in a line each; STREAM:3 is one of them.\n"
     "\n"
     "  forget STREAM: removes both sets of a stream that was renamed; those of one in use only\n"
     "  with DEDUPE_WINDOW=0, after a reload. Partitions are named one by one: STREAM itself is\n"
     "  what there was before it had some.\n"
     "\n"
     "  Beside what `tickstream acl` grants, show needs +scard and +memory|usage, and leaves out\n"
     "  what is forbidden. forget needs the keys of that stream (\"~{STREAM}:seen*\") and "
     "+unlink.\n"
     "  75 when Redis cannot be reached, 1 when it refuses us, or when a key is none of ours.\n"},
    {"healthcheck", healthcheck_main, 1, true, false, "[/readyz | /livez]",
     "ask the workers as nginx would",
     "  0 when the answer to a GET of /readyz, or of the path that is given, is 200; else 1, also\n"
     "  when nobody listens: a container's health is only one or the other.\n"},
    {"sign", sign_main, 0, true, false, "",
     "print the signature header of the body on standard input",
     "  tickstream sign <body; with the first of the secrets, which thus stands in no command\n"
     "  line.\n"},
    {"cgi", cgi_main, 0, true, false, "", "answer one request as a CGI program",
     "  For hosts without daemons, and to try a body in a shell:\n"
     "\n"
     "    REQUEST_METHOD=POST DOCUMENT_URI=/api/webhook/whatsapp \\\n"
     "    CONTENT_TYPE=application/json CONTENT_LENGTH=$(wc -c <body) \\\n"
     "    HTTP_X_HUB_SIGNATURE_256=$(tickstream sign <body | cut -d ' ' -f 2) tickstream cgi "
     "<body\n"
     "\n"
     "  The path is DOCUMENT_URI, else REQUEST_URI, else SCRIPT_NAME and PATH_INFO. 0 when an "
     "answer\n"
     "  was written, whatever its status. A listening standard input is for run.\n"},
    {"help", help_main, 1, false, false, "[COMMAND]", "print this, or more on one command", ""},
    {"version", version_main, 0, false, false, "", "print the version", ""},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const Command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

void command_print_usage(FILE *to, const Command *command)
{
    if (command) {
        fprintf(to, "Usage: tickstream [--config FILE] %s%s%s\n", command->name,
                command->arguments[0] ? " " : "", command->arguments);
        return;
    }
    fprintf(to, "Usage: tickstream [--config FILE] [COMMAND]\n\n");
    for (size_t i = 0; i < command_count; i++) {
        char call[64];
        snprintf(call, sizeof(call), "%s %s", commands[i].name, commands[i].arguments);
        fprintf(to, "  %-35s %s\n", call, commands[i].summary);
    }
}

int command_misused(const Command *command)
{
    command_print_usage(stderr, command);
    return EXIT_MISUSED;
}
