/* The buyer's rate: a sliding window log. */
#include "contract/stock_shop.h"

#include <stdlib.h>

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

static void test_a_refusal_for_want_of_units_or_by_the_limit_consumes_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop->rules.rate_requests = 2;
	shop->rules.rate_seconds = 60;
	shop->rules.limit_per_buyer = 2;
	shop_sell(shop, 1, 3);
	shop_order(shop, "bob", "", 2);
	for (int i = 0; i < 5; i++) {
		item = shop_buy(shop, "ann", "", 2);
		assert_int_equal(item.outcome, STOCK_SOLD_OUT);
		assert_int_equal(item.rate_left, 2);
		item = shop_buy(shop, "bob", "", 1);
		assert_int_equal(item.outcome, STOCK_BUYER_LIMIT);
		assert_int_equal(item.rate_left, 1);
	}
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

static void test_a_full_outbox_consumes_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first = {0}, item;
	char buyer[32];

	open_rated(shop, 1, 60);
	for (int i = 0; i < SHOP_OUTBOX; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		item = shop_buy(shop, buyer, "", 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		first = i == 0 ? item : first;
	}
	for (int i = 0; i < 3; i++) {
		item = shop_buy(shop, "late", "", 1);
		assert_int_equal(item.outcome, STOCK_FULL);
		assert_int_equal(item.rate_left, 1);
	}
	shop_acknowledge(shop, &first.event);
	assert_int_equal(shop_buy(shop, "late", "", 1).outcome, STOCK_DONE);
	assert_int_equal(shop_buy(shop, "late", "", 1).outcome, STOCK_RATE_LIMITED);
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

static void test_a_compensated_grant_gives_its_place_back(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	open_rated(shop, 1, 60);
	for (int i = 0; i < 3; i++) {
		item = shop_buy(shop, "ann", "k", 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		assert_int_equal(item.rate_left, 0);
		assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED); /* its end is not known yet */
		shop_pass(shop, 30000);
		assert_true(shop_compensate(shop, &item.event));
		assert_true(shop_compensate(shop, &item.event)); /* gives back no more the second time */
	}
	item = shop_buy(shop, "ann", "k", 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
}

/*
 * Whichever of several is undone, and however much later: the others keep their places, each until
 * its own time has passed.
 */
static void test_only_the_compensated_grant_gives_its_place_back(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve items[3], item;

	for (int undone = 0; undone < 3; undone++) {
		shop->rules.epoch++;
		open_rated(shop, 3, 60);
		shop_pass(shop, 50000);
		for (int i = 0; i < 3; i++) {
			items[i] = shop_buy(shop, "ann", "", 1);
			assert_int_equal(items[i].outcome, STOCK_DONE);
			shop_pass(shop, i < 2 ? 20000 : 19000);
		} /* the first is 59 s old, the last 19 s */
		assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
		assert_true(shop_compensate(shop, &items[undone].event));
		item = shop_buy(shop, "ann", "", 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		assert_int_equal(item.rate_left, 0);
		item = shop_buy(shop, "ann", "", 1);
		assert_int_equal(item.outcome, STOCK_RATE_LIMITED);
		assert_int_equal(item.retry_after_ms, undone == 0 ? 21000 : 1000);
	}
}

/* An unknown keeps its place: who has claimed it drives it, and it may still become true. */
static void test_a_claimed_grant_keeps_its_place(void **state)
{
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_reserve item;

	assert_non_null(claims);
	open_rated(shop, 1, 60);
	item = shop_buy(shop, "ann", "", 1);
	shop_pass(shop, 5000);
	shop_refresh(shop);
	assert_int_equal(shop->stock->ops->claim(shop->stock, shop->now_ns - 4000 * MS, shop->now_ns, claims, 1), 1);
	assert_false(shop_compensate(shop, &item.event));
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_RATE_LIMITED);
	free(claims);
}

static void test_nothing_is_kept_of_a_buyer_without_an_order(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	char buyer[32];

	shop->rules.rate_requests = 3;
	shop->rules.rate_seconds = 60;
	shop_sell(shop, 1, 2);
	shop_order(shop, "ann", "", 1);
	item = shop_buy(shop, "bob", "", 1);
	for (int i = 0; i < 500; i++) {
		snprintf(buyer, sizeof(buyer), "late-%d", i);
		assert_int_equal(shop_buy(shop, buyer, "", 1).outcome, STOCK_SOLD_OUT);
	}
	assert_int_equal(shop_totals(shop).buyers, 2);
	assert_true(shop_compensate(shop, &item.event));
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
	cmocka_unit_test_setup_teardown(test_a_refusal_for_want_of_units_or_by_the_limit_consumes_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_operators_request_is_neither_limited_nor_counted, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_replays_and_conflicts_are_free, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_full_outbox_consumes_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_compensated_grant_gives_its_place_back, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_only_the_compensated_grant_gives_its_place_back, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_claimed_grant_keeps_its_place, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_nothing_is_kept_of_a_buyer_without_an_order, shop_open, shop_close),
};
const struct shop_tests shop_tests_rate = {tests, sizeof(tests) / sizeof(tests[0])};
