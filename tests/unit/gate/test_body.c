#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gate/body.h"
#include "model/sale.h"

static struct reply reply;

static int set_up(void **state)
{
	(void)state;
	reply_init(&reply);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reply_deinit(&reply);
	return 0;
}

static json_t *parse_as(const char *type, const char *text, size_t size)
{
	struct http_request request = {.body = {text, size}, .has_length = true};

	reply_clear(&reply);
	if (type)
		request.known[HTTP_CONTENT_TYPE] = slice_of(type);
	return body_parse(&request, &reply);
}

static json_t *parse(const char *text)
{
	return parse_as("application/json", text, strlen(text));
}

/* A string member of the problem document. */
static const char *member(const char *name)
{
	static char text[512];
	json_t *document = json_loadb(reply.body.data, reply.body.size, 0, NULL);
	const char *value = json_string_value(json_object_get(document, name));

	assert_non_null(document);
	snprintf(text, sizeof(text), "%s", value ? value : "");
	json_decref(document);
	return text;
}

static void refuse_document(const char *type, const char *text, size_t size, enum problem problem)
{
	assert_null(parse_as(type, text, size));
	assert_int_equal(reply.problem, problem);
	assert_int_equal(reply.status, problem_status(problem));
	assert_string_equal(member("code"), problem_code(problem));
	assert_true(strlen(member("detail")) > 0);
}

/* Reads `text` by the fields; what it refuses names `field`. */
static void refuse_field(const char *text, struct body_field *fields, size_t count, const char *path, enum problem problem,
			 const char *field)
{
	json_t *document = parse(text);

	assert_non_null(document);
	for (size_t i = 0; i < count; i++)
		fields[i].given = false;
	assert_int_equal(body_read(document, fields, count, path, &reply), 1);
	assert_int_equal(reply.problem, problem);
	assert_string_equal(member("code"), problem_code(problem));
	assert_string_equal(member("field"), field);
	assert_non_null(strstr(member("detail"), field));
	json_decref(document);
}

static void take(const char *text, struct body_field *fields, size_t count)
{
	json_t *document = parse(text);

	assert_non_null(document);
	for (size_t i = 0; i < count; i++)
		fields[i].given = false;
	assert_int_equal(body_read(document, fields, count, "", &reply), 0);
	json_decref(document);
}

/* --- The document --- */

static void test_an_empty_body_is_an_empty_object(void **state)
{
	json_t *document;

	(void)state;
	document = parse_as(NULL, NULL, 0); /* of whatever type */
	assert_true(json_is_object(document));
	assert_int_equal(json_object_size(document), 0);
	json_decref(document);
}

