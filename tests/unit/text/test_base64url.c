/* base64url: the RFC's own examples, every byte in every place, and what must be refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "base/random.h"
#include "text/base64url.h"

enum { SIZE_MAX_TRIED = 100 };

static void expect_text(const char *bytes, const char *text)
{
	char encoded[64];
	uint8_t decoded[64];

	base64url_encode(bytes, strlen(bytes), encoded);
	assert_string_equal(encoded, text);
	assert_int_equal(base64url_decode(slice_of(text), decoded, sizeof(decoded)), strlen(bytes));
	assert_memory_equal(decoded, bytes, strlen(bytes));
}

/* RFC 4648, section 10, without padding. */
static void test_examples_of_the_rfc(void **state)
{
	(void)state;
	expect_text("", "");
	expect_text("f", "Zg");
	expect_text("fo", "Zm8");
	expect_text("foo", "Zm9v");
	expect_text("foob", "Zm9vYg");
	expect_text("fooba", "Zm9vYmE");
	expect_text("foobar", "Zm9vYmFy");
	expect_text("\xfb\xef\xff", "--__");
}

static void test_every_size_comes_back(void **state)
{
	uint8_t bytes[SIZE_MAX_TRIED], decoded[SIZE_MAX_TRIED + 2];
	char text[BASE64URL_SIZE(SIZE_MAX_TRIED) + 1];

	(void)state;
	for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
		random_bytes(bytes, sizeof(bytes));
		base64url_encode(bytes, size, text);
		assert_int_equal(strlen(text), BASE64URL_SIZE(size));
		assert_int_equal(base64url_decode(slice_of(text), decoded, sizeof(decoded)), size);
		assert_memory_equal(decoded, bytes, size);
	}
}

static void test_only_the_alphabet_is_taken(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t decoded[16];

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		bool known = byte && strchr(alphabet, byte);

		/*
		 * In a group of four, in one of three (its last character ends in two zero bits),
		 * in one of two (in four).
		 */
		for (size_t place = 0; place < 6; place++) {
			char text[6] = {'A', 'A', 'A', 'A', 'A', 'A'};

			text[place] = (char)byte;
			if (!known)
				assert_int_equal(base64url_decode((struct slice){text, 6}, decoded, sizeof(decoded)), -EINVAL);
			else if (place < 5)
				assert_int_equal(base64url_decode((struct slice){text, 6}, decoded, sizeof(decoded)), 4);
		}
	}
}

static void test_no_two_texts_mean_the_same(void **state)
{
	uint8_t decoded[16];

	(void)state;
	assert_int_equal(base64url_decode(SLICE("Zg"), decoded, sizeof(decoded)), 1);
	assert_int_equal(base64url_decode(SLICE("Zh"), decoded, sizeof(decoded)), -EINVAL);
	assert_int_equal(base64url_decode(SLICE("Zo"), decoded, sizeof(decoded)), -EINVAL);
	assert_int_equal(base64url_decode(SLICE("Zm8"), decoded, sizeof(decoded)), 2);
	assert_int_equal(base64url_decode(SLICE("Zm9"), decoded, sizeof(decoded)), -EINVAL);
	assert_int_equal(base64url_decode(SLICE("Zm-"), decoded, sizeof(decoded)), -EINVAL);
}

static void test_a_length_that_cannot_be_is_refused(void **state)
{
	uint8_t decoded[16];

	(void)state;
	assert_int_equal(base64url_decode(SLICE("Z"), decoded, sizeof(decoded)), -EINVAL);
	assert_int_equal(base64url_decode(SLICE("Zm9vY"), decoded, sizeof(decoded)), -EINVAL);
	assert_int_equal(base64url_decode(SLICE("Zg=="), decoded, sizeof(decoded)), -EINVAL);
}

static void test_what_has_no_room_is_refused(void **state)
{
	uint8_t decoded[8];

	(void)state;
	assert_int_equal(base64url_decode(SLICE("Zm9vYmFyZm9v"), decoded, sizeof(decoded)), -E2BIG);
	assert_int_equal(base64url_decode(SLICE("Zm9vYmFy"), decoded, sizeof(decoded)), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples_of_the_rfc),
		cmocka_unit_test(test_every_size_comes_back),
		cmocka_unit_test(test_only_the_alphabet_is_taken),
		cmocka_unit_test(test_no_two_texts_mean_the_same),
		cmocka_unit_test(test_a_length_that_cannot_be_is_refused),
		cmocka_unit_test(test_what_has_no_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
