/* A sale's life in the stock: pre-heat, arm, units that come and go, drop. */
#include "contract/stock_shop.h"

static const int64_t nothing[LOTS_MAX];

static struct stock_load load_of(struct shop *shop, const char *buyer, const char *key, uint32_t quantity, enum order_state state)
{
	return (struct stock_load){
		.id = shop_id(shop),
		.quantity = quantity,
		.first_quantity = quantity,
		.state = state,
		.buyer = slice_of(buyer),
		.key = slice_of(key),
		.hold_expires_at_ms = state == ORDER_HELD ? shop->now_ms + 5000 : 0,
		.first_hold_expires_at_ms = shop->now_ms + 4000,
		.hold_left_ns = state == ORDER_HELD ? 5000 * MS : 0,
	};
}

static int begin(struct shop *shop)
{
	shop->rules.lot_count = 1;
	return shop->stock->ops->preheat_begin(shop->stock, &shop->rules);
}

static int load(struct shop *shop, const struct stock_load *orders, size_t count)
{
	return shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, orders, count, shop->now_ns);
}

static int arm(struct shop *shop, int64_t allocated, int64_t withdrawn)
{
	return shop->stock->ops->arm(shop->stock, SHOP_SALE, &allocated, &withdrawn);
}

static void test_a_sale_is_fenced_until_it_is_armed_and_unknown_after_the_drop(void **state)
{
	struct shop *shop = *state;
	struct stock *stock = shop->stock;
	struct stock_lot_state lots[LOTS_MAX];
	struct stock_reserve item;
	uint32_t count;

	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_UNKNOWN_SALE);
	assert_int_equal(begin(shop), 0);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_FENCED);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) == 0);
	assert_true(stock->ops->may_have_order(stock, SHOP_SALE, SLICE("ann"))); /* who knows */
	assert_int_equal(stock->ops->snapshot(stock, SHOP_SALE, lots, &count), STOCK_UNKNOWN_SALE);
	assert_int_equal(stock->ops->allocate(stock, SHOP_SALE, 0, 9), STOCK_FENCED);
	assert_int_equal(arm(shop, 5, 0), 0);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) > 0);
	item = shop_order(shop, "ann", "", 1);
	stock->ops->drop(stock, SHOP_SALE, shop->rules.epoch - 1); /* it has a newer epoch */
	assert_true(shop_find(shop, &(struct uuid){{0}}).outcome != STOCK_UNKNOWN_SALE);
	stock->ops->drop(stock, SHOP_SALE, shop->rules.epoch);
	stock->ops->drop(stock, SHOP_SALE, shop->rules.epoch);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_UNKNOWN_SALE);
	assert_int_equal(shop_find(shop, &item.order.id).outcome, STOCK_UNKNOWN_SALE);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_UNKNOWN_SALE);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) == 0);
	assert_int_equal(shop_totals(shop).orders, 0);
}

static void test_loaded_orders_are_as_if_they_were_bought_here(void **state)
{
	struct shop *shop = *state;
	struct stock_load orders[4];
	struct stock_reserve item;
	struct event out[2];
	int64_t next;

	orders[0] = load_of(shop, "ann", "k1", 2, ORDER_HELD);
	orders[1] = load_of(shop, "bob", "k1", 1, ORDER_CONFIRMED);
	orders[2] = load_of(shop, "bob", "k2", 2, ORDER_CANCELLED);
	orders[3] = load_of(shop, "cid", "", 1, ORDER_EXPIRED);
	assert_int_equal(begin(shop), 0);
	assert_int_equal(load(shop, orders, 2), 0);
	assert_int_equal(load(shop, orders + 2, 2), 0);
	assert_int_equal(load(shop, orders, 4), 0); /* a page read twice */
	assert_int_equal(arm(shop, 10, 3), 0);
	shop_assert_lot(shop, 0, 4, 2, 1, 3);
	item = shop_buy(shop, "ann", "k1", 2);
	assert_int_equal(item.outcome, STOCK_REPLAY);
	assert_true(item.order.durable);
	assert_true(item.order.hold_expires_at_ms == shop->now_ms + 5000);
	assert_true(item.order.first_hold_expires_at_ms == shop->now_ms + 4000);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT);
	assert_int_equal(shop_buy(shop, "bob", "k2", 2).outcome, STOCK_REPLAY);
	assert_int_equal(shop_buy(shop, "bob", "", 2).outcome, STOCK_BUYER_LIMIT);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_DONE);
	assert_true(shop->stock->ops->may_have_order(shop->stock, SHOP_SALE, SLICE("cid")));
	assert_int_equal(shop_expire(shop, out, 2, &next), 0);
	assert_true(next == shop->now_ns + (5000 + SHOP_GRACE_MS) * MS);
	assert_int_equal(shop_settle(shop, &orders[0].id, ORDER_CONFIRM).outcome, STOCK_DONE);
	assert_int_equal(shop_settle(shop, &orders[3].id, ORDER_CONFIRM).outcome, STOCK_EXPIRED);
}

