/*
 * Signed tokens in their compact form (RFC 7515, section 7.1): HEADER.PAYLOAD.SIGNATURE, each part
 * in base64url. What they say is not looked at here. A key is read once and then only read: any
 * thread may verify with it.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"
#include "identity/identity.h"
#include "text/slice.h"

enum { JWS_SIZE_MAX = 4096 }; /* bytes of a token: what half of a request's headers can hold */

struct jws {
	struct slice header, payload, signature; /* in base64url, not decoded yet */
	struct slice input;                      /* what is signed: header, dot, payload */
};

/* False unless there are exactly three parts, none empty, and at most JWS_SIZE_MAX bytes. */
bool jws_split(struct slice token, struct jws *jws);

struct jws_key;
/* Takes identity_settings' algorithm and key. 0, -EINVAL (*reason: static text), -ENOMEM. */
int jws_key_new(struct jws_key **key, enum identity_algorithm algorithm, struct slice text, const char **reason) MUST_CHECK;
/* Takes OpenSSL's public key, whatever comes of it. As jws_key_new(). */
struct evp_pkey_st;
int jws_key_take(struct jws_key **key, enum identity_algorithm algorithm, struct evp_pkey_st *public, const char **reason) MUST_CHECK;
void jws_key_free(struct jws_key *key); /* NULL is fine */
enum identity_algorithm jws_key_algorithm(const struct jws_key *key);
bool jws_verify(const struct jws_key *key, const struct jws *jws) MUST_CHECK;

enum { JWS_SIGNATURE_MAX = 1024 }; /* bytes: of the longest RSA key */
/*
 * Signs `input` with the secret, or with the private key in PEM. 0; -EINVAL: the key cannot sign,
 * or not by this algorithm; -ENOMEM.
 */
int jws_sign(enum identity_algorithm algorithm, struct slice text, struct slice input,
	     unsigned char signature[static JWS_SIGNATURE_MAX], size_t *size) MUST_CHECK;
