/*
 * Words to bytes: commands as RESP arrays of bulk strings.
 * Source: redis.io/docs/latest/develop/reference/protocol-spec.
 *
 * The put functions write to memory that has room (RESP_FRAME bytes for each word beside its own)
 * and return where they end.
 */
#ifndef TICKSTREAM_RESP_H
#define TICKSTREAM_RESP_H

#include "base/buffer.h"

/* Most bytes around a word: '$', up to 20 digits, two line ends; also those of an array's head. */
enum { RESP_FRAME = 32 };

/* The head of a command of so many words. */
char *resp_put_head(char *to, size_t words);

/* One word; an absent text is an empty one. */
char *resp_put_word(char *to, Str word);
char *resp_put_number(char *to, size_t number);

/* A word in two parts, so that a prefix need not be copied first. */
char *resp_put_joined(char *to, Str first, Str second);

/* Appends a whole command; false: no memory, nothing was appended. */
bool resp_command(Buffer *buffer, const Str *words, size_t count);

#endif
