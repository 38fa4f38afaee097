/*
 * Problem documents (RFC 9457). The only user of jansson.
 */
#ifndef TICKSTREAM_PROBLEM_H
#define TICKSTREAM_PROBLEM_H

#include "base/arena.h"
#include "base/error.h"
#include "http/negotiate.h"

/*
 * The document that tells of an error: type, title, status, detail, instance. Never more than the
 * error's own text and position. instance: the request's id. The arena's, or a constant when memory
 * is short.
 */
Str problem_render(AnswerFormat format, const Error *error, Str instance, Arena *arena);

/* Its Content-Type. */
Str problem_media_type(AnswerFormat format);

#endif
