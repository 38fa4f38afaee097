#include "unit.h"

#include "endpoints/endpoint.h"
#include "failing_malloc.h"
#include "memory_sink.h"
#include "payload/codec.h"

#include <stdio.h>
#include <stdlib.h>

/* One request through endpoint_serve() into a memory sink; answers are kept as text. */

#define HOOK "/api/webhook/whatsapp"
#define SECRET "the app secret"
#define GOOD                                                                                       \
    "{\"entry\":[{\"changes\":[{\"field\":\"f\",\"value\":{\"statuses\":["                         \
    "{\"id\":\"a\",\"status\":\"s\"},{\"status\":\"t\"}]}},{\"field\":\"g\"}]}]}"

static struct {
    Config config;
    Server server;
    MemorySink sink;
    Arena *arena;
    Exchange exchange;
    size_t answers;
    int status;
    char type[64], headers[256], body[8192];
} here;

static void keep_answer(Exchange *exchange)
{
    const Response *response = &exchange->response;
    assert_ptr_equal(exchange, &here.exchange);
    here.answers++;
    here.status = response->status;
    snprintf(here.type, sizeof(here.type), "%.*s", STR_ARG(response->content_type));
    snprintf(here.headers, sizeof(here.headers), "%.*s", (int)response->headers.len,
             response->headers.ptr ? response->headers.ptr : "");
    snprintf(here.body, sizeof(here.body), "%.*s", STR_ARG(response->body));
}

static int set_up(void **state)
{
    (void)state;
    const Str secret = STR(SECRET);
    memset(&here, 0, sizeof(here));
    here.sink = memory_sink();
    here.arena = arena_new();
    here.config.max_body = 3 << 20;
    here.config.verify_tokens = (Secrets){.count = 1, .texts = {STR("token")}};
    here.server = (Server){.config = &here.config,
                           .verifier = verifier_new(&secret, 1),
                           .sink = &here.sink.sink,
                           .answered = keep_answer};
    return here.arena && here.server.verifier ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    verifier_free(here.server.verifier);
    arena_free(here.arena);
    digest_shutdown();
    codec_shutdown();
    return 0;
}

/* "sha256=" and the HMAC of the body; lasts until the next call. */
static Str sign(Str body)
{
    static char header[7 + 2 * SHA256_BYTES + 1];
    unsigned char digest[SHA256_BYTES];
    HmacKey *key = hmac_key_new(STR(SECRET));
    assert_non_null(key);
    assert_true(hmac_sha256(key, body, digest));
    hmac_key_free(key);
    strcpy(header, "sha256=");
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(header + 7 + 2 * i, 3, "%02x", digest[i]);
    }
    return str_from(header);
}

/* A signed POST of a body, ready to be changed by a test. */
static Request post(Str body)
{
    return (Request){
        .method = STR("POST"),
        .path = STR(HOOK),
        .query = STR(""),
        .content_type = STR("application/json"),
        .signature = sign(body),
        .request_id = STR("request-1"),
        .body = body,
        .has_length = true,
    };
}

static Request get(Str path, Str query)
{
    return (Request){.method = STR("GET"),
                     .path = path,
                     .query = query,
                     .request_id = STR("request-1"),
                     .body = STR("")};
}

static void serve(Request request)
{
    here.answers = 0;
    here.body[0] = '\0';
    here.server.readiness.answered = 0; /* long ago */
    arena_reset(here.arena);
    here.exchange = (Exchange){.request = request, .server = &here.server, .arena = here.arena};
    if (endpoint_serve(&here.exchange) == ANSWERED) {
        keep_answer(&here.exchange);
    }
}

static void assert_answer(Request request, int status)
{
    serve(request);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.status, status);
    assert_int_equal(here.server.admission.requests, 0);
    assert_int_equal(here.server.admission.bytes, 0);
}

