#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include "workers/ledger_workers.h"

enum { TASKS = 200 };
#define DEADLINE_NS INT64_C(60000000000)

struct work {
	struct blocking_task task; /* first */
	int *counter, place;
	struct lane *until; /* it blocks until this is closed */
};

static void run(struct blocking_task *task)
{
	struct work *work = (struct work *)task;
	void *nothing;

	if (work->until)
		assert_int_equal(lane_pop(work->until, &nothing, 1, -1), 0);
	work->place = (*work->counter)++;
}

static struct work make(struct lane *reply, int *counter)
{
	return (struct work){.task = {.message = {.reply = reply}, .run = run}, .counter = counter, .place = -1};
}

static void send(struct ledger_workers *workers, struct lane *reply, struct work *works, size_t count, int *counter)
{
	for (size_t i = 0; i < count; i++) {
		works[i] = make(reply, counter);
		assert_true(ledger_workers_send(workers, TASK_CHANGE, &works[i].task));
	}
}

static void test_tasks_of_a_class_are_run_in_order_and_come_back(void **state)
{
	static struct work works[TASKS];
	struct ledger_workers *workers;
	struct lane *reply;
	int counter = 0;
	void *item;

	(void)state;
	assert_int_equal(lane_new(&reply, TASKS), 0);
	assert_int_equal(ledger_workers_new(&workers, TASKS), 0);
	assert_int_equal(ledger_workers_start(workers), 0);
	send(workers, reply, works, TASKS, &counter);
	for (int i = 0; i < TASKS; i++) {
		assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
		assert_ptr_equal(item, &works[i]);
		assert_int_equal(works[i].place, i);
	}
	ledger_workers_free(workers);
	lane_free(reply);
}

/*
 * A confirm waited for an audit, and the stop button for four lists, because one thread did all in
 * order.
 */
static void test_a_task_that_blocks_holds_up_its_own_class_alone(void **state)
{
	struct work blocked[TASK_CLASSES], behind, other[TASK_CLASSES];
	struct ledger_workers *workers;
	struct lane *reply, *until;
	int counters[TASK_CLASSES] = {0}, others[TASK_CLASSES] = {0}, counter = 0;
	void *item;

	(void)state;
	assert_int_equal(lane_new(&reply, TASKS), 0);
	for (int slow = 0; slow < TASK_CLASSES; slow++) {
		assert_int_equal(lane_new(&until, 1), 0);
		assert_int_equal(ledger_workers_new(&workers, TASKS), 0);
		assert_int_equal(ledger_workers_start(workers), 0);
		blocked[slow] = make(reply, &counters[slow]);
		blocked[slow].until = until;
		behind = make(reply, &counter);
		assert_true(ledger_workers_send(workers, (enum task_class)slow, &blocked[slow].task));
		assert_true(ledger_workers_send(workers, (enum task_class)slow, &behind.task));
		for (int i = 0; i < TASK_CLASSES; i++) {
			if (i == slow)
				continue;
			other[i] = make(reply, &others[i]);
			assert_true(ledger_workers_send(workers, (enum task_class)i, &other[i].task));
			assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
			assert_ptr_equal(item, &other[i]);
		}
		lane_close(until);
		assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
		assert_ptr_equal(item, &blocked[slow]);
		assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
		assert_ptr_equal(item, &behind);
		ledger_workers_free(workers);
		lane_free(until);
	}
	lane_free(reply);
}

struct look {
	struct blocking_task task;
	int priority;
};

static void look_at_priority(struct blocking_task *task)
{
	((struct look *)task)->priority = getpriority(PRIO_PROCESS, 0);
}

/*
 * An audit had as much of a core as the purchases beside it: on two cores their p99 was ten times
 * what it is.
 */
static void test_an_audit_steps_back_from_the_cores(void **state)
{
	struct look looks[TASK_CLASSES];
	struct ledger_workers *workers;
	struct lane *reply;
	void *item;

	(void)state;
	assert_int_equal(lane_new(&reply, TASK_CLASSES), 0);
	assert_int_equal(ledger_workers_new(&workers, TASKS), 0);
	assert_int_equal(ledger_workers_start(workers), 0);
	for (int i = 0; i < TASK_CLASSES; i++) {
		looks[i] = (struct look){.task = {.message = {.reply = reply}, .run = look_at_priority}};
		assert_true(ledger_workers_send(workers, (enum task_class)i, &looks[i].task));
	}
	for (int i = 0; i < TASK_CLASSES; i++)
		assert_int_equal(lane_pop(reply, &item, 1, DEADLINE_NS), 1);
	for (int i = 0; i < TASK_CLASSES; i++)
		if (i == TASK_AUDIT)
			assert_true(looks[i].priority >= 5);
		else
			assert_int_equal(looks[i].priority, getpriority(PRIO_PROCESS, 0));
	ledger_workers_free(workers);
	lane_free(reply);
}

static void test_stopping_finishes_what_was_taken_and_takes_no_more(void **state)
{
	static struct work works[TASKS];
	struct ledger_workers *workers;
	struct work late;
	struct lane *reply;
	int counter = 0;
	void *item;

	(void)state;
	assert_int_equal(lane_new(&reply, TASKS), 0);
	assert_int_equal(ledger_workers_new(&workers, TASKS), 0);
	send(workers, reply, works, TASKS, &counter);
	assert_int_equal(ledger_workers_depth(workers, TASK_CHANGE), TASKS);
	assert_int_equal(ledger_workers_start(workers), 0);
	ledger_workers_stop(workers);
	ledger_workers_stop(workers);
	assert_int_equal(counter, TASKS);
	assert_int_equal(lane_depth(reply), TASKS);
	late = make(reply, &counter);
	assert_false(ledger_workers_send(workers, TASK_CHANGE, &late.task));
	while (lane_pop(reply, &item, 1, 0))
		continue;
	ledger_workers_free(workers);
	ledger_workers_free(NULL);
	lane_free(reply);
}

static void test_workers_that_never_started_are_freed(void **state)
{
	struct ledger_workers *workers;

	(void)state;
	assert_int_equal(ledger_workers_new(&workers, 4), 0);
	ledger_workers_free(workers);
}

static void test_there_is_room_for_more_tasks_than_connections_and_never_without_bound(void **state)
{
	(void)state;
	assert_int_equal(ledger_workers_lane_max(1), 260);
	assert_int_equal(ledger_workers_lane_max(64), 512);
	assert_int_equal(ledger_workers_lane_max(959), 4092);
	assert_int_equal(ledger_workers_lane_max(960), 4096);
	assert_int_equal(ledger_workers_lane_max(10000), 4096);
	assert_int_equal(ledger_workers_lane_max(INT64_MAX), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tasks_of_a_class_are_run_in_order_and_come_back),
		cmocka_unit_test(test_a_task_that_blocks_holds_up_its_own_class_alone),
		cmocka_unit_test(test_an_audit_steps_back_from_the_cores),
		cmocka_unit_test(test_stopping_finishes_what_was_taken_and_takes_no_more),
		cmocka_unit_test(test_workers_that_never_started_are_freed),
		cmocka_unit_test(test_there_is_room_for_more_tasks_than_connections_and_never_without_bound),
	};

	return cmocka_run_group_tests_name("workers: ledger workers", tests, NULL, NULL);
}
