#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/histogram.h"
#include "base/random.h"

enum { VALUES = 20000 };
static const uint64_t value_max = ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1;

static struct histogram histogram, other;

static int clear(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	memset(&other, 0, sizeof(other));
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void test_empty_histogram_has_quantile_zero(void **state)
{
	(void)state;
	assert_int_equal(histogram_quantile(&histogram, 0.99), 0);
	assert_int_equal(histogram_count_below(&histogram, value_max), 0);
}

static void test_small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < 64; value++)
		histogram_record(&histogram, value);
	for (uint64_t value = 0; value < 64; value++) {
		assert_int_equal(histogram_quantile(&histogram, (double)(value + 1) / 64), value);
		assert_int_equal(histogram_count_below(&histogram, value), value + 1);
	}
}

/*
 * Every single value, around every power of two: the quantile is that value or less than 1/64 above
 * it.
 */
static void test_relative_error_stays_under_one_in_64(void **state)
{
	(void)state;
	for (int bit = 0; bit < HISTOGRAM_VALUE_BITS; bit++)
		for (int64_t offset = -2; offset <= 2; offset++) {
			int64_t value = ((int64_t)1 << bit) + offset;
			uint64_t bound;

			if (value < 0)
				continue;
			memset(&histogram, 0, sizeof(histogram));
			histogram_record(&histogram, (uint64_t)value);
			histogram_record(&histogram, value_max); /* else the maximum would be the answer */
			bound = histogram_quantile(&histogram, 0.5);
			assert_true(bound >= (uint64_t)value);
			assert_true((bound - (uint64_t)value) * 64 <= (uint64_t)value);
		}
}

static void test_quantiles_of_random_values_match_the_exact_ones(void **state)
{
	static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	static uint64_t values[VALUES];
	const uint64_t seed = 20260101;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = random_u64() >> (24 + random_u64() % 40); /* every size is as likely */
		histogram_record(&histogram, values[i]);
	}
	random_set_seed(0);
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		double rank = quantiles[i] * VALUES;
		size_t place = rank <= 1 ? 0 : (size_t)rank - (rank == (double)(size_t)rank);
		uint64_t exact = values[place], told = histogram_quantile(&histogram, quantiles[i]);

		assert_true(told >= exact);
		assert_true((told - exact) * 64 <= exact);
	}
	assert_int_equal(histogram_quantile(&histogram, 1), values[VALUES - 1]);
}

static void test_too_large_value_is_clamped(void **state)
{
	(void)state;
	histogram_record(&histogram, UINT64_MAX);
	assert_int_equal(histogram_quantile(&histogram, 1), value_max);
	assert_int_equal(histogram.sum, value_max);
	assert_int_equal(histogram_count_below(&histogram, UINT64_MAX), 1);
}

static void test_value_that_equals_a_bound_is_below_it(void **state)
{
	(void)state;
	for (int bit = 0; bit < HISTOGRAM_VALUE_BITS; bit++)
		histogram_record(&histogram, (uint64_t)1 << bit);
	for (int bit = 0; bit < HISTOGRAM_VALUE_BITS; bit++)
		assert_int_equal(histogram_count_below(&histogram, (uint64_t)1 << bit), bit + 1);
}

static void test_counts_below_rising_bounds_never_fall(void **state)
{
	uint64_t before = 0;

	(void)state;
	random_set_seed(7);
	for (size_t i = 0; i < VALUES; i++)
		histogram_record(&histogram, random_u64() >> 30);
	random_set_seed(0);
	for (uint64_t bound = 0; bound <= value_max; bound = bound * 5 / 4 + 1) {
		uint64_t below = histogram_count_below(&histogram, bound);

		assert_true(below >= before);
		before = below;
	}
	assert_int_equal(histogram_count_below(&histogram, value_max), VALUES);
}

static void test_merge_adds_up(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		histogram_record(&histogram, i * 1000);
		histogram_record(&other, i * 1000 + 500000);
	}
	histogram_merge(&histogram, &other);
	assert_int_equal(histogram.total, 200);
	assert_int_equal(histogram.sum, 99 * 100 / 2 * 1000 * 2 + 500000 * 100);
	assert_int_equal(histogram.max, 599000);
	assert_int_equal(other.total, 100);
	assert_int_equal(histogram_count_below(&histogram, value_max), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty_histogram_has_quantile_zero, clear),
		cmocka_unit_test_setup(test_small_values_are_exact, clear),
		cmocka_unit_test_setup(test_relative_error_stays_under_one_in_64, clear),
		cmocka_unit_test_setup(test_quantiles_of_random_values_match_the_exact_ones, clear),
		cmocka_unit_test_setup(test_too_large_value_is_clamped, clear),
		cmocka_unit_test_setup(test_value_that_equals_a_bound_is_below_it, clear),
		cmocka_unit_test_setup(test_counts_below_rising_bounds_never_fall, clear),
		cmocka_unit_test_setup(test_merge_adds_up, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
