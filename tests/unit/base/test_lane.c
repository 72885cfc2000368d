#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/lane.h"
#include "base/thread.h"

enum { CAPACITY = 4, DEADLINE_MS = 60000 };
#define DEADLINE_NS (DEADLINE_MS * 1000000LL)

static void *item(uintptr_t number)
{
	return (void *)number;
}

/* Pushes the numbers from `first` on; returns how many were taken. */
static size_t push(struct lane *lane, enum lane_class class, uintptr_t first, size_t count)
{
	void *items[64];

	for (size_t i = 0; i < count; i++)
		items[i] = item(first + i);
	return lane_push(lane, class, items, count);
}

static bool readable(struct lane *lane)
{
	struct pollfd poll_fd = {.fd = lane_event_fd(lane), .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

static int make_lane(void **state)
{
	struct lane *lane;

	if (lane_new(&lane, CAPACITY) < 0)
		return -1;
	*state = lane;
	return 0;
}

static int drop_lane(void **state)
{
	lane_free(*state);
	return 0;
}

static void test_pop_gives_items_in_the_order_of_push(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	/* Several rounds of uneven sizes, so that the ring's end is crossed at every place. */
	for (uintptr_t round = 0, next = 0; round < 50; round++) {
		size_t count = 1 + round % CAPACITY;

		assert_int_equal(push(lane, LANE_NORMAL, next, count), count);
		assert_int_equal(lane_pop(lane, out, CAPACITY, 0), count);
		for (size_t i = 0; i < count; i++)
			assert_ptr_equal(out[i], item(next++));
	}
}

static void test_push_takes_only_what_fits(void **state)
{
	struct lane *lane = *state;
	void *out[2 * CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, 3), 3);
	assert_int_equal(push(lane, LANE_NORMAL, 4, 3), 1);
	assert_int_equal(push(lane, LANE_NORMAL, 9, 1), 0);
	assert_int_equal(lane_depth(lane), CAPACITY);
	assert_int_equal(lane_pop(lane, out, 2 * CAPACITY, 0), CAPACITY);
	for (uintptr_t i = 0; i < CAPACITY; i++)
		assert_ptr_equal(out[i], item(i + 1));
}

static void test_each_class_has_room_of_its_own(void **state)
{
	struct lane *lane = *state;
	void *out[3 * CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, CAPACITY + 1), CAPACITY);
	assert_int_equal(push(lane, LANE_URGENT, 11, CAPACITY + 1), CAPACITY);
	assert_int_equal(push(lane, LANE_BACKGROUND, 21, CAPACITY + 1), CAPACITY);
	assert_int_equal(lane_pop(lane, out, 3 * CAPACITY, 0), 3 * CAPACITY);
}

static void test_urgent_items_go_first(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, 2), 2);
	assert_int_equal(push(lane, LANE_URGENT, 11, 2), 2);
	assert_int_equal(lane_pop(lane, out, 3, 0), 3);
	assert_ptr_equal(out[0], item(11));
	assert_ptr_equal(out[1], item(12));
	assert_ptr_equal(out[2], item(1));
	assert_int_equal(lane_pop(lane, out, 3, 0), 1);
	assert_ptr_equal(out[0], item(2));
}

/* --- The background --- */

enum { STORM = 1000 };

static int make_wide_lane(void **state)
{
	struct lane *lane;

	if (lane_new(&lane, STORM) < 0)
		return -1;
	*state = lane;
	return 0;
}

static void push_many(struct lane *lane, enum lane_class class, uintptr_t first, size_t count)
{
	for (size_t i = 0; i < count; i += 50)
		assert_int_equal(push(lane, class, first + i, count - i < 50 ? count - i : 50), count - i < 50 ? count - i : 50);
}

/* How many of those that were popped have numbers from `first` on, and all behind the others. */
static size_t behind(void *const *out, size_t count, uintptr_t first)
{
	size_t others = 0;

	while (others < count && (uintptr_t)out[others] < first)
		others++;
	for (size_t i = others; i < count; i++)
		assert_true((uintptr_t)out[i] >= first);
	return count - others;
}

