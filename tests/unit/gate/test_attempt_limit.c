/* What verified buyers ask at all: counted when refused, so many times a sale's rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "gate/limit/attempt_limit.h"

static const struct attempt_rate rate = {.sale = 7, .requests = 3, .seconds = 60};

static int open_limit(void **state)
{
	return attempt_limit_new((struct attempt_limit **)state, 10);
}

static int close_limit(void **state)
{
	attempt_limit_free(*state);
	return 0;
}

static int64_t wait_of(struct attempt_limit *limit, const char *buyer, int64_t now_ms)
{
	int64_t wait = 0;

	return attempt_limit_pass(limit, &rate, slice_of(buyer), now_ms, &wait) ? 0 : wait;
}

static void count(struct attempt_limit *limit, const char *buyer, int64_t now_ms, int times)
{
	for (int i = 0; i < times; i++)
		attempt_limit_count(limit, &rate, slice_of(buyer), now_ms);
}

static void test_so_many_refusals_pass_and_no_more(void **state)
{
	count(*state, "ann", 1000, 29);
	assert_int_equal(wait_of(*state, "ann", 1000), 0);
	count(*state, "ann", 1000, 1);
	assert_true(wait_of(*state, "ann", 1000) > 0);
	assert_int_equal(wait_of(*state, "bob", 1000), 0);
}

static void test_whoever_is_refused_nothing_is_limited_nothing(void **state)
{
	for (int i = 0; i < 1000; i++)
		assert_int_equal(wait_of(*state, "ann", 1000 + i), 0);
}

/* At the time that it was told, and not a moment earlier. */
static void test_the_wait_is_what_it_takes(void **state)
{
	const int counts[] = {30, 31, 45, 90, 1000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int64_t start_ms = (int64_t)(i + 1) * 1000000, wait;

		count(*state, "ann", start_ms, counts[i]);
		wait = wait_of(*state, "ann", start_ms + 10000);
		assert_true(wait > 0);
		assert_true(wait <= 110000);
		assert_true(wait_of(*state, "ann", start_ms + 10000 + wait - 1) > 0);
		assert_int_equal(wait_of(*state, "ann", start_ms + 10000 + wait), 0);
		assert_int_equal(wait_of(*state, "ann", start_ms + 120000), 0);
	}
}

static void test_the_windows_edge_lets_no_second_crowd_through(void **state)
{
	count(*state, "ann", 1000, 20);
	count(*state, "ann", 60000, 5);
	assert_int_equal(wait_of(*state, "ann", 62000), 0);
	count(*state, "ann", 62000, 6); /* of the 25 nearly all still count */
	assert_true(wait_of(*state, "ann", 62000) > 0);
	assert_int_equal(wait_of(*state, "ann", 100000), 0);
}

static void test_each_sale_is_its_own_and_one_without_a_rate_has_no_limit(void **state)
{
	const struct attempt_rate other = {.sale = 8, .requests = 3, .seconds = 60}, free = {.sale = 9};
	int64_t wait;

	count(*state, "ann", 1000, 30);
	assert_true(attempt_limit_pass(*state, &other, SLICE("ann"), 1000, &wait));
	for (int i = 0; i < 1000; i++)
		attempt_limit_count(*state, &free, SLICE("ann"), 1000);
	assert_true(attempt_limit_pass(*state, &free, SLICE("ann"), 1000, &wait));
}

/* More buyers than places: the limit loosens, and refuses nobody wrongly. */
static void test_a_full_table_refuses_nobody_wrongly(void **state)
{
	char buyer[32];

	for (int i = 0; i < 300000; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		count(*state, buyer, 1000 + i, 1);
		assert_int_equal(wait_of(*state, buyer, 1000 + i), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_limit, close_limit)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_so_many_refusals_pass_and_no_more),
		TEST(test_whoever_is_refused_nothing_is_limited_nothing),
		TEST(test_the_wait_is_what_it_takes),
		TEST(test_the_windows_edge_lets_no_second_crowd_through),
		TEST(test_each_sale_is_its_own_and_one_without_a_rate_has_no_limit),
		TEST(test_a_full_table_refuses_nobody_wrongly),
	};

	return cmocka_run_group_tests_name("gate: attempt limit", tests, NULL, NULL);
}
