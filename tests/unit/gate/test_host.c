/* Names that the operators' listener answers to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gate/host.h"

static bool allowed(const char *host, const char *hosts)
{
	struct address local;

	assert_int_equal(address_parse(SLICE("192.0.2.7"), &local), 0);
	return host_allowed(host ? slice_of(host) : SLICE_NULL, slice_of(hosts), &local);
}

static void test_names_of_loopback_and_the_listeners_own_address_are_answered(void **state)
{
	static const char *const good[] = {"localhost",  "LocalHost:8081", "localhost.", "127.0.0.1:8081", "127.9.9.9",
					   "[::1]:8081", "[::1]",          "192.0.2.7",  "192.0.2.7:80",   NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(allowed(good[i], ""));
}

/*
 * Found: a page whose name points at 127.0.0.1 could read the dashboard's figures with its
 * visitor's browser.
 */
static void test_the_name_of_somebody_else_is_not(void **state)
{
	static const char *const bad[] = {"evil.example",
					  "evil.example:8081",
					  "localhost.evil.example",
					  "127.0.0.1.evil.example",
					  "192.0.2.8",
					  "[2001:db8::1]",
					  "localhost:8081.evil",
					  "",
					  "evil.example:localhost",
					  "gate-1x"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(allowed(bad[i], "gate-1"));
}

static void test_further_names_are_a_setting(void **state)
{
	(void)state;
	assert_true(allowed("gate-1", "gate-1"));
	assert_true(allowed("Gate-2.shop.example:8081", " gate-1 ,gate-2.shop.example"));
	assert_true(allowed("203.0.113.9:8081", "gate-1, 203.0.113.9"));
	assert_false(allowed("gate-2", "gate-1,,"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_loopback_and_the_listeners_own_address_are_answered),
		cmocka_unit_test(test_the_name_of_somebody_else_is_not),
		cmocka_unit_test(test_further_names_are_a_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
