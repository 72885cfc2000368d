/* The buyer's rate: a sliding window log. */
#include "contract/stock_shop.h"

static void open_rated(struct shop *shop, uint32_t requests, uint32_t seconds)
{
	shop->rules.rate_requests = requests;
	shop->rules.rate_seconds = seconds;
	shop->rules.limit_per_buyer = 1000;
	shop_sell(shop, 1, 1000);
}

static void test_rate_lets_so_many_pass_and_says_what_is_left(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	open_rated(shop, 3, 60);
	assert_int_equal(shop_buy(shop, "ann", "", 1).rate_left, 2);
	assert_int_equal(shop_buy(shop, "ann", "", 1).rate_left, 1);
	assert_int_equal(shop_buy(shop, "ann", "", 1).rate_left, 0);
	item = shop_buy(shop, "ann", "", 1);
	assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
	assert_int_equal(item.rate_left, 0);
	assert_int_equal(item.retry_after_ms, 60000);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_DONE);
}

static void test_rate_window_slides_and_retry_after_is_exact(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	open_rated(shop, 2, 60);
	shop_buy(shop, "ann", "", 1);
	shop_pass(shop, 40000);
	shop_buy(shop, "ann", "", 1);
	shop_pass(shop, 5000);
	item = shop_buy(shop, "ann", "", 1);
	assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
	assert_int_equal(item.retry_after_ms, 15000);
	shop_pass(shop, 14999);
	item = shop_buy(shop, "ann", "", 1);
	assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
	assert_int_equal(item.retry_after_ms, 1);
	shop_pass(shop, 1);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
	item = shop_buy(shop, "ann", "", 1);
	assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
	assert_int_equal(item.retry_after_ms, 40000);
}

static void test_a_rate_refusal_consumes_nothing(void **state)
{
	struct shop *shop = *state;

	open_rated(shop, 1, 10);
	shop_buy(shop, "ann", "", 1);
	for (int i = 0; i < 9; i++) {
		shop_pass(shop, 1000);
		assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
	}
	shop_pass(shop, 1000);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

static void test_a_request_that_is_refused_later_has_consumed(void **state)
{
	struct shop *shop = *state;

	shop->rules.rate_requests = 2;
	shop->rules.rate_seconds = 60;
	shop->rules.limit_per_buyer = 1;
	shop_sell(shop, 1, 1);
	shop_order(shop, "bob", "", 1);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_SOLD_OUT);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_SOLD_OUT);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_BUYER_LIMIT);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_RATE_LIMITED);
}

static void test_replays_and_conflicts_are_free(void **state)
{
	struct shop *shop = *state;

	open_rated(shop, 2, 60);
	shop_order(shop, "ann", "k", 1);
	for (int i = 0; i < 5; i++) {
		struct stock_reserve item = shop_buy(shop, "ann", "k", 1);

		assert_int_equal(item.outcome, STOCK_REPLAY);
		assert_int_equal(item.rate_left, 1);
		assert_int_equal(shop_buy(shop, "ann", "k", 2).outcome, STOCK_KEY_CONFLICT);
	}
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
	assert_int_equal(shop_buy(shop, "ann", "k", 1).outcome, STOCK_REPLAY); /* also over the rate */
}

static void test_rate_survives_a_compensated_grant(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	open_rated(shop, 1, 60);
	item = shop_buy(shop, "ann", "", 1);
	shop_compensate(shop, &item.event);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
}

static void test_idle_buyers_without_orders_are_forgotten(void **state)
{
	struct shop *shop = *state;
	struct event out[4];
	char buyer[32];
	int64_t next;

	shop->rules.rate_requests = 3;
	shop->rules.rate_seconds = 60;
	shop_sell(shop, 1, 1);
	shop_order(shop, "ann", "", 1);
	shop->hold_ms = SHOP_HOLD_MS;
	for (int i = 0; i < 500; i++) {
		snprintf(buyer, sizeof(buyer), "late-%d", i);
		assert_int_equal(shop_buy(shop, buyer, "", 1).outcome, STOCK_SOLD_OUT);
		assert_int_equal(shop_buy(shop, buyer, "", 1).outcome, STOCK_SOLD_OUT);
	}
	assert_true(shop_totals(shop).buyers <= 501); /* a stock need not count those who got nothing */
	shop_pass(shop, 60001);
	for (int i = 0; i < 100; i++) /* the housekeeper's turns */
		shop_expire(shop, out, 0, &next);
	assert_int_equal(shop_totals(shop).buyers, 1);
}

static void test_an_operators_request_is_neither_limited_nor_counted(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	open_rated(shop, 1, 60);
	for (int i = 0; i < 3; i++) {
		item = shop_ask(shop, "ann", "", 1);
		item.unlimited_rate = true;
		shop->stock->ops->reserve(shop->stock, &item, 1);
		assert_int_equal(item.outcome, STOCK_DONE);
	}
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_rate_lets_so_many_pass_and_says_what_is_left, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_rate_window_slides_and_retry_after_is_exact, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_rate_refusal_consumes_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_request_that_is_refused_later_has_consumed, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_operators_request_is_neither_limited_nor_counted, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_replays_and_conflicts_are_free, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_rate_survives_a_compensated_grant, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_idle_buyers_without_orders_are_forgotten, shop_open, shop_close),
};
const struct shop_tests shop_tests_rate = {tests, sizeof(tests) / sizeof(tests[0])};
