/* How long purchases wait in a lane, as whoever takes them out tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "workers/queue_wait.h"

enum { BATCH = 4 };
static const int64_t MS = 1000000;

/* A batch whose jobs began at `started_ms`, the first `urgent` of them no purchases; taken at `now_ms`. */
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
	for (int64_t now_ms = 1000; now_ms < 10000; now_ms += 500)
		assert_int_equal(wait_ms(&queue, BATCH - 1, 0, now_ms - 490, now_ms), 0);
}

static void test_full_batches_say_how_long_the_first_purchase_has_waited(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	assert_int_equal(wait_ms(&queue, BATCH, 0, 100, 1000), 0); /* there is a queue since now */
	assert_int_equal(wait_ms(&queue, BATCH, 0, 100, 1030), 30);
	assert_int_equal(wait_ms(&queue, BATCH, 0, 1940, 2000), 60);
	assert_int_equal(wait_ms(&queue, BATCH - 1, 0, 1950, 2010), 0);
	assert_int_equal(wait_ms(&queue, BATCH, 0, 1950, 2020), 0);
}

static void test_settlements_which_overtake_do_not_count(void **state)
{
	struct queue_wait queue = {0};

	(void)state;
	assert_int_equal(wait_ms(&queue, BATCH, 0, 900, 1000), 0);
	assert_int_equal(wait_ms(&queue, BATCH, 2, 1970, 2000), 30);
	assert_int_equal(wait_ms(&queue, BATCH, BATCH, 0, 2100), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slow_commit_that_takes_everybody_along_is_no_queue),
		cmocka_unit_test(test_full_batches_say_how_long_the_first_purchase_has_waited),
		cmocka_unit_test(test_settlements_which_overtake_do_not_count),
	};

	return cmocka_run_group_tests_name("queue_wait", tests, NULL, NULL);
}
