#include "crowd/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/library.h"
#include "built_in.h"

#define TEXT_OF(macro) TEXT_OF_VALUE(macro)
#define TEXT_OF_VALUE(value) #value
#define LIBRARY_NAME "libssl.so." TEXT_OF(OPENSSL_SHLIB_VERSION)

enum { REASON_SIZE = 128 };

struct library {
	const SSL_METHOD *(*client_method)(void);
	SSL_CTX *(*context_new)(const SSL_METHOD *method);
	void (*context_free)(SSL_CTX *context);
	long (*context_ctrl)(SSL_CTX *context, int command, long number, void *pointer);
	void (*context_verify)(SSL_CTX *context, int mode, SSL_verify_cb callback);
	int (*context_file)(SSL_CTX *context, const char *file, const char *folder);
	int (*context_default)(SSL_CTX *context);
	SSL *(*stream_new)(SSL_CTX *context);
	void (*stream_free)(SSL *ssl);
	long (*stream_ctrl)(SSL *ssl, int command, long number, void *pointer);
	int (*stream_socket)(SSL *ssl, int socket);
	int (*stream_host)(SSL *ssl, const char *name);
	X509_VERIFY_PARAM *(*stream_parameters)(SSL *ssl);
	int (*connect)(SSL *ssl);
	int (*read)(SSL *ssl, void *data, int size);
	int (*write)(SSL *ssl, const void *data, int size);
	int (*error)(const SSL *ssl, int result);
	long (*verified)(const SSL *ssl);
};

struct tls {
	struct library library;
	SSL_CTX *context;
	char reason[REASON_SIZE];
};

struct tls_stream {
	struct tls *tls;
	SSL *ssl;
};

/* --- Beginning and end --- */

static bool load(struct library *library, const char **reason)
{
	const struct library_symbol symbols[] = {
		{"TLS_client_method", &library->client_method},
		{"SSL_CTX_new", &library->context_new},
		{"SSL_CTX_free", &library->context_free},
		{"SSL_CTX_ctrl", &library->context_ctrl},
		{"SSL_CTX_set_verify", &library->context_verify},
		{"SSL_CTX_load_verify_locations", &library->context_file},
		{"SSL_CTX_set_default_verify_paths", &library->context_default},
		{"SSL_new", &library->stream_new},
		{"SSL_free", &library->stream_free},
		{"SSL_ctrl", &library->stream_ctrl},
		{"SSL_set_fd", &library->stream_socket},
		{"SSL_set1_host", &library->stream_host},
		{"SSL_get0_param", &library->stream_parameters},
		{"SSL_connect", &library->connect},
		{"SSL_read", &library->read},
		{"SSL_write", &library->write},
		{"SSL_get_error", &library->error},
		{"SSL_get_verify_result", &library->verified},
	};
	bool loaded;

	if (PENSTOCK_STATIC) {
		*reason = "a static build does not load " LIBRARY_NAME ": run that of another build or package";
		return false;
	}
	loaded = library_load(LIBRARY_NAME, symbols, sizeof(symbols) / sizeof(symbols[0]));
	*reason = LIBRARY_NAME " cannot be loaded: install libssl" TEXT_OF(OPENSSL_SHLIB_VERSION);
	return loaded;
}

static bool trust(const struct tls *tls, const char *cacert)
{
	const char *file = cacert ? cacert : getenv("CURL_CA_BUNDLE");

	if (file && *file)
		return tls->library.context_file(tls->context, file, NULL) == 1;
	return tls->library.context_default(tls->context) == 1; /* SSL_CERT_FILE and SSL_CERT_DIR, too */
}

int tls_new(struct tls **out, const char *cacert, const char **reason)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	bool trusted;

	if (!tls)
		return error_origin(-ENOMEM);
	if (!load(&tls->library, reason)) {
		free(tls);
		return -ENOENT;
	}
	tls->context = tls->library.context_new(tls->library.client_method());
	if (!tls->context) {
		free(tls);
		return error_origin(-ENOMEM);
	}
	tls->library.context_ctrl(tls->context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
	/* What is to be sent may move between two tries, and goes as far as it goes. */
	tls->library.context_ctrl(tls->context, SSL_CTRL_MODE,
				  SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL);
	tls->library.context_verify(tls->context, SSL_VERIFY_PEER, NULL);
	trusted = trust(tls, cacert);
	ERR_clear_error();
	if (!trusted) {
		*reason = "the file of authorities cannot be read";
		tls_free(tls);
		return -ENOENT;
	}
	*out = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	tls->library.context_free(tls->context);
	free(tls);
}

const char *tls_reason(const struct tls *tls)
{
	return tls->reason;
}

/* --- Streams --- */

/* Who it must be: a name, which is also said to the server, or an address. */
static bool expect(const struct library *library, SSL *ssl, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(library->stream_parameters(ssl), name) == 1)
		return true;
	return library->stream_host(ssl, name) == 1 &&
	       library->stream_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)name) == 1;
}

struct tls_stream *tls_open(struct tls *tls, int socket, const char *name)
{
	struct tls_stream *stream = calloc(1, sizeof(*stream));
	const struct library *library = &tls->library;
	bool made;

	if (!stream)
		return NULL;
	*stream = (struct tls_stream){tls, library->stream_new(tls->context)};
	made = stream->ssl && library->stream_socket(stream->ssl, socket) == 1 && expect(library, stream->ssl, name);
	ERR_clear_error();
	if (!made) {
		tls_close(stream);
		return NULL;
	}
	return stream;
}

void tls_close(struct tls_stream *stream)
{
	if (!stream)
		return;
	if (stream->ssl)
		stream->tls->library.stream_free(stream->ssl);
	free(stream);
}

/* What came of a call: 0: the end; -EAGAIN; -ECONNRESET. */
static int end_of(const struct tls_stream *stream, int result)
{
	int error = stream->tls->library.error(stream->ssl, result);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -ECONNRESET;
}

/* Whether the two do not understand each other; else the server is gone, and may come back. */
static bool is_refusal(struct tls *tls, const struct tls_stream *stream)
{
	long verified = tls->library.verified(stream->ssl);
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_reason_error_string(error);

	if (verified != X509_V_OK)
		snprintf(tls->reason, sizeof(tls->reason), "the server's certificate: %s", X509_verify_cert_error_string(verified));
	else if (error != 0 && ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
		snprintf(tls->reason, sizeof(tls->reason), "no TLS with the server: %s", reason ? reason : "a fault");
	else
		return false;
	return true;
}

int tls_handshake(struct tls_stream *stream)
{
	int r;

	ERR_clear_error();
	r = stream->tls->library.connect(stream->ssl);
	if (r == 1)
		return 0;
	r = end_of(stream, r);
	if (r == -EAGAIN)
		return TLS_MORE;
	return is_refusal(stream->tls, stream) ? -EPROTO : -ECONNRESET;
}

ssize_t tls_write(struct tls_stream *stream, const void *data, size_t size)
{
	int r;

	ERR_clear_error();
	r = stream->tls->library.write(stream->ssl, data, size < INT_MAX ? (int)size : INT_MAX);
	if (r > 0)
		return r;
	r = end_of(stream, r);
	return r == 0 ? -EPIPE : r;
}

ssize_t tls_read(struct tls_stream *stream, void *data, size_t size)
{
	int r;

	ERR_clear_error();
	r = stream->tls->library.read(stream->ssl, data, size < INT_MAX ? (int)size : INT_MAX);
	return r > 0 ? r : end_of(stream, r);
}
