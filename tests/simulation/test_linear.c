/*
 * The search for an order of a history: it finds one where there is one, as trying all orders does,
 * and finds none where there is none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "simulation/judge/linear.h"

enum { SMALL = 6, RANDOM_HISTORIES = 20000 };

static struct linear_event bought(int64_t from, int64_t to, uint32_t buyer, int64_t units)
{
	return (struct linear_event){
		.from_ns = from, .to_ns = to, .buyer = buyer, .units = -units, .buyer_units = units, .limit = 2, .buyer_above = -1};
}

static struct linear_event returned(int64_t from, int64_t to, uint32_t buyer, int64_t units)
{
	return (struct linear_event){
		.from_ns = from, .to_ns = to, .buyer = buyer, .units = units, .buyer_units = -units, .buyer_above = -1};
}

static struct linear_event sold_out(int64_t from, int64_t to, int64_t units)
{
	return (struct linear_event){.from_ns = from, .to_ns = to, .free_below = units, .buyer_above = -1};
}

static struct linear_event at_limit(int64_t from, int64_t to, uint32_t buyer, int64_t units)
{
	return (struct linear_event){.from_ns = from, .to_ns = to, .buyer = buyer, .buyer_above = 2 - units};
}

static enum linear_end check(const struct linear_event *events, size_t count, int64_t units)
{
	int64_t free_units[LINEAR_LOTS] = {units};
	size_t stuck;

	return linear_check(events, count, free_units, &stuck);
}

static void test_the_last_unit_is_sold_and_then_none_is_left(void **state)
{
	const struct linear_event events[] = {sold_out(0, 5, 1), bought(3, 9, 1, 1)};

	(void)state;
	assert_int_equal(check(events, 2, 1), LINEAR_YES);
}

static void test_sold_out_before_the_last_unit_could_be_sold_has_no_order(void **state)
{
	const struct linear_event events[] = {sold_out(0, 2, 1), bought(3, 9, 1, 1)};

	(void)state;
	assert_int_equal(check(events, 2, 1), LINEAR_NO);
}

static void test_a_unit_is_sold_again_when_it_has_come_back(void **state)
{
	const struct linear_event events[] = {bought(0, 1, 1, 1), returned(2, INT64_MAX, 1, 1), bought(3, 9, 2, 1),
					      sold_out(10, 11, 1)};
	const struct linear_event too_early[] = {bought(0, 1, 1, 1), bought(2, 3, 2, 1), returned(4, INT64_MAX, 1, 1)};

	(void)state;
	assert_int_equal(check(events, 4, 1), LINEAR_YES);
	assert_int_equal(check(too_early, 3, 1), LINEAR_NO);
}

static void test_a_limit_counts_what_the_buyer_has(void **state)
{
	const struct linear_event events[] = {bought(0, 1, 1, 2), at_limit(2, 3, 1, 1)};
	const struct linear_event of_another[] = {bought(0, 1, 1, 2), at_limit(2, 3, 2, 1)};
	const struct linear_event beyond[] = {bought(0, 1, 1, 2), bought(2, 3, 1, 1)};

	(void)state;
	assert_int_equal(check(events, 2, 5), LINEAR_YES);
	assert_int_equal(check(of_another, 2, 5), LINEAR_NO);
	assert_int_equal(check(beyond, 2, 5), LINEAR_NO);
}

/* --- Against all orders --- */

static bool is_lawful(const struct linear_event *event, int64_t units, const int64_t *has)
{
	return !(event->free_below && units - event->spare >= event->free_below) &&
	       !(event->buyer_above >= 0 && has[event->buyer] + event->spare <= event->buyer_above) &&
	       !(event->limit && has[event->buyer] + event->buyer_units > event->limit) && units + event->units >= 0;
}

/*
 * Each event at a moment of its own span, moments in the order of the events: the plain meaning of
 * the word.
 */
static bool any_order(const struct linear_event *events, size_t count, unsigned done, int64_t now, int64_t units, int64_t *has)
{
	if (done == (1u << count) - 1)
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct linear_event *event = &events[i];
		int64_t then = event->from_ns > now ? event->from_ns : now;
		bool found;

		if (done >> i & 1 || then > event->to_ns || !is_lawful(event, units, has))
			continue;
		has[event->buyer] += event->buyer_units;
		found = any_order(events, count, done | 1u << i, then, units + event->units, has);
		has[event->buyer] -= event->buyer_units;
		if (found)
			return true;
	}
	return false;
}

static struct linear_event random_event(void)
{
	int64_t from = rand() % 12, to = from + rand() % 8;
	uint32_t buyer = (uint32_t)rand() % 3;

	switch (rand() % 4) {
	case 0:
		return sold_out(from, to, 1 + rand() % 2);
	case 1:
		return at_limit(from, to, buyer, 1 + rand() % 2);
	case 2:
		return returned(from, rand() % 2 ? to : INT64_MAX, buyer, 1);
	default:
		return bought(from, to, buyer, 1 + rand() % 2);
	}
}

static void test_the_search_says_what_all_orders_say(void **state)
{
	struct linear_event events[SMALL];
	int yes = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < RANDOM_HISTORIES; i++) {
		int64_t units = rand() % 4, has[3] = {0};
		bool expected;

		for (size_t k = 0; k < SMALL; k++)
			events[k] = random_event();
		expected = any_order(events, SMALL, 0, 0, units, has);
		yes += expected;
		if ((check(events, SMALL, units) == LINEAR_YES) != expected)
			fail_msg("history %d", i);
	}
	assert_in_range(yes, RANDOM_HISTORIES / 50, RANDOM_HISTORIES - RANDOM_HISTORIES / 50);
}

static void test_a_long_history_of_a_crowd_is_searched_quickly(void **state)
{
	struct linear_event events[240];
	size_t count = 0;

	(void)state;
	for (int64_t i = 0; i < 60; i++) {
		events[count++] = bought(i, i + 20, 1 + (uint32_t)i, 1);
		events[count++] = returned(i + 20, i % 3 ? INT64_MAX : i + 60, 1 + (uint32_t)i, 1);
		events[count++] = sold_out(i, i + 10, 40);
		events[count++] = sold_out(i + 30, i + 50, 40);
	}
	assert_int_equal(check(events, count, 30), LINEAR_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_unit_is_sold_and_then_none_is_left),
		cmocka_unit_test(test_sold_out_before_the_last_unit_could_be_sold_has_no_order),
		cmocka_unit_test(test_a_unit_is_sold_again_when_it_has_come_back),
		cmocka_unit_test(test_a_limit_counts_what_the_buyer_has),
		cmocka_unit_test(test_the_search_says_what_all_orders_say),
		cmocka_unit_test(test_a_long_history_of_a_crowd_is_searched_quickly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