static void empty(struct lane *lane)
{
	void *out[64];

	while (lane_pop(lane, out, 64, 0))
		;
}

/* A storm of expiries was one batch of a thousand, and every purchase waited for all of it. */
static void test_the_background_comes_in_slices_behind_what_somebody_waits_for(void **state)
{
	struct lane *lane = *state;
	void *out[STORM];
	size_t count;

	push_many(lane, LANE_BACKGROUND, 1000, STORM);
	assert_int_equal(lane_pop(lane, out, STORM, 0), LANE_SLICE_ALONE);
	push_many(lane, LANE_NORMAL, 1, 3);
	push_many(lane, LANE_URGENT, 11, 3);
	count = lane_pop(lane, out, STORM, 0);
	assert_int_equal(count, 6 + LANE_SLICE);
	assert_ptr_equal(out[0], item(11));
	assert_ptr_equal(out[3], item(1));
	assert_int_equal(behind(out, count, 1000), LANE_SLICE);
	/* Beside many, half as many: so much longer does their batch take. */
	push_many(lane, LANE_NORMAL, 1, 200);
	count = lane_pop(lane, out, STORM, 0);
	assert_int_equal(count, 300);
	assert_int_equal(behind(out, count, 1000), 100);
	empty(lane);
}

/*
 * Whatever else there is, it goes on: a lane that is always full of others would keep it for ever.
 */
static void test_a_slice_of_the_background_goes_with_every_batch(void **state)
{
	struct lane *lane = *state;
	void *out[STORM];

	push_many(lane, LANE_BACKGROUND, 1000, 100);
	for (size_t left = 100, slice; left; left -= slice) {
		push_many(lane, LANE_NORMAL, 1, STORM - lane_depth(lane));
		assert_int_equal(lane_pop(lane, out, 100, 0), 100);
		slice = behind(out, 100, 1000);
		assert_int_equal(slice, left < LANE_SLICE ? left : LANE_SLICE);
	}
	/* A batch of two has one place of it. */
	push_many(lane, LANE_BACKGROUND, 1000, 1);
	assert_int_equal(lane_pop(lane, out, 2, 0), 2);
	assert_ptr_equal(out[1], item(1000));
	empty(lane);
}

static void test_pop_of_an_empty_lane_does_not_wait_when_told_so(void **state)
{
	void *out[1];

	assert_int_equal(lane_pop(*state, out, 1, 0), 0);
}

static void test_pop_gives_up_after_its_time(void **state)
{
	int64_t begun = clock_mono_ns();
	void *out[1];

	assert_int_equal(lane_pop(*state, out, 1, 3000000), 0);
	assert_true(clock_mono_ns() - begun >= 3000000);
}

static void test_closed_lane_takes_nothing_but_gives_what_is_there(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, 2), 2);
	assert_false(lane_closed(lane));
	lane_close(lane);
	lane_close(lane);
	assert_true(lane_closed(lane));
	assert_int_equal(push(lane, LANE_URGENT, 3, 1), 0);
	assert_int_equal(lane_pop(lane, out, CAPACITY, -1), 2);
	assert_int_equal(lane_pop(lane, out, CAPACITY, -1), 0);
}

static void close_it(void *argument)
{
	lane_close(argument);
}

static void test_close_wakes_a_waiting_consumer(void **state)
{
	struct thread thread = {0};
	void *out[1];

	assert_int_equal(thread_start(&thread, "closer", close_it, *state), 0);
	assert_int_equal(lane_pop(*state, out, 1, -1), 0);
	thread_join(&thread);
}

static void push_one(void *argument)
{
	push(argument, LANE_NORMAL, 7, 1);
}

static void test_push_wakes_a_waiting_consumer(void **state)
{
	struct thread thread = {0};
	void *out[1];

	assert_int_equal(thread_start(&thread, "pusher", push_one, *state), 0);
	assert_int_equal(lane_pop(*state, out, 1, DEADLINE_NS), 1);
	assert_ptr_equal(out[0], item(7));
	thread_join(&thread);
}

static void push_one_by_one(void *argument)
{
	for (uintptr_t i = 0; i < 3; i++)
		push(argument, i == 1 ? LANE_URGENT : LANE_NORMAL, 1 + i, 1);
}

