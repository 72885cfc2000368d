#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "crowd/plan.h"

static void test_takes_the_list_and_the_heap_in_the_order_of_time(void **state)
{
	const uint64_t seed = 20270101;
	struct plan plan;
	struct shot shot = {0};
	int64_t last = -1;
	size_t taken = 0;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	srandom((unsigned)seed);
	assert_int_equal(plan_init(&plan, 500), 0);
	for (int i = 0; i < 500; i++) {
		shot.due_ns = i * 10;
		plan_append(&plan, &shot);
		shot.due_ns = random() % 6000;
		assert_int_equal(plan_push(&plan, &shot), 0);
	}
	for (; !plan_is_empty(&plan); taken++) {
		int64_t due = plan_next_due(&plan);

		shot = plan_pop(&plan);
		assert_int_equal(shot.due_ns, due);
		assert_true(shot.due_ns >= last);
		last = shot.due_ns;
	}
	assert_int_equal(taken, 1000);
	assert_true(plan_next_due(&plan) == INT64_MAX);
	plan_deinit(&plan);
	plan_deinit(&plan);
}

static void test_a_cut_drops_the_list_and_keeps_the_heap(void **state)
{
	struct plan plan;
	struct shot shot = {.due_ns = 1};

	(void)state;
	assert_int_equal(plan_init(&plan, 1), 0);
	plan_append(&plan, &shot);
	shot.due_ns = 2;
	assert_int_equal(plan_push(&plan, &shot), 0);
	plan_cut(&plan);
	assert_int_equal(plan_pop(&plan).due_ns, 2);
	assert_true(plan_is_empty(&plan));
	plan_deinit(&plan);
}

/* How many of 1,000 have come within a part of the time. */
static size_t within(enum arrival arrival, double part)
{
	size_t count = 0;

	for (size_t i = 0; i < 1000; i++)
		count += plan_arrival_time(arrival, i, 1000, 1000000) <= (int64_t)(part * 1000000);
	return count;
}

static void test_a_spike_comes_early_and_a_ramp_late(void **state)
{
	(void)state;
	assert_in_range(within(ARRIVAL_SPIKE, 0.125), 499, 501);
	assert_in_range(within(ARRIVAL_STEADY, 0.5), 499, 501);
	assert_in_range(within(ARRIVAL_RAMP, 0.5), 249, 251);
	assert_int_equal(plan_arrival_time(ARRIVAL_AT_ONCE, 999, 1000, 1000000), 0);
}

static void test_arrivals_never_go_back_and_end_in_time(void **state)
{
	(void)state;
	for (enum arrival arrival = ARRIVAL_AT_ONCE; arrival <= ARRIVAL_RAMP; arrival++) {
		int64_t last = 0;

		for (size_t i = 0; i < 1000; i++) {
			int64_t at = plan_arrival_time(arrival, i, 1000, 5000);

			assert_true(at >= last);
			assert_true(at <= 5000);
			last = at;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_the_list_and_the_heap_in_the_order_of_time),
		cmocka_unit_test(test_a_cut_drops_the_list_and_keeps_the_heap),
		cmocka_unit_test(test_a_spike_comes_early_and_a_ramp_late),
		cmocka_unit_test(test_arrivals_never_go_back_and_end_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
