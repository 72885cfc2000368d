/* How fast a drain may go, over a clock that is only a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "drain/pace.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
enum { BATCH_MAX = 2048, WINDOWS_MAX = 64 };

/* A drain that always finds enough to read. */
struct run {
	struct pace pace;
	int64_t now_ns;
	int64_t commit_ns, commit_spread_ns;              /* what a commit takes, and how much more it may */
	int64_t late_ns;                                  /* how late a wait may end */
	int64_t records, window_ns, windows[WINDOWS_MAX]; /* records committed in each */
};

static struct run *run_of(int64_t rate)
{
	struct run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	run->now_ns = 1000 * SECOND;
	run->commit_ns = 3 * MS;
	pace_init(&run->pace, &(struct pace_settings){rate, BATCH_MAX, 100 * MS}, run->now_ns);
	return run;
}

static int64_t up_to(int64_t ns)
{
	return ns > 0 ? (int64_t)(random_u64() % (uint64_t)(ns + 1)) : 0;
}

/* One read and commit, or one wait. Returns the records. */
static size_t go(struct run *run)
{
	int64_t wait_ns, commit_ns = run->commit_ns + up_to(run->commit_spread_ns);
	size_t count = pace_ask(&run->pace, run->now_ns, &wait_ns);

	if (count == 0) {
		assert_true(wait_ns > 0);
		run->now_ns += wait_ns + up_to(run->late_ns);
		return 0;
	}
	run->now_ns += MS / 5;
	pace_took(&run->pace, run->now_ns, count, false);
	run->now_ns += commit_ns;
	pace_committed(&run->pace, run->now_ns, count, commit_ns);
	return count;
}

static void go_for(struct run *run, int64_t ns)
{
	int64_t start_ns = run->now_ns, end_ns = start_ns + ns;

	run->records = 0;
	memset(run->windows, 0, sizeof(run->windows));
	while (run->now_ns < end_ns) {
		size_t count = go(run);
		int64_t window = run->window_ns ? (run->now_ns - start_ns) / run->window_ns : 0;

		run->records += (int64_t)count;
		if (window < WINDOWS_MAX)
			run->windows[window] += (int64_t)count;
	}
}

static void assert_near(int64_t value, double wanted, double part, double slack)
{
	double most = wanted * (1 + part) + slack, least = wanted * (1 - part) - slack;

	if ((double)value > most || (double)value < least)
		fail_msg("%lld is not within %.1f %% of %.1f", (long long)value, part * 100, wanted);
}

static void test_the_rate_is_exact_over_a_long_time(void **state)
{
	static const int64_t rates[] = {1, 3, 7, 10, 49, 50, 51, 120, 333, 1000, 12345, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct run *run = run_of(rates[i]);

		run->commit_spread_ns = 12 * MS;
		run->late_ns = 2 * MS;
		go_for(run, SECOND);
		go_for(run, 60 * SECOND);
		assert_near(run->records, (double)rates[i] * 60, 0.005, 1);
		free(run);
	}
}

static void test_the_rate_is_within_five_per_cent_over_half_a_second(void **state)
{
	static const int64_t rates[] = {100, 500, 1000, 5000, 20000, 50000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct run *run = run_of(rates[i]);

		run->late_ns = MS;
		go_for(run, 3 * SECOND); /* until the batch has grown to what the rate needs */
		run->window_ns = 500 * MS;
		go_for(run, 20 * SECOND);
		for (int window = 0; window < 40; window++)
			assert_near(run->windows[window], (double)rates[i] / 2, 0.05, 0);
		free(run);
	}
}

static void test_slow_commits_are_made_up_for(void **state)
{
	struct run *run = run_of(2000);

	(void)state;
	run->pace.settings.target_ns = SECOND;
	run->commit_ns = 120 * MS;
	run->commit_spread_ns = 100 * MS;
	go_for(run, 3 * SECOND);
	go_for(run, 60 * SECOND);
	assert_near(run->records, 2000 * 60, 0.02, 0);
	free(run);
}

static void test_a_long_stall_is_not_made_up_for(void **state)
{
	struct run *run = run_of(1000);

	(void)state;
	run->pace.settings.target_ns = 60 * SECOND;
	go_for(run, 3 * SECOND);
	run->commit_ns = 20 * SECOND;
	while (go(run) == 0)
		continue;
	run->commit_ns = 3 * MS;
	go_for(run, SECOND);
	assert_true(run->records <= 1000 + 250 + 20);
	assert_true(run->records >= 1000);
	free(run);
}

