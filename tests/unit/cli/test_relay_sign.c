#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cli/relay/sign.h"

/* The vector that Standard Webhooks' libraries and documents have. */
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek",
		  body[] = "{\"test\": 2432232314}", signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
enum { AT = 1614265330 };

static void test_a_message_is_signed_as_standard_webhooks_publishes_it(void **state)
{
	char text[SIGN_TEXT_SIZE];
	struct sign_key key;

	(void)state;
	assert_int_equal(sign_key_parse(secret, &key), 0);
	assert_int_equal(key.size, 24);
	assert_int_equal(sign_message(&key, id, AT, slice_of(body), text), 0);
	assert_string_equal(text, signature);
}

static void test_a_signature_covers_id_time_and_body(void **state)
{
	char text[SIGN_TEXT_SIZE];
	struct sign_key key;

	(void)state;
	assert_int_equal(sign_key_parse(secret, &key), 0);
	assert_int_equal(sign_message(&key, "msg_other", AT, slice_of(body), text), 0);
	assert_string_not_equal(text, signature);
	assert_int_equal(sign_message(&key, id, AT + 1, slice_of(body), text), 0);
	assert_string_not_equal(text, signature);
	assert_int_equal(sign_message(&key, id, AT, slice_of("{\"test\": 2432232315}"), text), 0);
	assert_string_not_equal(text, signature);
	key.bytes[0] ^= 1;
	assert_int_equal(sign_message(&key, id, AT, slice_of(body), text), 0);
	assert_string_not_equal(text, signature);
}

static void test_keys_of_24_to_64_bytes_are_taken(void **state)
{
	/* The bytes 0, 1, 2 and so on. */
	static const struct {
		const char *text;
		size_t size;
	} keys[] = {
		{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", 24},
		{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==", 25},
		{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=", 26},
		{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==", 64},
	};
	struct sign_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(sign_key_parse(keys[i].text, &key), 0);
		assert_int_equal(key.size, keys[i].size);
		for (size_t j = 0; j < key.size; j++)
			assert_int_equal(key.bytes[j], j);
	}
}

static void test_what_is_no_key_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"whsec_",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",                                                               /* no prefix */
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",                                                         /* 23 bytes */
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXG",                                                        /* cut */
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFR!X",                                                         /* no base64 */
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=", /* 65 bytes */
		"whsec_====================================",
	};
	struct sign_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(sign_key_parse(texts[i], &key), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_is_signed_as_standard_webhooks_publishes_it),
		cmocka_unit_test(test_a_signature_covers_id_time_and_body),
		cmocka_unit_test(test_keys_of_24_to_64_bytes_are_taken),
		cmocka_unit_test(test_what_is_no_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
