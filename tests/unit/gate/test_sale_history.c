/*
 * The hour of points that the operators' thread keeps of each sale, and whose room is given to
 * others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/lines.h"
#include "gate/sale_history.h"

static const int64_t START_NS = 7000000000, SECOND_NS = 1000000000;

static int64_t left; /* of each lot */
static bool forgotten;

static int snapshot(struct stock *stock, uint32_t sale, struct stock_lot_state *lots, uint32_t *lot_count)
{
	(void)stock;
	(void)sale;
	if (forgotten)
		return STOCK_UNKNOWN_SALE;
	*lot_count = 2;
	for (int i = 0; i < 2; i++)
		lots[i] = (struct stock_lot_state){.available = left, .held = 1, .confirmed = 2, .withdrawn = 3, .allocated = left + 6};
	return 0;
}

static const struct stock_ops ops = {.name = "still", .snapshot = snapshot};
static struct stock stock = {.ops = &ops};
static const struct admission admission = {.stock = &stock};
static struct gate *gate;
static struct gate_thread *buyers, *operators;
static int64_t now_ns;

static int make(void **state)
{
	(void)state;
	gate = lines_new(sizeof(*gate));
	assert_non_null(gate);
	gate->thread_count = 2;
	gate->threads = lines_new(2 * sizeof(*gate->threads));
	assert_non_null(gate->threads);
	gate->settings.admission = &admission;
	assert_int_equal(sale_catalog_new(&gate->settings.catalog), 0);
	buyers = &gate->threads[0];
	operators = &gate->threads[1];
	buyers->gate = operators->gate = gate;
	assert_int_equal(sale_tally_new(&buyers->tally), 0);
	assert_int_equal(sale_history_new(&operators->history, operators), 0);
	now_ns = START_NS;
	left = 10;
	forgotten = false;
	return 0;
}

static int drop(void **state)
{
	(void)state;
	sale_history_free(operators->history);
	sale_tally_free(buyers->tally);
	sale_table_unref(buyers->sales);
	sale_table_unref(operators->sales);
	sale_catalog_free(gate->settings.catalog);
	free(gate->threads);
	free(gate);
	return 0;
}

static void put(uint32_t number, enum sale_state sale_state)
{
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));

	assert_non_null(sale);
	sale->number = number;
	sale->state = sale_state;
	sale->lot_count = 2;
	snprintf(sale->id, sizeof(sale->id), "sale-%u", number);
	assert_int_equal(sale_catalog_put(gate->settings.catalog, sale), 0);
	(void)gate_sales(buyers);
}

static void tick(int64_t seconds)
{
	now_ns += seconds * SECOND_NS;
	assert_true(sale_history_tick(operators->history, now_ns) > now_ns);
}

static void buy(uint32_t sale, size_t outcome, int times)
{
	for (int i = 0; i < times; i++)
		sale_tally_count(buyers->tally, sale, outcome);
}

static uint64_t end(uint32_t sale)
{
	return sale_history_end(operators->history, sale);
}

static const struct history_point *newest(uint32_t sale)
{
	return sale_history_at(operators->history, sale, end(sale) - 1);
}

static void test_a_point_has_what_came_since_the_one_before(void **state)
{
	(void)state;
	put(1, SALE_OPEN);
	buy(1, OUTCOME_ACCEPTED, 5);
	tick(1);
	assert_int_equal(newest(1)->purchases[ANSWER_ACCEPTED], 5);
	assert_int_equal(newest(1)->available, 20);
	assert_int_equal(newest(1)->held, 2);
	assert_int_equal(newest(1)->confirmed, 4);
	assert_int_equal(newest(1)->withdrawn, 6);
	buy(1, OUTCOME_REPLAYED, 1);
	buy(1, PROBLEM_SOLD_OUT, 2);
	buy(1, PROBLEM_SALE_ENDED, 1);
	buy(1, PROBLEM_BUYER_LIMIT, 4);
	buy(1, PROBLEM_RATE_LIMITED, 1);
	buy(1, PROBLEM_OVERLOADED, 6);
	left = 7;
	tick(1);
	assert_int_equal(newest(1)->purchases[ANSWER_ACCEPTED], 0);
	assert_int_equal(newest(1)->purchases[ANSWER_REPLAYED], 1);
	assert_int_equal(newest(1)->purchases[ANSWER_GONE], 3);
	assert_int_equal(newest(1)->purchases[ANSWER_REFUSED], 5);
	assert_int_equal(newest(1)->purchases[ANSWER_UNAVAILABLE], 6);
	assert_int_equal(newest(1)->available, 14);
	assert_int_equal(sale_history_now(operators->history, 1)->lots[1].available, 7);
	assert_int_equal(end(1), 2);
}

