/*
 * The sale table of a server whose stock is there already, over a ledger that is told what it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "recovery/catalog_load.h"

enum { SALES_MAX = 200, LIVE_SINCE_MS = 1000 };

struct shelf {
	struct ledger ledger; /* first */
	struct sale_catalog *catalog;
	struct sale *sales[SALES_MAX]; /* by number, from 1 */
	size_t count, asked;
	uint64_t changes;
	size_t fail_at; /* the call, counted from 1, that fails; 0: none */
	struct stock stock;
	size_t told;                      /* sales that the stock was told of */
	bool told_too_late;               /* one was shown under its epoch before */
	struct sale *kept[SALES_MAX + 1]; /* by number: what the stock keeps */
	/* Runs after a page was read: what others do in the meantime. */
	void (*meanwhile)(struct shelf *shelf);
};

static struct shelf *shelf_of(struct ledger *ledger)
{
	return (struct shelf *)ledger;
}

static void add(struct shelf *shelf)
{
	struct sale *sale = calloc(1, sizeof(*sale) + sizeof(sale->lots[0]));

	assert_non_null(sale);
	assert_true(shelf->count < SALES_MAX);
	sale->number = (uint32_t)shelf->count + 1;
	sale->state = SALE_OPEN;
	sale->ended_at_ms = SALE_NO_TIME;
	sale->lot_count = 1;
	sale->change = ++shelf->changes;
	snprintf(sale->id, sizeof(sale->id), "sale-%u", sale->number);
	shelf->sales[shelf->count++] = sale;
}

static void change(struct shelf *shelf, uint32_t number, enum sale_state state, int64_t ended_at_ms)
{
	struct sale *sale = shelf->sales[number - 1];

	sale->state = state;
	sale->ended_at_ms = ended_at_ms;
	sale->change = ++shelf->changes;
}

static int answer(struct shelf *shelf)
{
	return ++shelf->asked == shelf->fail_at ? -ENOTCONN : 0;
}

static void end_page(struct shelf *shelf)
{
	if (shelf->meanwhile)
		shelf->meanwhile(shelf);
}

static int shelf_sales(struct ledger *ledger, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max, size_t *count)
{
	struct shelf *shelf = shelf_of(ledger);
	int r = answer(shelf);

	*count = 0;
	for (size_t i = 0; r == 0 && i < shelf->count && *count < max; i++) {
		const struct sale *sale = shelf->sales[i];
		bool past = sale->state == SALE_ENDED && sale->ended_at_ms < live_since_ms && sale->lots[0].held == 0;

		if (sale->number > after && !past)
			sales[(*count)++] = sale_copy(sale);
	}
	end_page(shelf);
	return r;
}

static int shelf_changed(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count)
{
	struct shelf *shelf = shelf_of(ledger);
	int r = answer(shelf);

	*count = 0;
	while (r == 0 && *count < max) {
		const struct sale *next = NULL;

		for (size_t i = 0; i < shelf->count; i++)
			if (shelf->sales[i]->change > after && (!next || shelf->sales[i]->change < next->change))
				next = shelf->sales[i];
		if (!next)
			break;
		after = next->change;
		sales[(*count)++] = sale_copy(next);
	}
	end_page(shelf);
	return r;
}

static void shelf_refresh(struct stock *stock, struct stock_refresh *sales, size_t count)
{
	struct shelf *shelf = (struct shelf *)((char *)stock - offsetof(struct shelf, stock));
	const struct sale_table *table = sale_catalog_ref(shelf->catalog);

	for (size_t i = 0; i < count; i++) {
		const struct sale_entry *entry = sale_table_find_number(table, sales[i].sale);

		assert_int_equal(sales[i].epoch, shelf->sales[sales[i].sale - 1]->epoch);
		assert_int_equal(sales[i].lot_count, 1);
		shelf->told_too_late |= entry && entry->sale->epoch >= sales[i].epoch;
		shelf->told++;
	}
	sale_table_unref(table);
}

static struct shelf *shelf_of_stock(struct stock *stock)
{
	return (struct shelf *)((char *)stock - offsetof(struct shelf, stock));
}

