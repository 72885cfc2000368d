/* Which sales have counts of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gate/sale_tally.h"

static struct sale_catalog *catalog;
static struct sale_tally *tally;

static int make(void **state)
{
	(void)state;
	assert_int_equal(sale_catalog_new(&catalog), 0);
	assert_int_equal(sale_tally_new(&tally), 0);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	sale_tally_free(tally);
	sale_catalog_free(catalog);
	return 0;
}

static void put(uint32_t number, enum sale_state sale_state, uint32_t lots)
{
	struct sale *sale = calloc(1, sizeof(*sale) + lots * sizeof(sale->lots[0]));

	assert_non_null(sale);
	sale->number = number;
	sale->state = sale_state;
	sale->lot_count = lots;
	snprintf(sale->id, sizeof(sale->id), "sale-%u", number);
	assert_int_equal(sale_catalog_put(catalog, sale), 0);
}

static void follow(void)
{
	const struct sale_table *table = sale_catalog_ref(catalog);

	sale_tally_follow(tally, table);
	sale_table_unref(table);
}

static struct sale_choice choose(void)
{
	const struct sale_table *table = sale_catalog_ref(catalog);
	struct sale_choice choice;

	sale_tally_choose(table, &choice);
	sale_table_unref(table);
	return choice;
}

static uint64_t counted(uint32_t sale, size_t outcome)
{
	uint64_t counts[PURCHASE_OUTCOMES] = {0};

	sale_tally_add_up(tally, sale, counts);
	return counts[outcome];
}

static void count(uint32_t sale, size_t outcome, int times)
{
	for (int i = 0; i < times; i++)
		sale_tally_count(tally, sale, outcome);
}

static void test_each_sale_has_its_own_counts(void **state)
{
	(void)state;
	put(1, SALE_OPEN, 1);
	put(257, SALE_OPEN, 1); /* the same place of the index */
	put(513, SALE_PAUSED, 1);
	follow();
	count(1, OUTCOME_ACCEPTED, 2);
	count(257, OUTCOME_ACCEPTED, 3);
	count(513, PROBLEM_SALE_NOT_OPEN, 1);
	assert_int_equal(counted(1, OUTCOME_ACCEPTED), 2);
	assert_int_equal(counted(257, OUTCOME_ACCEPTED), 3);
	assert_int_equal(counted(513, PROBLEM_SALE_NOT_OPEN), 1);
	assert_int_equal(counted(513, OUTCOME_ACCEPTED), 0);
}

static void test_drafts_and_ended_sales_have_none(void **state)
{
	(void)state;
	put(1, SALE_DRAFT, 1);
	put(2, SALE_ENDED, 1);
	put(3, SALE_ARMED, 1);
	follow();
	count(1, PROBLEM_SALE_NOT_OPEN, 1);
	count(2, PROBLEM_SALE_ENDED, 1);
	assert_int_equal(counted(1, PROBLEM_SALE_NOT_OPEN), 0);
	assert_int_equal(counted(2, PROBLEM_SALE_ENDED), 0);
	assert_int_equal(choose().count, 1);
	assert_int_equal(choose().left_out, 0);
}

static void test_a_sale_leaves_when_it_ends_and_its_row_begins_at_nothing(void **state)
{
	(void)state;
	put(1, SALE_OPEN, 1);
	follow();
	count(1, OUTCOME_ACCEPTED, 7);
	put(1, SALE_ENDED, 1);
	put(2, SALE_OPEN, 1);
	follow();
	assert_int_equal(counted(1, OUTCOME_ACCEPTED), 0);
	assert_int_equal(counted(2, OUTCOME_ACCEPTED), 0);
}

static void test_a_sale_that_changes_keeps_its_counts(void **state)
{
	(void)state;
	put(5, SALE_OPEN, 1);
	follow();
	count(5, OUTCOME_ACCEPTED, 7);
	put(5, SALE_PAUSED, 2);
	put(4, SALE_OPEN, 1);
	put(9, SALE_OPEN, 1);
	follow();
	assert_int_equal(counted(5, OUTCOME_ACCEPTED), 7);
}

static void test_beyond_the_bounds_the_newest_are_counted_and_the_others_told(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= TALLY_SALES + 3; i++)
		put(i, SALE_OPEN, 1);
	follow();
	count(3, OUTCOME_ACCEPTED, 1);
	count(4, OUTCOME_ACCEPTED, 1);
	assert_int_equal(choose().count, TALLY_SALES);
	assert_int_equal(choose().left_out, 3);
	assert_int_equal(counted(3, OUTCOME_ACCEPTED), 0);
	assert_int_equal(counted(4, OUTCOME_ACCEPTED), 1);
	put(TALLY_SALES + 3, SALE_ENDED, 1); /* makes room */
	follow();
	count(3, OUTCOME_ACCEPTED, 1);
	assert_int_equal(counted(3, OUTCOME_ACCEPTED), 1);
	assert_int_equal(choose().left_out, 2);
}

static void test_lots_are_bounded_too(void **state)
{
	(void)state;
	put(1, SALE_OPEN, 1);
	put(2, SALE_OPEN, LOTS_MAX);
	put(3, SALE_OPEN, LOTS_MAX);
	put(4, SALE_OPEN, LOTS_MAX);
	assert_int_equal(choose().count, TALLY_LOTS / LOTS_MAX);
	assert_int_equal(choose().left_out, 2);
	put(3, SALE_ENDED, LOTS_MAX);
	put(4, SALE_OPEN, LOTS_MAX - 1);
	assert_int_equal(choose().count, 3); /* the small one finds room behind them */
}

int main(void)
{
#define WITH_TALLY(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH_TALLY(test_each_sale_has_its_own_counts),
		WITH_TALLY(test_drafts_and_ended_sales_have_none),
		WITH_TALLY(test_a_sale_leaves_when_it_ends_and_its_row_begins_at_nothing),
		WITH_TALLY(test_a_sale_that_changes_keeps_its_counts),
		WITH_TALLY(test_beyond_the_bounds_the_newest_are_counted_and_the_others_told),
		WITH_TALLY(test_lots_are_bounded_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
