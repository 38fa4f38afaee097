/*
 * Problem documents (RFC 9457). The only user of jansson.
 */
#ifndef TICKSTREAM_PROBLEM_H
#define TICKSTREAM_PROBLEM_H

#include "http/http.h"

/*
 * The document that tells an error: type, title, status, detail, instance. Never more than the
 * error's own text and position. The arena's, or a constant when memory is short.
 */
Str problem_render(AnswerFormat format, int status, const Error *error, Str instance, Arena *arena);

#endif
