#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "text/edit_distance.h"

static void test_distance_counts_slips(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("audit", "audit"), 0);
	assert_int_equal(edit_distance("audit", "audti"), 1);
	assert_int_equal(edit_distance("serve", "server"), 1);
	assert_int_equal(edit_distance("drain", "demo"), 4);
	assert_int_equal(edit_distance("", "abc"), 3);
}

static void test_only_so_much_of_a_long_word_is_looked_at(void **state)
{
	char word[200];

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(edit_distance(word, "x"), EDIT_DISTANCE_MAX);
	assert_int_equal(edit_distance("", word), EDIT_DISTANCE_MAX);
	assert_int_equal(edit_distance(word, word + 50), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance_counts_slips),
		cmocka_unit_test(test_only_so_much_of_a_long_word_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
