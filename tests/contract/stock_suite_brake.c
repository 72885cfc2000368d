/* The brake: an operator's stop lives in the stock, so that it holds at once and for everybody. */
#include "contract/stock_shop.h"

static const int64_t nothing[LOTS_MAX];

static struct stock_brake brake(struct shop *shop, bool stopped)
{
	struct stock_brake brake = {.stopped = stopped, .at_ms = shop->now_ms, .actor = "anna", .trace = "trace"};

	assert_int_equal(shop->stock->ops->brake(shop->stock, shop->sale, &brake), 0);
	return brake;
}

static bool is_pending(struct shop *shop)
{
	struct stock_brake brake;

	shop_refresh(shop);
	assert_true(shop->stock->ops->brake_of(shop->stock, shop->sale, &brake));
	return brake.pending;
}

static void test_a_stopped_sale_sells_nothing_until_it_is_let_go_on(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve before, item;
	struct stock_brake first, second, known;

	shop->rules.rate_requests = 2;
	shop->rules.rate_seconds = 60;
	shop_sell(shop, 1, 5);
	assert_false(shop->stock->ops->brake_of(shop->stock, shop->sale, &known));
	before = shop_order(shop, "ann", "key", 1);
	first = brake(shop, true);
	assert_true(first.serial > 0);
	assert_true(first.stopped);
	assert_true(first.pending);
	for (int i = 0; i < 3; i++) /* and the rate is not counted */
		assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_PAUSED);
	item = shop_buy(shop, "ann", "key", 1);
	assert_int_equal(item.outcome, STOCK_REPLAY); /* who has an order gets it back */
	item = shop_ask(shop, "bob", "", 1);
	item.unlimited_rate = true;
	shop->stock->ops->reserve(shop->stock, &item, 1); /* a late confirm is the operator's own */
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_true(shop_compensate(shop, &item.event));
	assert_int_equal(shop_settle(shop, &before.order.id, ORDER_CONFIRM).outcome, STOCK_DONE);
	second = brake(shop, false);
	assert_true(second.serial > first.serial);
	assert_false(second.stopped);
	assert_true(second.pending);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_DONE);
}

static void test_a_brake_is_pending_until_the_ledger_has_that_very_one(void **state)
{
	struct shop *shop = *state;
	struct stock_brake first, second, known;

	shop_sell(shop, 1, 5);
	first = brake(shop, true);
	second = brake(shop, false);
	shop->stock->ops->brake_written(shop->stock, shop->sale, first.serial);
	assert_true(is_pending(shop));
	shop->stock->ops->brake_written(shop->stock, shop->sale, second.serial);
	assert_false(is_pending(shop));
	assert_true(shop->stock->ops->brake_of(shop->stock, shop->sale, &known));
	assert_int_equal(known.serial, second.serial);
	assert_false(known.stopped);
	assert_string_equal(known.actor, "anna");
	assert_string_equal(known.trace, "trace");
	assert_true(known.at_ms == second.at_ms);
}

static void test_a_stop_outlives_a_rebuild_and_ends_with_the_drop(void **state)
{
	struct shop *shop = *state;
	struct stock_brake known;

	shop_sell(shop, 1, 5);
	brake(shop, true);
	shop->rules.epoch = 2;
	shop_sell(shop, 1, 5);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_PAUSED);
	shop->stock->ops->drop(shop->stock, shop->sale, 2);
	assert_false(shop->stock->ops->brake_of(shop->stock, shop->sale, &known));
	shop->rules.epoch = 3;
	shop_sell(shop, 1, 5);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

/* A sale that is being rebuilt can be stopped too: not one purchase comes between its arming and the stop. */
static void test_a_sale_that_is_being_loaded_can_be_stopped(void **state)
{
	struct shop *shop = *state;
	const int64_t units = 5;

	shop->rules.lot_count = 1;
	assert_int_equal(shop->stock->ops->preheat_begin(shop->stock, &shop->rules), 0);
	brake(shop, true);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_FENCED);
	assert_int_equal(shop->stock->ops->arm(shop->stock, shop->sale, &units, nothing), 0);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_PAUSED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_stopped_sale_sells_nothing_until_it_is_let_go_on, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_brake_is_pending_until_the_ledger_has_that_very_one, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_stop_outlives_a_rebuild_and_ends_with_the_drop, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_sale_that_is_being_loaded_can_be_stopped, shop_open, shop_close),
};
const struct shop_tests shop_tests_brake = {tests, sizeof(tests) / sizeof(tests[0])};
