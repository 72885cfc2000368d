/* The purchase decision: keys, limits, units. */
#include "contract/stock_shop.h"

static void test_reserve_grants_and_fills_the_event(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop->rules.epoch = 9;
	shop_sell(shop, 1, 5);
	item = shop_buy(shop, "ann", "k1", 2);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(item.event.kind, EVENT_RESERVED);
	assert_int_equal(item.event.epoch, 9);
	assert_int_equal(item.event.buyer_units, 2);
	assert_int_equal(item.event.limit_per_buyer, 2);
	assert_int_equal(item.order.state, ORDER_HELD);
	assert_int_equal(item.order.quantity, 2);
	assert_false(item.order.durable);
	assert_false(item.order.settling);
	assert_true(item.order.hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
	assert_true(item.order.first_hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
	assert_true(uuid_equal(&item.order.id, &item.event.id));
	shop_assert_lot(shop, 0, 3, 2, 0, 0);
	assert_int_equal(shop_totals(shop).outbox, 1);
}

static void test_reserve_without_hold_is_born_confirmed(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop->hold_ms = 0;
	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k1", 1);
	assert_int_equal(item.order.state, ORDER_CONFIRMED);
	assert_int_equal(item.order.hold_expires_at_ms, 0);
	shop_assert_lot(shop, 0, 4, 0, 1, 0);
}

static void test_reserve_refuses_after_sold_out(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 2);
	shop_order(shop, "ann", "", 2);
	item = shop_buy(shop, "bob", "k", 1);
	assert_int_equal(item.outcome, STOCK_SOLD_OUT);
	assert_true(item.may_return);
	assert_true(item.version == shop->stock->ops->version(shop->stock, SHOP_SALE, 0));
	shop_assert_lot(shop, 0, 0, 2, 0, 0);
	assert_int_equal(shop_totals(shop).outbox, 0);
}

static void test_sold_out_by_confirmed_orders_does_not_promise_a_return(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop->hold_ms = 0;
	shop_sell(shop, 1, 1);
	shop_order(shop, "ann", "", 1);
	item = shop_buy(shop, "bob", "", 1);
	assert_int_equal(item.outcome, STOCK_SOLD_OUT);
	assert_false(item.may_return);
}

static void test_reserve_takes_all_or_nothing(void **state)
{
	struct shop *shop = *state;

	shop_sell(shop, 1, 1);
	assert_int_equal(shop_buy(shop, "ann", "", 2).outcome, STOCK_SOLD_OUT);
	shop_assert_lot(shop, 0, 1, 0, 0, 0);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

static void test_same_key_gets_the_same_order(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first, again;

	shop_sell(shop, 1, 5);
	first = shop_order(shop, "ann", "k1", 1);
	shop_pass(shop, 1000);
	again = shop_buy(shop, "ann", "k1", 1);
	assert_int_equal(again.outcome, STOCK_REPLAY);
	assert_true(uuid_equal(&again.order.id, &first.order.id));
	assert_true(again.order.durable);
	assert_true(again.order.first_hold_expires_at_ms == first.order.first_hold_expires_at_ms);
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

static void test_replay_of_an_order_on_its_way_says_that_it_is_not_durable(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve again;

	shop_sell(shop, 1, 5);
	shop_buy(shop, "ann", "k1", 1);
	again = shop_buy(shop, "ann", "k1", 1);
	assert_int_equal(again.outcome, STOCK_REPLAY);
	assert_false(again.order.durable);
}

static void test_same_order_id_again_changes_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 5);
	item = shop_ask(shop, "ann", "", 1);
	shop->stock->ops->reserve(shop->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	shop->stock->ops->reserve(shop->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_REPLAY);
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

static void test_same_key_with_other_content_is_a_conflict(void **state)
{
	struct shop *shop = *state;

	shop_sell(shop, 2, 5);
	shop_order(shop, "ann", "k1", 1);
	assert_int_equal(shop_buy(shop, "ann", "k1", 2).outcome, STOCK_KEY_CONFLICT);
	assert_int_equal(shop_buy_lot(shop, 1, "ann", "k1", 1).outcome, STOCK_KEY_CONFLICT);
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
	shop_assert_lot(shop, 1, 5, 0, 0, 0);
}

static void test_keys_belong_to_their_buyer(void **state)
{
	struct shop *shop = *state;

	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "k1", 1);
	assert_int_equal(shop_buy(shop, "bob", "k1", 1).outcome, STOCK_DONE);
}

static void test_a_key_outlives_its_order(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first, again;
	struct stock_settle settle;

	shop_sell(shop, 1, 5);
	first = shop_order(shop, "ann", "k1", 1);
	settle = shop_settle(shop, &first.order.id, ORDER_CANCEL);
	shop_acknowledge(shop, &settle.event);
	again = shop_buy(shop, "ann", "k1", 1);
	assert_int_equal(again.outcome, STOCK_REPLAY);
	assert_int_equal(again.order.state, ORDER_CANCELLED);
	assert_true(uuid_equal(&again.order.id, &first.order.id));
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
}

static void test_every_key_of_a_busy_buyer_is_remembered(void **state)
{
	struct shop *shop = *state;
	struct uuid ids[40];
	char key[32];

	shop->rules.limit_per_buyer = 1000;
	shop_sell(shop, 1, 1000);
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		ids[i] = shop_order(shop, "ann", key, 1).order.id;
		shop_order(shop, "ann", "", 1);
	}
	for (int i = 0; i < 40; i++) {
		struct stock_reserve again;

		snprintf(key, sizeof(key), "key-%d", i);
		again = shop_buy(shop, "ann", key, 1);
		assert_int_equal(again.outcome, STOCK_REPLAY);
		assert_true(uuid_equal(&again.order.id, &ids[i]));
	}
	assert_int_equal(shop_totals(shop).orders, 80);
}

static void test_replay_only_answers_an_earlier_order_but_grants_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "k1", 1);
	item = shop_ask(shop, "ann", "k1", 1);
	item.replay_only = true;
	shop->stock->ops->reserve(shop->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_REPLAY);
	item = shop_ask(shop, "ann", "k2", 1);
	item.replay_only = true;
	shop->stock->ops->reserve(shop->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_NO_REPLAY);
	item = shop_ask(shop, "bob", "", 1);
	item.replay_only = true;
	shop->stock->ops->reserve(shop->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_NO_REPLAY);
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