static void shelf_keep(struct stock *stock, const struct sale *const *sales, size_t count)
{
	struct shelf *shelf = shelf_of_stock(stock);

	for (size_t i = 0; i < count; i++) {
		free(shelf->kept[sales[i]->number]);
		shelf->kept[sales[i]->number] = sale_copy(sales[i]);
	}
}

static int shelf_recall(struct stock *stock, uint32_t number, struct sale **sale)
{
	struct shelf *shelf = shelf_of_stock(stock);

	*sale = shelf->kept[number] ? sale_copy(shelf->kept[number]) : NULL;
	return *sale ? 0 : STOCK_UNKNOWN_SALE;
}

static int shelf_kept(struct stock *stock, uint32_t after, uint32_t *numbers, size_t max, size_t *count)
{
	struct shelf *shelf = shelf_of_stock(stock);

	*count = 0;
	for (uint32_t number = after + 1; number <= SALES_MAX && *count < max; number++)
		if (shelf->kept[number])
			numbers[(*count)++] = number;
	return 0;
}

static const struct stock_ops shelf_stock_ops = {
	.name = "shelf", .refresh = shelf_refresh, .keep = shelf_keep, .recall = shelf_recall, .kept = shelf_kept};
static const struct ledger_ops shelf_ops = {.name = "shelf", .sales = shelf_sales, .sales_changed = shelf_changed};

static int shelf_open(void **state)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));

	assert_non_null(shelf);
	shelf->ledger.ops = &shelf_ops;
	shelf->stock.ops = &shelf_stock_ops;
	assert_int_equal(sale_catalog_new(&shelf->catalog), 0);
	*state = shelf;
	return 0;
}

static int shelf_close(void **state)
{
	struct shelf *shelf = *state;

	sale_catalog_free(shelf->catalog);
	for (size_t i = 0; i < shelf->count; i++)
		free(shelf->sales[i]);
	for (size_t i = 0; i <= SALES_MAX; i++)
		free(shelf->kept[i]);
	free(shelf);
	return 0;
}

static int load(struct shelf *shelf, uint64_t *at)
{
	return catalog_load(&shelf->ledger, &shelf->stock, shelf->catalog, LIVE_SINCE_MS, at);
}

static int follow(struct shelf *shelf, uint64_t *at)
{
	return catalog_follow(&shelf->ledger, &shelf->stock, shelf->catalog, LIVE_SINCE_MS, at);
}

static size_t shown_count(struct shelf *shelf)
{
	const struct sale_table *table = sale_catalog_ref(shelf->catalog);
	size_t count = sale_table_count(table);

	sale_table_unref(table);
	return count;
}

/* The change that the catalog shows of a sale; 0: it does not show it. */
static uint64_t shown(struct shelf *shelf, uint32_t number)
{
	const struct sale_table *table = sale_catalog_ref(shelf->catalog);
	const struct sale_entry *entry = sale_table_find_number(table, number);
	uint64_t at = entry ? entry->sale->change : 0;

	sale_table_unref(table);
	return at;
}

/* --- At start --- */

static void test_every_live_sale_is_loaded_over_as_many_pages_as_it_takes(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at = 99;

	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(shown_count(shelf), 0);
	for (int i = 0; i < 150; i++)
		add(shelf);
	change(shelf, 3, SALE_ENDED, LIVE_SINCE_MS - 1);
	change(shelf, 4, SALE_ENDED, LIVE_SINCE_MS);
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shown_count(shelf), 149);
	assert_int_equal(shown(shelf, 3), 0);
	assert_int_equal(shown(shelf, 4), 152);
	/* What is followed then begins nowhere too late, and brings nothing that is not there. */
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(at, 152);
	assert_int_equal(shown_count(shelf), 149);
}

static void test_an_old_sale_that_has_something_left_is_loaded(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	change(shelf, 1, SALE_ENDED, 1);
	shelf->sales[0]->lots[0].held = 1;
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shown(shelf, 1), 2);
	assert_int_equal(at, 2);
}

/* An early sale is changed behind the reader, then a late one before it. */
static void change_behind(struct shelf *shelf)
{
	shelf->meanwhile = NULL;
	change(shelf, 5, SALE_PAUSED, SALE_NO_TIME);
	change(shelf, 120, SALE_PAUSED, SALE_NO_TIME);
}

/*
 * Found: the numbers of later pages were taken for read, though an earlier page had changed since
 * it was read.
 */
