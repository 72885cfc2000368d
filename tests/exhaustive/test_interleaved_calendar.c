/* Deadlines that come and go while the calendar is asked for the first: none is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exhaustive/interleave.h"
#include "stock/memory/calendar.h"

enum { OLD = 3, FRESH = 5 };

static struct calendar calendar;
static struct calendar_seat seat;
static _Atomic int64_t memory, earliest[2]; /* of two shards */

static int64_t earliest_of_all(struct calendar_seat *asked)
{
	int64_t first = atomic_load(&earliest[0]), other = atomic_load(&earliest[1]);

	(void)asked;
	return first < other ? first : other;
}

/* A hold of the first shard is in the calendar. */
static void begin(void)
{
	atomic_init(&memory, 0);
	atomic_init(&earliest[0], OLD);
	atomic_init(&earliest[1], INT64_MAX);
	calendar_init(&calendar, &memory);
	assert_int_equal(calendar_join(&calendar, &seat, earliest_of_all), 0);
	calendar_lower(&calendar, &seat, OLD);
}

/*
 * As a shard does it when its earliest hold changes: it publishes that, and then looks at the
 * bound.
 */
static void publish(int shard, int64_t deadline)
{
	atomic_store(&earliest[shard], deadline);
	if (deadline < atomic_load(&seat.bound_ns))
		calendar_lower(&calendar, &seat, deadline);
}

static void end_old_hold(void)
{
	publish(0, INT64_MAX);
}

static void begin_fresh_hold(void)
{
	publish(1, FRESH);
}

static void keep_house(void)
{
	int64_t deadline;

	(void)calendar_first(&calendar, &deadline);
}

static void check_found(void)
{
	int64_t deadline;

	interleave_check(atomic_load(&seat.bound_ns) <= FRESH, "the bound is not behind a hold");
	interleave_check(calendar_first(&calendar, &deadline) == &seat && deadline == FRESH, "the first deadline is found");
}

static void test_a_hold_that_begins_while_another_ends_is_found(void **state)
{
	static const struct scene scene = {.name = "a hold that ends, one that begins, a housekeeper",
					   .begin = begin,
					   .threads = {end_old_hold, begin_fresh_hold, keep_house},
					   .end = check_found,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

/* It is the old one, which has not ended. */
static void check_first_is_found(void)
{
	int64_t deadline;

	interleave_check(calendar_first(&calendar, &deadline) == &seat && deadline == OLD, "the first deadline is found");
	atomic_store(&earliest[0], INT64_MAX);
	interleave_check(calendar_first(&calendar, &deadline) == &seat && deadline == FRESH, "the next deadline is found");
}

static void refresh(void)
{
	calendar_refresh(&calendar, &seat);
}

static void test_a_hold_that_begins_under_two_refreshes_is_found(void **state)
{
	static const struct scene scene = {.name = "a hold that begins, two refreshes",
					   .begin = begin,
					   .threads = {begin_fresh_hold, refresh, keep_house},
					   .end = check_first_is_found,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	interleave(&scene);
}

static void begin_with_none(void)
{
	begin();
	publish(0, INT64_MAX);
	calendar_refresh(&calendar, &seat);
}

static void begin_old_hold(void)
{
	publish(0, OLD);
}

static void check_old_is_first(void)
{
	int64_t deadline;

	interleave_check(atomic_load(&seat.bound_ns) <= OLD, "the bound is not behind a hold");
	interleave_check(calendar_first(&calendar, &deadline) == &seat && deadline == OLD, "the first deadline is found");
}

static void test_of_two_holds_that_begin_the_earlier_is_found(void **state)
{
	static const struct scene scene = {.name = "two holds that begin, a housekeeper",
					   .begin = begin_with_none,
					   .threads = {begin_old_hold, begin_fresh_hold, keep_house},
					   .end = check_old_is_first,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_hold_that_begins_while_another_ends_is_found),
		cmocka_unit_test(test_a_hold_that_begins_under_two_refreshes_is_found),
		cmocka_unit_test(test_of_two_holds_that_begin_the_earlier_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
