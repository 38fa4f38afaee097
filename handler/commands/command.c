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
    {"tail", tail_main, 8, true, false, "[-f] [-n 20] [--group G] ...", "show the last statuses",
     "  The last of all partitions, the oldest first: when, how long ago it came, the status, who\n"
     "  gets it, our number, the message's id, and what the code of an error means: whether to\n"
     "  send again, and who can mend it. Nothing is acknowledged, no group is needed.\n"
     "\n"
     "    tickstream tail -f --group billing\n"
     "\n"
     "  -n 20      so many lines, up to 10000\n"
     "  -f         goes on with what comes, also over a failover, until Ctrl-C\n"
     "  --group G  what the group has before it: its pending entries, with the consumer, then\n"
     "             what it was not given yet, of both the first -n; with -f all of the latter\n"
     "  --json     an object a line, with all fields of the entry\n"
     "  --clear    numbers of recipients as they are; else only the last digits are shown. (The\n"
     "             id of a message, which holds the number too, is always as it is.)\n"
     "\n"
     "  Needs +xrange +xrevrange on the streams, and --group +xpending +xinfo. Colour only on a\n"
     "  terminal, and without NO_COLOR. 75 when a server cannot be reached at the start, 1 when "
     "one\n"
     "  refuses us, or when there is no such group.\n"},
    {"erase", erase_main, 3, true, false, "--recipient NUMBER [--yes]",
     "erase the entries of a person",
     "  On all partitions: statuses whose recipient is NUMBER, or that name it in extra or "
     "errors;\n"
     "  and what names it in quarantine, in the events, and in the stream of what consumers gave\n"
     "  up. It is found where it stands in digits, without other digits beside it.\n"
     "\n"
     "    tickstream erase --recipient '+49 170 1234567' --yes\n"
     "\n"
     "  Without --yes nothing is erased: it tells how many would be, and where. --yes also\n"
     "  acknowledges them in all groups, so that nothing stays pending for them. What dedupe\n"
     "  remembers is a digest, and stays: a status that is sent again is not stored again. Groups\n"
     "  do not know their lag for a while. It may be ended at any time, and called again.\n"
     "\n"
     "  Beside what `tickstream acl` grants, --yes needs +xdel +xack. Not erased are backups, "
     "what\n"
     "  the append-only file holds until it is rewritten (BGREWRITEAOF), and numbers that are\n"
     "  encoded, as in the id of a message. 75 when a server cannot be reached, 1 when one\n"
     "  refuses us.\n"},
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
     "  show needs what `tickstream acl` grants, and leaves out what is forbidden. forget needs\n"
     "  the keys of that stream (\"~{STREAM}:seen*\") and "
     "+unlink.\n"
     "  75 when Redis cannot be reached, 1 when it refuses us, or when a key is none of ours.\n"},
    {"quarantine", quarantine_main, 24, true, false, "ACTION [OPTION...]",
     "look at what could not be read; replay or discard it",
     "  list               how many there are of each reason, and a row for each of 20\n"
     "  show ID            one whole, as text for a terminal; --raw: its bytes as they came\n"
     "  replay             what can be read now is stored as a new body would be, with the time "
     "and\n"
     "                     request id that it came with; when that is stored it is removed here\n"
     "  discard            removed for good\n"
     "\n"
     "  Which: --reason R, --since T, --until T, --number N (the oldest ones, by partitions), "
     "--id\n"
     "  ID, --all. T is an age (90s, 30m, 12h, 7d) or a time (2026-11-27T10:00: local; with a Z\n"
     "  UTC). An ID is as list shows it; with partitions their number comes first: "
     "3:1795341122-0.\n"
     "  replay and discard change nothing without --yes. --rate N/s: no more in a second. --json: "
     "of\n"
     "  list and show.\n"
     "\n"
     "    tickstream quarantine replay --reason not_a_payload --since 2d --yes\n"
     "\n"
     "  A replay may be ended at any time and called again: what was stored is recognised, within\n"
     "  DEDUPE_WINDOW. With a window of 0 it wants --allow-duplicates. What fails again stays, "
     "and\n"
     "  so does an entry of which no bytes were kept. Of an element only what the entry records "
     "of\n"
     "  its surroundings is stored: display_phone_number, messaging_product and object are empty.\n"
     "\n"
     "  Beside what `tickstream acl` grants, replay and discard need +xdel. 0 when all is done, 1 "
     "when\n"
     "  entries stay or Redis refuses us (it is full, say), 75 when a server cannot be reached.\n"},
    {"backfill", backfill_main, 1 << 20, true, false, "FILE...", "store bodies that were recorded",
     "  Each FILE is a body as it was posted: .json, .xml or .form, or --type TYPE. Its signature\n"
     "  stands in FILE.sig, as `tickstream sign` prints it; --unsigned looks at none. A\n"
     "  FILE that ends in .jsonl has a body in each line, - is such a file on standard input:\n"
     "\n"
     "    {\"content_type\":\"application/json\",\"signature\":\"sha256=...\",\"body\":\"...\"}\n"
     "\n"
     "  with body_base64 in place of body for what is no text, and, if it is known, received_at\n"
     "  (Unix milliseconds) and request_id. Bodies go the way of posted ones: verified, decoded,\n"
     "  deduplicated, what cannot be read to quarantine. What is refused is told and left out.\n"
     "\n"
     "  Without --yes nothing is stored: it says what would be. --rate N/s: no more in a second. "
     "It\n"
     "  may be ended at any time and called again: what was stored is recognised, within\n"
     "  DEDUPE_WINDOW. With a window of 0 it wants --allow-duplicates.\n"
     "\n"
     "  0 when all is stored, 1 when some are refused or Redis refuses us (it is full, say), 75 "
     "when\n"
     "  a server cannot be reached.\n"},
    {"size", size_main, 6, true, false, "[--rate N] [--memory SIZE]",
     "show what a rate takes, and what rate Redis carries",
     "  Of a rate of statuses a second its memory, part by part, its disk, and what the machine "
     "must\n"
     "  have, with TRIM_KEEP and DEDUPE_WINDOW as they are set; then the rate that maxmemory\n"
     "  carries for ever, and for how long a group may be away. Of several servers the one with\n"
     "  the least memory for its partitions decides. Without --rate it is the rate that is "
     "carried.\n"
     "\n"
     "  --rate N: statuses a second. Meta sends up to three for each message.\n"
     "  --memory SIZE (512mb, 4gb): of a Redis yet to be; no server is asked.\n"
     "  --bytes N: of an entry in the stream. Else it is measured where the stream has a "
     "thousand,\n"
     "  or taken to be as large as Meta's with conversation and pricing.\n"
     "\n"
     "    TICKSTREAM_TRIM=acked TICKSTREAM_TRIM_KEEP=1h tickstream size --rate 100 --memory 2gb\n"
     "\n"
     "  It needs what `tickstream acl` grants; without what is forbidden it assumes.\n"
     "  0 when the rate is carried, or none was named; 1 when it is not, 75 when a server cannot "
     "be\n"
     "  reached.\n"},
    {"doctor", doctor_main, 8, true, false, "[OPTIONS] [URL]",
     "look for what is wrong, and say how to mend it",
     "  Looks at settings and secrets, nginx's files, the workers, each server of Redis and each\n"
     "  partition; with the URL of the webhook (https://HOST, or all of it) also at its name,\n"
     "  certificate, handshake, signature, limits and times. Each finding is a line: ok, note,\n"
     "  warn or fail; behind -> stands what mends it. Nothing is stored, and nothing is changed.\n"
     "  Call it as the service is called: with its settings, as its user.\n"
     "\n"
     "  --rate N      statuses a second that must be carried\n"
     "  --nginx PATH  a file of nginx's, or the directory of tickstream-pass.conf (/etc/nginx)\n"
     "  --ca FILE     with the CA, when the certificate of the URL is not of a public one\n"
     "  --json        a list of findings, for programs\n"
     "\n"
     "    tickstream doctor --rate 100 https://webhook.example.com\n"
     "\n"
     "  It needs what `tickstream acl` grants; with +config|get it also sees appendfsync and\n"
     "  cluster-node-timeout. A URL needs libcurl.so.4, which\n"
     "  the package curl brings. 0 when nothing fails, 1 when something does.\n"},
    {"healthcheck", healthcheck_main, 1, true, false, "[/readyz | /livez]",
     "ask the workers as nginx would",
     "  0 when the answer to a GET of /readyz, or of the path that is given, is 200; else 1, also\n"
     "  when nobody listens: a container's health is only one or the other.\n"},
    {"sign", sign_main, 0, true, false, "",
     "print the signature header of the body on standard input",
     "  tickstream sign <body; with the first of the secrets, which thus stands in no command\n"
     "  line.\n"},
    {"send", send_main, 20, true, false, "URL [OPTION VALUE]...",
     "post made-up traffic, and tell how it was answered",
     "  Statuses as a sender has them: sent, delivered, read, some failed, in JSON, XML and "
     "forms,\n"
     "  alone or up to twenty a body, signed with the first of the secrets; a hundredth of the\n"
     "  bodies is posted twice. The recipients' numbers are nobody's. URL is that of nginx; "
     "without\n"
     "  a path it is /api/webhook/whatsapp.\n"
     "\n"
     "    tickstream send http://127.0.0.1:8080 --rate 500 --seconds 60\n"
     "\n"
     "  --rate N         statuses a second (100; at most 50000), however late answers are\n"
     "  --seconds N      for so long (10); what was answered 503, 429 or not at all is posted "
     "again\n"
     "                   until 10 s later\n"
     "  --connections N  as many bodies wait for an answer at a time (64)\n"
     "  --batch N        statuses of each body, instead of a mix\n"
     "  --format F       json, xml, form or mix\n"
     "  --failed SHARE   of messages that fail (0.04)\n"
     "  --seed N         the same messages as another run with this seed\n"
     "  --ledger FILE    writes a line for each status that was taken: id, status, timestamp\n"
     "  --ca FILE        of the CA, for https: instead of the system's\n"
     "  --yes-really     also to a server that is neither this machine nor in a private network\n"
     "\n"
     "  Needs libcurl (apt-get install curl), nothing of Redis. 0 when all was taken, 1 when some\n"
     "  was not or could not be sent in its time, 75 when nobody answers. SIGINT ends it early.\n"},
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

int command_status(ErrorCode code)
{
    return code == ERROR_SETUP ? EXIT_NO : EXIT_TRY_AGAIN;
}

int command_refuse(const char *name, const Error *error)
{
    fprintf(stderr, "%s: %s (tickstream help %s)\n", name, error->text, name);
    return EXIT_MISUSED;
}
