/*
 * Which of our two formats a client wants.
 */
#ifndef TICKSTREAM_NEGOTIATE_H
#define TICKSTREAM_NEGOTIATE_H

#include "base/str.h"

typedef enum { ANSWER_JSON, ANSWER_XML } AnswerFormat;

/*
 * The format that a client wants: the one its Accept prefers (RFC 9110 section 12.5.1, the most
 * specific range counts); without Accept that of what it posted; else JSON.
 */
AnswerFormat negotiate(Str accept, Str content_type);

/* The Content-Type of an answer in this format that is no problem document. */
Str answer_media_type(AnswerFormat format);

#endif
