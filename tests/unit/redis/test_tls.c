#include "unit.h"

#include "failing_malloc.h"
#include "redis/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Certificates, made anew: two CAs, and what they have signed. */

typedef struct {
    X509 *cert;
    EVP_PKEY *key;
} Identity;

static char folder[] = "/tmp/tickstream-test-XXXXXX";
static Identity our_ca, other_ca, client;

static Identity make_identity(const char *name, const char *alternatives, const Identity *ca,
                              long valid_seconds)
{
    static long serial = 1;
    Identity made = {X509_new(), EVP_EC_gen("P-256")};
    assert_true(made.cert && made.key);
    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), valid_seconds);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.cert, X509_get_subject_name(ca ? ca->cert : made.cert));
    X509V3_CTX context;
    X509V3_set_ctx(&context, ca ? ca->cert : made.cert, made.cert, NULL, NULL, 0);
    X509_EXTENSION *extension =
        ca ? X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, alternatives)
           : X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE");
    assert_non_null(extension);
    X509_add_ext(made.cert, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(made.cert, ca ? ca->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void free_identity(Identity *identity)
{
    X509_free(identity->cert);
    EVP_PKEY_free(identity->key);
    *identity = (Identity){0};
}

/* The path of a file of the folder; of the last four that were asked for. */
static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_files(const char *cert_name, const char *key_name, const Identity *identity,
                        const char *passphrase)
{
    FILE *file = fopen(path_of(cert_name), "we");
    assert_true(file && PEM_write_X509(file, identity->cert));
    fclose(file);
    if (key_name) {
        file = fopen(path_of(key_name), "we");
        assert_true(file &&
                    PEM_write_PrivateKey(file, identity->key, passphrase ? EVP_aes_128_cbc() : NULL,
                                         NULL, 0, NULL, (void *)(uintptr_t)passphrase));
        fclose(file);
    }
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(folder));
    our_ca = make_identity("our CA", NULL, NULL, 3600);
    other_ca = make_identity("another CA", NULL, NULL, 3600);
    client = make_identity("client", "DNS:client.test", &our_ca, 3600);
    Identity rsa = {client.cert, EVP_RSA_gen(2048)};
    write_files("ca.pem", NULL, &our_ca, NULL);
    write_files("other-ca.pem", "other.key", &other_ca, NULL);
    write_files("client.pem", "client.key", &client, NULL);
    write_files("client.pem", "secret.key", &client, "hunter2");
    write_files("client.pem", "rsa.key", &rsa, NULL);
    EVP_PKEY_free(rsa.key);
    FILE *file = fopen(path_of("garbage.pem"), "we");
    assert_non_null(file);
    fprintf(file, "garbage\n");
    fclose(file);
    return 0;
}

static int end(void **state)
{
    char command[64];
    (void)state;
    free_identity(&our_ca);
    free_identity(&other_ca);
    free_identity(&client);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* A session of ours and OpenSSL's server, on a pair of sockets, driven in turns. */

typedef struct {
    TlsContext *context;
    Tls *tls;
    SSL_CTX *server_context;
    SSL *server;
    int fds[2];     /* ours, the server's */
    char asked[64]; /* the name that the server was asked for */
} Pair;

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    Pair *pair = arg;
    (void)alert;
    snprintf(pair->asked, sizeof(pair->asked), "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

static void open_server(Pair *pair, const Identity *identity)
{
    pair->server_context = SSL_CTX_new(TLS_server_method());
    assert_non_null(pair->server_context);
    SSL_CTX_set_mode(pair->server_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    assert_int_equal(SSL_CTX_use_certificate(pair->server_context, identity->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(pair->server_context, identity->key), 1);
    SSL_CTX_set_tlsext_servername_callback(pair->server_context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(pair->server_context, pair);
}

static void require_client(Pair *pair)
{
    X509_STORE_add_cert(SSL_CTX_get_cert_store(pair->server_context), our_ca.cert);
    SSL_CTX_set_verify(pair->server_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
}

static void open_client(Pair *pair, const TlsSettings *settings, const char *host)
{
    Error error = {.text = ""};
    int small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->fds), 0);
    for (int i = 0; i < 2; i++) {
        setsockopt(pair->fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
    pair->context = tls_context_new(settings, &error);
    assert_string_equal(error.text, "");
    pair->tls = tls_open(pair->context, pair->fds[0], host, &error);
    assert_non_null(pair->tls);
    if (pair->server_context) {
        pair->server = SSL_new(pair->server_context);
        assert_non_null(pair->server);
        SSL_set_fd(pair->server, pair->fds[1]);
        SSL_set_accept_state(pair->server);
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void close_pair(Pair *pair)
{
    pair->tls = tls_close(pair->tls);
    pair->context = tls_context_free(pair->context);
    SSL_free(pair->server);
    SSL_CTX_free(pair->server_context);
    close_fd(&pair->fds[0]);
    close_fd(&pair->fds[1]);
    ERR_clear_error();
}

/* Both sides, until ours is decided. */
static TlsState shake_hands(Pair *pair)
{
    for (int turn = 0; turn < 1000; turn++) {
        TlsState state = tls_handshake(pair->tls);
        if (state != TLS_READ && state != TLS_WRITE) {
            return state;
        }
        SSL_do_handshake(pair->server);
        ERR_clear_error();
    }
    fail_msg("the handshake does not end");
    return TLS_FAILED;
}

/* A question and its answer: how reading it ends. */
static TlsState ask(Pair *pair)
{
    char byte;
    size_t n;
    TlsState state = tls_write(pair->tls, "?", 1, &n);
    for (int turn = 0; state != TLS_FAILED && turn < 1000; turn++) {
        char asked;
        if (SSL_read(pair->server, &asked, 1) == 1 && asked == '?') {
            SSL_write(pair->server, "!", 1);
        }
        ERR_clear_error();
        state = tls_read(pair->tls, &byte, 1, &n);
        if (state != TLS_READ) {
            return state;
        }
    }
    return state;
}

#define OTHER_HOST "tls: the certificate is for another host: "
#define NOT_TRUSTED "tls: the certificate is not trusted: "

static const struct {
    const char *label;
    const char *alternatives; /* of the server's certificate */
    const char *host;
    const char *name; /* REDIS_TLS_NAME */
    TlsVerify verify;
    const char *ca;
    bool other_ca, expired, wants_client, has_client;
    int version;       /* at most; 0 = any */
    const char *asked; /* by SNI */
    const char *why;   /* how it begins; NULL: it is well */
} cases[] = {
    {"right name", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem", .asked = "redis.test"},
    {"right name, TLS 1.2", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .version = TLS1_2_VERSION, .asked = "redis.test"},
    {"one of several names", "DNS:a.test,DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .asked = "redis.test"},
    {"in another case", "DNS:redis.test", "Redis.TEST", "", TLS_FULL, "ca.pem",
     .asked = "Redis.TEST"},
    {"wildcard", "DNS:*.redis.test", "a.redis.test", "", TLS_FULL, "ca.pem",
     .asked = "a.redis.test"},
    {"wildcard for a part", "DNS:a*.redis.test", "ab.redis.test", "", TLS_FULL, "ca.pem",
     .asked = "ab.redis.test", .why = OTHER_HOST "hostname mismatch"},
    {"IPv4", "IP:127.0.0.1", "127.0.0.1", "", TLS_FULL, "ca.pem", .asked = ""},
    {"IPv6", "IP:::1", "::1", "", TLS_FULL, "ca.pem", .asked = ""},
    {"REDIS_TLS_NAME", "DNS:redis.test", "127.0.0.1", "redis.test", TLS_FULL, "ca.pem",
     .asked = "redis.test"},
    {"REDIS_TLS_NAME is an address", "IP:10.0.0.1", "redis.test", "10.0.0.1", TLS_FULL, "ca.pem",
     .asked = ""},
    {"chain only", "DNS:other.test", "redis.test", "", TLS_CHAIN, "ca.pem", .asked = "redis.test"},
    {"chain only, an address", "DNS:other.test", "127.0.0.1", "", TLS_CHAIN, "ca.pem", .asked = ""},
    {"client's certificate", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .wants_client = true, .has_client = true, .asked = "redis.test"},
    {"client's certificate, TLS 1.2", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .wants_client = true, .has_client = true, .version = TLS1_2_VERSION, .asked = "redis.test"},
    {"a certificate that nobody wants", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .has_client = true, .asked = "redis.test"},

    {"wrong name", "DNS:other.test", "redis.test", "", TLS_FULL, "ca.pem", .asked = "redis.test",
     .why = OTHER_HOST "hostname mismatch"},
    {"wrong address", "IP:127.0.0.2", "127.0.0.1", "", TLS_FULL, "ca.pem", .asked = "",
     .why = OTHER_HOST "IP address mismatch"},
    {"an address written as a name", "DNS:127.0.0.1", "127.0.0.1", "", TLS_FULL, "ca.pem",
     .asked = "", .why = OTHER_HOST "IP address mismatch"},
    {"wrong CA", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem", .other_ca = true,
     .asked = "redis.test", .why = NOT_TRUSTED "unable to get local issuer certificate"},
    {"wrong CA, chain only", "DNS:redis.test", "redis.test", "", TLS_CHAIN, "ca.pem",
     .other_ca = true, .asked = "redis.test",
     .why = NOT_TRUSTED "unable to get local issuer certificate"},
    {"the system's CAs do not know ours", "DNS:redis.test", "redis.test", "", TLS_FULL, "",
     .asked = "redis.test", .why = NOT_TRUSTED "unable to get local issuer certificate"},
    {"expired", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem", .expired = true,
     .asked = "redis.test", .why = NOT_TRUSTED "certificate has expired"},
    {"expired, chain only", "DNS:redis.test", "redis.test", "", TLS_CHAIN, "ca.pem",
     .expired = true, .asked = "redis.test", .why = NOT_TRUSTED "certificate has expired"},
    {"no client's certificate", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .wants_client = true, .asked = "redis.test", .why = "tls: tlsv13 alert certificate required"},
    {"no client's certificate, TLS 1.2", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem",
     .wants_client = true, .version = TLS1_2_VERSION, .asked = "redis.test",
     .why = "tls: "}, /* an alert whose name depends on OpenSSL's version */
    {"TLS 1.1", "DNS:redis.test", "redis.test", "", TLS_FULL, "ca.pem", .version = TLS1_1_VERSION,
     .asked = "redis.test", .why = "tls: tlsv1 alert protocol version"},
};

static void test_handshakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Pair pair = {.fds = {-1, -1}};
        Identity server =
            make_identity("server", cases[i].alternatives, cases[i].other_ca ? &other_ca : &our_ca,
                          cases[i].expired ? -60 : 3600);
        const TlsSettings settings = {.ca = cases[i].ca[0] ? path_of(cases[i].ca) : "",
                                      .cert = cases[i].has_client ? path_of("client.pem") : "",
                                      .key = cases[i].has_client ? path_of("client.key") : "",
                                      .name = cases[i].name,
                                      .verify = cases[i].verify};
        open_server(&pair, &server);
        if (cases[i].wants_client) {
            require_client(&pair);
        }
        if (cases[i].version) {
            SSL_CTX_set_security_level(pair.server_context, 0);
            SSL_CTX_set_max_proto_version(pair.server_context, cases[i].version);
        }
        open_client(&pair, &settings, cases[i].host);
        TlsState ended = shake_hands(&pair);
        ended = ended == TLS_DONE ? ask(&pair) : ended;
        const char *why = ended == TLS_DONE ? "" : tls_why(pair.tls);
        bool ok =
            (cases[i].why ? strncmp(why, cases[i].why, strlen(cases[i].why)) == 0 : !why[0]) &&
            (ended == TLS_DONE || ended == TLS_FAILED) &&
            (cases[i].version == TLS1_1_VERSION || strcmp(pair.asked, cases[i].asked) == 0);
        if (!ok) {
            fail_msg("%s: %d '%s', asked for '%s'", cases[i].label, (int)ended, why, pair.asked);
        }
        close_pair(&pair);
        free_identity(&server);
    }
}

/* A pair that trusts each other. */
static void open_good_pair(Pair *pair, int version)
{
    Identity server = make_identity("server", "DNS:redis.test", &our_ca, 3600);
    const TlsSettings settings = {.ca = path_of("ca.pem"), .cert = "", .key = "", .name = ""};
    *pair = (Pair){.fds = {-1, -1}};
    open_server(pair, &server);
    if (version) {
        SSL_CTX_set_max_proto_version(pair->server_context, version);
    }
    open_client(pair, &settings, "redis.test");
    free_identity(&server);
}

enum { MUCH = 3 << 20 };

static char much[MUCH], got[MUCH];

/* One step of the server's side of an exchange of much for much. */
static void serve_much(Pair *pair, size_t *read, size_t *written)
{
    size_t n;
    if (*read < MUCH && SSL_read_ex(pair->server, got + *read, MUCH - *read, &n) == 1) {
        assert_memory_equal(got + *read, much + *read, n);
        *read += n;
    }
    if (*written < *read &&
        SSL_write_ex(pair->server, much + *written, *read - *written, &n) == 1) {
        *written += n;
    }
    ERR_clear_error();
}

/* Large data both ways through sockets that take little at a time; the bytes that wait to be
 * written move meanwhile, as those of a buffer do, and keys are changed. */
static void test_much(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, 0};
    for (size_t i = 0; i < MUCH; i++) {
        much[i] = (char)(i * 7 + (i >> 11));
    }
    for (size_t v = 0; v < COUNT(versions); v++) {
        Pair pair;
        size_t sent = 0, received = 0, read = 0, written = 0, n, waits = 0;
        open_good_pair(&pair, versions[v]);
        assert_int_equal(shake_hands(&pair), TLS_DONE);
        for (size_t turn = 0; received < MUCH; turn++) {
            assert_true(turn < 1000000);
            if (sent < MUCH) {
                char *moved = malloc(MUCH - sent);
                assert_non_null(moved);
                memcpy(moved, much + sent, MUCH - sent);
                TlsState state_of = tls_write(pair.tls, moved, MUCH - sent, &n);
                free(moved);
                assert_true(state_of == TLS_DONE ? n > 0 : state_of != TLS_FAILED && n == 0);
                waits += state_of == TLS_WRITE;
                sent += n;
            }
            for (int i = 0; i < 20; i++) {
                serve_much(&pair, &read, &written);
            }
            if (versions[v] == 0 && turn % 8 == 0) {
                SSL_key_update(pair.server, SSL_KEY_UPDATE_REQUESTED);
            }
            static char part[10000];
            TlsState state_of;
            while ((state_of = tls_read(pair.tls, part, sizeof(part), &n)) == TLS_DONE) {
                assert_true(n > 0 && n <= MUCH - received);
                assert_memory_equal(part, much + received, n);
                received += n;
            }
            assert_true(state_of == TLS_READ || state_of == TLS_WRITE);
            assert_int_equal(n, 0);
        }
        assert_true(waits > 10);
        close_pair(&pair);
    }
}

/* A server that says nothing is waited for to say something: never for room to write. */
static void test_stalled_handshake(void **state)
{
    (void)state;
    Pair pair;
    open_good_pair(&pair, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tls_handshake(pair.tls), TLS_READ);
    }
    char byte;
    assert_int_equal(recv(pair.fds[1], &byte, 1, MSG_PEEK), 1); /* it was greeted once */
    assert_int_equal(shake_hands(&pair), TLS_DONE);             /* and may still come */
    close_pair(&pair);
}

static TlsState hear(const char *said, bool hangs_up, const char **ret_why)
{
    static char why[LIMIT_TEXT];
    Pair pair;
    open_good_pair(&pair, 0);
    assert_int_equal(tls_handshake(pair.tls), TLS_READ);
    char hello[4096];
    assert_true(recv(pair.fds[1], hello, sizeof(hello), 0) > 0);
    assert_int_equal(send(pair.fds[1], said, strlen(said), 0), strlen(said));
    if (hangs_up) {
        close_fd(&pair.fds[1]);
    }
    TlsState state = tls_handshake(pair.tls);
    snprintf(why, sizeof(why), "%s", tls_why(pair.tls));
    *ret_why = why;
    close_pair(&pair);
    return state;
}

/* Those who do not speak TLS. */
static void test_other_protocols(void **state)
{
    (void)state;
    const char *why;
    const char *const said[] = {"-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n",
                                "+PONG\r\n", "220 mail.test ESMTP\r\n"};
    for (size_t i = 0; i < COUNT(said); i++) {
        assert_int_equal(hear(said[i], false, &why), TLS_FAILED);
        if (strcmp(why, "tls: wrong version number: is this a TLS port?") != 0) {
            fail_msg("%s: %s", said[i], why);
        }
    }
    assert_int_equal(hear("", true, &why), TLS_CLOSED);
    assert_int_equal(hear("\x16\x03\x03", true, &why), TLS_CLOSED);
}

static void test_ends(void **state)
{
    (void)state;
    char byte;
    size_t n;
    for (int farewell = 0; farewell < 2; farewell++) {
        Pair pair;
        open_good_pair(&pair, 0);
        assert_int_equal(shake_hands(&pair), TLS_DONE);
        assert_int_equal(ask(&pair), TLS_DONE);
        SSL_write(pair.server, "x", 1);
        if (farewell) {
            SSL_shutdown(pair.server);
        }
        close_fd(&pair.fds[1]);
        assert_int_equal(tls_read(pair.tls, &byte, 1, &n), TLS_DONE); /* what was said before */
        assert_int_equal(n, 1);
        assert_int_equal(tls_read(pair.tls, &byte, 1, &n), TLS_CLOSED);
        assert_int_equal(n, 0);
        close_pair(&pair);
    }

    Pair pair; /* writing to whom has gone */
    open_good_pair(&pair, 0);
    assert_int_equal(shake_hands(&pair), TLS_DONE);
    close_fd(&pair.fds[1]);
    assert_int_equal(tls_write(pair.tls, "x", 1, &n), TLS_CLOSED);
    close_pair(&pair);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *ca, *cert, *key;
        const char *why; /* %s: the folder */
    } rows[] = {
        {"none.pem", "", "", "tls: cannot read the CA %s/none.pem: No such file or directory"},
        {"garbage.pem", "", "", "tls: no CA in %s/garbage.pem: "},
        {"ca.pem", "none.pem", "client.key",
         "tls: cannot read the certificate %s/none.pem: No such file or directory"},
        {"ca.pem", "client.pem", "none.key",
         "tls: cannot read the key %s/none.key: No such file or directory"},
        {"ca.pem", "garbage.pem", "client.key", "tls: no certificate in %s/garbage.pem: "},
        {"ca.pem", "client.pem", "garbage.pem",
         "tls: no key of the certificate in %s/garbage.pem: "},
        {"ca.pem", "client.pem", "other.key",
         "tls: no key of the certificate in %s/other.key: key values mismatch"},
        {"ca.pem", "client.pem", "rsa.key", "tls: no key of the certificate in %s/rsa.key: "},
        {"ca.pem", "client.pem", "secret.key", "tls: no key of the certificate in %s/secret.key: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        Error error = {.text = ""};
        char want[LIMIT_TEXT];
        const TlsSettings settings = {.ca = path_of(rows[i].ca),
                                      .cert = rows[i].cert[0] ? path_of(rows[i].cert) : "",
                                      .key = rows[i].key[0] ? path_of(rows[i].key) : "",
                                      .name = ""};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(want, sizeof(want), rows[i].why, folder);
#pragma GCC diagnostic pop
        assert_null(tls_context_new(&settings, &error));
        assert_int_equal(error.code, ERROR_SETUP);
        if (strncmp(error.text, want, strlen(want)) != 0 || strchr(error.text, '\n')) {
            fail_msg("%s instead of %s", error.text, want);
        }
    }
}

/* A directory of CAs may be empty; whatever they trust is looked up later. */
static void test_directory(void **state)
{
    (void)state;
    Error error;
    const TlsSettings settings = {.ca = folder, .cert = "", .key = "", .name = ""};
    TlsContext *context = tls_context_new(&settings, &error);
    assert_non_null(context);
    tls_context_free(context);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    const TlsSettings settings = {.ca = path_of("ca.pem"), .cert = "", .key = "", .name = ""};
    Error error;
    failing_malloc_begin(0, FAIL_ONCE);
    TlsContext *context = tls_context_new(&settings, &error);
    failing_malloc_end();
    assert_null(context);
    assert_int_equal(error.code, ERROR_NO_MEMORY);
    context = tls_context_new(&settings, &error);
    assert_non_null(context);
    failing_malloc_begin(0, FAIL_ONCE);
    Tls *tls = tls_open(context, 0, "h", &error);
    failing_malloc_end();
    assert_null(tls);
    assert_int_equal(error.code, ERROR_NO_MEMORY);
    assert_null(tls_close(NULL));
    assert_null(tls_context_free(context));
    assert_null(tls_context_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshakes),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_stalled_handshake),
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
