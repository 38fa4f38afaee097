/*
 * TLS on a socket of ours: the only user of OpenSSL's libssl. A connection drives it: every
 * function does what can be done without blocking, and says what the socket must be watched for.
 *
 * TLS 1.2 at least. The peer's certificate must be of a trusted CA and, unless verify is TLS_CHAIN,
 * carry the name (or the IP address) that was asked for; the name is sent as SNI unless it is an
 * address. A context is made once for a process and outlives its sessions. SIGPIPE must be ignored:
 * the library writes to sockets that may be closed.
 */
#ifndef TICKSTREAM_TLS_H
#define TICKSTREAM_TLS_H

#include "base/error.h"

/* Is the name looked for in the peer's certificate, or is its chain of CAs enough? */
typedef enum { TLS_FULL, TLS_CHAIN, TLS_VERIFIES } TlsVerify;

/* How they are called in the configuration. */
extern const char *const tls_verify_names[TLS_VERIFIES];

/* Paths and names, borrowed for the call; "" = none. */
typedef struct {
    const char *ca;   /* a file or a directory of trusted CAs; "" = the system's */
    const char *cert; /* of ours, with its chain, PEM; together with key */
    const char *key;  /* PEM, without a passphrase */
    const char *name; /* to be found in the peer's certificate instead of the host; "" = the host */
    TlsVerify verify;
} TlsSettings;

typedef struct TlsContext TlsContext;
typedef struct Tls Tls;

/* NULL: ERROR_SETUP with one line that names the file, or ERROR_NO_MEMORY. */
TlsContext *tls_context_new(const TlsSettings *settings, Error *reterr);
TlsContext *tls_context_free(TlsContext *context); /* takes NULL; returns NULL */

/* Would tls_context_new() succeed now? */
bool tls_check(const TlsSettings *settings, Error *reterr);

/* A session on a connected, non-blocking socket, which stays the caller's. host: that of the URL.
 */
Tls *tls_open(TlsContext *context, int fd, const char *host, Error *reterr);

/* What became of a call. TLS_READ, TLS_WRITE: call the same again when the socket is readable or
 * writable. TLS_FAILED: tls_why() has the reason. TLS_CLOSED: the peer has ended the connection. */
typedef enum { TLS_DONE, TLS_READ, TLS_WRITE, TLS_CLOSED, TLS_FAILED } TlsState;

TlsState tls_handshake(Tls *tls);

/* *ret: bytes moved, more than 0 when TLS_DONE. After tls_read() has filled the room there may be
 * more inside the session, which no event of the socket reports: read until TLS_READ. */
TlsState tls_read(Tls *tls, void *to, size_t room, size_t *ret);
TlsState tls_write(Tls *tls, const void *from, size_t len, size_t *ret);

/* One line for a log: "tls: the certificate is for another host: hostname mismatch", "tls: wrong
 * version number: is this a TLS port?". Borrowed until the next call. */
const char *tls_why(const Tls *tls);

/* Ends the session without waiting for the peer; the socket stays open. Takes NULL; returns NULL.
 */
Tls *tls_close(Tls *tls);

#endif