static void test_arm_refuses_a_ledger_that_has_sold_too_much(void **state)
{
	struct shop *shop = *state;
	struct stock_load order = load_of(shop, "ann", "", 2, ORDER_HELD);

	assert_int_equal(begin(shop), 0);
	assert_int_equal(load(shop, &order, 1), 0);
	assert_int_equal(arm(shop, 3, 2), -ERANGE);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_FENCED);
	assert_int_equal(arm(shop, 3, 1), 0);
	shop_assert_lot(shop, 0, 0, 2, 0, 1);
}

static void test_arm_refuses_a_buyer_above_the_limit(void **state)
{
	struct shop *shop = *state;
	struct stock_load orders[2];

	orders[0] = load_of(shop, "ann", "", 2, ORDER_CONFIRMED);
	orders[1] = load_of(shop, "ann", "", 1, ORDER_HELD);
	assert_int_equal(begin(shop), 0);
	assert_int_equal(load(shop, orders, 2), 0);
	assert_int_equal(arm(shop, 10, 0), -ERANGE);
}

static struct stock_find find_loaded(struct shop *shop, const struct uuid *id)
{
	struct stock_find item = {.sale = SHOP_SALE, .id = *id};

	shop->stock->ops->preheat_find(shop->stock, &item, 1);
	return item;
}

/* What a rebuild applies over the ledger's orders. */
static void test_an_order_that_is_loaded_again_is_as_it_was_loaded_last(void **state)
{
	struct shop *shop = *state;
	struct stock_load orders[3], again[4];
	struct stock_find found;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;
	struct event out[4];
	int64_t next;

	orders[0] = load_of(shop, "ann", "k1", 2, ORDER_HELD);
	orders[1] = load_of(shop, "bob", "k1", 1, ORDER_HELD);
	orders[2] = load_of(shop, "cid", "k1", 1, ORDER_HELD);
	assert_int_equal(begin(shop), 0);
	assert_int_equal(load(shop, orders, 3), 0);
	found = find_loaded(shop, &orders[0].id);
	assert_int_equal(found.outcome, STOCK_DONE);
	assert_int_equal(found.order.state, ORDER_HELD);
	assert_int_equal(found.order.quantity, 2);
	assert_int_equal(found.order.hold_expires_at_ms, orders[0].hold_expires_at_ms);
	assert_int_equal(found.order.first_hold_expires_at_ms, orders[0].first_hold_expires_at_ms);
	/*
	 * Cancelled, confirmed, extended; and what the cancelled one gave back to its buyer is
	 * bought again.
	 */
	for (size_t i = 0; i < 3; i++)
		again[i] = orders[i];
	again[0].state = ORDER_CANCELLED;
	again[1].state = ORDER_CONFIRMED;
	again[2].hold_expires_at_ms += 60000;
	again[2].hold_left_ns += 60000 * MS;
	again[3] = load_of(shop, "ann", "k2", 2, ORDER_HELD);
	assert_int_equal(load(shop, again, 4), 0);
	assert_int_equal(find_loaded(shop, &orders[0].id).order.state, ORDER_CANCELLED);
	assert_int_equal(find_loaded(shop, &(struct uuid){{1}}).outcome, STOCK_NO_ORDER);
	assert_int_equal(arm(shop, 10, 1), 0);
	assert_int_equal(shop->stock->ops->snapshot(shop->stock, SHOP_SALE, lots, &count), 0);
	assert_int_equal(lots[0].held, 3);
	assert_int_equal(lots[0].confirmed, 1);
	assert_int_equal(lots[0].available, 5);
	/* Only the hold of ann's second order ends now; bob's is confirmed, cid's extended. */
	shop_pass(shop, 6000);
	assert_int_equal(shop->stock->ops->expire(shop->stock, shop->now_ns, shop->now_ms, 0, out, 4, &next), 1);
	assert_true(uuid_equal(&out[0].id, &again[3].id));
	assert_int_equal(shop_buy(shop, "ann", "k1", 2).outcome, STOCK_REPLAY);
	assert_int_equal(find_loaded(shop, &orders[0].id).outcome, STOCK_FENCED);
}

