/* How long purchases wait in a lane, as whoever takes them out tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "workers/queue_wait.h"

enum { BATCH = 4 };
static const int64_t MS = 1000000;

/*
 * A batch whose jobs began at `started_ms`, the first `urgent` of them no purchases; taken at
 * `now_ms`.
 */
static int64_t wait_ms(struct queue_wait *queue, size_t count, size_t urgent, int64_t started_ms, int64_t now_ms)
{
	struct job jobs[BATCH];
	struct message *batch[BATCH];

	for (size_t i = 0; i < count; i++) {
		jobs[i] = (struct job){.kind = i < urgent ? JOB_SETTLEMENT : JOB_PURCHASE,
				       .started_ns = (i < urgent ? 1 : started_ms) * MS};
		batch[i] = &jobs[i].message;
	}
	queue_wait_note(queue, batch, count, count == BATCH, now_ms * MS);
	return queue_wait_ns(queue) / MS;
}

static void test_a_slow_commit_that_takes_everybody_along_is_no_queue(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	queue_wait_served(&queue, 1, 490 * MS, true);
	for (int64_t now_ms = 1000; now_ms < 10000; now_ms += 500) {
		assert_int_equal(wait_ms(&queue, BATCH - 1, 0, now_ms - 500, now_ms), 0);
		queue_wait_served(&queue, BATCH - 1, 500 * MS, true);
	}
}

static void test_full_batches_say_how_long_the_first_purchase_has_waited(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	assert_int_equal(wait_ms(&queue, BATCH, 0, 100, 1000), 0); /* there is a queue since now */
	assert_int_equal(wait_ms(&queue, BATCH, 0, 100, 1030), 30 / STANDING_TIMES);
	assert_int_equal(wait_ms(&queue, BATCH, 0, 1940, 2000), 60);
	assert_int_equal(wait_ms(&queue, BATCH - 1, 0, 1990, 2010), 0);
	assert_int_equal(wait_ms(&queue, BATCH, 0, 2015, 2020), 0);
}

static void test_batches_that_take_their_time_because_of_their_size_are_a_queue(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	queue_wait_served(&queue, 1, 2 * MS, true);
	for (int64_t now_ms = 1000; now_ms < 1400; now_ms += 40) {
		/* It has waited for all of the batch before, which took 40 ms, and not for 2. */
		assert_int_equal(wait_ms(&queue, BATCH - 1, 0, now_ms - 40, now_ms),
				 now_ms < 1080 ? (now_ms - 1000) / STANDING_TIMES : 38);
		queue_wait_served(&queue, 2000, 40 * MS, true);
	}
	assert_int_equal(wait_ms(&queue, BATCH - 1, 0, 1397, 1400), 0);
}

static void test_what_happens_before_the_lane_is_no_wait_in_it(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	queue_wait_served(&queue, 1, 2 * MS, true);
	for (int64_t now_ms = 1000; now_ms < 2000; now_ms += 3)
		assert_int_equal(wait_ms(&queue, BATCH - 1, 0, now_ms - 100, now_ms), 0);
}

static void test_a_disk_that_gets_slow_is_learnt_from_small_batches(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	queue_wait_served(&queue, 1, 2 * MS, true);
	for (int64_t now_ms = 1000; now_ms < 1500; now_ms += 100)
		(void)wait_ms(&queue, BATCH - 1, 0, now_ms - 100, now_ms);
	assert_int_equal(queue_wait_ns(&queue), 98 * MS);
	for (int i = 0; i < 40; i++)
		queue_wait_served(&queue, 2, 100 * MS, true);
	assert_int_equal(wait_ms(&queue, BATCH - 1, 0, 1400, 1500), 0);
}

static void test_a_queue_that_was_served_is_none_until_somebody_comes(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	assert_int_equal(wait_ms(&queue, BATCH, 0, 900, 1000), 0);
	assert_int_equal(wait_ms(&queue, BATCH, 0, 1900, 2000), 100);
	queue_wait_served(&queue, BATCH, MS, false);
	assert_int_equal(queue_wait_ns(&queue), 0);
}

static void test_settlements_which_overtake_do_not_count(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	assert_int_equal(wait_ms(&queue, BATCH, 0, 900, 1000), 0);
	assert_int_equal(wait_ms(&queue, BATCH, 2, 1970, 2000), 30);
	assert_int_equal(wait_ms(&queue, BATCH, BATCH, 0, 2100), 30);
	assert_int_equal(wait_ms(&queue, BATCH - 1, BATCH - 1, 0, 2110), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slow_commit_that_takes_everybody_along_is_no_queue),
		cmocka_unit_test(test_full_batches_say_how_long_the_first_purchase_has_waited),
		cmocka_unit_test(test_batches_that_take_their_time_because_of_their_size_are_a_queue),
		cmocka_unit_test(test_what_happens_before_the_lane_is_no_wait_in_it),
		cmocka_unit_test(test_a_disk_that_gets_slow_is_learnt_from_small_batches),
		cmocka_unit_test(test_a_queue_that_was_served_is_none_until_somebody_comes),
		cmocka_unit_test(test_settlements_which_overtake_do_not_count),
	};

	return cmocka_run_group_tests_name("queue_wait", tests, NULL, NULL);
}
