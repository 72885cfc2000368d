#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "workers/clerk.h"

enum { ERRANDS = 200 };
#define DEADLINE_NS INT64_C(20000000000)

struct work {
	struct errand errand; /* first */
	int *counter, place;
};

static void run(struct errand *errand)
{
	struct work *work = (struct work *)errand;

	work->place = (*work->counter)++;
}

static void send(struct lane *lane, struct lane *reply, struct work *works, size_t count, int *counter)
{
	for (size_t i = 0; i < count; i++) {
		void *item = &works[i];

		works[i] = (struct work){.errand = {.message = {.reply = reply}, .run = run}, .counter = counter, .place = -1};
		assert_int_equal(lane_push(lane, LANE_NORMAL, &item, 1), 1);
	}
}

static void test_errands_are_run_in_order_and_come_back(void **state)
{
	static struct work works[ERRANDS];
	struct lane *lane, *reply;
	struct clerk *clerk;
	int counter = 0;
	void *item;

	(void)state;
	assert_int_equal(lane_new(&lane, ERRANDS), 0);
	assert_int_equal(lane_new(&reply, ERRANDS), 0);
	assert_int_equal(clerk_new(&clerk, lane), 0);
	assert_int_equal(clerk_start(clerk), 0);
	send(lane, reply, works, ERRANDS, &counter);
	for (int i = 0; i < ERRANDS; i++) {
		assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
		assert_ptr_equal(item, &works[i]);
		assert_int_equal(works[i].place, i);
	}
	clerk_free(clerk);
	lane_free(lane);
	lane_free(reply);
}

static void test_stopping_finishes_what_is_in_the_lane_and_takes_no_more(void **state)
{
	static struct work works[ERRANDS];
	struct lane *lane, *reply;
	struct clerk *clerk;
	int counter = 0;
	void *item = &works[0];

	(void)state;
	assert_int_equal(lane_new(&lane, ERRANDS), 0);
	assert_int_equal(lane_new(&reply, ERRANDS), 0);
	assert_int_equal(clerk_new(&clerk, lane), 0);
	send(lane, reply, works, ERRANDS, &counter);
	assert_int_equal(clerk_start(clerk), 0);
	clerk_stop(clerk);
	clerk_stop(clerk);
	assert_int_equal(counter, ERRANDS);
	assert_int_equal(lane_depth(reply), ERRANDS);
	assert_int_equal(lane_push(lane, LANE_NORMAL, &item, 1), 0);
	while (lane_pop(reply, &item, 1, 0))
		continue;
	clerk_free(clerk);
	clerk_free(NULL);
	lane_free(lane);
	lane_free(reply);
}

static void test_a_clerk_that_never_started_is_freed(void **state)
{
	struct lane *lane;
	struct clerk *clerk;

	(void)state;
	assert_int_equal(lane_new(&lane, 4), 0);
	assert_int_equal(clerk_new(&clerk, lane), 0);
	clerk_free(clerk);
	lane_free(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errands_are_run_in_order_and_come_back),
		cmocka_unit_test(test_stopping_finishes_what_is_in_the_lane_and_takes_no_more),
		cmocka_unit_test(test_a_clerk_that_never_started_is_freed),
	};

	return cmocka_run_group_tests_name("workers: clerk", tests, NULL, NULL);
}
