#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "text/json_flat.h"

static struct json_flat_field fields[JSON_FLAT_FIELDS_MAX];

static void test_a_flat_object_is_read_in_its_order(void **state)
{
	static const char json[] = "{\"a\":\"x y\",\"b\":-12,\"\":null,\"c\":\"\",\"d\":0}";

	(void)state;
	assert_int_equal(json_flat_read(slice_of(json), fields), 5);
	assert_true(slice_equal(fields[0].name, SLICE("a")));
	assert_int_equal(fields[0].type, JSON_FLAT_TEXT);
	assert_true(slice_equal(fields[0].text, SLICE("x y")));
	assert_int_equal(fields[1].type, JSON_FLAT_INTEGER);
	assert_int_equal(fields[1].integer, -12);
	assert_int_equal(fields[2].name.size, 0);
	assert_int_equal(fields[2].type, JSON_FLAT_NULL);
	assert_int_equal(fields[3].text.size, 0);
	assert_int_equal(fields[4].integer, 0);
}

static void test_what_is_not_written_so_is_left_alone(void **state)
{
	static const char *const others[] = {
		"",
		" {\"a\":1}",
		"{\"a\":1} ",
		"{ \"a\":1}",
		"{\"a\": 1}",
		"{}",
		"[]",
		"{\"a\":1",
		"{\"a\":1,}",
		"{\"a\":1}x",
		"{a:1}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":1.0}",
		"{\"a\":1e3}",
		"{\"a\":1234567890123456789}",
		"{\"a\":nul}",
		"{\"a\":nulll}",
		"{\"a\":true}",
		"{\"a\":{}}",
		"{\"a\":[]}",
		"{\"a\":\"\\n\"}",
		"{\"a\":\"\x01\"}",
		"{\"a\":\"\xc3\xa9\"}",
		"{\"a\":\"x}",
		"{\"a\":1,\"a\":1}",
		"{\"a\":1 ,\"b\":1}",
		"{\"a\":1,,\"b\":1}",
		"{\"a\":+1}",
		"{\"a\":1;\"b\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (json_flat_read(slice_of(others[i]), fields) != 0)
			fail_msg("%s was read", others[i]);
}

static void test_every_beginning_is_left_alone(void **state)
{
	static const char json[] = "{\"a\":\"x\",\"b\":12,\"c\":null}";

	(void)state;
	assert_int_equal(json_flat_read(slice_of(json), fields), 3);
	for (size_t size = 0; size < sizeof(json) - 1; size++)
		assert_int_equal(json_flat_read((struct slice){json, size}, fields), 0);
}

static void test_the_longest_number_and_the_most_fields(void **state)
{
	char json[1024] = "{";
	size_t size = 1;

	(void)state;
	assert_int_equal(json_flat_read(SLICE("{\"a\":-999999999999999999}"), fields), 1);
	assert_int_equal(fields[0].integer, -999999999999999999);
	for (int i = 0; i < JSON_FLAT_FIELDS_MAX; i++)
		size += (size_t)snprintf(json + size, sizeof(json) - size, "%s\"f%d\":%d", i ? "," : "", i, i);
	json[size] = '}';
	assert_int_equal(json_flat_read((struct slice){json, size + 1}, fields), JSON_FLAT_FIELDS_MAX);
	snprintf(json + size, sizeof(json) - size, ",\"g\":0}");
	assert_int_equal(json_flat_read(slice_of(json), fields), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flat_object_is_read_in_its_order),
		cmocka_unit_test(test_what_is_not_written_so_is_left_alone),
		cmocka_unit_test(test_every_beginning_is_left_alone),
		cmocka_unit_test(test_the_longest_number_and_the_most_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
