/*
 * Requests to a web server, for commands: HTTP/1.1 over kept connections, several at a time.
 *
 * The only door to libcurl, which is loaded by web_open() alone: the program is not linked with it,
 * so workers carry nothing of it, and a machine without it lacks only the commands that need it. A
 * Web is for one server and one thread. Redirects are not followed; a proxy of the environment is
 * used, but never for this machine. From the first one on the process ignores SIGPIPE.
 *
 *     Loop *loop = loop_new();
 *     Web *web = web_open(loop, &(WebSettings){.requests = 1}, &error);
 *     const WebRequest request = {.method = "GET", .url = "https://host/readyz", .timeout = 4000};
 *     const WebAnswer *answer = web_ask(web, &request);
 *     if (answer->status == 0) printf("%s\n", answer->why);
 */
#ifndef TICKSTREAM_WEB_H
#define TICKSTREAM_WEB_H

#include "base/error.h"
#include "base/loop.h"

#include <stdint.h>

typedef struct Web Web;

typedef struct {
    size_t requests;   /* in flight at a time, each over a connection of its own; from 1 on */
    size_t body_most;  /* bytes of an answer's body that are kept; 0 = 64 KiB */
    const char *ca;    /* path of a file of CAs, borrowed for the call; NULL = the system's */
    bool is_forgiving; /* goes on when the certificate is not accepted, and tells why */
} WebSettings;

typedef struct {
    const char *method;         /* "POST", ... */
    const char *url;            /* http: or https: */
    const char *const *headers; /* "Name: value", up to a NULL; NULL = none of one's own */
    Str body;                   /* borrowed until the answer; only of a POST */
    int64_t timeout;            /* milliseconds for all of it, looking up the name included */
} WebRequest;

/* Whatever became of a request. Texts and headers are valid until the next request is begun. */
typedef struct {
    int status;            /* of HTTP; 0 = no answer */
    const char *why;       /* one line without an answer, such as "connection refused"; else "" */
    Str head;              /* header lines as they came, 16 KiB at most; see web_header() */
    Str body;              /* as much as is kept */
    bool is_cut;           /* the body was longer */
    uint64_t ns;           /* from web_begin() to the end of the answer */
    uint64_t connect_ns;   /* part of it: name, connection and TLS; 0 over a kept connection */
    const char *address;   /* of the server, without port; "" = none was reached */
    const char *tls_fault; /* why its certificate is not accepted; "" = accepted, or no TLS */
    int64_t tls_until;     /* Unix seconds: when its certificate ends; 0 = not known, or no TLS */
} WebAnswer;

/* arg is what web_begin() was given. From the loop only. */
typedef void WebAnswered(void *arg, const WebAnswer *answer);

/*
 * NULL: ERROR_SETUP when libcurl is not installed (the text names the package) or the file of CAs
 * cannot be read; ERROR_NO_MEMORY. The loop is borrowed, and freed after the Web.
 */
Web *web_open(Loop *loop, const WebSettings *settings, Error *reterr);

/* How many more requests may be begun now. */
size_t web_room(const Web *web);

/* Begins a request, for which there must be room, and calls answered() once, while the loop runs.
 * URL and headers are copied. false: no memory, and nothing is called. */
bool web_begin(Web *web, const WebRequest *request, WebAnswered *answered, void *arg);

/* Runs the loop until no request is in flight. Each ends, at its timeout at the latest. */
void web_run(Web *web);

/* A request, and the loop until it has ended; others go on meanwhile. Never NULL. */
const WebAnswer *web_ask(Web *web, const WebRequest *request);

/* The value of a header of the answer, whatever the case of its name; absent when there is none. Of
 * several it is the first. */
Str web_header(const WebAnswer *answer, Str name);

/* Ends without calling those that wait for answers. Takes NULL; returns NULL. */
Web *web_close(Web *web);

#endif