static void test_preheat_replaces_a_sale_as_a_whole(void **state)
{
	struct shop *shop = *state;
	struct stock *stock = shop->stock;
	struct stock_reserve item, pending;
	struct event out[1];
	uint64_t version;
	int64_t next;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	pending = shop_buy(shop, "bob", "k", 1);
	version = stock->ops->version(stock, SHOP_SALE, 0);
	shop->rules.epoch = 2;
	shop_sell(shop, 1, 5);
	assert_int_equal(shop_find(shop, &item.order.id).outcome, STOCK_NO_ORDER);
	assert_int_equal(shop_totals(shop).outbox, 0);
	shop_acknowledge(shop, &pending.event); /* of the old epoch */
	shop_compensate(shop, &pending.event);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	assert_true(next == INT64_MAX);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) != version); /* no old latch fits */
	item = shop_buy(shop, "ann", "k", 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(item.event.epoch, 2);
}

static void test_added_units_are_for_sale_and_lift_the_latch(void **state)
{
	struct shop *shop = *state;
	struct stock *stock = shop->stock;
	uint64_t version;

	shop_sell(shop, 2, 1);
	shop_order(shop, "ann", "", 1);
	version = stock->ops->version(stock, SHOP_SALE, 0);
	assert_int_equal(stock->ops->allocate(stock, SHOP_SALE, 0, 4), 0);
	assert_int_equal(stock->ops->allocate(stock, SHOP_SALE, 0, 4), 0);
	assert_int_equal(stock->ops->allocate(stock, SHOP_SALE, 0, 2), 0); /* told late: another was faster */
	shop_assert_lot(shop, 0, 3, 1, 0, 0);
	shop_assert_lot(shop, 1, 1, 0, 0, 0);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) > version);
	assert_int_equal(stock->ops->allocate(stock, 99, 0, 3), STOCK_UNKNOWN_SALE);
}

static struct stock_withdrawal withdrawal_of(struct shop *shop, uint32_t units, const struct uuid *movement)
{
	return (struct stock_withdrawal){
		.sale = SHOP_SALE,
		.units = units,
		.movement = *movement,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.actor_kind = ACTOR_OPERATOR,
		.actor = SLICE("olga"),
	};
}

static struct event withdraw(struct shop *shop, uint32_t units, const struct uuid *movement)
{
	struct stock_withdrawal withdrawal = withdrawal_of(shop, units, movement);

	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	return withdrawal.event;
}

static void test_an_exact_withdrawal_takes_all_or_nothing(void **state)
{
	struct shop *shop = *state;
	struct uuid movement;
	struct stock_withdrawal withdrawal;

	shop_sell(shop, 1, 5);
	movement = shop_id(shop);
	withdrawal = withdrawal_of(shop, 6, &movement);
	withdrawal.exact = true;
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	assert_int_equal(withdrawal.event.quantity, 0);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
	assert_int_equal(shop_totals(shop).outbox, 0);
	withdrawal.units = 5; /* nothing was done: the same movement may ask for less */
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	assert_int_equal(withdrawal.event.quantity, 5);
	shop_assert_lot(shop, 0, 0, 0, 0, 5);
}

static void test_a_withdrawal_carries_its_request_to_whoever_drives_it(void **state)
{
	struct shop *shop = *state;
	struct uuid movement, request;
	struct stock_withdrawal withdrawal;
	const struct event *claim;

	shop_sell(shop, 1, 5);
	movement = shop_id(shop);
	request = shop_id(shop);
	withdrawal = withdrawal_of(shop, 2, &movement);
	withdrawal.request = request;
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	assert_true(uuid_equal(&withdrawal.event.request, &request));
	claim = shop_claimed(shop);
	assert_int_equal(claim->quantity, 2);
	assert_true(uuid_equal(&claim->request, &request));
	assert_true(uuid_equal(&claim->id, &movement));
}

