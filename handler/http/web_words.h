/*
 * What libcurl tells, in words for a person: why there is no answer, and what is wrong with a
 * certificate.
 */
#ifndef TICKSTREAM_WEB_WORDS_H
#define TICKSTREAM_WEB_WORDS_H

#include "http/web_library.h"

#include <stdint.h>

/* A request that was not answered. */
typedef struct {
    CURL *easy;
    CURLcode code;
    const char *error; /* what CURLOPT_ERRORBUFFER holds; "" = nothing */
    int64_t timeout;   /* milliseconds that it had */
} WebFailure;

/* Why, in one line. */
void web_describe(const WebFailure *failure, char to[LIMIT_TEXT]);

/* Why a certificate is not accepted: without libcurl's own introduction. A part of error. */
const char *web_certificate_words(const char *error);

/* "Nov 28 09:17:06 2026 GMT", as libcurl gets it from OpenSSL, in Unix seconds; 0 when it is
 * anything else. */
int64_t web_certificate_time(const char *text);

#endif
