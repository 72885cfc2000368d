#include "cli/relay/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include "base/sha256.h"
#include "text/buffer.h"

int sign_key_parse(const char *text, struct sign_key *key)
{
	static const char prefix[] = "whsec_", digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t size = strlen(text), least = sizeof(prefix) - 1, padding = 0;
	int decoded;

	if (strncmp(text, prefix, least) != 0)
		return -EINVAL;
	text += least;
	size -= least;
	if (size % 4 != 0 || size / 4 * 3 > sizeof(key->bytes))
		return -EINVAL;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	if (strspn(text, digits) != size - padding)
		return -EINVAL; /* OpenSSL takes more than that */
	decoded = EVP_DecodeBlock(key->bytes, (const unsigned char *)text, (int)size);
	if (decoded < 0)
		return -EINVAL;
	key->size = (size_t)decoded - padding;
	return key->size >= 24 && key->size <= SIGN_KEY_MAX ? 0 : -EINVAL;
}

int sign_message(const struct sign_key *key, const char *id, int64_t unix_s, struct slice body, char text[static SIGN_TEXT_SIZE])
{
	unsigned char hash[SHA256_SIZE];
	struct buffer signed_text;
	int result = 0;

	buffer_init(&signed_text, body.size + 256);
	buffer_printf(&signed_text, "%s.%lld.", id, (long long)unix_s);
	buffer_append_slice(&signed_text, body);
	if (signed_text.failed ||
	    !HMAC(EVP_sha256(), key->bytes, (int)key->size, (const unsigned char *)signed_text.data, signed_text.size, hash, NULL))
		result = error_origin(-ENOMEM);
	buffer_deinit(&signed_text);
	memcpy(text, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)text + 3, hash, sizeof(hash));
	return result;
}
