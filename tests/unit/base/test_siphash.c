#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>
#include "base/siphash.h"

enum { SIZE_MAX_TESTED = 200 };

/* The reference's key: 00 01 02 ... 0f; its inputs: 00 01 02 ... of each length. */
static const struct siphash_key reference_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static void test_64_bits_match_the_reference_vectors(void **state)
{
	/*
	 * the vectors of the authors' implementation, lengths 0 to 15; the last is the paper's
	 * example.
	 */
	static const uint8_t vectors[][8] = {
		{0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72}, {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74},
		{0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d}, {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85},
		{0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf}, {0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18},
		{0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb}, {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab},
		{0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93}, {0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e},
		{0xf3, 0xb9, 0xdd, 0x94, 0xc5, 0xbb, 0x5d, 0x7a}, {0xa7, 0xad, 0x6b, 0x22, 0x46, 0x2f, 0xb3, 0xf4},
		{0xfb, 0xe5, 0x0e, 0x86, 0xbc, 0x8f, 0x1e, 0x75}, {0x90, 0x3d, 0x84, 0xc0, 0x27, 0x56, 0xea, 0x14},
		{0xee, 0xf2, 0x7a, 0x8e, 0x90, 0xca, 0x23, 0xf7}, {0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1},
	};
	uint8_t input[16];

	(void)state;
	for (size_t size = 0; size < sizeof(vectors) / sizeof(vectors[0]); size++) {
		uint64_t hash = htole64(siphash64(&reference_key, input, size));

		assert_memory_equal(&hash, vectors[size], 8);
		input[size] = (uint8_t)size;
	}
}

static void test_128_bits_match_the_reference_vectors(void **state)
{
	static const uint8_t vectors[][16] = {
		{0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93},
		{0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45},
		{0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4},
		{0x9c, 0x70, 0xb6, 0x0c, 0x52, 0x67, 0xa9, 0x4e, 0x5f, 0x33, 0xb6, 0xb0, 0x29, 0x85, 0xed, 0x51},
	};
	uint8_t input[16];

	(void)state;
	for (size_t size = 0; size < sizeof(vectors) / sizeof(vectors[0]); size++) {
		struct hash128 hash = siphash128(&reference_key, input, size);
		uint64_t bytes[2] = {htole64(hash.low), htole64(hash.high)};

		assert_memory_equal(bytes, vectors[size], 16);
		input[size] = (uint8_t)size;
	}
}

/* OpenSSL's SipHash is the judge for the lengths that the vectors above leave out. */
static void judge(const uint8_t *input, size_t input_size, uint8_t *hash, size_t hash_size)
{
	uint8_t key[16];
	unsigned width = (unsigned)hash_size;
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &width),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	size_t size = 0;

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	assert_int_equal(EVP_MAC_init(context, key, sizeof(key), parameters), 1);
	assert_int_equal(EVP_MAC_update(context, input, input_size), 1);
	assert_int_equal(EVP_MAC_final(context, hash, &size, hash_size), 1);
	assert_int_equal(size, hash_size);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
}

static void test_both_widths_match_openssl_at_every_length(void **state)
{
	uint8_t input[SIZE_MAX_TESTED], expected[16];

	(void)state;
	for (size_t size = 0; size < SIZE_MAX_TESTED; size++) {
		uint64_t narrow = htole64(siphash64(&reference_key, input, size));
		struct hash128 hash = siphash128(&reference_key, input, size);
		uint64_t wide[2] = {htole64(hash.low), htole64(hash.high)};

		judge(input, size, expected, 8);
		assert_memory_equal(&narrow, expected, 8);
		judge(input, size, expected, 16);
		assert_memory_equal(wide, expected, 16);
		input[size] = (uint8_t)(size * 7 + 1);
	}
}

static void test_key_matters(void **state)
{
	const struct siphash_key other = {reference_key.k0 ^ 1, reference_key.k1};

	(void)state;
	assert_int_not_equal(siphash64(&reference_key, "buyer", 5), siphash64(&other, "buyer", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_64_bits_match_the_reference_vectors),
		cmocka_unit_test(test_128_bits_match_the_reference_vectors),
		cmocka_unit_test(test_both_widths_match_openssl_at_every_length),
		cmocka_unit_test(test_key_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
