/* A traceparent in bytes, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "model/trace_bytes.h"

static void test_traceparent_comes_back_as_it_was(void **state)
{
	static const char *const traces[] = {
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"cc-00000000000000000000000000000001-ffffffffffffffff-00",
	};
	unsigned char bytes[TRACE_BYTES];
	char text[TRACE_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
		assert_true(trace_pack(slice_of(traces[i]), bytes));
		trace_unpack(bytes, text);
		assert_string_equal(text, traces[i]);
	}
	assert_int_equal(bytes[0], 0xcc);
	assert_int_equal(bytes[16], 1);
}

static void test_what_is_no_traceparent_is_kept_as_it_is(void **state)
{
	static const char *const others[] = {
		"",
		"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", /* upper case would not come back */
		"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-012",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
	};
	unsigned char bytes[TRACE_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(trace_pack(slice_of(others[i]), bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traceparent_comes_back_as_it_was),
		cmocka_unit_test(test_what_is_no_traceparent_is_kept_as_it_is),
	};

	return cmocka_run_group_tests_name("trace bytes", tests, NULL, NULL);
}
