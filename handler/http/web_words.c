#include "http/web_words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *web_certificate_words(const char *error)
{
    static const Str introductions[] = {STR_INIT("SSL certificate problem: "), STR_INIT("SSL: ")};
    const Str text = str_from(error);
    for (size_t i = 0; i < sizeof(introductions) / sizeof(introductions[0]); i++) {
        if (str_starts_with(text, introductions[i])) {
            return error + introductions[i].len;
        }
    }
    return error[0] ? error : "it cannot be verified";
}

static void describe_connecting(const WebFailure *failure, char to[LIMIT_TEXT])
{
    long number = 0;
    web_lib.curl_easy_getinfo(failure->easy, CURLINFO_OS_ERRNO, &number);
    snprintf(to, LIMIT_TEXT, "%s", number ? strerror((int)number) : "no connection");
    to[0] = (char)tolower((unsigned char)to[0]);
}

static void describe_timeout(const WebFailure *failure, char to[LIMIT_TEXT])
{
    curl_off_t connected = 0;
    web_lib.curl_easy_getinfo(failure->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    snprintf(to, LIMIT_TEXT, "no %s within %lld ms", connected ? "answer" : "connection",
             (long long)failure->timeout);
}

void web_describe(const WebFailure *failure, char to[LIMIT_TEXT])
{
    static const struct {
        CURLcode code;
        const char *words;
        bool has_more; /* those of libcurl are behind it */
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, "the host's name has no address", false},
        {CURLE_GOT_NOTHING, "the connection was closed without an answer", false},
        {CURLE_SEND_ERROR, "the connection was closed without an answer", false},
        {CURLE_RECV_ERROR, "the connection was closed without an answer", false},
        {CURLE_PARTIAL_FILE, "the answer was cut off", false},
        {CURLE_URL_MALFORMAT, "this is no URL", false},
        {CURLE_OUT_OF_MEMORY, "out of memory", false},
        {CURLE_SSL_CACERT_BADFILE, "the file of CAs cannot be read", false},
        {CURLE_SSL_CONNECT_ERROR, "no TLS: ", true},
        {CURLE_PEER_FAILED_VERIFICATION, "the certificate is not accepted: ", true},
    };
    const char *words =
        failure->error[0] ? failure->error : web_lib.curl_easy_strerror(failure->code);
    if (failure->code == CURLE_COULDNT_CONNECT) {
        describe_connecting(failure, to);
        return;
    }
    if (failure->code == CURLE_OPERATION_TIMEDOUT) {
        describe_timeout(failure, to);
        return;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == failure->code) {
            snprintf(to, LIMIT_TEXT, "%s%s", rows[i].words,
                     rows[i].has_more ? web_certificate_words(words) : "");
            return;
        }
    }
    snprintf(to, LIMIT_TEXT, "%.*s", LIMIT_TEXT - 1, words);
}

int64_t web_certificate_time(const char *text)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%b %d %H:%M:%S %Y GMT", &parts);
    return end && *end == '\0' ? (int64_t)timegm(&parts) : 0;
}
