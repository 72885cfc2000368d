/*
 * Signatures straight over OpenSSL, with a key that is read once. A library that reads the key anew
 * for every token (libjwt) takes 316 us to verify an RS256 token on one core, 425 us an ES256 one
 * and 4.4 us an HS256 one, against 28, 79 and 2 us here with everything else that makes a token
 * good; and a crowd with forged tokens would make us pay that.
 * docs/decisions/0017-tokens-without-a-library.md has the others that were looked at.
 */
#include "identity/jws.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include "text/base64url.h"

enum {
	SECRET_MIN = 32,     /* bytes of an HS256 secret: as long as the hash (RFC 7518, section 3.2) */
	RSA_BITS_MIN = 2048, /* RFC 7518, section 3.3 */
	RSA_BITS_MAX = 8192, /* its signature fits a token, and its price a request */
	P256_BYTES = 32,     /* of r, and of s (RFC 7518, section 3.4) */
	P256_DER_MAX = 72,   /* bytes of the same as an ASN.1 sequence of two integers */
	SHA256_BYTES = 32,
};
_Static_assert(JWS_SIGNATURE_MAX == RSA_BITS_MAX / 8, "the longest signature is that of the longest RSA key");

struct jws_key {
	enum identity_algorithm algorithm;
	EVP_MD *sha256;     /* all but HS256 */
	EVP_PKEY *public;   /* all but HS256 */
	EVP_MAC_CTX *keyed; /* HS256: begun with the key, copied for each token */
};

bool jws_split(struct slice token, struct jws *jws)
{
	const char *end, *first, *second;

	if (token.size == 0 || token.size > JWS_SIZE_MAX)
		return false;
	end = token.data + token.size;
	first = memchr(token.data, '.', token.size);
	if (!first)
		return false;
	second = memchr(first + 1, '.', (size_t)(end - first - 1));
	if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return false;
	jws->header = (struct slice){token.data, (size_t)(first - token.data)};
	jws->payload = (struct slice){first + 1, (size_t)(second - first - 1)};
	jws->signature = (struct slice){second + 1, (size_t)(end - second - 1)};
	jws->input = (struct slice){token.data, (size_t)(second - token.data)};
	return jws->header.size && jws->payload.size && jws->signature.size;
}

/* --- Keys --- */

static EVP_MAC_CTX *begin_hmac(struct slice secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac);

	EVP_MAC_free(hmac); /* the context keeps it */
	if (context && EVP_MAC_init(context, (const unsigned char *)secret.data, secret.size, parameters) != 1) {
		EVP_MAC_CTX_free(context);
		context = NULL;
	}
	return context;
}

/* In place of OpenSSL's own, which would ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *argument)
{
	(void)text, (void)size, (void)writing, (void)argument;
	return -1;
}

static EVP_PKEY *read_pem(struct slice text, EVP_PKEY *(*read)(BIO *, EVP_PKEY **, pem_password_cb *, void *))
{
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
	EVP_PKEY *key = bio ? read(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

/* NULL, or why this key is not one for this algorithm. */
static const char *judge_public(enum identity_algorithm algorithm, const EVP_PKEY *key)
{
	char curve[32] = "";

	if (!key)
		return "the key is not a PEM key without a passphrase";
	if (algorithm == IDENTITY_EDDSA)
		return EVP_PKEY_is_a(key, "ED25519") ? NULL : "EdDSA needs an Ed25519 key";
	if (algorithm == IDENTITY_RS256 || algorithm == IDENTITY_PS256) {
		if (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < RSA_BITS_MIN || EVP_PKEY_get_bits(key) > RSA_BITS_MAX)
			return "RS256 and PS256 need an RSA key of 2048 to 8192 bits";
		return NULL;
	}
	if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) != 1 ||
	    strcmp(curve, "prime256v1") != 0)
		return "ES256 needs a key on the curve P-256";
	return NULL;
}

static const char *judge_secret(struct slice text)
{
	static const struct slice mark = {"-----BEGIN ", 11};

	if (text.size < SECRET_MIN)
		return "an HS256 secret has at least 32 bytes";
	/* Whoever has a public key could sign with it (RFC 8725, section 2.1). */
	if (memmem(text.data, text.size, mark.data, mark.size))
		return "an HS256 secret must not be a PEM key: is identity.jwt_algorithm right?";
	return NULL;
}

/* Whatever the key is made of. */
static int finish(struct jws_key **out, struct jws_key *key, const char **reason)
{
	int r = *reason ? -EINVAL : 0;

	if (r == 0 && !key->keyed && !key->sha256) {
		*reason = "out of memory";
		r = error_origin(-ENOMEM);
	}
	if (r < 0)
		jws_key_free(key);
	else
		*out = key;
	return r;
}

int jws_key_take(struct jws_key **out, enum identity_algorithm algorithm, EVP_PKEY *public, const char **reason)
{
	struct jws_key *key = calloc(1, sizeof(*key));

	*reason = "out of memory";
	if (!key) {
		EVP_PKEY_free(public);
		return error_origin(-ENOMEM);
	}
	key->algorithm = algorithm;
	key->public = public;
	key->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	*reason = judge_public(algorithm, public);
	return finish(out, key, reason);
}

int jws_key_new(struct jws_key **out, enum identity_algorithm algorithm, struct slice text, const char **reason)
{
	struct jws_key *key;
	EVP_PKEY *public;

	if (algorithm != IDENTITY_HS256) {
		public = read_pem(text, PEM_read_bio_PUBKEY);
		if (!public) /* that of a private one serves as well: who signs can verify */
		public = read_pem(text, PEM_read_bio_PrivateKey);
		return jws_key_take(out, algorithm, public, reason);
	}
	key = calloc(1, sizeof(*key));
	*reason = "out of memory";
	if (!key)
		return error_origin(-ENOMEM);
	*reason = judge_secret(text);
	if (!*reason)
		key->keyed = begin_hmac(text);
	return finish(out, key, reason);
}