static void test_limit_counts_live_orders_over_all_lots(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	shop_sell(shop, 2, 5);
	item = shop_order(shop, "ann", "", 1);
	item = shop_buy_lot(shop, 1, "ann", "", 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(item.event.buyer_units, 2);
	shop_acknowledge(shop, &item.event);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT);
	settle = shop_settle(shop, &item.order.id, ORDER_CANCEL);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT); /* still releasing */
	shop_acknowledge(shop, &settle.event);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_DONE);
}

static void test_limit_is_asked_before_units(void **state)
{
	struct shop *shop = *state;

	shop_sell(shop, 1, 2);
	shop_order(shop, "ann", "", 2);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT);
}

static void test_a_batch_is_decided_in_its_order_item_by_item(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve items[4];

	shop_sell(shop, 1, 1);
	items[0] = shop_ask(shop, "ann", "k", 1);
	items[1] = shop_ask(shop, "ann", "k", 1);
	items[2] = shop_ask(shop, "bob", "k", 1);
	items[3] = shop_ask(shop, "cid", "k", 1);
	items[3].event.sale = 99;
	shop->stock->ops->reserve(shop->stock, items, 4);
	assert_int_equal(items[0].outcome, STOCK_DONE);
	assert_int_equal(items[1].outcome, STOCK_REPLAY);
	assert_int_equal(items[2].outcome, STOCK_SOLD_OUT);
	assert_int_equal(items[3].outcome, STOCK_UNKNOWN_SALE);
}

static void test_sales_are_independent(void **state)
{
	struct shop *shop = *state;

	shop_sell(shop, 1, 1);
	shop_order(shop, "ann", "k", 1);
	shop->sale = 70000;
	shop_sell(shop, 1, 1);
	assert_int_equal(shop_buy(shop, "ann", "k", 1).outcome, STOCK_DONE);
	shop->sale = UUID_TAG_MAX;
	shop_sell(shop, 1, 1);
	assert_int_equal(shop_buy(shop, "ann", "k", 1).outcome, STOCK_DONE);
	shop->stock->ops->drop(shop->stock, UUID_TAG_MAX, UINT32_MAX);
	shop->sale = SHOP_SALE;
	shop_assert_lot(shop, 0, 0, 1, 0, 0);
}

static void test_may_have_order_never_says_no_in_error(void **state)
{
	struct shop *shop = *state;
	struct stock *stock = shop->stock;
	char buyer[32];
	int wrong = 0;

	shop->hold_ms = 0;
	shop_sell(shop, 1, 3000);
	assert_false(stock->ops->may_have_order(stock, SHOP_SALE, SLICE("buyer-0")));
	for (int i = 0; i < 3000; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		shop_order(shop, buyer, "", 1);
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		assert_true(stock->ops->may_have_order(stock, SHOP_SALE, slice_of(buyer)));
		snprintf(buyer, sizeof(buyer), "other-%d", i);
		wrong += stock->ops->may_have_order(stock, SHOP_SALE, slice_of(buyer));
	}
	assert_true(wrong < 600); /* a yes in error costs a look at the stock: it must be the exception */
	if (stock->ops->local)    /* one that others share may not know better */
		assert_false(stock->ops->may_have_order(stock, 99, SLICE("buyer-0")));
}

