/*
 * `tickstream healthcheck [PATH]`: asks the workers over FastCGI, as nginx would.
 */
#ifndef TICKSTREAM_HEALTHCHECK_H
#define TICKSTREAM_HEALTHCHECK_H

#include "config.h"

/* Asks for path; 0 when the answer is 200, else 1 with one line on standard error. */
int healthcheck_run(const Config *config, const char *path);

#endif