static void test_gather_waits_until_enough_are_there(void **state)
{
	struct thread thread = {0};
	void *out[CAPACITY];

	assert_int_equal(thread_start(&thread, "pusher", push_one_by_one, *state), 0);
	assert_int_equal(lane_gather(*state, out, 3, CAPACITY, -1), 3);
	thread_join(&thread);
}

static void test_gather_gives_fewer_after_its_time(void **state)
{
	int64_t begun = clock_mono_ns();
	void *out[CAPACITY];

	assert_int_equal(push(*state, LANE_NORMAL, 1, 2), 2);
	assert_int_equal(lane_gather(*state, out, 3, CAPACITY, 3000000), 2);
	assert_true(clock_mono_ns() - begun >= 3000000);
}

static void test_close_ends_a_gathering_with_what_is_there(void **state)
{
	struct thread thread = {0};
	void *out[CAPACITY];

	assert_int_equal(push(*state, LANE_NORMAL, 1, 2), 2);
	assert_int_equal(thread_start(&thread, "closer", close_it, *state), 0);
	assert_int_equal(lane_gather(*state, out, 3, CAPACITY, -1), 2);
	thread_join(&thread);
}

static void test_event_fd_is_readable_while_items_wait(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	assert_false(readable(lane));
	assert_int_equal(push(lane, LANE_NORMAL, 1, 2), 2);
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, 1, 0), 1);
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, 1, 0), 1);
	assert_false(readable(lane));
	assert_int_equal(push(lane, LANE_URGENT, 1, 1), 1);
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, CAPACITY, 0), 1);
	assert_false(readable(lane));
}

static void test_event_fd_knows_items_that_came_before_it_was_asked_for(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, 1), 1);
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, CAPACITY, 0), 1);
	assert_false(readable(lane));
}

static void test_event_fd_works_on_a_lane_that_was_used_without_it(void **state)
{
	struct lane *lane = *state;
	void *out[CAPACITY];

	assert_int_equal(push(lane, LANE_NORMAL, 1, 1), 1);
	assert_int_equal(lane_pop(lane, out, CAPACITY, 0), 1);
	assert_false(readable(lane));
	assert_int_equal(push(lane, LANE_NORMAL, 1, 1), 1);
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, CAPACITY, 0), 1);
}

/*
 * A producer writes the eventfd outside the lock, so the write may land when its items are gone
 * already.
 */
static void test_pop_clears_a_signal_that_came_late(void **state)
{
	struct lane *lane = *state;
	const uint64_t one = 1;
	void *out[CAPACITY];

	assert_int_equal(write(lane_event_fd(lane), &one, sizeof(one)), sizeof(one));
	assert_true(readable(lane));
	assert_int_equal(lane_pop(lane, out, CAPACITY, 0), 0);
	assert_false(readable(lane));
}

static void test_lane_without_room_is_refused(void **state)
{
	struct lane *lane = NULL;

	(void)state;
	assert_int_equal(lane_new(&lane, 0), -EINVAL);
	assert_null(lane);
	lane_free(NULL);
}

/* --- Many producers --- */

enum { PRODUCERS = 4, ITEMS_EACH = 50000, CROWD_CAPACITY = 100, BATCH = 7 };

struct producer {
	struct thread thread;
	struct lane *lane;
	uintptr_t number;
};

static void produce(void *argument)
{
	struct producer *producer = argument;
	uintptr_t next = 0;

	while (next < ITEMS_EACH) {
		void *items[BATCH];
		size_t count = 0;

		while (count < BATCH && next + count < ITEMS_EACH) {
			items[count] = item(producer->number * ITEMS_EACH + next + count);
			count++;
		}
		next += lane_push(producer->lane, producer->number % 2 ? LANE_URGENT : LANE_NORMAL, items, count);
	}
}

static void check_items(void **items, size_t count, uintptr_t expected[PRODUCERS])
{
	for (size_t i = 0; i < count; i++) {
		uintptr_t number = (uintptr_t)items[i];

		assert_int_equal(number % ITEMS_EACH, expected[number / ITEMS_EACH]);
		expected[number / ITEMS_EACH]++;
	}
}

