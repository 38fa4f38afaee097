/*
 * What the configuration files of nginx say of the webhook: as far as it must go together with our
 * settings, and no further. Nothing is executed, and a file of another make may be misread: the
 * last directive of a name counts, whatever block it stands in.
 */
#ifndef TICKSTREAM_DOCTOR_NGINX_H
#define TICKSTREAM_DOCTOR_NGINX_H

#include "commands/doctor_judge.h"

/* Takes the directives of a text into account; include(arg, pattern) is called for each file that
 * it includes, in their order. Pure but for that. */
void nginx_take(NginxFacts *facts, Str text, void (*include)(void *arg, Str pattern), void *arg);

/*
 * Reads a file and what it includes; of a directory its tickstream-pass.conf. Names are relative to
 * the directory of the file. false: it cannot be read, and the text says why.
 */
bool nginx_read(const char *path, NginxFacts *ret, Error *reterr);

#endif