static struct stock_orders orders_of(struct shop *shop, const char *buyer)
{
	struct stock_orders item = {.sale = shop->sale, .buyer = slice_of(buyer)};

	shop->stock->ops->orders(shop->stock, &item);
	return item;
}

static void test_a_buyers_orders_are_found_without_a_key(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first, second;
	struct stock_orders orders;

	shop_sell(shop, 1, 9);
	orders = orders_of(shop, "ann");
	assert_int_equal(orders.outcome, STOCK_DONE);
	assert_int_equal(orders.count, 0);
	first = shop_order(shop, "ann", "", 1);
	shop_order(shop, "bob", "", 1);
	second = shop_buy(shop, "ann", "", 1);
	orders = orders_of(shop, "ann");
	assert_int_equal(orders.count, 1); /* of the second nobody knows yet whether it is made */
	assert_true(orders.waiting);
	assert_true(uuid_equal(&orders.orders[0].id, &first.order.id));
	shop_acknowledge(shop, &second.event);
	orders = orders_of(shop, "ann");
	assert_int_equal(orders.count, 2);
	assert_false(orders.waiting);
	assert_false(orders.more);
	assert_true(uuid_equal(&orders.orders[0].id, &second.order.id));
	assert_true(uuid_equal(&orders.orders[1].id, &first.order.id));
	assert_int_equal(orders.orders[1].state, ORDER_HELD);
	assert_true(orders.orders[1].hold_expires_at_ms == first.order.hold_expires_at_ms);
	shop->sale = 99;
	assert_int_equal(orders_of(shop, "ann").outcome, STOCK_UNKNOWN_SALE);
}

static void test_the_buyers_limit_names_the_live_orders(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first, second, refused;
	struct stock_settle settle;

	shop_sell(shop, 1, 9);
	first = shop_order(shop, "ann", "", 1);
	settle = shop_settle(shop, &first.order.id, ORDER_CANCEL);
	shop_acknowledge(shop, &settle.event);
	second = shop_order(shop, "ann", "", 1);
	first = shop_buy(shop, "ann", "", 1); /* not durable: it counts, and nobody is told of it */
	refused = shop_buy(shop, "ann", "", 1);
	assert_int_equal(refused.outcome, STOCK_BUYER_LIMIT);
	assert_int_equal(refused.own_count, 1);
	assert_true(uuid_equal(&refused.own[0], &second.order.id));
	shop_acknowledge(shop, &first.event);
	refused = shop_buy(shop, "ann", "", 1);
	assert_int_equal(refused.own_count, 2);
	assert_true(uuid_equal(&refused.own[0], &first.order.id));
	refused = shop_buy(shop, "bob", "", 3);
	assert_int_equal(refused.outcome, STOCK_BUYER_LIMIT);
	assert_int_equal(refused.own_count, 0);
}

/* Who places and cancels all day. */
static void test_the_newest_of_many_orders_are_told(void **state)
{
	struct shop *shop = *state;
	struct uuid ids[3 * STOCK_NEWEST];
	struct stock_orders orders;

	shop_sell(shop, 1, 9);
	for (int i = 0; i < 3 * STOCK_NEWEST; i++) {
		struct stock_settle settle;

		ids[i] = shop_order(shop, "ann", "", 1).order.id;
		settle = shop_settle(shop, &ids[i], ORDER_CANCEL);
		shop_acknowledge(shop, &settle.event);
		orders = orders_of(shop, "ann");
		assert_int_equal(orders.count, i < STOCK_NEWEST ? i + 1 : STOCK_NEWEST);
		assert_int_equal(orders.more, i >= STOCK_NEWEST);
		for (uint32_t k = 0; k < orders.count; k++)
			assert_true(uuid_equal(&orders.orders[k].id, &ids[i - (int)k]));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_reserve_grants_and_fills_the_event, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_reserve_without_hold_is_born_confirmed, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_reserve_refuses_after_sold_out, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_sold_out_by_confirmed_orders_does_not_promise_a_return, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_reserve_takes_all_or_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_same_key_gets_the_same_order, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_replay_of_an_order_on_its_way_says_that_it_is_not_durable, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_same_order_id_again_changes_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_same_key_with_other_content_is_a_conflict, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_keys_belong_to_their_buyer, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_key_outlives_its_order, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_every_key_of_a_busy_buyer_is_remembered, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_replay_only_answers_an_earlier_order_but_grants_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_limit_counts_live_orders_over_all_lots, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_limit_is_asked_before_units, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_batch_is_decided_in_its_order_item_by_item, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_sales_are_independent, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_may_have_order_never_says_no_in_error, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_buyers_orders_are_found_without_a_key, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_the_buyers_limit_names_the_live_orders, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_the_newest_of_many_orders_are_told, shop_open, shop_close),
};
const struct shop_tests shop_tests_reserve = {tests, sizeof(tests) / sizeof(tests[0])};