static void test_withdraw_takes_what_is_there(void **state)
{
	struct shop *shop = *state;
	struct stock_withdrawal again;
	struct uuid movement;
	struct event event;

	shop->rules.epoch = 4;
	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "", 2);
	movement = shop_id(shop);
	event = withdraw(shop, 10, &movement);
	assert_int_equal(event.kind, EVENT_WITHDRAWN);
	assert_int_equal(event.quantity, 3);
	assert_int_equal(event.epoch, 4);
	assert_int_equal(event.actor_kind, ACTOR_OPERATOR);
	assert_true(slice_equal(event.actor, SLICE("olga")));
	assert_true(uuid_equal(&event.id, &movement));
	shop_assert_lot(shop, 0, 0, 2, 0, 3);
	assert_int_equal(shop_totals(shop).outbox, 1);
	again = withdrawal_of(shop, 10, &movement);
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &again), STOCK_BUSY); /* on its way */
	shop_acknowledge(shop, &event);
	shop_acknowledge(shop, &event);
	assert_int_equal(shop_totals(shop).outbox, 0);
	assert_int_equal(withdraw(shop, 10, &movement).quantity, 3); /* told again */
	shop_compensate(shop, &event);
	shop_assert_lot(shop, 0, 0, 2, 0, 3);
	movement = shop_id(shop);
	assert_int_equal(withdraw(shop, 1, &movement).quantity, 0); /* nothing was there */
	assert_int_equal(shop_totals(shop).outbox, 0);
	assert_int_equal(shop->stock->ops->withdraw(shop->stock,
						    &(struct stock_withdrawal){.sale = 99, .units = 1, .movement = movement}),
			 STOCK_UNKNOWN_SALE);
}

/* What died and came back knows what was withdrawn, as it knows the orders. */
static void test_a_withdrawal_that_was_loaded_takes_nothing_again(void **state)
{
	struct shop *shop = *state;
	const struct stock_ops *ops = shop->stock->ops;
	struct stock_withdrawn withdrawn[3];
	struct event event;
	bool undone;

	for (size_t i = 0; i < 3; i++)
		withdrawn[i] = (struct stock_withdrawn){.movement = shop_id(shop), .units = 2 + (uint32_t)i};
	shop->rules.epoch = 4;
	assert_true(ops->preheat_withdrawals(shop->stock, SHOP_SALE, withdrawn, 2) < 0); /* before it was begun */
	assert_int_equal(begin(shop), 0);
	assert_int_equal(ops->preheat_withdrawals(shop->stock, SHOP_SALE, withdrawn, 2), 0);
	assert_int_equal(ops->preheat_withdrawals(shop->stock, SHOP_SALE, withdrawn, 2), 0); /* read twice */
	withdrawn[2].lot = 1;
	assert_int_equal(ops->preheat_withdrawals(shop->stock, SHOP_SALE, &withdrawn[2], 1), -ERANGE);
	assert_int_equal(arm(shop, 20, 5), 0);
	shop_assert_lot(shop, 0, 15, 0, 0, 5);
	for (size_t i = 0; i < 2; i++) {
		event = withdraw(shop, withdrawn[i].units, &withdrawn[i].movement);
		assert_int_equal(event.kind, EVENT_WITHDRAWN);
		assert_int_equal(event.quantity, withdrawn[i].units);
		assert_int_equal(event.epoch, 4);
		assert_true(uuid_equal(&event.id, &withdrawn[i].movement));
	}
	assert_int_equal(shop_totals(shop).outbox, 0);
	/* Whatever becomes of the event that tells it again, its units stay taken. */
	ops->compensate(shop->stock, &(const struct event *){&event}, 1, &undone);
	shop_acknowledge(shop, &event);
	shop_assert_lot(shop, 0, 15, 0, 0, 5);
	withdrawn[2].movement = shop_id(shop);
	assert_int_equal(withdraw(shop, 4, &withdrawn[2].movement).quantity, 4);
	shop_assert_lot(shop, 0, 11, 0, 0, 9);
}

/* More than one call, and one round trip, to Redis. */
static void test_many_withdrawals_are_loaded(void **state)
{
	enum { MANY = 1500 };
	static struct stock_withdrawn withdrawn[MANY];
	struct shop *shop = *state;

	for (size_t i = 0; i < MANY; i++)
		withdrawn[i] = (struct stock_withdrawn){.movement = shop_id(shop), .units = 1 + (uint32_t)i % 3};
	assert_int_equal(begin(shop), 0);
	assert_int_equal(shop->stock->ops->preheat_withdrawals(shop->stock, SHOP_SALE, withdrawn, MANY), 0);
	assert_int_equal(arm(shop, 3 * MANY, 2 * MANY), 0);
	for (size_t i = 0; i < MANY; i += 7)
		assert_int_equal(withdraw(shop, 3, &withdrawn[i].movement).quantity, withdrawn[i].units);
	shop_assert_lot(shop, 0, MANY, 0, 0, 2 * MANY);
}

