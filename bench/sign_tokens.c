/*
 * Tokens of buyers, as a login signs them that shares no secret with us: ES256, which the
 * measurements' Python has no quick way to make.
 *
 *   sign_tokens COUNT NOW
 *
 * A new key; its public half in PEM, then a token a line, of buyer-000000000 and those that follow,
 * ten hours from NOW (seconds) on.
 */
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text/base64url.h"

enum { HALF = 32, TEXT_MAX = 512, DER_MAX = 128 };

static void check(int result, const char *what)
{
	if (result == 1)
		return;
	fprintf(stderr, "sign_tokens: %s\n", what);
	exit(1);
}

/* DER to the two numbers as they stand in a token (RFC 7518, section 3.4). */
static void to_halves(const unsigned char *der, size_t size, unsigned char halves[2 * HALF])
{
	ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)size);

	check(parts != NULL, "a signature that cannot be read");
	check(BN_bn2binpad(ECDSA_SIG_get0_r(parts), halves, HALF) == HALF, "a number that is too long");
	check(BN_bn2binpad(ECDSA_SIG_get0_s(parts), halves + HALF, HALF) == HALF, "a number that is too long");
	ECDSA_SIG_free(parts);
}

static void print_token(EVP_PKEY *key, EVP_MD_CTX *context, unsigned long number, long now)
{
	static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
	unsigned char der[DER_MAX], halves[2 * HALF];
	char payload[TEXT_MAX], text[TEXT_MAX], signature[BASE64URL_SIZE(2 * HALF) + 1];
	size_t der_size = sizeof(der), size;

	snprintf(payload, sizeof(payload), "{\"sub\":\"buyer-%09lu\",\"iat\":%ld,\"exp\":%ld}", number, now, now + 36000);
	base64url_encode(header, strlen(header), text);
	size = strlen(text);
	text[size++] = '.';
	base64url_encode(payload, strlen(payload), text + size);
	size = strlen(text);
	check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), "no signature");
	check(EVP_DigestSign(context, der, &der_size, (const unsigned char *)text, size), "no signature");
	to_halves(der, der_size, halves);
	base64url_encode(halves, sizeof(halves), signature);
	printf("%s.%s\n", text, signature);
}

int main(int argc, char **argv)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	check(argc == 3, "usage: sign_tokens COUNT NOW");
	check(key && context, "no key");
	check(PEM_write_PUBKEY(stdout, key), "the key cannot be written");
	for (unsigned long i = 0; i < strtoul(argv[1], NULL, 10); i++)
		print_token(key, context, i, strtol(argv[2], NULL, 10));
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return 0;
}