#define ASSERT_CONTAINS(text, part) assert_non_null(strstr(text, part))

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
        const char *allow;
    } cases[] = {
        {"POST", "/api/webhook/whatsapp", 200, ""},
        {"POST", "/api/webhook/whatsapp/", 200, ""},
        {"POST", "/API/Webhook/WhatsApp", 200, ""},
        {"POST", "/API/WEBHOOK/WHATSAPP/", 200, ""},
        {"POST", "/api/webhook/whatsapp//", 404, ""},
        {"POST", "/api/webhook/whatsappx", 404, ""},
        {"POST", "/api/webhook/whatsap", 404, ""},
        {"POST", "/api/webhook/whatsapp/x", 404, ""},
        {"POST", "/api/webhook", 404, ""},
        {"POST", "/", 404, ""},
        {"POST", "", 404, ""},
        {"GET", "/api/webhook/whatsapp", 400, ""}, /* no parameters */
        {"PUT", "/api/webhook/whatsapp", 405, "Allow: GET, POST\r\n"},
        {"DELETE", "/api/webhook/whatsapp", 405, "Allow: GET, POST\r\n"},
        {"HEAD", "/api/webhook/whatsapp", 405, "Allow: GET, POST\r\n"},
        {"post", "/api/webhook/whatsapp", 405, "Allow: GET, POST\r\n"},
        {"", "/api/webhook/whatsapp", 405, "Allow: GET, POST\r\n"},
        {"GET", "/livez", 200, ""},
        {"GET", "/readyz", 200, ""},
        {"GET", "/metrics", 200, ""},
        {"HEAD", "/livez", 200, ""},
        {"HEAD", "/readyz", 200, ""},
        {"HEAD", "/metrics", 200, ""},
        {"POST", "/livez", 405, "Allow: GET, HEAD\r\n"},
        {"POST", "/readyz", 405, "Allow: GET, HEAD\r\n"},
        {"POST", "/metrics", 405, "Allow: GET, HEAD\r\n"},
        {"GET", "/Livez", 404, ""},
        {"GET", "/livez/", 404, ""},
        {"PUT", "/nowhere", 404, ""},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Request request = post(STR(GOOD));
        request.method = str_from(cases[i].method);
        request.path = str_from(cases[i].path);
        serve(request);
        if (here.answers != 1 || here.status != cases[i].status ||
            strcmp(here.headers, cases[i].allow) != 0) {
            print_error("%s %s: %d %s\n", cases[i].method, cases[i].path, here.status,
                        here.headers);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* HEAD is told the length of what GET gets. */
static void test_head(void **state)
{
    (void)state;
    static const char *const paths[] = {"/livez", "/readyz", "/metrics", "/nowhere", HOOK};
    for (size_t i = 0; i < COUNT(paths); i++) {
        Request request = get(str_from(paths[i]), STR("verbose"));
        request.method = STR("HEAD");
        serve(request);
        assert_int_equal(here.exchange.response.body.len, 0);
        assert_true(here.exchange.response.withheld > 0);
    }
    serve(get(STR("/livez"), STR("")));
    assert_int_equal(here.exchange.response.withheld, 0);
}

static void test_stored(void **state)
{
    (void)state;
    assert_answer(post(STR(GOOD)), 200);
    assert_string_equal(here.type, "application/json");
    assert_string_equal(here.body,
                        "{\"accepted\":1,\"duplicates\":0,\"quarantined\":1,\"ignored\":1}");
    assert_int_equal(here.sink.publications, 1);
    assert_string_equal(here.sink.text, "status id='a' status='s' field='f'\n"
                                        "quarantined missing_id /entry/0/changes/0/value/statuses/1"
                                        " {\"status\":\"t\"}\n"
                                        "event {\"field\":\"g\"} field='g'\n");
    assert_string_equal(here.sink.request_id, "request-1");
    assert_string_equal(here.sink.content_type, "application/json");
    assert_in_range(strtoll(here.sink.received_at, NULL, 10), 1600000000000, 99999999999999);
}

static void test_stored_xml(void **state)
{
    (void)state;
    Request request = post(STR(GOOD));
    request.accept = STR("application/xml");
    assert_answer(request, 200);
    assert_string_equal(here.type, "application/xml");
    assert_string_equal(here.body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                   "<WebhookResult><accepted>1</accepted><duplicates>0</duplicates>"
                                   "<quarantined>1</quarantined><ignored>1</ignored>"
                                   "</WebhookResult>");
}

/*
 * path, method, length, signature, media type, body: of a request with several faults the first in
 * this order decides. Each row mends the fault of the row before.
 */
static void test_order_of_checks(void **state)
{
    (void)state;
    Request request = post(STR("{"));
    request.path = STR("/elsewhere");
    request.method = STR("PUT");
    request.too_large = true;
    request.signature = STR("sha256=00");
    request.content_type = STR("text/plain");
    here.server.admission.bytes = LIMIT_BYTES_IN_FLIGHT;

    serve(request);
    assert_int_equal(here.status, 404);
    request.path = STR(HOOK);
    serve(request);
    assert_int_equal(here.status, 405);
    request.method = STR("POST");
    serve(request);
    assert_int_equal(here.status, 413);
    request.too_large = false;
    request.incomplete = true;
    serve(request);
    assert_int_equal(here.status, 400);
    request.incomplete = false;
    serve(request);
    assert_int_equal(here.status, 503); /* too much in flight */
    here.server.admission.bytes = 0;
    assert_answer(request, 401);
    request.signature = sign(request.body);
    assert_answer(request, 415);
    assert_int_equal(here.sink.publications, 0);
    request.content_type = STR("text/json");
    assert_answer(request, 200);
    assert_string_equal(here.body,
                        "{\"accepted\":0,\"duplicates\":0,\"quarantined\":1,\"ignored\":0}");
    assert_string_equal(here.sink.text, "quarantined syntax  {\n");
}

/* What is kept of the Content-Type is what was read of it, however long it was. */
static void test_content_type(void **state)
{
    (void)state;
    static char header[8000] = "Text/JSON; charset=\"utf-8\"; x=";
    memset(header + strlen(header), 'a', sizeof(header) - 1 - strlen(header));
    Request request = post(STR(GOOD));
    request.content_type = str_from(header);
    assert_answer(request, 200);
    assert_string_equal(here.sink.content_type, "text/json");
}

/* A name that is no compression says nothing about the bytes. */
static void test_content_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        {NULL, 200},
        {"", 200},
        {"identity", 200},
        {"utf-8", 200},
        {"aws-chunked", 200},
        {"none", 200},
        {"gzip", 415},
        {"GZIP", 415},
        {" br ", 415},
        {"zstd", 415},
        {"identity,deflate", 415},
        {"x-compress", 415},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Request request = post(STR(GOOD));
        request.content_encoding = str_from(cases[i].header);
        assert_answer(request, cases[i].status);
    }
}