/* Nothing to read for so long: reads that wait and come back empty. */
static void dry(struct run *run, int64_t ns)
{
	int64_t end_ns = run->now_ns + ns, wait_ns;

	while (run->now_ns < end_ns) {
		if (pace_ask(&run->pace, run->now_ns, &wait_ns) == 0) {
			run->now_ns += wait_ns;
			continue;
		}
		run->now_ns += 100 * MS;
		pace_took(&run->pace, run->now_ns, 0, true);
	}
}

static void test_nothing_bursts_after_an_idle_time(void **state)
{
	static const int64_t rates[] = {10, 100, 1000, 50000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct run *run = run_of(rates[i]);
		double most = (double)rates[i] * 0.1; /* in 100 ms */

		go_for(run, 3 * SECOND);
		dry(run, 3600 * SECOND);
		go_for(run, 100 * MS);
		assert_true((double)run->records <= most + (double)rates[i] * 0.04 + 2);
		free(run);
	}
}

static void test_a_read_that_waited_earns_no_burst(void **state)
{
	struct run *run = run_of(1000);
	int64_t wait_ns;
	size_t count;

	(void)state;
	dry(run, 10 * SECOND);
	count = pace_ask(&run->pace, run->now_ns, &wait_ns);
	assert_in_range(count, 1, 20);
	run->now_ns += 100 * MS; /* then all of a sudden they were there */
	pace_took(&run->pace, run->now_ns, count, false);
	count = pace_ask(&run->pace, run->now_ns, &wait_ns);
	assert_in_range(count, 0, 20);
	free(run);
}

static void test_nothing_bursts_after_an_outage(void **state)
{
	struct run *run = run_of(1000);

	(void)state;
	go_for(run, 3 * SECOND);
	for (int i = 0; i < 1000; i++) {
		pace_failed(&run->pace, run->now_ns, 20);
		run->now_ns += 3 * SECOND;
	}
	go_for(run, 100 * MS);
	assert_true(run->records <= 140);
	free(run);
}

static void test_without_a_rate_only_the_batch_bounds(void **state)
{
	struct run *run = run_of(0);
	int64_t wait_ns;

	(void)state;
	assert_int_equal(pace_ask(&run->pace, run->now_ns, &wait_ns), 64);
	for (int i = 0; i < 100; i++)
		assert_true(go(run) > 0);
	assert_int_equal(pace_ask(&run->pace, run->now_ns, &wait_ns), BATCH_MAX);
	free(run);
}

static void test_the_batch_grows_only_where_it_was_the_bound(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, &(struct pace_settings){0, BATCH_MAX, 100 * MS}, 0);
	for (int i = 0; i < 100; i++)
		pace_committed(&pace, 0, 63, MS);
	assert_int_equal(pace.batch, 64);
	pace_committed(&pace, 0, 64, MS);
	assert_int_equal(pace.batch, 96);
	pace_committed(&pace, 0, 96, 100 * MS); /* at the target is not over it */
	assert_int_equal(pace.batch, 128);
}

static void test_a_slow_commit_halves_what_was_sent_and_is_rested_from(void **state)
{
	struct pace pace;
	int64_t wait_ns;

	(void)state;
	pace_init(&pace, &(struct pace_settings){0, BATCH_MAX, 100 * MS}, 0);
	for (int i = 0; i < 100; i++)
		pace_committed(&pace, 0, pace.batch, MS);
	assert_int_equal(pace.batch, BATCH_MAX);
	pace_committed(&pace, SECOND, 400, 130 * MS);
	assert_int_equal(pace.batch, 200);
	assert_int_equal(pace_ask(&pace, SECOND, &wait_ns), 0);
	assert_int_equal(wait_ns, 30 * MS);
	assert_int_equal(pace_ask(&pace, SECOND + 30 * MS, &wait_ns), 200);
	pace_committed(&pace, 2 * SECOND, 200, 3600 * SECOND); /* no rest is longer than a second */
	assert_int_equal(pace_ask(&pace, 3 * SECOND - 1, &wait_ns), 0);
	assert_int_equal(pace_ask(&pace, 3 * SECOND, &wait_ns), 100);
	for (int i = 0; i < 10; i++)
		pace_failed(&pace, 3 * SECOND, pace.batch);
	assert_int_equal(pace.batch, 16);
	pace_failed(&pace, 3 * SECOND, 0);
	assert_int_equal(pace.batch, 16);
}

