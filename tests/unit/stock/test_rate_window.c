/* The window against a brute-force log of all that passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "base/clock.h"
#include "base/random.h"
#include "model/limits.h"
#include "stock/memory/rate_window.h"

#define MS INT64_C(1000000)

enum { ASKS = 20000 };

struct brute {
	int64_t passed_ns[ASKS];
	int count;
};

/* How many that passed are less than `window_ns` before now; the first of them in *oldest_ns. */
static uint32_t brute_count(const struct brute *brute, int64_t now_ns, int64_t window_ns, int64_t *oldest_ns)
{
	uint32_t count = 0;

	for (int i = brute->count - 1; i >= 0 && now_ns - brute->passed_ns[i] < window_ns; i--) {
		*oldest_ns = brute->passed_ns[i];
		count++;
	}
	return count;
}

/*
 * step_ns: times are multiples of it. With whole milliseconds the answers are exactly those of the
 * log.
 */
static void compare(uint32_t requests, uint32_t window_ms, int64_t start_ns, int64_t step_ns)
{
	static struct brute brute;
	struct rate_window window = {requests, window_ms};
	uint32_t stamps[RATE_REQUESTS_MAX], count = 0;
	int64_t now_ns = start_ns, oldest_ns = 0;

	brute.count = 0;
	for (int i = 0; i < ASKS; i++) {
		uint32_t used;

		now_ns += (int64_t)(random_u64() % (2 * window_ms * (uint64_t)MS / requests / (uint64_t)step_ns + 1)) * step_ns;
		count = rate_window_prune(&window, stamps, count, now_ns);
		used = brute_count(&brute, now_ns, window_ms * MS, &oldest_ns);
		assert_true(count >= used); /* never more than allowed */
		if (step_ns == MS)
			assert_int_equal(count, used);
		if (count >= requests) {
			int64_t wait_ms = rate_window_wait_ms(&window, stamps[0], now_ns);

			if (step_ns == MS)
				assert_true(wait_ms * MS == oldest_ns + window_ms * MS - now_ns);
			assert_true(wait_ms > 0);
			assert_false(rate_window_counts(&window, stamps[0], now_ns + wait_ms * MS));
			assert_true(rate_window_counts(&window, stamps[0], now_ns + (wait_ms - 1) * MS));
			continue;
		}
		rate_window_insert(stamps, count++, now_ns);
		brute.passed_ns[brute.count++] = now_ns;
	}
	assert_true(brute.count > ASKS / 4);
	assert_true(brute.count < ASKS);
}

static void test_window_equals_a_brute_force_log(void **state)
{
	uint64_t seed = (uint64_t)clock_wall_us();

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	compare(3, 60000, 0, MS);
	compare(1, 1000, 5 * MS, MS);
	compare(RATE_REQUESTS_MAX, RATE_SECONDS_MAX * 1000, 0, MS);
	compare(3, 60000, 17, 1);
	random_set_seed(0);
}

/* The stamps have 32 bits: 2^32 ms are 49.7 days. */
static void test_window_does_not_mind_that_stamps_wrap(void **state)
{
	(void)state;
	random_set_seed(1);
	compare(3, 60000, (INT64_C(1) << 32) * MS - 1000000 * MS, MS);
	random_set_seed(0);
}

static void test_stamps_of_threads_that_are_a_moment_apart_stay_in_order(void **state)
{
	struct rate_window window = {3, 1000};
	uint32_t stamps[3];

	(void)state;
	rate_window_insert(stamps, 0, 500 * MS);
	rate_window_insert(stamps, 1, 700 * MS);
	rate_window_insert(stamps, 2, 600 * MS);
	assert_int_equal(stamps[0], 500);
	assert_int_equal(stamps[1], 600);
	assert_int_equal(stamps[2], 700);
	assert_true(rate_window_counts(&window, stamps[2], 650 * MS)); /* from ahead */
	assert_int_equal(rate_window_prune(&window, stamps, 3, 1600 * MS), 1);
	assert_int_equal(stamps[0], 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_equals_a_brute_force_log),
		cmocka_unit_test(test_window_does_not_mind_that_stamps_wrap),
		cmocka_unit_test(test_stamps_of_threads_that_are_a_moment_apart_stay_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
