/*
 * TLS for the crowd's sockets, by OpenSSL's libssl, which is loaded where it is wanted: what does
 * not speak TLS is not linked with it. Certificates are checked against a private CA, or against
 * those that the usual variables name or the system has. One thread.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"

struct tls;
struct tls_stream;

/*
 * cacert: a file of authorities in place of the others; NULL: CURL_CA_BUNDLE, SSL_CERT_FILE and
 * SSL_CERT_DIR, or the system's. 0, -ENOENT (*reason: static text: there is no libssl, or no such
 * file) or -ENOMEM.
 */
int tls_new(struct tls **tls, const char *cacert, const char **reason) MUST_CHECK;
void tls_free(struct tls *tls); /* after its streams */
/* Why the last handshake failed with -EPROTO. */
const char *tls_reason(const struct tls *tls);

/*
 * Over a socket that does not block and stays its owner's, to a server of that name or address.
 * NULL: out of memory.
 */
struct tls_stream *tls_open(struct tls *tls, int socket, const char *name);
void tls_close(struct tls_stream *stream); /* says nothing to the server; NULL: nothing */
enum { TLS_MORE = 1 };
/*
 * 0: it is open. TLS_MORE: call again when the socket is ready. -EPROTO: the server's certificate
 * is not believed, or it speaks no TLS. -ECONNRESET: the connection is gone.
 */
int tls_handshake(struct tls_stream *stream) MUST_CHECK;
/* As send() and recv() with a negative error: -EAGAIN; 0 of tls_read(): the end. */
ssize_t tls_write(struct tls_stream *stream, const void *data, size_t size);
ssize_t tls_read(struct tls_stream *stream, void *data, size_t size);
