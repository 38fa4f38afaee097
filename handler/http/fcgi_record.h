/*
 * FastCGI records as bytes (specification 1.0, sections 3.3 and 3.4): what both ends of a
 * connection share. The numbers are those of libfcgi's <fastcgi.h>, whose users name them.
 */
#ifndef TICKSTREAM_FCGI_RECORD_H
#define TICKSTREAM_FCGI_RECORD_H

#include "base/str.h"

#include <stdint.h>

enum {
    FCGI_HEAD_BYTES = 8,         /* before the content of each record */
    FCGI_END_BYTES = 16,         /* of a whole END_REQUEST record */
    FCGI_CONTENT_BYTES = 0xFFFF, /* at most, of one record */
};

/* Small enough to be returned in registers. */
typedef struct {
    uint8_t version, type;
    uint16_t id;
    uint8_t padding; /* bytes of it, behind the content */
    size_t length;   /* of the content */
} FcgiHead;

/* Writes the head of a record without padding, FCGI_HEAD_BYTES; returns where it ends. */
char *fcgi_put_head(char *to, unsigned type, unsigned id, size_t length);

/* Reads FCGI_HEAD_BYTES. */
FcgiHead fcgi_read_head(const void *bytes);

/* Writes a whole END_REQUEST record: the request is complete. */
char *fcgi_put_end(char *to, unsigned id);

/* Writes a name with its value; returns where they end. Both are shorter than 2^31. */
char *fcgi_put_pair(char *to, Str name, Str value);

/* How many bytes fcgi_put_pair() writes. */
size_t fcgi_pair_size(Str name, Str value);

/* Takes the next pair off the front of *rest, which is not empty. false: it ends within a pair. */
bool fcgi_take_pair(Str *rest, Str *ret_name, Str *ret_value);

#endif