static void test_the_type_is_json_in_any_case_with_any_parameters(void **state)
{
	static const char *const good[] = {"application/json", "Application/JSON", "application/json; charset=utf-8",
					   "application/json ;a=b"};
	static const char *const bad[] = {
		"", "text/json", "application/jsonp", "application/json-patch+json", "application/problem+json", "application"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		json_t *document = parse_as(good[i], "{}", 2);

		assert_non_null(document);
		json_decref(document);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse_document(bad[i], "{}", 2, PROBLEM_UNSUPPORTED_MEDIA_TYPE);
	refuse_document(NULL, "{}", 2, PROBLEM_UNSUPPORTED_MEDIA_TYPE);
}

static void test_what_is_no_json_object_is_malformed(void **state)
{
	static const char *const texts[] = {
		" ",
		"{",
		"}",
		"[]",
		"1",
		"null",
		"\"a\"",
		"{}{}",
		"{} x",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":1}}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\u0000\"}",
		"\xef\xbb\xbf{}",
		"// {}",
		"{\"a\":NaN}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuse_document("application/json", texts[i], strlen(texts[i]), PROBLEM_MALFORMED_REQUEST);
	refuse_document("application/json", "{}\0", 3, PROBLEM_MALFORMED_REQUEST);
}

static void test_a_number_that_is_too_large_is_json_all_the_same(void **state)
{
	int64_t value = 0;
	struct body_field fields[] = {{.name = "n", .kind = BODY_INTEGER, .target = &value, .min = INT64_MIN, .max = INT64_MAX}};

	(void)state;
	refuse_field("{\"n\":99999999999999999999}", fields, 1, "", PROBLEM_INVALID_VALUE, "n");
	refuse_document("application/json", "{\"n\":1e999}", 11, PROBLEM_INVALID_VALUE);
}

static void test_no_name_of_the_library_is_told(void **state)
{
	static const char text[] = "{\"a\":\"\\u0000\"}";

	(void)state;
	refuse_document("application/json", text, sizeof(text) - 1, PROBLEM_MALFORMED_REQUEST);
	assert_null(strstr(member("detail"), "JSON_"));
	assert_non_null(strstr(member("detail"), "U+0000"));
}

static void test_deep_nesting_is_refused_and_does_not_overflow(void **state)
{
	static char text[16384];

	(void)state;
	memset(text, '[', sizeof(text));
	refuse_document("application/json", text, sizeof(text), PROBLEM_MALFORMED_REQUEST);
}

/* --- Kinds --- */

static void test_integers_are_whole_and_within_their_bounds(void **state)
{
	static const char *const bad[] = {"4",     "11",   "-5",   "5.5", "5e9", "1e300",
					  "\"5\"", "true", "null", "[]",  "{}",  "9223372036854775807"};
	int64_t value = 0;
	struct body_field fields[] = {{.name = "n", .kind = BODY_INTEGER, .target = &value, .min = 5, .max = 10}};
	char text[64];

	(void)state;
	for (int i = 5; i <= 10; i++) {
		snprintf(text, sizeof(text), "{\"n\":%d}", i);
		take(text, fields, 1);
		assert_int_equal(value, i);
		assert_true(fields[0].given);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"n\":%s}", bad[i]);
		refuse_field(text, fields, 1, "", PROBLEM_INVALID_VALUE, "n");
		assert_non_null(strstr(member("detail"), "a whole number from 5 to 10"));
	}
	/* JSON Schema's integer is one by its value (2020-12, 6.1.1), however it is written. */
	take("{\"n\":7.0}", fields, 1);
	assert_int_equal(value, 7);
	take("{\"n\":8e0}", fields, 1);
	assert_int_equal(value, 8);
	take("{}", fields, 1);
	assert_false(fields[0].given);
}

static void test_the_whole_range_of_integers(void **state)
{
	int64_t value = 0;
	struct body_field fields[] = {{.name = "n", .kind = BODY_INTEGER, .target = &value, .min = INT64_MIN, .max = INT64_MAX}};

	(void)state;
	take("{\"n\":9223372036854775807}", fields, 1);
	assert_true(value == INT64_MAX);
	take("{\"n\":-9223372036854775808}", fields, 1);
	assert_true(value == INT64_MIN);
}

static void test_booleans(void **state)
{
	static const char *const bad[] = {"0", "1", "\"true\"", "null", "[]"};
	bool value = false;
	struct body_field fields[] = {{.name = "b", .kind = BODY_BOOLEAN, .target = &value}};
	char text[64];

	(void)state;
	take("{\"b\":true}", fields, 1);
	assert_true(value);
	take("{\"b\":false}", fields, 1);
	assert_false(value);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"b\":%s}", bad[i]);
		refuse_field(text, fields, 1, "", PROBLEM_INVALID_VALUE, "b");
	}
}

static void test_texts_are_judged_by_their_rule(void **state)
{
	struct slice value = SLICE_NULL;
	struct body_field fields[] = {
		{.name = "sku", .kind = BODY_TEXT, .target = &value, .valid = sale_sku_valid, .rule = "a SKU"},
		{.name = "free", .kind = BODY_TEXT, .target = &value},
	};
	json_t *document = parse("{\"free\":\"any \\u00e9 \\\" thing\"}");

	(void)state;
	assert_int_equal(body_read(document, fields, 2, "", &reply), 0);
	assert_true(slice_equal(value, SLICE("any \xc3\xa9 \" thing")));
	json_decref(document);
	refuse_field("{\"sku\":\"a b\"}", fields, 2, "", PROBLEM_INVALID_VALUE, "sku");
	assert_non_null(strstr(member("detail"), "must be a SKU"));
	refuse_field("{\"sku\":1}", fields, 2, "", PROBLEM_INVALID_VALUE, "sku");
	refuse_field("{\"free\":null}", fields, 2, "", PROBLEM_INVALID_VALUE, "free");
	assert_non_null(strstr(member("detail"), "must be a text"));
}

static void test_times_are_rfc_3339_or_null(void **state)
{
	static const char *const bad[] = {
		"1",
		"\"\"",
		"\"2027-01-01\"",
		"\"2027-01-01T10:00:00\"",
		"\"2027-13-01T10:00:00Z\"",
		"\"1969-12-31T23:59:59Z\"",
		"true",
		"{}",
	};
	int64_t value = 0;
	struct body_field fields[] = {{.name = "t", .kind = BODY_TIME, .target = &value}};
	char text[64];

	(void)state;
	take("{\"t\":\"2027-01-01T10:00:00.123Z\"}", fields, 1);
	assert_int_equal(value, INT64_C(1798797600123));
	take("{\"t\":\"1970-01-01T00:00:00Z\"}", fields, 1);
	assert_int_equal(value, 0);
	take("{\"t\":null}", fields, 1);
	assert_int_equal(value, SALE_NO_TIME);
	assert_true(fields[0].given);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{\"t\":%s}", bad[i]);
		refuse_field(text, fields, 1, "", PROBLEM_INVALID_VALUE, "t");
	}
}

