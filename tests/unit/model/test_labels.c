#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "model/labels.h"

/* What is kept of it, or -1. */
static int keep(const char *json, char text[static METADATA_MAX])
{
	json_t *object = json_loads(json, 0, NULL);
	int size = labels_write_metadata(object, text);

	json_decref(object);
	return size;
}

static void test_the_same_pairs_are_the_same_text(void **state)
{
	char one[METADATA_MAX], other[METADATA_MAX];
	int size = keep("{ \"b\": \"2\", \"a\": \"\\u00fc\" }", one);

	(void)state;
	assert_int_equal(size, strlen("{\"a\":\"\xc3\xbc\",\"b\":\"2\"}"));
	assert_memory_equal(one, "{\"a\":\"\xc3\xbc\",\"b\":\"2\"}", (size_t)size);
	assert_int_equal(keep("{\"a\":\"\xc3\xbc\",\"b\":\"2\"}", other), size);
	assert_memory_equal(one, other, (size_t)size);
	assert_int_equal(keep("{}", one), 0);
}

static void test_as_many_bytes_as_may_be_and_not_one_more(void **state)
{
	char json[METADATA_MAX + 16], text[METADATA_MAX];

	(void)state;
	memset(json, 'x', sizeof(json));
	memcpy(json, "{\"a\":\"", 6);
	memcpy(json + METADATA_MAX - 2, "\"}", 3);
	assert_int_equal(keep(json, text), METADATA_MAX);
	assert_true(labels_metadata_valid((struct slice){text, METADATA_MAX}));
	memcpy(json + METADATA_MAX - 1, "\"}", 3);
	json[METADATA_MAX - 2] = 'x';
	assert_int_equal(keep(json, text), -EINVAL);
}

static void test_what_is_not_as_it_is_kept_is_invalid(void **state)
{
	static const char *const wrong[] = {"",          "{}", "{ \"a\":\"1\"}", "{\"b\":\"1\",\"a\":\"1\"}",
					    "{\"a\":1}", "[]", "{\"a\":\"1\"} "};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(labels_metadata_valid((struct slice){wrong[i], strlen(wrong[i])}));
	assert_true(labels_metadata_valid(SLICE("{\"a\":\"1\"}")));
}

static void test_fingerprints_tell_apart_what_is_told_apart(void **state)
{
	static const struct labels labels[] = {
		{SLICE_NULL, SLICE_NULL},
		{SLICE("{\"a\":\"1\"}"), SLICE_NULL},
		{SLICE_NULL, SLICE("{\"a\":\"1\"}")},
		{SLICE("r"), SLICE("{\"a\":\"1\"}")},
		{SLICE("r"), SLICE("{\"a\":\"2\"}")},
	};
	enum { COUNT = sizeof(labels) / sizeof(labels[0]) };

	(void)state;
	assert_true(labels_fingerprint(&labels[0]) == 0);
	for (size_t i = 0; i < COUNT; i++)
		for (size_t j = 0; j < COUNT; j++)
			assert_int_equal(labels_fingerprint(&labels[i]) == labels_fingerprint(&labels[j]), i == j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_pairs_are_the_same_text),
		cmocka_unit_test(test_as_many_bytes_as_may_be_and_not_one_more),
		cmocka_unit_test(test_what_is_not_as_it_is_kept_is_invalid),
		cmocka_unit_test(test_fingerprints_tell_apart_what_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
