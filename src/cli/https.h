/*
 * Requests over TLS to one place, one after the other, on a connection that is kept. By libcurl
 * (curl_library.h), which also honours the usual variables for proxies (https_proxy, no_proxy); the
 * CAs are those of `cacert`, of the environment (CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR), or
 * the system's. The certificate must be for the place's name. A redirect is an answer like others.
 * One thread.
 */
#pragma once

#include "base/error.h"
#include "text/buffer.h"

struct https;

/*
 * url: "https://HOST[:PORT]" and what comes before every path, whole. cacert: PEM file; NULL: none.
 * Both are copied. 0, -EINVAL (no such URL), -ENOENT (*reason: libcurl cannot be loaded), -ENOMEM.
 */
int https_new(struct https **https, const char *url, const char *cacert, const char **reason) MUST_CHECK;
void https_free(struct https *https); /* NULL is fine */

struct https_request {
	const char *method, *path; /* behind the URL; "" */
	const char *headers;       /* lines with CR LF behind each; "" */
	const char *body;          /* NULL: none */
	/*
	 * Takes a part of the answer's body; false ends it. Called only where the status is 2xx or
	 * `every_status`.
	 */
	bool (*take)(void *context, const char *data, size_t size);
	void *context;
	bool every_status;
	int64_t timeout_ms; /* of all of it; 0: only of 45 s of silence */
};
/*
 * 0 and *status; or negative: -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -EMSGSIZE (it was ended by
 * `take`), -EPROTO: see https_reason().
 */
int https_call(struct https *https, const struct https_request *request, int *status) MUST_CHECK;
/* What the last call failed with, in words. */
const char *https_reason(const struct https *https);