static void test_objects_and_arrays(void **state)
{
	json_t *object = NULL, *array = NULL;
	struct body_field fields[] = {
		{.name = "o", .kind = BODY_OBJECT, .target = &object},
		{.name = "a", .kind = BODY_ARRAY, .target = &array, .min = 1, .max = 2},
	};
	json_t *document = parse("{\"o\":{\"x\":1},\"a\":[1,2]}");

	(void)state;
	assert_int_equal(body_read(document, fields, 2, "", &reply), 0);
	assert_int_equal(json_object_size(object), 1);
	assert_int_equal(json_array_size(array), 2);
	json_decref(document);
	refuse_field("{\"o\":[]}", fields, 2, "", PROBLEM_INVALID_VALUE, "o");
	refuse_field("{\"o\":null}", fields, 2, "", PROBLEM_INVALID_VALUE, "o");
	refuse_field("{\"a\":{}}", fields, 2, "", PROBLEM_INVALID_VALUE, "a");
	refuse_field("{\"a\":[]}", fields, 2, "", PROBLEM_INVALID_VALUE, "a");
	refuse_field("{\"a\":[1,2,3]}", fields, 2, "", PROBLEM_INVALID_VALUE, "a");
	assert_non_null(strstr(member("detail"), "an array of 1 to 2 elements"));
}

/* --- The object --- */

static void test_what_is_required_and_missing_is_named(void **state)
{
	int64_t value;
	struct body_field fields[] = {
		{.name = "a", .kind = BODY_INTEGER, .target = &value, .max = 9},
		{.name = "b", .kind = BODY_INTEGER, .target = &value, .max = 9, .required = true},
	};

	(void)state;
	refuse_field("{}", fields, 2, "", PROBLEM_INVALID_VALUE, "b");
	refuse_field("{\"a\":1}", fields, 2, "", PROBLEM_INVALID_VALUE, "b");
	take("{\"b\":1}", fields, 2);
}

static void test_an_unknown_field_is_named_with_those_that_are_known(void **state)
{
	int64_t value;
	struct body_field fields[] = {
		{.name = "one", .kind = BODY_INTEGER, .target = &value, .max = 9},
		{.name = "two", .kind = BODY_INTEGER, .target = &value, .max = 9},
	};

	(void)state;
	refuse_field("{\"three\":1}", fields, 2, "", PROBLEM_UNKNOWN_FIELD, "three");
	assert_non_null(strstr(member("detail"), "one, two"));
	refuse_field("{\"One\":1}", fields, 2, "", PROBLEM_UNKNOWN_FIELD, "One");
	refuse_field("{\"\":1}", fields, 2, "", PROBLEM_UNKNOWN_FIELD, "");
	refuse_field("{\"x\":1}", NULL, 0, "", PROBLEM_UNKNOWN_FIELD, "x");
	assert_non_null(strstr(member("detail"), "none"));
}

static void test_nested_fields_are_named_by_their_path(void **state)
{
	int64_t value;
	struct body_field fields[] = {{.name = "units", .kind = BODY_INTEGER, .target = &value, .min = 1, .max = 9, .required = true}};

	(void)state;
	refuse_field("{\"units\":0}", fields, 1, "lots[2].", PROBLEM_INVALID_VALUE, "lots[2].units");
	refuse_field("{}", fields, 1, "lots[199].", PROBLEM_INVALID_VALUE, "lots[199].units");
	refuse_field("{\"unit\":1}", fields, 1, "lots[0].", PROBLEM_UNKNOWN_FIELD, "lots[0].unit");
}

static void test_long_and_strange_names_are_cut_and_escaped(void **state)
{
	static char text[4096];
	json_t *document;
	int size;

	(void)state;
	size = snprintf(text, sizeof(text), "{\"%0*d\":1}", 3000, 0);
	assert_in_range(size, 3000, sizeof(text) - 1);
	document = parse(text);
	assert_int_equal(body_read(document, NULL, 0, "", &reply), 1);
	assert_in_range(strlen(member("field")), 1, 199);
	json_decref(document);
	refuse_field("{\"a\\\"b\\n\":1}", NULL, 0, "", PROBLEM_UNKNOWN_FIELD, "a\"b\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_body_is_an_empty_object),
		TEST(test_the_type_is_json_in_any_case_with_any_parameters),
		TEST(test_what_is_no_json_object_is_malformed),
		TEST(test_a_number_that_is_too_large_is_json_all_the_same),
		TEST(test_no_name_of_the_library_is_told),
		TEST(test_deep_nesting_is_refused_and_does_not_overflow),
		TEST(test_integers_are_whole_and_within_their_bounds),
		TEST(test_the_whole_range_of_integers),
		TEST(test_booleans),
		TEST(test_texts_are_judged_by_their_rule),
		TEST(test_times_are_rfc_3339_or_null),
		TEST(test_objects_and_arrays),
		TEST(test_what_is_required_and_missing_is_named),
		TEST(test_an_unknown_field_is_named_with_those_that_are_known),
		TEST(test_nested_fields_are_named_by_their_path),
		TEST(test_long_and_strange_names_are_cut_and_escaped),
	};

	return cmocka_run_group_tests_name("gate: body", tests, NULL, NULL);
}
