#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "base/backoff.h"
#include "base/clock.h"

static const int64_t MS = 1000000;
static const struct backoff_range RANGE = {100000000, 5000000000};

static int64_t now_ns;

static int64_t read_ns(const struct clock_source *source)
{
	(void)source;
	return now_ns;
}

static int freeze(void **state)
{
	static const struct clock_source still = {read_ns, read_ns};

	(void)state;
	now_ns = 1000 * MS;
	clock_set_source(&still);
	return 0;
}

static int thaw(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

static void test_a_backoff_doubles_with_jitter_and_has_an_end(void **state)
{
	struct backoff backoff = {0};
	int64_t most = 100 * MS;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int64_t wait_ns = backoff_fail(&backoff, &RANGE, -EIO);

		assert_in_range(wait_ns, most / 2, most);
		most = most * 2 < 5000 * MS ? most * 2 : 5000 * MS;
	}
	backoff_reset(&backoff);
	assert_false(backoff_failed(&backoff));
	assert_in_range(backoff_fail(&backoff, &RANGE, -EIO), 50 * MS, 100 * MS);
}

static void test_nothing_is_tried_before_its_time(void **state)
{
	struct backoff backoff = {0};

	(void)state;
	assert_int_equal(backoff_check(&backoff), 0);
	assert_int_equal(backoff_note(&backoff, &RANGE, -ENOTCONN), -ENOTCONN);
	assert_int_equal(backoff_check(&backoff), -ENOTCONN);
	now_ns += 50 * MS - 1;
	assert_int_equal(backoff_check(&backoff), -ENOTCONN);
	now_ns += 50 * MS + 1;
	assert_int_equal(backoff_check(&backoff), 0);
	assert_true(backoff_failed(&backoff)); /* a time that has come is no success */
}

static void test_a_success_ends_the_row(void **state)
{
	struct backoff backoff = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(backoff_note(&backoff, &RANGE, -EIO), -EIO);
	assert_int_equal(backoff_note(&backoff, &RANGE, 3), 3);
	assert_int_equal(backoff_check(&backoff), 0);
	assert_int_equal(backoff_note(&backoff, &RANGE, -EIO), -EIO);
	now_ns += 100 * MS;
	assert_int_equal(backoff_check(&backoff), 0);
}

/* Processes that lost the same server do not come back in step. */
static void test_waits_of_the_same_failure_differ(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		int64_t ns = backoff_jitter(1000 * MS);

		assert_in_range(ns, 500 * MS, 1000 * MS);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	assert_true(most - least > 300 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_backoff_doubles_with_jitter_and_has_an_end, freeze, thaw),
		cmocka_unit_test_setup_teardown(test_nothing_is_tried_before_its_time, freeze, thaw),
		cmocka_unit_test_setup_teardown(test_a_success_ends_the_row, freeze, thaw),
		cmocka_unit_test(test_waits_of_the_same_failure_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
