/*
 * A JWK Set (RFC 7517, RFC 8037) as login servers publish it, read as strictly as it can be without
 * turning away what they do publish: a key for something else than signatures, of another type or
 * of an algorithm that we do not take is passed over (RFC 7517, section 5); one that is ours and is
 * malformed, weak or private refuses the whole set, for then somebody has made a mistake that a
 * missing key would hide until its first token.
 */
#include "identity/jwks.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include "text/base64url.h"

enum { NUMBER_MAX = 1024 /* bytes: RSA's longest */ };

static const char malformed[] = "a key of the set lacks a member, or has one that is no base64url";

/* RSA by its algorithm; without one it is RS256, which is what logins mean that leave it out. */
static const struct kind {
	const char *type, *curve, *algorithm; /* curve NULL: it has none */
	bool standard;                        /* taken where the key names no algorithm */
	enum identity_algorithm means;
} kinds[] = {
	{"RSA", NULL, "RS256", true, IDENTITY_RS256},         {"RSA", NULL, "PS256", false, IDENTITY_PS256},
	{"EC", "P-256", "ES256", true, IDENTITY_ES256},       {"OKP", "Ed25519", "EdDSA", true, IDENTITY_EDDSA},
	{"OKP", "Ed25519", "Ed25519", false, IDENTITY_EDDSA}, /* its name since RFC 9864 */
};

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* What the key is for, or NULL: nothing of ours. */
static const struct kind *kind_of(const json_t *jwk)
{
	const json_t *algorithm = json_object_get(jwk, "alg"), *use = json_object_get(jwk, "use");
	const json_t *operations = json_object_get(jwk, "key_ops"), *operation;
	bool verifies = !operations;
	size_t i;

	json_array_foreach(operations, i, operation) verifies |= is_text(operation, "verify");
	if ((use && !is_text(use, "sig")) || !verifies)
		return NULL;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *kind = &kinds[i];

		if (is_text(json_object_get(jwk, "kty"), kind->type) &&
		    (!kind->curve || is_text(json_object_get(jwk, "crv"), kind->curve)) &&
		    (algorithm ? is_text(algorithm, kind->algorithm) : kind->standard))
			return kind;
	}
	return NULL;
}

/* The bytes of a member; 0 where there are none. */
static size_t bytes_of(const json_t *jwk, const char *name, unsigned char bytes[static NUMBER_MAX])
{
	const json_t *member = json_object_get(jwk, name);
	struct slice text = {json_string_value(member), json_string_length(member)};
	ssize_t size = text.size ? base64url_decode(text, bytes, NUMBER_MAX) : 0;

	return size > 0 ? (size_t)size : 0;
}

/* Takes the parameters. */
static EVP_PKEY *from_parameters(const char *type, OSSL_PARAM_BLD *builder)
{
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (!context || !parameters || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(parameters);
	return key;
}

static EVP_PKEY *rsa_of(const json_t *jwk)
{
	unsigned char n[NUMBER_MAX], e[NUMBER_MAX];
	size_t n_size = bytes_of(jwk, "n", n), e_size = bytes_of(jwk, "e", e);
	BIGNUM *modulus = BN_bin2bn(n, (int)n_size, NULL), *exponent = BN_bin2bn(e, (int)e_size, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (n_size && e_size && modulus && exponent && builder &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
		key = from_parameters("RSA", builder);
	OSSL_PARAM_BLD_free(builder);
	BN_free(modulus);
	BN_free(exponent);
	return key;
}

static EVP_PKEY *p256_of(const json_t *jwk)
{
	enum { BYTES = 32 };
	unsigned char x[NUMBER_MAX], y[NUMBER_MAX], point[1 + 2 * BYTES] = {4 /* not compressed */};
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (builder && bytes_of(jwk, "x", x) == BYTES && bytes_of(jwk, "y", y) == BYTES) {
		memcpy(point + 1, x, BYTES);
		memcpy(point + 1 + BYTES, y, BYTES);
		if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
		    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
			key = from_parameters("EC", builder);
	}
	OSSL_PARAM_BLD_free(builder);
	return key;
}

static EVP_PKEY *ed25519_of(const json_t *jwk)
{
	unsigned char x[NUMBER_MAX];
	size_t size = bytes_of(jwk, "x", x);

	return size == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, size) : NULL;
}

int jwks_read_key(const json_t *jwk, struct jws_key **key, const char **reason)
{
	const struct kind *kind = kind_of(jwk);
	EVP_PKEY *made;

	*key = NULL;
	if (!kind)
		return 0;
	*reason = "the set has a private key: it is for public ones";
	if (json_object_get(jwk, "d"))
		return -EINVAL;
	switch (kind->means) {
	case IDENTITY_ES256:
		made = p256_of(jwk);
		break;
	case IDENTITY_EDDSA:
		made = ed25519_of(jwk);
		break;
	default:
		made = rsa_of(jwk);
	}
	ERR_clear_error();
	*reason = malformed;
	return made ? jws_key_take(key, kind->means, made, reason) : -EINVAL;
}