enum identity_algorithm jws_key_algorithm(const struct jws_key *key)
{
	return key->algorithm;
}

void jws_key_free(struct jws_key *key)
{
	if (!key)
		return;
	EVP_MAC_CTX_free(key->keyed); /* wipes the secret */
	EVP_PKEY_free(key->public);
	EVP_MD_free(key->sha256);
	free(key);
}

/* --- Signatures --- */

static bool verify_hmac(const struct jws_key *key, struct slice input, const unsigned char *signature, size_t size)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(key->keyed);
	unsigned char expected[SHA256_BYTES];
	size_t expected_size = 0;
	bool fine;

	fine = context && EVP_MAC_update(context, (const unsigned char *)input.data, input.size) == 1 &&
	       EVP_MAC_final(context, expected, &expected_size, sizeof(expected)) == 1 && size == expected_size &&
	       CRYPTO_memcmp(expected, signature, size) == 0;
	EVP_MAC_CTX_free(context);
	OPENSSL_cleanse(expected, sizeof(expected));
	return fine;
}

/* r and s, 32 bytes each, to the ASN.1 that OpenSSL reads; the length, or 0. */
static size_t p256_to_der(const unsigned char signature[static 2 * P256_BYTES], unsigned char der[static P256_DER_MAX])
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL), *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
	int length = 0;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		length = i2d_ECDSA_SIG(pair, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	return length > 0 ? (size_t)length : 0;
}

/* Sets the context up to sign or to verify. */
static bool begin(EVP_MD_CTX *context, enum identity_algorithm algorithm, EVP_PKEY *key,
		  int (*init)(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, ENGINE *, EVP_PKEY *), const EVP_MD *sha256)
{
	EVP_PKEY_CTX *parameters = NULL;

	if (!context || init(context, &parameters, algorithm == IDENTITY_EDDSA ? NULL : sha256, NULL, key) != 1)
		return false;
	/* The salt is as long as the hash, no shorter and no longer (RFC 7518, section 3.5). */
	return algorithm != IDENTITY_PS256 || (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
					       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool verify_public(const struct jws_key *key, struct slice input, const unsigned char *signature, size_t size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool fine;

	fine = begin(context, key->algorithm, key->public, EVP_DigestVerifyInit, key->sha256) &&
	       EVP_DigestVerify(context, signature, size, (const unsigned char *)input.data, input.size) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return fine;
}

bool jws_verify(const struct jws_key *key, const struct jws *jws)
{
	unsigned char signature[JWS_SIGNATURE_MAX + 2], der[P256_DER_MAX];
	ssize_t size = base64url_decode(jws->signature, signature, sizeof(signature));

	if (size <= 0)
		return false;
	switch (key->algorithm) {
	case IDENTITY_HS256:
		return verify_hmac(key, jws->input, signature, (size_t)size);
	case IDENTITY_RS256:
	case IDENTITY_PS256:
	case IDENTITY_EDDSA:
		return verify_public(key, jws->input, signature, (size_t)size);
	case IDENTITY_ES256:
		size = size == 2 * P256_BYTES ? (ssize_t)p256_to_der(signature, der) : 0;
		return size > 0 && verify_public(key, jws->input, der, (size_t)size);
	}
	return false;
}

/* --- Making them --- */

static int sign_hmac(struct slice secret, struct slice input, unsigned char signature[static JWS_SIGNATURE_MAX], size_t *size)
{
	EVP_MAC_CTX *context = begin_hmac(secret);
	bool fine = context && EVP_MAC_update(context, (const unsigned char *)input.data, input.size) == 1 &&
		    EVP_MAC_final(context, signature, size, JWS_SIGNATURE_MAX) == 1;

	EVP_MAC_CTX_free(context);
	return fine ? 0 : error_origin(-ENOMEM);
}

/* The ASN.1 that OpenSSL writes to r and s, 32 bytes each, in place. */
static bool p256_from_der(unsigned char signature[static JWS_SIGNATURE_MAX], size_t *size)
{
	const unsigned char *der = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)*size);
	bool fine = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, P256_BYTES) == P256_BYTES &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + P256_BYTES, P256_BYTES) == P256_BYTES;

	ECDSA_SIG_free(pair);
	*size = 2 * P256_BYTES;
	return fine;
}

int jws_sign(enum identity_algorithm algorithm, struct slice text, struct slice input,
	     unsigned char signature[static JWS_SIGNATURE_MAX], size_t *size)
{
	EVP_MD_CTX *context;
	EVP_PKEY *key;
	bool fine;

	if (algorithm == IDENTITY_HS256)
		return judge_secret(text) ? -EINVAL : sign_hmac(text, input, signature, size);
	key = read_pem(text, PEM_read_bio_PrivateKey);
	if (judge_public(algorithm, key)) {
		EVP_PKEY_free(key);
		return -EINVAL;
	}
	context = EVP_MD_CTX_new();
	*size = JWS_SIGNATURE_MAX;
	fine = begin(context, algorithm, key, EVP_DigestSignInit, EVP_sha256()) &&
	       EVP_DigestSign(context, signature, size, (const unsigned char *)input.data, input.size) == 1 &&
	       (algorithm != IDENTITY_ES256 || p256_from_der(signature, size));
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return fine ? 0 : error_origin(-ENOMEM);
}