static void start_producers(struct producer *producers, struct lane *lane)
{
	for (uintptr_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){.lane = lane, .number = i};
		assert_int_equal(thread_start(&producers[i].thread, "producer", produce, &producers[i]), 0);
	}
}

static void test_every_item_arrives_once_and_in_order_at_a_blocking_consumer(void **state)
{
	struct producer producers[PRODUCERS];
	uintptr_t expected[PRODUCERS] = {0};
	struct lane *lane;
	void *out[64];

	(void)state;
	assert_int_equal(lane_new(&lane, CROWD_CAPACITY), 0);
	start_producers(producers, lane);
	for (size_t total = 0; total < (size_t)PRODUCERS * ITEMS_EACH;) {
		size_t count = lane_pop(lane, out, 64, DEADLINE_NS);

		assert_true(count > 0);
		check_items(out, count, expected);
		total += count;
	}
	for (int i = 0; i < PRODUCERS; i++)
		thread_join(&producers[i].thread);
	assert_int_equal(lane_pop(lane, out, 64, 0), 0);
	lane_free(lane);
}

/* A wake-up that got lost would leave poll() waiting for ever. */
static void test_every_item_arrives_once_and_in_order_at_a_polling_consumer(void **state)
{
	struct producer producers[PRODUCERS];
	uintptr_t expected[PRODUCERS] = {0};
	struct lane *lane;
	void *out[64];

	(void)state;
	assert_int_equal(lane_new(&lane, CROWD_CAPACITY), 0);
	struct pollfd poll_fd = {.fd = lane_event_fd(lane), .events = POLLIN};

	start_producers(producers, lane);
	for (size_t total = 0; total < (size_t)PRODUCERS * ITEMS_EACH;) {
		size_t count;

		assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
		count = lane_pop(lane, out, 64, 0);
		check_items(out, count, expected);
		total += count;
	}
	for (int i = 0; i < PRODUCERS; i++)
		thread_join(&producers[i].thread);
	assert_int_equal(lane_pop(lane, out, 64, 0), 0);
	assert_false(readable(lane));
	lane_free(lane);
}

int main(void)
{
#define WITH_LANE(test) cmocka_unit_test_setup_teardown(test, make_lane, drop_lane)
#define WITH_WIDE_LANE(test) cmocka_unit_test_setup_teardown(test, make_wide_lane, drop_lane)
	const struct CMUnitTest tests[] = {
		WITH_LANE(test_pop_gives_items_in_the_order_of_push),
		WITH_LANE(test_push_takes_only_what_fits),
		WITH_LANE(test_each_class_has_room_of_its_own),
		WITH_LANE(test_urgent_items_go_first),
		WITH_LANE(test_pop_of_an_empty_lane_does_not_wait_when_told_so),
		WITH_LANE(test_pop_gives_up_after_its_time),
		WITH_LANE(test_closed_lane_takes_nothing_but_gives_what_is_there),
		WITH_LANE(test_close_wakes_a_waiting_consumer),
		WITH_LANE(test_push_wakes_a_waiting_consumer),
		WITH_LANE(test_gather_waits_until_enough_are_there),
		WITH_LANE(test_gather_gives_fewer_after_its_time),
		WITH_LANE(test_close_ends_a_gathering_with_what_is_there),
		WITH_LANE(test_event_fd_is_readable_while_items_wait),
		WITH_LANE(test_event_fd_knows_items_that_came_before_it_was_asked_for),
		WITH_LANE(test_event_fd_works_on_a_lane_that_was_used_without_it),
		WITH_LANE(test_pop_clears_a_signal_that_came_late),
		WITH_WIDE_LANE(test_the_background_comes_in_slices_behind_what_somebody_waits_for),
		WITH_WIDE_LANE(test_a_slice_of_the_background_goes_with_every_batch),
		cmocka_unit_test(test_lane_without_room_is_refused),
		cmocka_unit_test(test_every_item_arrives_once_and_in_order_at_a_blocking_consumer),
		cmocka_unit_test(test_every_item_arrives_once_and_in_order_at_a_polling_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
