/*
 * The master: opens the listener, forks the workers, replaces those that die, and ends or reloads
 * them.
 *
 *   SIGTERM, SIGINT,  drain: workers finish what they have accepted; exit 0
 *   SIGQUIT
 *   SIGHUP            read the configuration again; new workers start with it, the old ones drain
 *   SIGUSR1           nothing: log lines go to standard error, there is no file to reopen
 *
 * After a reload the address and the mode of the listener are as they were. A configuration with an
 * error changes nothing.
 *
 * Tells systemd of its state when it asks for that (sd_notify(3)): readiness, reload, stop,
 * watchdog.
 */
#ifndef TICKSTREAM_MASTER_H
#define TICKSTREAM_MASTER_H

#include "config.h"

/*
 * Runs until the end, and returns the exit status. Called with all signals blocked. config is
 * borrowed; the file it is from is read again on SIGHUP.
 */
int master_run(const Config *config);

/*
 * The same without a master: this process is the only worker. It is not replaced, SIGHUP does
 * nothing, and no service manager hears of it. For debuggers.
 */
int master_run_one(const Config *config);

#endif