/* Well-formed, and nothing in it is known: kept when it was signed, else the sender's to mend. */
static void test_without_a_trace(void **state)
{
    (void)state;
    Verifier *verifier = here.server.verifier;
    assert_answer(post(STR("{\"statuses\":[]}")), 200);
    assert_string_equal(here.sink.text, "quarantined not_a_payload  {\"statuses\":[]}\n");
    here.server.verifier = NULL;
    assert_answer(post(STR("{\"statuses\":[]}")), 400);
    here.server.verifier = verifier;
    assert_int_equal(here.sink.publications, 1);
}

static void test_length(void **state)
{
    (void)state;
    Request request = post(STR(GOOD));
    request.has_length = false;
    assert_answer(request, 400);
    request.has_length = true;
    request.incomplete = true;
    assert_answer(request, 400);
    request.incomplete = false;
    request.no_memory = true;
    assert_answer(request, 503);
    assert_string_equal(here.headers, "Retry-After: 1\r\n");
    request.no_memory = false;
    request.too_large = true;
    assert_answer(request, 413);
    assert_answer(post(STR("")), 400);
    assert_int_equal(here.sink.publications, 0);
}

static void test_signature(void **state)
{
    (void)state;
    Request request = post(STR(GOOD));
    request.signature = (Str){NULL, 0};
    assert_answer(request, 401);
    ASSERT_CONTAINS(here.body, "missing");
    request.signature = sign(STR("another body"));
    assert_answer(request, 401);
    request.signature = STR("repeated");
    assert_answer(request, 401);
    assert_null(strstr(here.body, SECRET));
    assert_int_equal(here.sink.publications, 0);
}

/* nginx vouches for the sender, when it is trusted to and there is no signature. */
static void test_vouched(void **state)
{
    (void)state;
    static const struct {
        bool trust_relay;
        const char *rule, *signature; /* NULL: none */
        int status;
    } cases[] = {
        {false, "optional", NULL, 401},
        {true, "optional", NULL, 200},
        {true, NULL, NULL, 401},
        {true, "Optional", NULL, 401},
        {true, "required", NULL, 401},
        {true, "optional", "repeated", 401},
        {true, "optional", "sha256=00", 401},
        {true, "", NULL, 401},
    };
    const Str bodies[] = {STR(GOOD), STR("{")};
    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        Request request = post(bodies[i % 2]);
        here.config.trust_relay = cases[i / 2].trust_relay;
        request.signature_rule = cases[i / 2].rule ? str_from(cases[i / 2].rule) : (Str){NULL, 0};
        request.signature =
            cases[i / 2].signature ? str_from(cases[i / 2].signature) : (Str){NULL, 0};
        assert_answer(request, cases[i / 2].status);
    }
    assert_int_equal(here.sink.publications, 2); /* what cannot be read is kept, as if signed */
    assert_string_equal(here.sink.text, "quarantined syntax  {\n");

    /* In unsigned mode too, where nobody else's is. */
    here.server.verifier = verifier_free(here.server.verifier);
    Request request = post(STR("{"));
    request.signature = (Str){NULL, 0};
    assert_answer(request, 400);
    request.signature_rule = STR("optional");
    assert_answer(request, 200);
}