static void test_what_is_changed_while_later_pages_are_read_is_followed(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	for (int i = 0; i < 150; i++)
		add(shelf);
	shelf->meanwhile = change_behind;
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shown(shelf, 5), 5);
	assert_int_equal(shown(shelf, 120), 152);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown(shelf, 5), 151);
	assert_int_equal(at, 152);
}

static void test_a_ledger_that_fails_at_any_page_fails_the_load(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	for (int i = 0; i < 150; i++)
		add(shelf);
	for (size_t page = 1; page <= 3; page++) {
		shelf->asked = 0;
		shelf->fail_at = page;
		assert_int_equal(load(shelf, &at), -ENOTCONN);
		assert_int_equal(shelf->asked, page);
	}
	shelf->fail_at = 0;
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shown_count(shelf), 150);
}

/* --- Later --- */

static void test_what_others_change_is_shown_and_asked_for_once(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at, generation;

	add(shelf);
	add(shelf);
	assert_int_equal(load(shelf, &at), 0);
	generation = sale_catalog_generation(shelf->catalog);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(sale_catalog_generation(shelf->catalog), generation);
	add(shelf);
	change(shelf, 1, SALE_PAUSED, SALE_NO_TIME);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown_count(shelf), 3);
	assert_int_equal(shown(shelf, 1), 4);
	assert_int_equal(shown(shelf, 2), 2);
	assert_int_equal(shown(shelf, 3), 3);
	assert_int_equal(at, 4);
	assert_int_equal(sale_catalog_generation(shelf->catalog), generation + 2);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(sale_catalog_generation(shelf->catalog), generation + 2);
}

static void test_more_changes_than_a_page_has_are_followed_in_one_go(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at = 0;

	for (int i = 0; i < 128; i++) /* two pages to the brim */
		add(shelf);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown_count(shelf), 128);
	assert_int_equal(at, 128);
}

static void test_a_sale_that_ended_before_the_retention_stays_out_and_is_not_asked_for_again(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	assert_int_equal(load(shelf, &at), 0);
	add(shelf);
	change(shelf, 2, SALE_ENDED, LIVE_SINCE_MS - 1);
	add(shelf);
	change(shelf, 3, SALE_ENDED, LIVE_SINCE_MS);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown(shelf, 2), 0);
	assert_int_equal(shown(shelf, 3), 5);
	assert_int_equal(at, 5);
}

/*
 * Found: what is kept for its held units after the retention was never brought up to date; with its
 * old epoch it was never dropped from the stock.
 */
static void test_an_old_sale_that_is_shown_still_is_brought_up_to_date(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	change(shelf, 1, SALE_ENDED, 1);
	shelf->sales[0]->lots[0].held = 1;
	assert_int_equal(load(shelf, &at), 0);
	change(shelf, 1, SALE_ENDED, 1); /* as by a rebuild: its epoch rose */
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown(shelf, 1), 3);
}

static void test_after_a_failure_it_goes_on_where_it_was(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at = 0;

	for (int i = 0; i < 100; i++)
		add(shelf);
	shelf->fail_at = 1;
	assert_int_equal(follow(shelf, &at), -ENOTCONN);
	assert_int_equal(at, 0);
	assert_int_equal(shown_count(shelf), 0);
	shelf->asked = 0;
	shelf->fail_at = 2;
	assert_int_equal(follow(shelf, &at), -ENOTCONN);
	assert_int_equal(at, 64);
	assert_int_equal(shown_count(shelf), 64);
	shelf->fail_at = 0;
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(at, 100);
	assert_int_equal(shown_count(shelf), 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_open, shelf_close)

/* Else the first buyers at this gate hear that a sale is fenced that was just armed at another. */
static void test_the_stock_hears_of_an_epoch_before_buyers_meet_it(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	add(shelf);
	shelf->sales[0]->epoch = 1;
	shelf->sales[1]->state = SALE_DRAFT;
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shelf->told, 1);
	shelf->sales[0]->epoch = 2;
	change(shelf, 1, SALE_OPEN, SALE_NO_TIME);
	shelf->sales[1]->epoch = 1;
	change(shelf, 2, SALE_ARMED, SALE_NO_TIME);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shelf->told, 3);
	assert_false(shelf->told_too_late);
}

