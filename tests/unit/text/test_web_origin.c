#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "text/web_origin.h"

static void test_origins_as_browsers_write_them_are_taken(void **state)
{
	static const char *const right[] = {"https://shop.example", "http://localhost:5173", "http://127.0.0.1:8080",
					    "https://[2001:db8::1]:8443", "http://[::1]"};
	struct web_origin_list list;
	struct slice bad;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(web_origin_list_parse(slice_of(right[i]), &list, &bad), 0);
		assert_int_equal(list.count, 1);
		assert_int_equal(web_origin_list_find(&list, slice_of(right[i])), 0);
	}
}

static void test_what_no_browser_sends_is_refused_and_named(void **state)
{
	static const char *const wrong[] = {"shop.example",
					    "https://",
					    "https://shop.example/",
					    "https://shop.example:",
					    "https://Shop.example",
					    "HTTPS://a",
					    "https://a:443",
					    "http://a:80",
					    "http://a:080",
					    "http://a:65536",
					    "http://a:123456",
					    "https://a b",
					    "null",
					    "https://a@b",
					    "https://[::1",
					    "*",
					    "https://a/path",
					    "file:///etc/passwd",
					    "https://a?b",
					    "https://:8080"};
	struct web_origin_list list;
	struct slice bad;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[300];

		snprintf(text, sizeof(text), "https://shop.example, %s", wrong[i]);
		if (web_origin_list_parse(slice_of(text), &list, &bad) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
		assert_true(slice_equal(bad, slice_of(wrong[i])));
	}
	assert_int_equal(web_origin_list_parse(SLICE("https://a,"), &list, &bad), -EINVAL);
}

static void test_a_list_is_all_or_those_that_it_names(void **state)
{
	struct web_origin_list list;
	struct slice bad;
	char text[1024] = "";
	size_t size = 0;

	(void)state;
	assert_int_equal(web_origin_list_parse(SLICE(" "), &list, &bad), 0);
	assert_true(list.count == 0 && !list.any);
	assert_int_equal(web_origin_list_parse(SLICE(" * "), &list, &bad), 0);
	assert_true(list.any);
	assert_int_equal(web_origin_list_parse(SLICE("https://a , http://b:81"), &list, &bad), 0);
	assert_int_equal(web_origin_list_find(&list, SLICE("http://b:81")), 1);
	assert_int_equal(web_origin_list_find(&list, SLICE("http://b")), -1);
	assert_int_equal(web_origin_list_find(&list, SLICE("https://a.evil")), -1);
	for (int i = 0; i <= WEB_ORIGINS_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%shttps://a%d", i ? "," : "", i);
	assert_int_equal(web_origin_list_parse(slice_of(text), &list, &bad), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origins_as_browsers_write_them_are_taken),
		cmocka_unit_test(test_what_no_browser_sends_is_refused_and_named),
		cmocka_unit_test(test_a_list_is_all_or_those_that_it_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
