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

static void test_a_mark_of_byte_order_is_no_part_of_a_text(void **state)
{
	(void)state;
	assert_true(slice_equal(slice_without_mark(SLICE("\xef\xbb\xbfgate")), SLICE("gate")));
	assert_true(slice_equal(slice_without_mark(SLICE("\xef\xbb\xbf")), SLICE("")));
	assert_true(slice_equal(slice_without_mark(SLICE("\xef\xbb\xbf\xef\xbb\xbf")), SLICE("\xef\xbb\xbf"))); /* once */
	assert_true(slice_equal(slice_without_mark(SLICE("\xef\xbb")), SLICE("\xef\xbb")));
	assert_true(slice_equal(slice_without_mark(SLICE("a\xef\xbb\xbf")), SLICE("a\xef\xbb\xbf")));
	assert_true(slice_equal(slice_without_mark(SLICE_NULL), SLICE("")));
}

static void test_one_line_end_of_either_form_is_cut(void **state)
{
	(void)state;
	assert_true(slice_equal(slice_without_line_end(SLICE("gate")), SLICE("gate")));
	assert_true(slice_equal(slice_without_line_end(SLICE("gate\n")), SLICE("gate")));
	assert_true(slice_equal(slice_without_line_end(SLICE("gate\r\n")), SLICE("gate")));
	assert_true(slice_equal(slice_without_line_end(SLICE("gate\r\n\r\n")), SLICE("gate\r\n"))); /* once */
	assert_true(slice_equal(slice_without_line_end(SLICE("gate\r")), SLICE("gate\r")));
	assert_true(slice_equal(slice_without_line_end(SLICE("\r\n")), SLICE("")));
	assert_true(slice_equal(slice_without_line_end(SLICE("\n")), SLICE("")));
	assert_true(slice_equal(slice_without_line_end(SLICE_NULL), SLICE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters_are_equal_in_any_case_and_nothing_else_is),
		cmocka_unit_test(test_a_mark_of_byte_order_is_no_part_of_a_text),
		cmocka_unit_test(test_one_line_end_of_either_form_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