/*
 * Found: a gate that began when no sale was live told the stock of all that had ended long ago. It
 * waited for those to be built again, and their orders could not be refunded.
 */
static void test_the_stock_hears_nothing_of_a_sale_that_has_left_it(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	shelf->sales[0]->epoch = 1;
	change(shelf, 1, SALE_ENDED, LIVE_SINCE_MS - 1);
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(follow(shelf, &at), 0);
	assert_int_equal(shown(shelf, 1), 0);
	assert_int_equal(shelf->told, 0);
	assert_null(shelf->kept[1]);
}

/* --- While the ledger is away --- */

/*
 * A gate that cannot ask the ledger sells what the stock has armed; then the ledger's word takes
 * its place, and what it does not know of goes.
 */
static void test_what_the_stock_has_kept_is_shown_until_the_ledger_says_otherwise(void **state)
{
	struct shelf *shelf = *state;
	struct sale *renamed;
	uint64_t at;

	for (int i = 0; i < 3; i++) {
		add(shelf);
		shelf->sales[i]->epoch = 1;
	}
	assert_int_equal(load(shelf, &at), 0);
	sale_catalog_free(shelf->catalog);
	assert_int_equal(sale_catalog_new(&shelf->catalog), 0);
	shelf->sales[2]->state = SALE_DRAFT; /* what is no stock's is not shown, whoever kept it */
	shelf->kept[3]->state = SALE_DRAFT;
	renamed = shelf->kept[2];
	renamed->change = 99; /* newer than the ledger's: a ledger that was restored */
	assert_int_equal(catalog_recall_all(&shelf->stock, shelf->catalog), 0);
	assert_int_equal(shown_count(shelf), 2);
	assert_int_equal(shown(shelf, 2), 99);
	change(shelf, 1, SALE_DELETED, SALE_NO_TIME);
	assert_int_equal(load(shelf, &at), 0);
	assert_int_equal(shown(shelf, 2), 2);
	assert_int_equal(sale_catalog_remove_recalled(shelf->catalog), 0);
	assert_int_equal(shown(shelf, 1), 0);
}

/* Another gate has rebuilt it while this one is cut off from the ledger. */
static void test_a_sale_under_a_newer_epoch_is_recalled_and_an_older_one_is_not(void **state)
{
	struct shelf *shelf = *state;
	uint64_t at;

	add(shelf);
	shelf->sales[0]->epoch = 2;
	assert_int_equal(load(shelf, &at), 0);
	shelf->kept[1]->epoch = 1;
	shelf->kept[1]->change = 50;
	assert_int_equal(catalog_recall(&shelf->stock, shelf->catalog, 1), 0);
	assert_int_equal(shown(shelf, 1), 1);
	shelf->kept[1]->epoch = shelf->sales[0]->epoch = 3;
	assert_int_equal(catalog_recall(&shelf->stock, shelf->catalog, 1), 0);
	assert_int_equal(shown(shelf, 1), 50);
	assert_false(shelf->told_too_late);
	assert_int_equal(catalog_recall(&shelf->stock, shelf->catalog, 7), STOCK_UNKNOWN_SALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_live_sale_is_loaded_over_as_many_pages_as_it_takes),
		TEST(test_an_old_sale_that_has_something_left_is_loaded),
		TEST(test_the_stock_hears_of_an_epoch_before_buyers_meet_it),
		TEST(test_the_stock_hears_nothing_of_a_sale_that_has_left_it),
		TEST(test_what_the_stock_has_kept_is_shown_until_the_ledger_says_otherwise),
		TEST(test_a_sale_under_a_newer_epoch_is_recalled_and_an_older_one_is_not),
		TEST(test_what_is_changed_while_later_pages_are_read_is_followed),
		TEST(test_a_ledger_that_fails_at_any_page_fails_the_load),
		TEST(test_what_others_change_is_shown_and_asked_for_once),
		TEST(test_more_changes_than_a_page_has_are_followed_in_one_go),
		TEST(test_a_sale_that_ended_before_the_retention_stays_out_and_is_not_asked_for_again),
		TEST(test_an_old_sale_that_is_shown_still_is_brought_up_to_date),
		TEST(test_after_a_failure_it_goes_on_where_it_was),
	};

	return cmocka_run_group_tests_name("recovery: catalog load", tests, NULL, NULL);
}