static void test_type(void **state)
{
    (void)state;
    Request request = post(STR(GOOD));
    request.content_type = (Str){NULL, 0};
    assert_answer(request, 415);
    request.content_type = STR("application/json; charset=latin1");
    assert_answer(request, 415);
    request.content_type = STR("application/json");
    request.content_encoding = STR("gzip");
    assert_answer(request, 415);
    assert_int_equal(here.sink.publications, 0);
    request.content_encoding = STR("identity");
    assert_answer(request, 200);
}

/* What nobody has signed is not kept; its sender learns where it is wrong. */
static void test_unsigned(void **state)
{
    (void)state;
    here.server.verifier = verifier_free(here.server.verifier);
    Request request = post(STR("{\n\"a\":}"));
    request.signature = (Str){NULL, 0};
    assert_answer(request, 400);
    ASSERT_CONTAINS(here.body, "line 2, column 5, byte 6");
    assert_int_equal(here.sink.publications, 0);
    request.body = STR(GOOD);
    assert_answer(request, 200);
}

/* The sink's troubles are ours, not the sender's. */
static void test_sink_fails(void **state)
{
    (void)state;
    here.sink.code = ERROR_UNAVAILABLE;
    assert_answer(post(STR(GOOD)), 503);
    assert_string_equal(here.headers, "Retry-After: 1\r\n");
    assert_string_equal(here.type, "application/problem+json");
    here.sink.code = ERROR_NO_MEMORY;
    assert_answer(post(STR(GOOD)), 503);
}

static void test_in_flight(void **state)
{
    (void)state;
    here.sink.later = true;
    serve(post(STR(GOOD)));
    assert_int_equal(here.answers, 0);
    assert_int_equal(here.server.admission.requests, 1);
    assert_true(here.server.admission.bytes > sizeof(GOOD));
    memory_sink_finish(&here.sink);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.status, 200);
    assert_int_equal(here.server.admission.requests, 0);
    assert_int_equal(here.server.admission.bytes, 0);
}

/* Probes are asked later too, and are held to the same limits. */
static void test_probe_in_flight(void **state)
{
    (void)state;
    here.sink.later = true;
    here.sink.code = ERROR_UNAVAILABLE;
    serve(get(STR("/readyz"), STR("")));
    assert_int_equal(here.answers, 0);
    assert_int_equal(here.server.admission.requests, 1);
    memory_sink_finish(&here.sink);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.status, 503);
    assert_int_equal(here.server.admission.requests, 0);
}

static Exchange askers[3];

static void count_answer(Exchange *exchange)
{
    here.answers++;
    here.status = exchange->response.status;
    if (exchange == &askers[0]) { /* and asks once more: a probe of its own would begin */
        exchange->response.status = 0;
        assert_int_equal(readyz_get(exchange), ANSWERED);
    }
}

static Served ask(Exchange *exchange)
{
    *exchange = (Exchange){
        .request = get(STR("/readyz"), STR("")), .server = &here.server, .arena = here.arena};
    return endpoint_serve(exchange);
}

/* All who ask meanwhile share one probe, and for a moment all who ask later. */
static void test_probe_is_shared(void **state)
{
    (void)state;
    here.server.answered = count_answer;
    here.sink.later = true;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask(&askers[i]), LATER);
    }
    assert_int_equal(here.sink.probes, 1);
    assert_int_equal(here.server.admission.requests, 2);
    memory_sink_finish(&here.sink);
    assert_int_equal(here.answers, 2);
    assert_int_equal(here.status, 200);
    assert_int_equal(here.server.admission.requests, 0);
    here.sink.code = ERROR_UNAVAILABLE;
    assert_int_equal(ask(&askers[2]), ANSWERED);
    assert_int_equal(askers[2].response.status, 200);
    assert_int_equal(here.sink.probes, 1);

    here.sink.connected = false; /* that is known without asking */
    assert_int_equal(ask(&askers[2]), LATER);
    memory_sink_finish(&here.sink);
    assert_int_equal(askers[2].response.status, 503);
    here.server.readiness.answered -= 250;
    assert_int_equal(ask(&askers[2]), LATER);
    memory_sink_finish(&here.sink);
    assert_int_equal(here.sink.probes, 3);
}

