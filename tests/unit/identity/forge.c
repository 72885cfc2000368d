#include "unit/identity/forge.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/error.h"
#include "text/base64url.h"

enum { MADE_MAX = 4096 };

static char *made[MADE_MAX];
static size_t made_count;
static char *public_keys[FORGE_KEYS], *private_keys[FORGE_KEYS];

static char *keep(char *text)
{
	ASSERT(text != NULL);
	ASSERT(made_count < MADE_MAX);
	made[made_count++] = text;
	return text;
}

void forge_clear(void)
{
	while (made_count)
		free(made[--made_count]);
}

struct slice forge_text(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int size;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	ASSERT(size >= 0);
	return slice_of(keep(text));
}

static char *encode(struct slice bytes)
{
	char *text = keep(malloc(BASE64URL_SIZE(bytes.size) + 1));

	base64url_encode(bytes.data, bytes.size, text);
	return text;
}

struct slice forge_parts(const char *header, const char *payload, const char *signature)
{
	return forge_text("Bearer %s.%s.%s", header, payload, signature);
}

struct slice forge(const char *header, const char *payload, struct slice secret)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	const char *head = encode(slice_of(header)), *body = encode(slice_of(payload));
	struct slice input = forge_text("%s.%s", head, body);

	HMAC(EVP_sha256(), secret.data, (int)secret.size, (const unsigned char *)input.data, input.size, mac, &size);
	return forge_parts(head, body, encode((struct slice){(const char *)mac, size}));
}

struct slice forge_claims(const char *payload)
{
	return forge(FORGE_HS256, payload, SLICE(FORGE_SECRET));
}

struct slice forge_changed(struct slice token, size_t place)
{
	char *text = keep(strndup(token.data, token.size));

	text[place] = text[place] == 'A' ? 'B' : 'A';
	return (struct slice){text, token.size};
}

static EVP_PKEY *make_key(enum forge_key key)
{
	switch (key) {
	case FORGE_RSA_2048:
		return EVP_RSA_gen(2048);
	case FORGE_RSA_1024:
		return EVP_RSA_gen(1024);
	case FORGE_P256:
	case FORGE_P256_NEXT:
		return EVP_EC_gen("P-256");
	case FORGE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	default:
		return EVP_EC_gen("P-384");
	}
}

static char *text_of(BIO *bio)
{
	char *data;
	long size = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)size);

	BIO_free(bio);
	return text;
}

/* Kept for the whole run: RSA keys take long to make. */
static void need_key(enum forge_key key)
{
	BIO *public, *private;
	EVP_PKEY *pair;

	if (public_keys[key])
		return;
	pair = make_key(key);
	public = BIO_new(BIO_s_mem());
	private = BIO_new(BIO_s_mem());
	ASSERT(PEM_write_bio_PUBKEY(public, pair) == 1);
	ASSERT(PEM_write_bio_PrivateKey(private, pair, NULL, NULL, 0, NULL, NULL) == 1);
	EVP_PKEY_free(pair);
	public_keys[key] = text_of(public);
	private_keys[key] = text_of(private);
}

__attribute__((destructor)) static void forget_keys(void)
{
	for (size_t i = 0; i < FORGE_KEYS; i++) {
		free(public_keys[i]);
		free(private_keys[i]);
	}
}

const char *forge_public(enum forge_key key)
{
	need_key(key);
	return public_keys[key];
}

const char *forge_private(enum forge_key key)
{
	need_key(key);
	return private_keys[key];
}

struct identity_settings forge_settings(void)
{
	return (struct identity_settings){
		.algorithm = IDENTITY_HS256, .key = SLICE(FORGE_SECRET), .leeway_ms = 5000, .cache_entries = 64};
}