static void test_it_is_a_point_a_second_and_one_where_the_thread_was_late(void **state)
{
	(void)state;
	put(1, SALE_OPEN);
	tick(1);
	assert_int_equal(end(1), 1);
	now_ns += SECOND_NS / 2;
	(void)sale_history_tick(operators->history, now_ns);
	assert_int_equal(end(1), 1);
	tick(5);
	assert_int_equal(end(1), 2);
	tick(1);
	assert_int_equal(end(1), 3);
	now_ns += 2 * SECOND_NS - 1; /* nearly a whole one late: the next is not made right behind it */
	(void)sale_history_tick(operators->history, now_ns);
	assert_int_equal(end(1), 4);
	now_ns += SECOND_NS / 2;
	(void)sale_history_tick(operators->history, now_ns);
	assert_int_equal(end(1), 4);
}

static void test_an_hour_is_kept(void **state)
{
	(void)state;
	put(1, SALE_OPEN);
	for (int i = 0; i < HISTORY_POINTS + 400; i++) {
		buy(1, OUTCOME_ACCEPTED, i % 3);
		tick(1);
	}
	assert_int_equal(end(1), HISTORY_POINTS + 400);
	assert_int_equal(sale_history_first(operators->history, 1), 400);
	for (uint64_t i = 400; i < HISTORY_POINTS + 400; i++)
		assert_int_equal(sale_history_at(operators->history, 1, i)->purchases[ANSWER_ACCEPTED], i % 3);
}

static void test_the_past_of_an_ended_sale_stays_until_its_room_is_wanted(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= HISTORY_SALES; i++)
		put(i, SALE_OPEN);
	tick(1);
	put(2, SALE_ENDED);
	tick(1);
	put(1, SALE_ENDED);
	tick(1);
	assert_int_equal(end(2), 1);
	assert_false(sale_history_goes_on(operators->history, 2));
	assert_true(sale_history_goes_on(operators->history, 3));
	put(50, SALE_ARMED); /* the one that was over first goes for it */
	tick(1);
	assert_int_equal(end(2), 0);
	assert_int_equal(end(1), 2);
	assert_int_equal(end(50), 1);
	assert_int_equal(end(3), 4);
}

static void test_beyond_its_bound_the_newest_sales_have_a_past(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= HISTORY_SALES + 1; i++)
		put(i, SALE_OPEN);
	tick(1);
	assert_int_equal(end(1), 0);
	assert_int_equal(end(2), 1);
	put(HISTORY_SALES + 2, SALE_OPEN);
	tick(1);
	assert_int_equal(end(2), 0);
	assert_int_equal(end(HISTORY_SALES + 2), 1);
}

static void test_a_sale_that_the_stock_has_forgotten_gets_no_point(void **state)
{
	(void)state;
	put(1, SALE_OPEN);
	tick(1);
	forgotten = true;
	tick(1);
	assert_int_equal(end(1), 1);
	assert_false(sale_history_goes_on(operators->history, 1));
	forgotten = false;
	buy(1, OUTCOME_ACCEPTED, 3);
	tick(1);
	assert_int_equal(newest(1)->purchases[ANSWER_ACCEPTED], 3);
}

int main(void)
{
#define WITH_HISTORY(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH_HISTORY(test_a_point_has_what_came_since_the_one_before),
		WITH_HISTORY(test_it_is_a_point_a_second_and_one_where_the_thread_was_late),
		WITH_HISTORY(test_an_hour_is_kept),
		WITH_HISTORY(test_the_past_of_an_ended_sale_stays_until_its_room_is_wanted),
		WITH_HISTORY(test_beyond_its_bound_the_newest_sales_have_a_past),
		WITH_HISTORY(test_a_sale_that_the_stock_has_forgotten_gets_no_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
