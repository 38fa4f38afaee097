#include "commands/doctor.h"

#include "base/text.h"
#include "commands/hook.h"
#include "commands/near.h"
#include "http/web.h"
#include "payload/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    TIMEOUT = 5000,       /* milliseconds of a request */
    BODY_TIMEOUT = 15000, /* of one with a large body */
    PROBES = 20,
    PROBES_MS = 8000 /* for all of them */
};

/* Stores nothing, and counts nothing. */
static const Str nothing = STR_INIT("{\"object\":\"whatsapp_business_account\",\"entry\":[]}");
static const Str no_counts =
    STR_INIT("{\"accepted\":0,\"duplicates\":0,\"quarantined\":0,\"ignored\":0}");

struct Visit {
    Loop *loop;
    Web *web; /* NULL: there is none, and error says why */
    Error error;
    Str host; /* and port, of the URL */
    char url[1024];
    /* What the first request has shown. */
    int status; /* 0: no answer, and nothing more is asked */
    bool is_ours;
    char why[LIMIT_TEXT], address[64], tls_fault[LIMIT_TEXT];
    int64_t tls_until;
    bool is_dated;
    int64_t ahead;   /* seconds */
    bool is_refused; /* what is signed with the first secret is, and what is large would be */
};

/* Asking */

static void take_url(Visit *visit, const char *url)
{
    const char *host = strstr(url, "://") + 3;
    visit->host = (Str){host, strcspn(host, "/?#")};
    hook_url(url, visit->url, sizeof(visit->url));
}

static const WebAnswer *get(Visit *visit, const char *url)
{
    const WebRequest request = {.method = "GET", .url = url, .timeout = TIMEOUT};
    return web_ask(visit->web, &request);
}

/* secret: absent = unsigned. Never NULL. */
static const WebAnswer *post(Visit *visit, Str body, Str secret, int64_t timeout)
{
    static const WebAnswer no_memory = {.why = "out of memory", .address = "", .tls_fault = ""};
    char signature[SIGNATURE_HEADER];
    HmacKey *key = secret.ptr ? hmac_key_new(secret) : NULL;
    const bool ok = !secret.ptr || (key && signature_write(key, body, signature));
    hmac_key_free(key);
    if (!ok) {
        return &no_memory;
    }
    const char *const headers[] = {"Content-Type: application/json", "Accept: application/json",
                                   secret.ptr ? signature : NULL, NULL};
    const WebRequest request = {
        .method = "POST", .url = visit->url, .headers = headers, .body = body, .timeout = timeout};
    return web_ask(visit->web, &request);
}

/* The first of the secrets; absent: there is none. */
static Str first_secret(const Doctor *doctor)
{
    const Secrets *secrets = &doctor->config.app_secrets;
    return secrets->count ? secrets->texts[0] : (Str){NULL, 0};
}

static bool has(Str text, const char *part)
{
    const size_t len = strlen(part);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, part, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The Date of an answer was written, on average, half a second after the second it names. */
static void take_date(Visit *visit, Str date)
{
    char text[64];
    struct tm parts = {0};
    snprintf(text, sizeof(text), "%.*s", STR_ARG(date));
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    visit->is_dated = end && *end == '\0';
    visit->ahead = visit->is_dated ? (int64_t)timegm(&parts) - (int64_t)time(NULL) : 0;
}

static void knock(Visit *visit)
{
    const WebAnswer *answer = get(visit, visit->url);
    visit->status = answer->status;
    visit->is_ours = has(answer->body, "urn:tickstream:problem:");
    visit->tls_until = answer->tls_until;
    snprintf(visit->why, sizeof(visit->why), "%s", answer->why);
    snprintf(visit->address, sizeof(visit->address), "%s", answer->address);
    snprintf(visit->tls_fault, sizeof(visit->tls_fault), "%s", answer->tls_fault);
    take_date(visit, web_header(answer, STR("Date")));
}

Visit *visit_make(Doctor *doctor)
{
    Visit *visit = calloc(1, sizeof(*visit));
    if (!visit || !(visit->loop = loop_new())) {
        return visit_free(visit);
    }
    take_url(visit, doctor->options.url);
    const WebSettings settings = {.requests = 1, .ca = doctor->options.ca, .is_forgiving = true};
    visit->web = web_open(visit->loop, &settings, &visit->error);
    if (visit->web) {
        knock(visit);
    }
    return visit;
}

Visit *visit_free(Visit *visit)
{
    if (visit) {
        web_close(visit->web);
        loop_free(visit->loop);
        free(visit);
    }
    return NULL;
}

/* Checks */

static void tell(Doctor *doctor, Finding finding)
{
    doctor_tell(doctor, "", &finding);
}

/* Is it worth while to ask for more? */
static bool is_answering(const Visit *visit)
{
    return visit->web && visit->status == KNOCK_STATUS && visit->is_ours;
}

void check_name(Doctor *doctor)
{
    const Visit *visit = doctor->visit;
    char host[280];
    snprintf(host, sizeof(host), "%.*s", STR_ARG(visit->host));
    if (!visit->web) {
        tell(doctor, found(GRADE_FAIL, "", "the URL cannot be looked at: %s", visit->error.text));
        return;
    }
    tell(doctor, judge_name(&(KnockFacts){.status = visit->status,
                                          .why = visit->why,
                                          .is_ours = visit->is_ours,
                                          .host = host,
                                          .address = visit->address}));
}

void check_certificate(Doctor *doctor)
{
    const Visit *visit = doctor->visit;
    if (!visit->web || (!visit->status && !visit->tls_fault[0])) {
        return;
    }
    tell(doctor,
         judge_certificate(&(CertificateFacts){.is_tls = strncmp(visit->url, "https:", 6) == 0,
                                               .is_private = near_text(visit->address),
                                               .fault = visit->tls_fault,
                                               .until = visit->tls_until,
                                               .now = (int64_t)time(NULL)}));
}

/* Which of several; 0: there is but one. */
static size_t which_of(const Secrets *secrets, size_t i)
{
    return secrets->count > 1 ? i + 1 : 0;
}

static void add_escaped(Text *to, Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        text_add_format(to, "%%%02x", (unsigned char)text.ptr[i]);
    }
}

