#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "text/slice.h"

static void test_letters_are_equal_in_any_case_and_nothing_else_is(void **state)
{
	(void)state;
	assert_true(slice_equal_any_case(SLICE("Content-Length"), SLICE("content-lENGTH")));
	assert_true(slice_equal_any_case(SLICE("q"), SLICE("Q")));
	assert_true(slice_equal_any_case(SLICE_NULL, SLICE("")));
	assert_false(slice_equal_any_case(SLICE("close"), SLICE("closed")));
	assert_false(slice_equal_any_case(SLICE("a-b"), SLICE("a\rb"))); /* '-' with the bit of small letters less */
	assert_false(slice_equal_any_case(SLICE("["), SLICE("{")));
	assert_false(slice_equal_any_case(SLICE("\xc3\xa4"), SLICE("\xc3\x84"))); /* two letters outside of ASCII */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters_are_equal_in_any_case_and_nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
