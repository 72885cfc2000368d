#include "base/array.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_it_grows_and_keeps_what_is_in_it(void **state)
{
	uint32_t *numbers = NULL;
	size_t room = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(array_fit(&numbers, &room, i + 1, sizeof(*numbers)), 0);
		assert_true(room > i);
		numbers[i] = i;
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	assert_int_equal(room, 1024);
	free(numbers);
}

static void test_many_fit_at_once_and_less_changes_nothing(void **state)
{
	char *letters = NULL, *before;
	size_t room = 0;

	(void)state;
	assert_int_equal(array_fit(&letters, &room, 0, 1), 0);
	assert_null(letters);
	assert_int_equal(array_fit(&letters, &room, 100, 1), 0);
	assert_int_equal(room, 128);
	before = letters;
	assert_int_equal(array_fit(&letters, &room, 128, 1), 0);
	assert_int_equal(array_fit(&letters, &room, 5, 1), 0);
	assert_ptr_equal(letters, before);
	assert_int_equal(room, 128);
	free(letters);
}

static void test_what_no_memory_holds_leaves_all_as_it_was(void **state)
{
	uint64_t *numbers = NULL, *before;
	size_t room = 0;

	(void)state;
	assert_int_equal(array_fit(&numbers, &room, 1, sizeof(*numbers)), 0);
	numbers[0] = 7;
	before = numbers;
	assert_int_equal(array_fit(&numbers, &room, SIZE_MAX / sizeof(*numbers), sizeof(*numbers)), -ENOMEM);
	assert_int_equal(array_fit(&numbers, &room, SIZE_MAX, sizeof(*numbers)), -ENOMEM);
	assert_ptr_equal(numbers, before);
	assert_int_equal(room, 16);
	assert_int_equal(numbers[0], 7);
	free(numbers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_grows_and_keeps_what_is_in_it),
		cmocka_unit_test(test_many_fit_at_once_and_less_changes_nothing),
		cmocka_unit_test(test_what_no_memory_holds_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
