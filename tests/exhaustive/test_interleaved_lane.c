/*
 * Lanes: what is pushed arrives once, nobody sleeps beside it, and a descriptor says what is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include "base/lane.h"
#include "exhaustive/interleave.h"

enum { ROOM = 2 };

static struct lane *lane;
static char items[2];
static size_t pushed[2];
static void *popped[4];
static size_t popped_count;
static int event;

static void begin(void)
{
	assert_int_equal(lane_new(&lane, ROOM), 0);
	popped_count = 0;
	pushed[0] = pushed[1] = 0;
}

static void push(int number)
{
	void *item = &items[number];

	pushed[number] = lane_push(lane, number ? LANE_URGENT : LANE_NORMAL, &item, 1);
}

static void push_first(void)
{
	push(0);
}

static void push_second(void)
{
	push(1);
}

static void pop_both(void)
{
	while (popped_count < 2)
		popped_count += lane_pop(lane, popped + popped_count, 2, -1);
}

static void check_both(void)
{
	interleave_check(lane_depth(lane) == 0, "all was taken");
	interleave_check(popped[0] != popped[1], "each was taken once");
	lane_free(lane);
}

static void test_a_consumer_that_waits_gets_what_two_push(void **state)
{
	static const struct scene scene = {.name = "two who push, one who waits",
					   .begin = begin,
					   .threads = {push_first, push_second, pop_both},
					   .end = check_both,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

static void gather_both(void)
{
	popped_count = lane_gather(lane, popped, 2, 2, -1);
}

static void check_gathered(void)
{
	interleave_check(popped_count == 2, "it waited for both");
	check_both();
}

static void test_a_consumer_that_wants_two_wakes_with_the_second(void **state)
{
	static const struct scene scene = {.name = "two who push, one who waits for both",
					   .begin = begin,
					   .threads = {push_first, push_second, gather_both},
					   .end = check_gathered,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	interleave(&scene);
}

static void close_lane(void)
{
	lane_close(lane);
}

static void pop_until_closed(void)
{
	size_t count;

	do {
		count = lane_pop(lane, popped + popped_count, 2, -1);
		popped_count += count;
	} while (count > 0 || !lane_closed(lane));
}

static void check_closed(void)
{
	interleave_check(popped_count == pushed[0], "what was taken in arrives, and what was not does not");
	lane_free(lane);
}

static void test_a_consumer_that_waits_hears_of_the_end(void **state)
{
	static const struct scene scene = {.name = "one who pushes, one who closes, one who waits",
					   .begin = begin,
					   .threads = {push_first, close_lane, pop_until_closed},
					   .end = check_closed,
					   .preemptions = 4,
					   .surprises = 2};

	(void)state;
	interleave(&scene);
}

static void begin_watched(void)
{
	begin();
	event = lane_event_fd(lane);
}

static bool is_readable(void)
{
	struct pollfd descriptor = {.fd = event, .events = POLLIN};

	return poll(&descriptor, 1, 0) == 1;
}

static void pop_what_is_there(void)
{
	popped_count += lane_pop(lane, popped + popped_count, 2, 0);
}

/* A loop sleeps until the descriptor is readable, and then pops. */
static void check_event(void)
{
	interleave_check(lane_depth(lane) == 0 || is_readable(), "nobody sleeps beside what is there");
	while (lane_pop(lane, popped, 2, 0) > 0)
		continue;
	interleave_check(!is_readable(), "nobody is woken for ever by what is not");
	lane_free(lane);
}

static void test_a_descriptor_says_what_is_there(void **state)
{
	static const struct scene scene = {.name = "two who push, one who looks",
					   .begin = begin_watched,
					   .threads = {push_first, push_second, pop_what_is_there},
					   .end = check_event,
					   .preemptions = 4,
					   .surprises = 1};

	(void)state;
	interleave(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_consumer_that_waits_gets_what_two_push),
		cmocka_unit_test(test_a_consumer_that_wants_two_wakes_with_the_second),
		cmocka_unit_test(test_a_consumer_that_waits_hears_of_the_end),
		cmocka_unit_test(test_a_descriptor_says_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
