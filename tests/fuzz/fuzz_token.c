/*
 * Tokens. The first byte chooses: a whole Authorization header as it comes, or a header and a
 * payload (split at the first NUL) under a right signature, so that what stands behind the
 * signature is reached as well. Held: no crash; what is seen without trust is what is verified; the
 * cache gives the same answer as the first time.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "identity/identity.h"
#include "model/sale.h"
#include "text/base64url.h"

#define SECRET "a secret of thirty-two bytes, all"
enum { INPUT_MAX = 6000 };

static struct identity *identity;
static struct identity_cache *cache;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct identity_settings settings = {
		.algorithm = IDENTITY_HS256, .key = {SECRET, sizeof(SECRET) - 1}, .audience = {"shop", 4}, .cache_entries = 64};
	const char *reason;

	(void)argc, (void)argv;
	ASSERT(identity_new(&identity, &settings, &reason) == 0);
	ASSERT(identity_cache_new(&cache, identity) == 0);
	return 0;
}

static size_t sign(const uint8_t *data, size_t size, char *out)
{
	const uint8_t *split = memchr(data, 0, size);
	size_t header = split ? (size_t)(split - data) : size, used = 7;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_size = 0;

	memcpy(out, "Bearer ", used);
	base64url_encode(data, header, out + used);
	used += strlen(out + used);
	out[used++] = '.';
	if (split)
		base64url_encode(split + 1, size - header - 1, out + used);
	used += split ? strlen(out + used) : 0;
	HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (unsigned char *)out + 7, used - 7, mac, &mac_size);
	out[used++] = '.';
	base64url_encode(mac, mac_size, out + used);
	return used + strlen(out + used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[INPUT_MAX * 2];
	struct identity_buyer buyer = {.size = 0}, again = {.size = 0}, seen = {.size = 0};
	struct slice authorization = {text, 0};
	const char *reason;
	bool plain;
	int r;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (data[0] & 1) {
		authorization.size = sign(data + 1, size - 1, text);
	} else {
		memcpy(text, data + 1, size - 1);
		authorization.size = size - 1;
	}
	plain = identity_peek_subject(authorization, &seen);
	r = identity_verify(identity, cache, authorization, 1800000000000, &buyer, &reason);
	ASSERT(identity_verify(identity, cache, authorization, 1800000000000, &again, &reason) == r);
	ASSERT(r == IDENTITY_KNOWN || reason != NULL);
	ASSERT(!plain || sale_buyer_valid((struct slice){seen.name, seen.size}));
	if (r != IDENTITY_KNOWN)
		return 0;
	ASSERT(sale_buyer_valid((struct slice){buyer.name, buyer.size}));
	ASSERT(slice_equal((struct slice){buyer.name, buyer.size}, (struct slice){again.name, again.size}));
	ASSERT(!plain || slice_equal((struct slice){buyer.name, buyer.size}, (struct slice){seen.name, seen.size}));
	return 0;
}
