#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "text/buffer.h"

static struct buffer buffer;

static int make(void **state)
{
	(void)state;
	buffer_init(&buffer, 1 << 20);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	buffer_deinit(&buffer);
	buffer_deinit(&buffer);
	return 0;
}

static void assert_content(const char *expected)
{
	assert_false(buffer.failed);
	assert_int_equal(buffer.size, strlen(expected));
	assert_memory_equal(buffer.data, expected, buffer.size);
}

static void test_appends_add_up(void **state)
{
	(void)state;
	buffer_append_literal(&buffer, "one ");
	buffer_append_text(&buffer, "two ");
	buffer_append_slice(&buffer, SLICE("three "));
	buffer_append_slice(&buffer, SLICE_NULL);
	buffer_append(&buffer, NULL, 0);
	buffer_printf(&buffer, "%s %d", "four", 5);
	assert_content("one two three four 5");
}

static void test_grows_to_its_limit_and_no_further(void **state)
{
	static char block[1000];

	(void)state;
	memset(block, 'x', sizeof(block));
	buffer.limit = 2500;
	buffer_append(&buffer, block, 1000);
	buffer_append(&buffer, block, 1000);
	assert_false(buffer.failed);
	buffer_append(&buffer, block, 501);
	assert_true(buffer.failed);
	buffer_append(&buffer, block, 1); /* would fit, but there must be no holes */
	assert_int_equal(buffer.size, 2000);
	buffer_clear(&buffer);
	assert_false(buffer.failed);
	buffer_append(&buffer, block, 1000);
	buffer_append(&buffer, block, 1000);
	buffer_append(&buffer, block, 500);
	assert_false(buffer.failed);
	assert_int_equal(buffer.size, 2500);
	buffer_append(&buffer, block, 1);
	assert_true(buffer.failed);
}

static void test_limit_below_the_smallest_capacity_holds(void **state)
{
	(void)state;
	buffer.limit = 5;
	buffer_append_text(&buffer, "12345");
	assert_content("12345");
	buffer_append_text(&buffer, "6");
	assert_true(buffer.failed);
	assert_int_equal(buffer.size, 5);
}

static void test_absurd_sizes_fail_without_overflow(void **state)
{
	(void)state;
	buffer.limit = SIZE_MAX;
	buffer_append_text(&buffer, "x");
	assert_null(buffer_reserve(&buffer, SIZE_MAX));
	assert_true(buffer.failed);
	assert_int_equal(buffer.size, 1);
}

static void test_reserve_gives_room_that_the_caller_fills(void **state)
{
	char *room = buffer_reserve(&buffer, 3);

	(void)state;
	assert_non_null(room);
	memcpy(room, "abc", 3);
	buffer.size += 3;
	assert_content("abc");
}

static void test_consume_drops_the_front(void **state)
{
	(void)state;
	buffer_append_text(&buffer, "0123456789");
	buffer_consume(&buffer, 0);
	buffer_consume(&buffer, 4);
	assert_content("456789");
	buffer_consume(&buffer, 6);
	assert_int_equal(buffer.size, 0);
	buffer_append_text(&buffer, "a");
	buffer_consume(&buffer, 100);
	assert_int_equal(buffer.size, 0);
}

static void assert_integer(int64_t value)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%" PRId64, value);
	buffer_clear(&buffer);
	buffer_append_int(&buffer, value);
	assert_content(expected);
}

static void test_integers_of_every_length(void **state)
{
	(void)state;
	assert_integer(0);
	assert_integer(INT64_MIN);
	assert_integer(INT64_MAX);
	for (int64_t power = 1; power <= 100000000000000000; power *= 10)
		for (int64_t offset = -1; offset <= 1; offset++) {
			assert_integer(power + offset);
			assert_integer(-power + offset);
		}
}

static void assert_json(struct slice text, const char *expected)
{
	buffer_clear(&buffer);
	buffer_append_json_string(&buffer, text);
	assert_content(expected);
}

static void test_json_string_of_plain_text_is_the_text(void **state)
{
	char text[64], expected[80];

	(void)state;
	assert_json(SLICE_NULL, "\"\"");
	/* Every length and alignment around the eight-byte step. */
	for (size_t size = 0; size < 40; size++) {
		memset(text, 'a' + (int)(size % 26), size);
		text[size] = '\0';
		snprintf(expected, sizeof(expected), "\"%s\"", text);
		assert_json((struct slice){text, size}, expected);
	}
}