static void test_compensated_withdrawal_is_for_sale_again(void **state)
{
	struct shop *shop = *state;
	struct stock *stock = shop->stock;
	struct uuid movement;
	struct event event;
	uint64_t version;

	shop_sell(shop, 1, 5);
	movement = shop_id(shop);
	event = withdraw(shop, 5, &movement);
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_SOLD_OUT);
	version = stock->ops->version(stock, SHOP_SALE, 0);
	shop_compensate(shop, &event);
	shop_compensate(shop, &event);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
	assert_true(stock->ops->version(stock, SHOP_SALE, 0) > version);
	assert_int_equal(withdraw(shop, 2, &movement).quantity, 2);
}

static void test_totals_add_up_over_sales(void **state)
{
	struct shop *shop = *state;
	struct stock_totals totals;

	shop_sell(shop, 2, 5);
	shop_order(shop, "ann", "", 2);
	shop->sale = 12345;
	shop->hold_ms = 0;
	shop_sell(shop, 1, 7);
	shop_order(shop, "ann", "", 1);
	shop_buy(shop, "bob", "", 1);
	totals = shop_totals(shop);
	assert_int_equal(totals.available, 3 + 5 + 5);
	assert_int_equal(totals.held, 2);
	assert_int_equal(totals.confirmed, 2);
	assert_int_equal(totals.orders, 3);
	assert_int_equal(totals.buyers, 3);
	assert_int_equal(totals.outbox, 1);
	assert_true(totals.memory_bytes > 0);
}

static void test_expiry_follows_the_deadlines_of_all_sales(void **state)
{
	struct shop *shop = *state;
	struct event out[8];
	int64_t next;

	shop->hold_ms = 50000;
	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "", 1);
	shop->sale = 8;
	shop->hold_ms = 20000;
	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "", 1);
	assert_int_equal(shop_expire(shop, out, 8, &next), 0);
	assert_true(next == shop->now_ns + (20000 + SHOP_GRACE_MS) * MS);
	shop->stock->ops->drop(shop->stock, 8, 1);
	assert_int_equal(shop_expire(shop, out, 8, &next), 0);
	assert_true(next == shop->now_ns + (50000 + SHOP_GRACE_MS) * MS);
	shop_pass(shop, 60000);
	assert_int_equal(shop_expire(shop, out, 8, &next), 1);
	assert_int_equal(out[0].sale, SHOP_SALE);
}

static void test_preheat_out_of_turn_is_an_error(void **state)
{
	struct shop *shop = *state;
	struct stock_load order = load_of(shop, "ann", "", 1, ORDER_HELD);

	assert_true(load(shop, &order, 1) < 0);
	assert_true(arm(shop, 1, 0) < 0);
	shop_sell(shop, 1, 1);
	assert_true(load(shop, &order, 1) < 0);
	assert_true(shop->stock->ops->preheat_withdrawals(shop->stock, SHOP_SALE, &(struct stock_withdrawn){.units = 1}, 1) < 0);
	assert_true(shop->stock->ops->arm(shop->stock, SHOP_SALE, nothing, nothing) < 0);
	shop_assert_lot(shop, 0, 1, 0, 0, 0);
	order.lot = 1;
	assert_int_equal(begin(shop), 0);
	assert_int_equal(load(shop, &order, 1), -ERANGE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_sale_is_fenced_until_it_is_armed_and_unknown_after_the_drop, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_loaded_orders_are_as_if_they_were_bought_here, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_arm_refuses_a_ledger_that_has_sold_too_much, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_arm_refuses_a_buyer_above_the_limit, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_order_that_is_loaded_again_is_as_it_was_loaded_last, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_preheat_replaces_a_sale_as_a_whole, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_added_units_are_for_sale_and_lift_the_latch, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_withdraw_takes_what_is_there, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_exact_withdrawal_takes_all_or_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_withdrawal_carries_its_request_to_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_withdrawal_that_was_loaded_takes_nothing_again, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_many_withdrawals_are_loaded, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensated_withdrawal_is_for_sale_again, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_totals_add_up_over_sales, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_expiry_follows_the_deadlines_of_all_sales, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_preheat_out_of_turn_is_an_error, shop_open, shop_close),
};
const struct shop_tests shop_tests_life = {tests, sizeof(tests) / sizeof(tests[0])};
