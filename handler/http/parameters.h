/*
 * From the parameters of a request, which have CGI's names (RFC 3875 section 4.1, and nginx's
 * DOCUMENT_URI and REQUEST_ID, and TICKSTREAM_SIGNATURE), to its members. FastCGI sends them as
 * pairs, CGI as environment.
 *
 *     Request request = {0};
 *     ... parameters_set(&request, name, value) for each ...
 *     if (!parameters_finish(&request, arena)) no memory
 *
 * The values are borrowed; the body is none of them.
 */
#ifndef TICKSTREAM_PARAMETERS_H
#define TICKSTREAM_PARAMETERS_H

#include "http/message.h"

/*
 * Sets the member that a name stands for; other names are ignored. An empty value is an absent one,
 * which is how servers spell it. Of a name that is repeated the last value counts, but a signature
 * that is repeated, even by an empty one, becomes a text that is none: nobody may choose which one
 * counts.
 */
void parameters_set(Request *request, Str name, Str value);

/* Sets all of them from "NAME=value" texts; the list ends with NULL. */
void parameters_set_all(Request *request, char *const *environment);

/* When all are set: a request without a usable id gets a random one, the arena's. false: no memory.
 */
bool parameters_finish(Request *request, Arena *arena);

#endif