static void test_too_much_in_flight(void **state)
{
    (void)state;
    const Request requests[] = {post(STR(GOOD)), get(STR("/readyz"), STR(""))};
    for (size_t i = 0; i < COUNT(requests); i++) {
        here.server.admission = (Admission){.requests = LIMIT_REQUESTS_IN_FLIGHT};
        serve(requests[i]);
        assert_int_equal(here.status, 503);
        assert_string_equal(here.headers, "Retry-After: 1\r\n");
        assert_int_equal(here.server.admission.requests, LIMIT_REQUESTS_IN_FLIGHT);
        here.server.admission = (Admission){.bytes = LIMIT_BYTES_IN_FLIGHT};
        serve(requests[i]);
        assert_int_equal(here.status, 503);
        here.server.admission = (Admission){0};
        assert_answer(requests[i], 200);
    }
    assert_int_equal(here.sink.publications + here.sink.probes, 2);
}

static void test_handshake(void **state)
{
    (void)state;
    assert_answer(get(STR(HOOK), STR("hub.mode=subscribe&hub.challenge=1158201444"
                                     "&hub.verify_token=token")),
                  200);
    assert_string_equal(here.body, "1158201444");
    assert_string_equal(here.type, "text/plain; charset=utf-8");
    assert_string_equal(here.headers, "X-Content-Type-Options: nosniff\r\n");

    assert_answer(get(STR(HOOK), STR("hub.mode=subscribe&hub.challenge=1158201444"
                                     "&hub.verify_token=tokem")),
                  403);
    assert_null(strstr(here.body, "1158201444"));
    assert_null(strstr(here.body, "tokem"));
    assert_answer(get(STR(HOOK), STR("")), 400);
    here.config.verify_tokens.count = 0;
    assert_answer(get(STR(HOOK), STR("hub.mode=subscribe&hub.challenge=1&hub.verify_token=")), 403);
}

static void test_health(void **state)
{
    (void)state;
    assert_answer(get(STR("/livez"), STR("")), 200);
    assert_int_equal(here.sink.probes, 0);
    assert_answer(get(STR("/readyz"), STR("")), 200);
    assert_int_equal(here.sink.probes, 1);
    assert_string_equal(here.body, "ok\n");

    here.sink.code = ERROR_UNAVAILABLE;
    here.sink.connected = false;
    assert_answer(get(STR("/readyz"), STR("")), 503);
    assert_answer(get(STR("/livez"), STR("")), 200);
    assert_answer(get(STR("/readyz"), STR("verbose")), 503);
    ASSERT_CONTAINS(here.body, "redis connection: failed\n");
    ASSERT_CONTAINS(here.body, "redis write: failed\n");
    ASSERT_CONTAINS(here.body, "redis durable: of memory\n");
    ASSERT_CONTAINS(here.body, "not ready\n");

    here.sink.code = ERROR_NONE;
    here.sink.connected = true;
    assert_answer(get(STR("/readyz"), STR("verbose")), 200);
    ASSERT_CONTAINS(here.body, "redis write: ok\n");
}

static void test_metrics(void **state)
{
    (void)state;
    assert_answer(get(STR("/metrics"), STR("")), 200);
    assert_string_equal(here.type, "text/plain; version=0.0.4; charset=utf-8");
    ASSERT_CONTAINS(here.body, "# TYPE tickstream_responses_total counter\n");
}

/* Whatever allocation fails, the answer is the same or 503; nothing is said to be malformed. */
static void test_failing_malloc(void **state)
{
    (void)state;
    const Request request = post(STR(GOOD));
    size_t unavailable = 0;
    for (size_t n = 0;; n++) {
        arena_free(here.arena);
        here.arena = arena_new();
        assert_non_null(here.arena);
        failing_malloc_begin(n, FAIL_ONCE);
        serve(request);
        bool failed = failing_malloc_end();
        assert_int_equal(here.answers, 1);
        assert_int_equal(here.server.admission.bytes, 0);
        if (here.status != 200) {
            assert_int_equal(here.status, 503);
            unavailable++;
        }
        if (!failed) {
            break;
        }
    }
    assert_int_equal(here.status, 200);
    assert_true(unavailable > 0);
}

/* Refusals are logged: into nothing. */
static int silence(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, LOG_LOGFMT);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_paths),
        TEST(test_head),
        TEST(test_stored),
        TEST(test_stored_xml),
        TEST(test_order_of_checks),
        TEST(test_content_type),
        TEST(test_content_encoding),
        TEST(test_without_a_trace),
        TEST(test_length),
        TEST(test_signature),
        TEST(test_vouched),
        TEST(test_type),
        TEST(test_unsigned),
        TEST(test_sink_fails),
        TEST(test_in_flight),
        TEST(test_probe_in_flight),
        TEST(test_probe_is_shared),
        TEST(test_too_much_in_flight),
        TEST(test_handshake),
        TEST(test_health),
        TEST(test_metrics),
        TEST(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, silence, NULL);
}
