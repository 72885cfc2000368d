/*
 * The judge is judged: each switch breaks one rule on purpose, and the break is seen in what the
 * stock tells. Every case runs in a process of its own, for failpoints are read once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "stock/memory/memory.h"

enum { SALE = 5 };

static struct stock *stock;
static struct uuid_generator ids;

static void open_stock(int64_t units)
{
	struct stock_rules rules = {.sale = SALE, .epoch = 1, .limit_per_buyer = 2, .lot_count = 1};
	int64_t withdrawn = 0;

	if (stock_memory_new(&stock, 16) < 0 || stock->ops->preheat_begin(stock, &rules) < 0 ||
	    stock->ops->arm(stock, SALE, &units, &withdrawn) < 0)
		_exit(2);
}

static struct stock_reserve buy(const char *buyer, const char *key, uint32_t quantity)
{
	struct stock_reserve item = {
		.event = {.sale = SALE, .quantity = quantity, .id = uuid_make(&ids, 1, SALE), .buyer = slice_of(buyer), .key = slice_of(key)},
		.hold_ns = 1000,
	};
	const struct event *event = &item.event;

	stock->ops->reserve(stock, &item, 1);
	if (item.outcome == STOCK_DONE)
		stock_acknowledge(stock, &event, 1);
	return item;
}

static struct stock_lot_state lot(void)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	if (stock->ops->snapshot(stock, SALE, lots, &count))
		_exit(2);
	return lots[0];
}

static bool key_is_forgotten(void)
{
	open_stock(5);
	buy("ann", "k", 1);
	return buy("ann", "k", 1).outcome == STOCK_DONE;
}

static bool unit_is_sold_that_is_not_there(void)
{
	open_stock(1);
	buy("ann", "", 1);
	return buy("bob", "", 1).outcome == STOCK_DONE && lot().held == 2 && lot().allocated == 1;
}

static bool limit_is_forgotten(void)
{
	open_stock(5);
	buy("ann", "", 2);
	return buy("ann", "", 2).outcome == STOCK_DONE;
}

static bool units_return_before_the_record(void)
{
	struct stock_settle settle = {.sale = SALE, .action = ORDER_CANCEL};
	const struct event *event = &settle.event;

	open_stock(2);
	settle.id = buy("ann", "", 2).order.id;
	stock->ops->settle(stock, &settle, 1);
	if (settle.outcome != STOCK_DONE || lot().available != 2)
		return false;
	stock_acknowledge(stock, &event, 1);
	return lot().available == 2;
}

static bool in_own_process(const char *failpoints, bool (*broken)(void))
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		bool is_broken;

		setenv("PENSTOCK_FAILPOINTS", failpoints, 1);
		is_broken = broken();
		stock->ops->free(stock);
		_exit(is_broken ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void compare(const char *failpoints, bool (*broken)(void))
{
	assert_true(in_own_process(failpoints, broken));
	assert_false(in_own_process("", broken)); /* the rule holds where it is not broken */
}

static void test_drop_key_forgets_the_key(void **state)
{
	(void)state;
	compare("stock.drop_key=on", key_is_forgotten);
}

static void test_oversell_sells_what_is_not_there(void **state)
{
	(void)state;
	compare("stock.oversell=on", unit_is_sold_that_is_not_there);
}

static void test_forget_buyer_forgets_the_limit(void **state)
{
	(void)state;
	compare("stock.forget_buyer=on", limit_is_forgotten);
}

static void test_return_early_returns_before_the_record(void **state)
{
	(void)state;
	compare("stock.return_early=on", units_return_before_the_record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop_key_forgets_the_key),
		cmocka_unit_test(test_oversell_sells_what_is_not_there),
		cmocka_unit_test(test_forget_buyer_forgets_the_limit),
		cmocka_unit_test(test_return_early_returns_before_the_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
