#include "redis/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct TlsContext {
    SSL_CTX *ssl;
    TlsVerify verify;
    char name[256]; /* "" = the host */
};

struct Tls {
    SSL *ssl;
    char why[LIMIT_TEXT];
};

const char *const tls_verify_names[TLS_VERIFIES] = {[TLS_FULL] = "full", [TLS_CHAIN] = "chain"};

/* The newest error of libssl or libcrypto, in words. */
static const char *library_error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "unknown error";
}

static bool bad_file(const char *what, const char *path, const char *why, Error *reterr)
{
    return error_set(reterr, ERROR_SETUP, "tls: %s %.80s: %.50s", what, path, why);
}

/* What the library says of a file that it cannot open is no help. */
static bool check_file(const char *what, const char *path, Error *reterr)
{
    return access(path, R_OK) == 0 || bad_file(what, path, strerror(errno), reterr);
}

/* Settings */

/* A key with a passphrase is refused: nobody is there to be asked for it. */
static int no_passphrase(char *to, int room, int is_writing, void *arg)
{
    (void)to;
    (void)room;
    (void)is_writing;
    (void)arg;
    return -1;
}

static bool load_ca(SSL_CTX *ssl, const char *path, Error *reterr)
{
    struct stat status;
    if (!path[0]) {
        return SSL_CTX_set_default_verify_paths(ssl) == 1 ||
               error_set(reterr, ERROR_SETUP, "tls: the system's CAs: %.80s", library_error());
    }
    if (!check_file("cannot read the CA", path, reterr)) {
        return false;
    }
    bool is_directory = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    bool ok = is_directory ? SSL_CTX_load_verify_dir(ssl, path) == 1
                           : SSL_CTX_load_verify_file(ssl, path) == 1;
    return ok || bad_file("no CA in", path, library_error(), reterr);
}

static bool load_identity(SSL_CTX *ssl, const TlsSettings *settings, Error *reterr)
{
    if (!settings->cert[0]) {
        return true;
    }
    if (!check_file("cannot read the certificate", settings->cert, reterr) ||
        !check_file("cannot read the key", settings->key, reterr)) {
        return false;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, settings->cert) != 1) {
        return bad_file("no certificate in", settings->cert, library_error(), reterr);
    }
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    return (SSL_CTX_use_PrivateKey_file(ssl, settings->key, SSL_FILETYPE_PEM) == 1 &&
            SSL_CTX_check_private_key(ssl) == 1) ||
           bad_file("no key of the certificate in", settings->key, library_error(), reterr);
}

TlsContext *tls_context_new(const TlsSettings *settings, Error *reterr)
{
    TlsContext *context = calloc(1, sizeof(*context));
    ERR_clear_error();
    if (context) {
        context->ssl = SSL_CTX_new(TLS_client_method());
    }
    if (!context || !context->ssl) {
        error_no_memory(reterr);
        return tls_context_free(context);
    }
    context->verify = settings->verify;
    snprintf(context->name, sizeof(context->name), "%s", settings->name);
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION);
    /* The buffer of commands may move and shrink between two attempts to write the same bytes. */
    SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION) != 1 ||
        !load_ca(context->ssl, settings->ca, reterr) ||
        !load_identity(context->ssl, settings, reterr)) {
        return tls_context_free(context);
    }
    return context;
}

TlsContext *tls_context_free(TlsContext *context)
{
    if (context) {
        SSL_CTX_free(context->ssl);
        free(context);
    }
    return NULL;
}

bool tls_check(const TlsSettings *settings, Error *reterr)
{
    TlsContext *context = tls_context_new(settings, reterr);
    const bool ok = context != NULL;
    tls_context_free(context);
    return ok;
}

/* Sessions */

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* OpenSSL's macro for it casts const away. */
static bool ask_for_name(SSL *ssl, const char *name)
{
    union {
        const char *in;
        void *out;
    } pointer = {.in = name};
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, pointer.out) == 1;
}

/* Whom the certificate must be for. An address is looked for among the addresses of the
 * certificate, and is no name for SNI (RFC 6066 section 3). */
static bool expect(SSL *ssl, const char *name, TlsVerify verify)
{
    if (is_address(name)) {
        return verify == TLS_CHAIN || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return ask_for_name(ssl, name) && (verify == TLS_CHAIN || SSL_set1_host(ssl, name) == 1);
}

Tls *tls_open(TlsContext *context, int fd, const char *host, Error *reterr)
{
    Tls *tls = calloc(1, sizeof(*tls));
    ERR_clear_error();
    if (tls) {
        tls->ssl = SSL_new(context->ssl);
    }
    if (!tls || !tls->ssl || SSL_set_fd(tls->ssl, fd) != 1 ||
        !expect(tls->ssl, context->name[0] ? context->name : host, context->verify)) {
        error_no_memory(reterr);
        return tls_close(tls);
    }
    SSL_set_connect_state(tls->ssl);
    return tls;
}

static void explain(Tls *tls, int system_error)
{
    const long verified = SSL_get_verify_result(tls->ssl);
    const unsigned long code = ERR_peek_last_error();
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        snprintf(tls->why, sizeof(tls->why), "tls: the certificate is for another host: %s",
                 X509_verify_cert_error_string(verified));
    } else if (verified != X509_V_OK) {
        snprintf(tls->why, sizeof(tls->why), "tls: the certificate is not trusted: %s",
                 X509_verify_cert_error_string(verified));
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
               ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        snprintf(tls->why, sizeof(tls->why), "tls: wrong version number: is this a TLS port?");
    } else if (code && !ERR_SYSTEM_ERROR(code)) {
        snprintf(tls->why, sizeof(tls->why), "tls: %s", library_error());
    } else {
        snprintf(tls->why, sizeof(tls->why), "tls: %s",
                 system_error ? strerror(system_error) : "the connection broke");
    }
}

/* What a call that returned `result` means. */
static TlsState state_of(Tls *tls, int result)
{
    const int system_error = errno, error = SSL_get_error(tls->ssl, result);
    switch (error) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        break;
    }
    /* OpenSSL 3 reports an end without a farewell as an error; before, as no error at all. 3.5
     * files failed system calls among its own errors. */
    const unsigned long code = ERR_peek_last_error();
    const bool hung_up =
        system_error == EPIPE || system_error == ECONNRESET || (system_error == 0 && !code);
    const bool by_system = error == SSL_ERROR_SYSCALL || ERR_SYSTEM_ERROR(code);
    if ((by_system && hung_up) || (ERR_GET_LIB(code) == ERR_LIB_SSL &&
                                   ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        return TLS_CLOSED;
    }
    explain(tls, system_error);
    return TLS_FAILED;
}

static void begin_call(void)
{
    ERR_clear_error(); /* SSL_get_error() looks at what is left of others */
    errno = 0;
}

TlsState tls_handshake(Tls *tls)
{
    begin_call();
    return state_of(tls, SSL_do_handshake(tls->ssl));
}

TlsState tls_read(Tls *tls, void *to, size_t room, size_t *ret)
{
    *ret = 0;
    begin_call();
    return state_of(tls, SSL_read_ex(tls->ssl, to, room, ret));
}

TlsState tls_write(Tls *tls, const void *from, size_t len, size_t *ret)
{
    *ret = 0;
    begin_call();
    return state_of(tls, SSL_write_ex(tls->ssl, from, len, ret));
}

const char *tls_why(const Tls *tls)
{
    return tls->why;
}

Tls *tls_close(Tls *tls)
{
    if (tls) {
        SSL_free(tls->ssl);
        free(tls);
    }
    return NULL;
}
