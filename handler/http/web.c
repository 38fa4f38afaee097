#include "http/web.h"

#include "base/buffer.h"
#include "http/web_library.h"
#include "http/web_sockets.h"
#include "http/web_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef TICKSTREAM_VERSION
#define TICKSTREAM_VERSION "0"
#endif

enum { BODY_MOST = 64 << 10, HEAD_MOST = 16 << 10 };

/* What there is */

/* One request at a time. */
typedef struct {
    Web *web;
    CURL *easy;
    struct curl_slist *headers;
    WebAnswered *answered;
    void *arg;
    bool is_busy;
    bool verifies; /* the certificate decides */
    bool is_cut;   /* some of the body was not kept */
    uint64_t began;
    int64_t timeout;
    Buffer head, body;
    char error[CURL_ERROR_SIZE], why[LIMIT_TEXT];
} Place;

struct Web {
    Loop *loop;
    CURLM *multi;
    WebSockets *sockets;
    size_t body_most, count, busy;
    bool is_forgiving, stops; /* the loop, when nothing is in flight */
    int64_t tls_until;
    char tls_fault[LIMIT_TEXT], address[64], no_proxy[512];
    WebAnswer none; /* the answer of a request that could not be begun */
    Place places[];
};

/* Answers */

static void remember_certificate(Place *place)
{
    static const Str name = STR_INIT("Expire date:");
    struct curl_certinfo *chain = NULL;
    if (web_lib.curl_easy_getinfo(place->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
        chain->num_of_certs < 1) {
        return; /* no TLS, or over a kept connection */
    }
    for (const struct curl_slist *line = chain->certinfo[0]; line; line = line->next) {
        if (str_starts_with(str_from(line->data), name)) {
            place->web->tls_until = web_certificate_time(line->data + name.len);
        }
    }
}

static void remember_address(Place *place)
{
    const char *address = NULL;
    web_lib.curl_easy_getinfo(place->easy, CURLINFO_PRIMARY_IP, &address);
    if (address && address[0]) {
        snprintf(place->web->address, sizeof(place->web->address), "%s", address);
    }
}

static uint64_t connecting_ns(const Place *place)
{
    curl_off_t connected = 0, encrypted = 0;
    web_lib.curl_easy_getinfo(place->easy, CURLINFO_CONNECT_TIME_T, &connected);
    web_lib.curl_easy_getinfo(place->easy, CURLINFO_APPCONNECT_TIME_T, &encrypted);
    return (uint64_t)(encrypted > connected ? encrypted : connected) * 1000;
}

static WebAnswer make_answer(Place *place, CURLcode code)
{
    long status = 0;
    place->why[0] = '\0';
    if (code == CURLE_OK) {
        web_lib.curl_easy_getinfo(place->easy, CURLINFO_RESPONSE_CODE, &status);
    } else {
        web_describe(&(WebFailure){place->easy, code, place->error, place->timeout}, place->why);
    }
    remember_certificate(place);
    remember_address(place);
    return (WebAnswer){.status = (int)status,
                       .why = place->why,
                       .head = {place->head.ptr, place->head.len},
                       .body = {place->body.ptr, place->body.len},
                       .is_cut = place->is_cut,
                       .ns = loop_clock_ns() - place->began,
                       .connect_ns = connecting_ns(place),
                       .address = place->web->address,
                       .tls_fault = place->web->tls_fault,
                       .tls_until = place->web->tls_until};
}

/* A certificate that is not accepted decides nothing from here on; the request is made again. */
static bool forgive(Place *place)
{
    Web *web = place->web;
    if (!web->tls_fault[0]) {
        snprintf(web->tls_fault, sizeof(web->tls_fault), "%s", web_certificate_words(place->error));
    }
    place->verifies = false;
    web_lib.curl_easy_setopt(place->easy, CURLOPT_SSL_VERIFYPEER, 0L);
    web_lib.curl_easy_setopt(place->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    return web_lib.curl_multi_add_handle(web->multi, place->easy) == CURLM_OK;
}

static void end_request(Place *place, CURLcode code)
{
    Web *web = place->web;
    web_lib.curl_multi_remove_handle(web->multi, place->easy);
    if (code == CURLE_PEER_FAILED_VERIFICATION && web->is_forgiving && place->verifies &&
        forgive(place)) {
        return;
    }
    const WebAnswer answer = make_answer(place, code);
    web_lib.curl_slist_free_all(place->headers);
    place->headers = NULL;
    place->answered(place->arg, &answer);
    place->is_busy = false;
    web->busy--;
    if (web->busy == 0 && web->stops) {
        loop_stop(web->loop);
    }
}

static void on_acted(void *arg)
{
    const Web *web = arg;
    int left;
    CURL *easy;
    for (CURLMsg *message; (message = web_lib.curl_multi_info_read(web->multi, &left));) {
        Place *place = NULL;
        const CURLcode code = message->data.result; /* the message goes with its handle */
        easy = message->easy_handle;
        web_lib.curl_easy_getinfo(easy, CURLINFO_PRIVATE, &place);
        end_request(place, code);
    }
}

/* What comes */

static size_t keep(Buffer *buffer, size_t most, const char *bytes, size_t len)
{
    const size_t room = most - buffer->len, kept = len < room ? len : room;
    if (!buffer_reserve(buffer, kept)) {
        return 0;
    }
    buffer->len = (size_t)(str_put(buffer->ptr + buffer->len, (Str){bytes, kept}) - buffer->ptr);
    return kept;
}

/* The header of an answer follows that of a preliminary one, as 100, which is forgotten. */
static size_t on_header(char *bytes, size_t size, size_t len, void *arg)
{
    Place *place = arg;
    (void)size;
    if (str_starts_with((Str){bytes, len}, STR("HTTP/"))) {
        place->head.len = 0;
    }
    keep(&place->head, HEAD_MOST, bytes, len);
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t len, void *arg)
{
    Place *place = arg;
    (void)size;
    if (keep(&place->body, place->web->body_most, bytes, len) < len) {
        place->is_cut = true;
    }
    return len;
}

Str web_header(const WebAnswer *answer, Str name)
{
    Str rest = answer->head;
    while (rest.ptr) {
        Str value = str_split(&rest, '\n');
        const Str found = str_split(&value, ':');
        if (value.ptr && str_eq_nocase(found, name)) {
            return str_trim_space(value);
        }
    }
    return (Str){NULL, 0};
}

/* Requests */

size_t web_room(const Web *web)
{
    return web->count - web->busy;
}

static Place *find_free(Web *web)
{
    for (size_t i = 0; i < web->count; i++) {
        if (!web->places[i].is_busy) {
            return &web->places[i];
        }
    }
    return NULL;
}

/* NULL with the list freed: no memory. */
static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = web_lib.curl_slist_append(list, line);
    if (!longer) {
        web_lib.curl_slist_free_all(list);
    }
    return longer;
}

/* Without "Expect: 100-continue", which libcurl sends before a large body. */
static struct curl_slist *make_headers(const char *const *lines)
{
    struct curl_slist *list = add_header(NULL, "Expect:");
    for (size_t i = 0; list && lines && lines[i]; i++) {
        list = add_header(list, lines[i]);
    }
    return list;
}

static bool set_method(CURL *easy, const WebRequest *request)
{
    const bool is_post = strcmp(request->method, "POST") == 0,
               is_head = strcmp(request->method, "HEAD") == 0,
               is_get = strcmp(request->method, "GET") == 0;
    CURLcode code = web_lib.curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (is_post) {
        web_lib.curl_easy_setopt(easy, CURLOPT_POST, 1L);
        web_lib.curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                                 request->body.len ? request->body.ptr : "");
        web_lib.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else if (is_head) {
        web_lib.curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (code == CURLE_OK) {
        code = web_lib.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
                                        is_post || is_head || is_get ? NULL : request->method);
    }
    return code == CURLE_OK;
}

static bool prepare(Place *place, const WebRequest *request)
{
    place->headers = make_headers(request->headers);
    place->timeout = request->timeout;
    place->is_cut = false;
    place->error[0] = '\0';
    buffer_clear(&place->head);
    buffer_clear(&place->body);
    return place->headers && set_method(place->easy, request) &&
           web_lib.curl_easy_setopt(place->easy, CURLOPT_URL, request->url) == CURLE_OK &&
           web_lib.curl_easy_setopt(place->easy, CURLOPT_HTTPHEADER, place->headers) == CURLE_OK &&
           web_lib.curl_easy_setopt(place->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout) ==
               CURLE_OK;
}

bool web_begin(Web *web, const WebRequest *request, WebAnswered *answered, void *arg)
{
    Place *place = find_free(web);
    if (!place) {
        return false;
    }
    place->answered = answered;
    place->arg = arg;
    place->began = loop_clock_ns();
    if (web->tls_fault[0] && place->verifies) {
        place->verifies = false;
        web_lib.curl_easy_setopt(place->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        web_lib.curl_easy_setopt(place->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (!prepare(place, request) ||
        web_lib.curl_multi_add_handle(web->multi, place->easy) != CURLM_OK) {
        web_lib.curl_slist_free_all(place->headers);
        place->headers = NULL;
        return false;
    }
    place->is_busy = true;
    web->busy++;
    return true;
}

void web_run(Web *web)
{
    if (web->busy) {
        web->stops = true;
        loop_run(web->loop);
        web->stops = false;
    }
}

typedef struct {
    Web *web;
    WebAnswer answer;
} Asked;

static void on_asked(void *arg, const WebAnswer *answer)
{
    Asked *asked = arg;
    asked->web->none = *answer;
    loop_stop(asked->web->loop);
}

const WebAnswer *web_ask(Web *web, const WebRequest *request)
{
    Asked asked = {.web = web};
    if (!web_begin(web, request, on_asked, &asked)) {
        web->none =
            (WebAnswer){.why = web_room(web) ? "out of memory" : "too many requests at a time",
                        .address = web->address,
                        .tls_fault = web->tls_fault};
        return &web->none;
    }
    loop_run(web->loop);
    return &web->none;
}

/* Beginning and end */

/* What holds for every request. */
static bool set_up_easy(Place *place, const char *ca)
{
    CURL *easy = place->easy;
    web_lib.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    web_lib.curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    web_lib.curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    web_lib.curl_easy_setopt(easy, CURLOPT_PRIVATE, place);
    web_lib.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, place->error);
    web_lib.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    web_lib.curl_easy_setopt(easy, CURLOPT_HEADERDATA, place);
    web_lib.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    web_lib.curl_easy_setopt(easy, CURLOPT_WRITEDATA, place);
    web_sockets_use(place->web->sockets, easy);
    return web_lib.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           web_lib.curl_easy_setopt(easy, CURLOPT_USERAGENT, "tickstream/" TICKSTREAM_VERSION) ==
               CURLE_OK &&
           web_lib.curl_easy_setopt(easy, CURLOPT_NOPROXY, place->web->no_proxy) == CURLE_OK &&
           (!ca || web_lib.curl_easy_setopt(easy, CURLOPT_CAINFO, ca) == CURLE_OK);
}

static bool set_up_places(Web *web, size_t count, const char *ca)
{
    for (size_t i = 0; i < count; i++) {
        Place *place = &web->places[i];
        *place = (Place){.web = web, .easy = web_lib.curl_easy_init(), .verifies = true};
        web->count = i + 1;
        if (!place->easy || !set_up_easy(place, ca)) {
            return false;
        }
    }
    return true;
}

static bool set_up(Web *web, const WebSettings *settings)
{
    const char *no_proxy = getenv("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
    snprintf(web->no_proxy, sizeof(web->no_proxy), "localhost,127.0.0.0/8,::1%s%s",
             no_proxy ? "," : "", no_proxy ? no_proxy : "");
    web->multi = web_lib.curl_multi_init();
    web->sockets = web->multi ? web_sockets_open(web->loop, web->multi, on_acted, web) : NULL;
    if (!web->sockets) {
        return false;
    }
    web_lib.curl_multi_setopt(web->multi, CURLMOPT_MAXCONNECTS, (long)settings->requests);
    return set_up_places(web, settings->requests, settings->ca);
}

Web *web_open(Loop *loop, const WebSettings *settings, Error *reterr)
{
    if (settings->ca && access(settings->ca, R_OK) != 0) {
        error_set(reterr, ERROR_SETUP, "%s: %s", settings->ca, strerror(errno));
        return NULL;
    }
    if (!web_library_load(reterr)) {
        return NULL;
    }
    Web *web = calloc(1, sizeof(*web) + settings->requests * sizeof(web->places[0]));
    if (!web) {
        error_no_memory(reterr);
        return NULL;
    }
    web->loop = loop;
    web->body_most = settings->body_most ? settings->body_most : BODY_MOST;
    web->is_forgiving = settings->is_forgiving;
    if (!set_up(web, settings)) {
        error_no_memory(reterr);
        return web_close(web);
    }
    return web;
}

Web *web_close(Web *web)
{
    for (size_t i = 0; web && i < web->count; i++) {
        Place *place = &web->places[i];
        if (place->is_busy) {
            web_lib.curl_multi_remove_handle(web->multi, place->easy);
        }
        web_lib.curl_easy_cleanup(place->easy);
        web_lib.curl_slist_free_all(place->headers);
        buffer_free(&place->head);
        buffer_free(&place->body);
    }
    if (web) {
        web_lib.curl_multi_cleanup(web->multi);
        web_sockets_close(web->sockets);
    }
    free(web);
    return NULL;
}
