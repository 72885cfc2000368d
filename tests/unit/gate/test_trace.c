#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/random.h"
#include "gate/trace.h"

#define GOOD "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static bool taken(const char *text)
{
	struct trace trace;

	trace_take(&trace, slice_of(text));
	return strlen(text) >= TRACE_SIZE && memcmp(trace.text + 3, text + 3, TRACE_SIZE - 3) == 0;
}

static void test_a_good_traceparent_is_taken_as_it_is(void **state)
{
	struct trace trace;

	(void)state;
	trace_take(&trace, SLICE(GOOD));
	assert_memory_equal(trace.text, GOOD, TRACE_SIZE);
	assert_int_equal(trace_slice(&trace).size, TRACE_SIZE);
}

static void test_what_is_malformed_is_replaced(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
		GOOD "0",
		GOOD "-",
		GOOD "-00",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bZ-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-x1",
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(taken(bad[i]));
}

static void test_a_later_version_is_taken_by_its_known_part(void **state)
{
	struct trace trace;

	(void)state;
	trace_take(&trace, SLICE("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"));
	assert_memory_equal(trace.text, GOOD, TRACE_SIZE);
	trace_take(&trace, SLICE("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	assert_memory_equal(trace.text, GOOD, TRACE_SIZE);
	assert_false(taken("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"));
}

static void test_what_is_made_is_well_formed_and_its_own(void **state)
{
	struct trace last = {0};

	(void)state;
	random_set_seed(7);
	for (int i = 0; i < 1000; i++) {
		struct trace made, again;

		trace_take(&made, SLICE_NULL);
		assert_memory_not_equal(made.text, last.text, TRACE_SIZE);
		trace_take(&again, trace_slice(&made)); /* it would be taken */
		assert_memory_equal(again.text, made.text, TRACE_SIZE);
		last = made;
	}
	random_set_seed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_traceparent_is_taken_as_it_is),
		cmocka_unit_test(test_what_is_malformed_is_replaced),
		cmocka_unit_test(test_a_later_version_is_taken_by_its_known_part),
		cmocka_unit_test(test_what_is_made_is_well_formed_and_its_own),
	};

	return cmocka_run_group_tests_name("gate: trace", tests, NULL, NULL);
}
