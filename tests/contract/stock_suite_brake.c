/* The brake: an operator's stop lives in the stock, so that it holds at once and for everybody. */
#include "contract/stock_shop.h"

static const int64_t nothing[LOTS_MAX];

static struct stock_brake_change change(struct shop *shop, bool stopped)
{
	return (struct stock_brake_change){
		.stopped = stopped,
		.at_ms = shop->now_ms,
		.request = uuid_make(&shop->ids, shop->now_ms, shop->sale),
		.actor = "anna",
		.trace = "trace",
	};
}

static int ask(struct shop *shop, const struct stock_brake_change *change)
{
	return shop->stock->ops->brake(shop->stock, shop->sale, change);
}

static struct stock_brake known_of(struct shop *shop)
{
	struct stock_brake known;

	assert_true(shop->stock->ops->brake_of(shop->stock, shop->sale, &known));
	return known;
}

static struct stock_brake brake(struct shop *shop, bool stopped)
{
	const struct stock_brake_change made = change(shop, stopped);

	assert_int_equal(ask(shop, &made), 0);
	return known_of(shop);
}

static bool is_pending(struct shop *shop)
{
	struct stock_brake brake;

	shop_refresh(shop);
	brake = known_of(shop);
	return stock_brake_pending(&brake);
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
	assert_true(stock_brake_pending(&first));
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
	assert_true(stock_brake_pending(&second));
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
	shop->stock->ops->brake_written(shop->stock, shop->sale, first.serial); /* too late */
	assert_false(is_pending(shop));
	known = known_of(shop);
	assert_int_equal(known.serial, second.serial);
	assert_int_equal(known.written, second.serial);
	assert_false(known.stopped);
}

/* Of a stop and its release before the ledger was told the ledger heard of the release alone. */
static void test_each_stop_and_release_is_remembered_with_who_asked(void **state)
{
	struct shop *shop = *state;
	struct stock_brake_change made[3];
	struct stock_brake known;

	shop_sell(shop, 1, 5);
	for (int i = 0; i < 3; i++) {
		made[i] = change(shop, i != 1);
		strcpy(made[i].actor, i == 1 ? "olga" : "anna");
		made[i].stops = i == 1 ? UINT32_MAX : 0;
		assert_int_equal(ask(shop, &made[i]), 0);
		shop_pass(shop, 10);
	}
	shop->stock->ops->brake_written(shop->stock, shop->sale, 1);
	shop_refresh(shop);
	known = known_of(shop);
	assert_int_equal(known.serial, 3);
	assert_int_equal(known.written, 1);
	assert_int_equal(known.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(known.changes[i].serial, i + 1);
		assert_int_equal(known.changes[i].stopped, made[i].stopped);
		assert_true(known.changes[i].at_ms == made[i].at_ms);
		assert_true(uuid_equal(&known.changes[i].request, &made[i].request));
		assert_int_equal(known.changes[i].stops, made[i].stops);
		assert_string_equal(known.changes[i].actor, made[i].actor);
		assert_string_equal(known.changes[i].trace, "trace");
	}
}

/* A late retry of a stop stopped again what somebody had let go on since. */
static void test_a_request_that_was_done_is_not_done_again(void **state)
{
	struct shop *shop = *state;
	struct stock_brake_change stop, go_on;
	struct stock_brake known;

	shop_sell(shop, 1, 5);
	stop = change(shop, true);
	go_on = change(shop, false);
	assert_int_equal(ask(shop, &stop), 0);
	assert_int_equal(ask(shop, &stop), STOCK_REPLAY);
	assert_int_equal(ask(shop, &go_on), 0);
	shop->stock->ops->brake_written(shop->stock, shop->sale, 2); /* that it is written changes nothing */
	assert_int_equal(ask(shop, &stop), STOCK_REPLAY);
	known = known_of(shop);
	assert_int_equal(known.serial, 2);
	assert_false(known.stopped);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

/* The stop button is never refused: the oldest makes way, written or not. */
static void test_a_full_history_takes_one_more(void **state)
{
	struct shop *shop = *state;
	struct stock_brake_change first;
	struct stock_brake known;

	shop_sell(shop, 1, 5);
	first = change(shop, true);
	assert_int_equal(ask(shop, &first), 0);
	for (int i = 1; i < STOCK_BRAKE_CHANGES; i++)
		brake(shop, i % 2 == 0);
	assert_int_equal(ask(shop, &first), STOCK_REPLAY);
	known = brake(shop, true);
	assert_int_equal(known.count, STOCK_BRAKE_CHANGES);
	assert_int_equal(known.changes[0].serial, 2);
	assert_int_equal(known.changes[STOCK_BRAKE_CHANGES - 1].serial, STOCK_BRAKE_CHANGES + 1);
	assert_int_equal(known.serial, STOCK_BRAKE_CHANGES + 1);
	assert_int_equal(known.written, 0);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_PAUSED);
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

/*
 * A sale that is being rebuilt can be stopped too: not one purchase comes between its arming and
 * the stop.
 */
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
	cmocka_unit_test_setup_teardown(test_each_stop_and_release_is_remembered_with_who_asked, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_request_that_was_done_is_not_done_again, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_full_history_takes_one_more, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_stop_outlives_a_rebuild_and_ends_with_the_drop, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_sale_that_is_being_loaded_can_be_stopped, shop_open, shop_close),
};
const struct shop_tests shop_tests_brake = {tests, sizeof(tests) / sizeof(tests[0])};
