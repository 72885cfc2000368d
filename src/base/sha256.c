#include "base/sha256.h"

#include <openssl/evp.h>
#include "base/assertion.h"

void sha256(struct slice data, uint8_t hash[static SHA256_SIZE])
{
	unsigned int size = SHA256_SIZE;

	if (EVP_Digest(data.data, data.size, hash, &size, EVP_sha256(), NULL) != 1)
		assertion_failed("SHA-256 works", __FILE__, __LINE__, __func__);
}

void sha256_hex(struct slice data, char text[static SHA256_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[SHA256_SIZE];

	sha256(data, hash);
	for (int i = 0; i < SHA256_SIZE; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	text[2 * SHA256_SIZE] = '\0';
}