static void test_a_small_batch_max_is_kept_to(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, &(struct pace_settings){1000, 5, 100 * MS}, 0);
	assert_int_equal(pace.batch, 5);
	pace_committed(&pace, 0, 5, MS);
	assert_int_equal(pace.batch, 5);
	pace_failed(&pace, 0, 5);
	assert_int_equal(pace.batch, 5);
}

/* A ledger whose commit takes 5 ms and a tenth of one more a record: 450 records take 50 ms. */
static void test_the_batch_finds_what_the_ledger_can_take(void **state)
{
	struct run *run = run_of(0);
	int64_t slow = 0;

	(void)state;
	run->pace.settings.target_ns = 50 * MS;
	for (int i = 0; i < 1000; i++) {
		run->commit_ns = 5 * MS + (int64_t)run->pace.batch * MS / 10;
		slow += go(run) > 0 && run->commit_ns > 55 * MS;
		if (i > 100)
			assert_in_range(run->pace.batch, 225, 482);
	}
	assert_int_equal(slow, 0);
	free(run);
}

/*
 * The commits of each take as long as both batches together say: who began with more does not keep
 * more.
 */
static void test_two_drains_share_a_ledger_fairly(void **state)
{
	struct run *a = run_of(0), *b = run_of(0);
	int64_t sum_a = 0, sum_b = 0;

	(void)state;
	a->pace.settings.target_ns = b->pace.settings.target_ns = 50 * MS;
	a->pace.batch = 440;
	for (int i = 0; i < 2000; i++) {
		a->commit_ns = b->commit_ns = 5 * MS + (int64_t)(a->pace.batch + b->pace.batch) * MS / 10;
		if (i >= 1000) {
			sum_a += (int64_t)a->pace.batch;
			sum_b += (int64_t)b->pace.batch;
		}
		while (go(a) == 0)
			continue;
		while (go(b) == 0)
			continue;
	}
	assert_near(sum_a, (double)sum_b, 0.25, 0);
	free(a);
	free(b);
}

static void test_time_that_stands_still_or_goes_back_earns_nothing(void **state)
{
	struct pace pace;
	int64_t wait_ns;

	(void)state;
	pace_init(&pace, &(struct pace_settings){1000, BATCH_MAX, 100 * MS}, SECOND);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(pace_ask(&pace, SECOND, &wait_ns), 0);
	assert_int_equal(wait_ns, 20 * MS);
	assert_int_equal(pace_ask(&pace, SECOND - 5 * MS, &wait_ns), 0);
	assert_int_equal(pace_ask(&pace, SECOND + 14 * MS, &wait_ns), 0);
	assert_int_equal(pace_ask(&pace, SECOND + 15 * MS, &wait_ns), 20);
}

static void test_the_largest_rate_does_not_overflow(void **state)
{
	struct pace pace;
	int64_t wait_ns;

	(void)state;
	pace_init(&pace, &(struct pace_settings){PACE_RATE_MAX, 65536, 100 * MS}, 0);
	assert_int_equal(pace_ask(&pace, INT64_MAX / 2, &wait_ns), 64);
	pace_took(&pace, INT64_MAX - 1, 64, true);
	assert_int_equal(pace_ask(&pace, INT64_MAX, &wait_ns), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_rate_is_exact_over_a_long_time),
		cmocka_unit_test(test_the_rate_is_within_five_per_cent_over_half_a_second),
		cmocka_unit_test(test_slow_commits_are_made_up_for),
		cmocka_unit_test(test_a_long_stall_is_not_made_up_for),
		cmocka_unit_test(test_nothing_bursts_after_an_idle_time),
		cmocka_unit_test(test_a_read_that_waited_earns_no_burst),
		cmocka_unit_test(test_nothing_bursts_after_an_outage),
		cmocka_unit_test(test_without_a_rate_only_the_batch_bounds),
		cmocka_unit_test(test_the_batch_grows_only_where_it_was_the_bound),
		cmocka_unit_test(test_a_slow_commit_halves_what_was_sent_and_is_rested_from),
		cmocka_unit_test(test_a_small_batch_max_is_kept_to),
		cmocka_unit_test(test_the_batch_finds_what_the_ledger_can_take),
		cmocka_unit_test(test_two_drains_share_a_ledger_fairly),
		cmocka_unit_test(test_time_that_stands_still_or_goes_back_earns_nothing),
		cmocka_unit_test(test_the_largest_rate_does_not_overflow),
	};

	random_set_seed(20261125);
	return cmocka_run_group_tests_name("drain: pace", tests, NULL, NULL);
}