static void test_json_string_escapes_what_must_be_wherever_it_stands(void **state)
{
	(void)state;
	for (int byte = 0; byte < 0x80; byte++)
		for (size_t place = 0; place < 20; place++) {
			char text[20], expected[64], escaped[8] = {(char)byte};
			static const char shorts[][2] = {{'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'},
							 {'\r', 'r'}, {'"', '"'},  {'\\', '\\'}};

			if (byte < 0x20)
				snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
			for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
				if (shorts[i][0] == byte)
					snprintf(escaped, sizeof(escaped), "\\%c", shorts[i][1]);
			memset(text, 'z', sizeof(text));
			text[place] = (char)byte;
			snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)place, "zzzzzzzzzzzzzzzzzzzz", escaped,
				 (int)(19 - place), "zzzzzzzzzzzzzzzzzzzz");
			assert_json((struct slice){text, sizeof(text)}, expected);
		}
}

static void test_json_string_keeps_utf8(void **state)
{
	static const char text[] =
		"\xc2\xa0 \xc3\xa9 \xe0\xa0\x80 \xe2\x82\xac \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf";
	char expected[sizeof(text) + 2];

	(void)state;
	snprintf(expected, sizeof(expected), "\"%s\"", text);
	assert_json(slice_of(text), expected);
}

static void test_json_string_replaces_what_is_no_utf8(void **state)
{
#define BAD "\xef\xbf\xbd"
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a\x80z", "\"a" BAD "z\""},                     /* continues nothing */
		{"\xc3", "\"" BAD "\""},                         /* ends too soon */
		{"\xc3z", "\"" BAD "z\""},                       /* is not continued */
		{"\xc0\xaf", "\"" BAD BAD "\""},                 /* overlong */
		{"\xe0\x9f\xbf", "\"" BAD BAD BAD "\""},         /* overlong */
		{"\xed\xa0\x80", "\"" BAD BAD BAD "\""},         /* a surrogate */
		{"\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\""}, /* overlong */
		{"\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""}, /* beyond U+10FFFF */
		{"\xff\xfe", "\"" BAD BAD "\""},
		{"\xe2\x82", "\"" BAD BAD "\""},
		{"\xf0\x9f\x98", "\"" BAD BAD BAD "\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_json(slice_of(cases[i].text), cases[i].expected);
}

/* Whatever goes in, a strict reader takes what comes out. */
static void test_json_string_of_random_bytes_is_valid_json(void **state)
{
	(void)state;
	random_set_seed(99);
	for (int round = 0; round < 5000; round++) {
		unsigned char bytes[48];
		size_t size = random_u64() % sizeof(bytes);
		json_t *value;

		random_bytes(bytes, size);
		for (size_t i = 0; i < size; i++)
			if (bytes[i] % 3 == 0)
				bytes[i] %= 0x80;
		buffer_clear(&buffer);
		buffer_append_json_string(&buffer, (struct slice){(const char *)bytes, size});
		value = json_loadb(buffer.data, buffer.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(value);
		json_decref(value);
	}
	random_set_seed(0);
}

int main(void)
{
#define WITH_BUFFER(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH_BUFFER(test_appends_add_up),
		WITH_BUFFER(test_grows_to_its_limit_and_no_further),
		WITH_BUFFER(test_limit_below_the_smallest_capacity_holds),
		WITH_BUFFER(test_absurd_sizes_fail_without_overflow),
		WITH_BUFFER(test_reserve_gives_room_that_the_caller_fills),
		WITH_BUFFER(test_consume_drops_the_front),
		WITH_BUFFER(test_integers_of_every_length),
		WITH_BUFFER(test_json_string_of_plain_text_is_the_text),
		WITH_BUFFER(test_json_string_escapes_what_must_be_wherever_it_stands),
		WITH_BUFFER(test_json_string_keeps_utf8),
		WITH_BUFFER(test_json_string_replaces_what_is_no_utf8),
		WITH_BUFFER(test_json_string_of_random_bytes_is_valid_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