/* false: no memory. */
static bool shake_hands(Doctor *doctor, size_t i)
{
    const Secrets *tokens = &doctor->config.verify_tokens;
    char challenge[24];
    Text text = text_begin(doctor->arena);
    snprintf(challenge, sizeof(challenge), "%lld", (long long)time(NULL) % 1000000007);
    text_add_format(&text,
                    "%s?hub.mode=subscribe&hub.challenge=%s&hub.verify_token=", doctor->visit->url,
                    challenge);
    add_escaped(&text, tokens->texts[i]);
    text_add(&text, (Str){"", 1});
    const Str url = text_finish(&text);
    if (!url.ptr) {
        return false;
    }
    const WebAnswer *answer = get(doctor->visit, url.ptr);
    tell(doctor, judge_handshake(answer->status, str_eq(answer->body, str_from(challenge)),
                                 which_of(tokens, i)));
    return true;
}

void check_handshake(Doctor *doctor)
{
    const Visit *visit = doctor->visit;
    const Secrets *tokens = &doctor->config.verify_tokens;
    if (!is_answering(visit)) {
        return;
    }
    if (visit->tls_fault[0]) {
        tell(doctor, found(GRADE_NOTE, "",
                           "not tried: who has a certificate that is not accepted is not given the "
                           "token"));
        return;
    }
    if (!tokens->count) {
        tell(doctor, found(GRADE_NOTE, "", "not tried: there is no VERIFY_TOKEN"));
    }
    for (size_t i = 0; i < tokens->count && !doctor->has_failed; i++) {
        doctor->has_failed = !shake_hands(doctor, i);
    }
}

void check_signature(Doctor *doctor)
{
    const Secrets *secrets = &doctor->config.app_secrets;
    Visit *visit = doctor->visit;
    if (!is_answering(visit)) {
        return;
    }
    if (!secrets->count) {
        tell(doctor, found(GRADE_NOTE, "", "not tried: there is no APP_SECRET"));
    }
    for (size_t i = 0; i < secrets->count; i++) {
        const WebAnswer *answer = post(visit, nothing, secrets->texts[i], TIMEOUT);
        visit->is_refused |= i == 0 && answer->status != 200;
        tell(doctor, judge_signature(answer->status, str_eq(answer->body, no_counts),
                                     which_of(secrets, i)));
    }
}

/* Can what is signed be looked at any further? */
static bool is_taking(Doctor *doctor)
{
    const Visit *visit = doctor->visit;
    if (is_answering(visit) && visit->is_refused) {
        tell(doctor, found(GRADE_NOTE, "", "not tried, since a signed body is refused"));
    }
    return is_answering(visit) && !visit->is_refused;
}

void check_unsigned(Doctor *doctor)
{
    if (is_answering(doctor->visit)) {
        const WebAnswer *answer = post(doctor->visit, nothing, (Str){NULL, 0}, TIMEOUT);
        tell(doctor, judge_unsigned(answer->status, &doctor->config));
    }
}

/* As many blanks as make it so long, and then nothing. */
static int status_of_length(Doctor *doctor, char *body, size_t len)
{
    memset(body, ' ', len);
    str_put(body + len - nothing.len, nothing);
    return post(doctor->visit, (Str){body, len}, first_secret(doctor), BODY_TIMEOUT)->status;
}

void check_body_limit(Doctor *doctor)
{
    const size_t most = doctor->config.max_body;
    if (!is_taking(doctor)) {
        return;
    }
    if (most < nothing.len) {
        tell(doctor, found(GRADE_NOTE, "", "not tried: MAX_BODY is %zu bytes", most));
        return;
    }
    char *body = malloc(most + 1);
    if (!body) {
        doctor->has_failed = true;
        return;
    }
    const int whole = status_of_length(doctor, body, most),
              over = whole == 200 ? status_of_length(doctor, body, most + 1) : 0;
    free(body);
    tell(doctor, judge_body_limit(whole, over, most));
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void check_latency(Doctor *doctor)
{
    double ms[PROBES];
    size_t count = 0;
    const int64_t began = loop_clock_ms();
    if (!is_taking(doctor)) {
        return;
    }
    while (count < PROBES && loop_clock_ms() - began < PROBES_MS) {
        const WebAnswer *answer = post(doctor->visit, nothing, first_secret(doctor), TIMEOUT);
        if (answer->status != 200) {
            tell(doctor, found(GRADE_NOTE, "", "not measured: a signed body is answered %d",
                               answer->status));
            return;
        }
        ms[count++] = (double)answer->ns / 1e6;
    }
    qsort(ms, count, sizeof(ms[0]), compare);
    tell(doctor, judge_latency(ms[count / 2], ms[count - 1], count));
}

void check_time(Doctor *doctor)
{
    if (doctor->visit->is_dated) {
        tell(doctor, judge_time(doctor->visit->ahead));
    }
}
