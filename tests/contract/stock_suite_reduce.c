/* Orders that give back some of their units, and where units go that leave an order. */
#include "contract/stock_shop.h"

static const struct uuid request = {{0x01, 0x9a, [6] = 0x70, [8] = 0x80, [15] = 7}};

static struct stock_settle ask(const struct shop *shop, const struct uuid *id, enum order_action action, enum units_to to)
{
	return (struct stock_settle){
		.sale = shop->sale,
		.id = *id,
		.action = action,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.grace_ns = SHOP_GRACE_MS * MS,
		.actor_kind = ACTOR_OPERATOR,
		.actor = SLICE("operator"),
		.reason = SLICE("broken"),
		.request = request,
		.units_to = to,
		.refund = SLICE("re_1"),
	};
}

static struct stock_settle reduce(struct shop *shop, const struct uuid *id, uint32_t from, uint32_t quantity, enum units_to to)
{
	struct stock_settle item = ask(shop, id, ORDER_REDUCE, to);

	item.from = from;
	item.quantity = quantity;
	shop->stock->ops->settle(shop->stock, &item, 1);
	return item;
}

static struct stock_settle reduced(struct shop *shop, const struct uuid *id, uint32_t from, uint32_t quantity, enum units_to to)
{
	struct stock_settle item = reduce(shop, id, from, quantity, to);

	assert_int_equal(item.outcome, STOCK_DONE);
	shop_acknowledge(shop, &item.event);
	return item;
}

static void sell(struct shop *shop, uint32_t limit, int64_t units)
{
	shop->rules.limit_per_buyer = limit;
	shop_sell(shop, 1, units);
}

static void assert_order(struct shop *shop, const struct uuid *id, enum order_state state, uint32_t quantity, uint32_t first_quantity)
{
	struct stock_find found = shop_find(shop, id);

	assert_int_equal(found.outcome, STOCK_DONE);
	assert_int_equal(found.order.state, state);
	assert_int_equal(found.order.quantity, quantity);
	assert_int_equal(found.order.first_quantity, first_quantity);
}

static void test_a_reduction_gives_units_back_only_once_durable(void **state)
{
	struct shop *shop = *state;
	uint64_t version;
	struct stock_reserve item;
	struct stock_settle settle;

	sell(shop, 3, 3);
	item = shop_order(shop, "ann", "k", 3);
	version = shop->stock->ops->version(shop->stock, SHOP_SALE, 0);
	settle = reduce(shop, &item.order.id, 3, 2, UNITS_TO_SALE);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.order.state, ORDER_HELD);
	assert_int_equal(settle.order.quantity, 1); /* as it will be */
	assert_int_equal(settle.order.first_quantity, 3);
	assert_int_equal(settle.event.kind, EVENT_REDUCED);
	assert_int_equal(settle.event.epoch, 1);
	assert_int_equal(settle.event.quantity, 2);
	assert_int_equal(settle.event.left, 1);
	assert_int_equal(settle.event.units_to, UNITS_TO_SALE);
	assert_true(slice_equal(settle.event.refund, SLICE("re_1")));
	assert_true(slice_equal(settle.event.reason, SLICE("broken")));
	assert_true(uuid_equal(&settle.event.request, &request));
	assert_order(shop, &item.order.id, ORDER_HELD, 3, 3);
	shop_assert_lot(shop, 0, 0, 3, 0, 0);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_SOLD_OUT);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) == version);
	shop_acknowledge(shop, &settle.event);
	assert_order(shop, &item.order.id, ORDER_HELD, 1, 3);
	shop_assert_lot(shop, 0, 2, 1, 0, 0);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) > version);
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 2, 1, 0, 0);
	assert_int_equal(shop_totals(shop).outbox, 0);
}

static void test_units_go_where_a_reduction_sends_them(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	uint64_t version;

	shop->hold_ms = 0;
	sell(shop, 6, 6);
	item = shop_order(shop, "ann", "k", 6);
	version = shop->stock->ops->version(shop->stock, SHOP_SALE, 0);
	reduced(shop, &item.order.id, 6, 1, UNITS_TO_WAREHOUSE);
	shop_assert_lot(shop, 0, 0, 0, 5, 1);
	reduced(shop, &item.order.id, 5, 2, UNITS_GONE);
	shop_assert_lot(shop, 0, 0, 0, 3, 3);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) == version); /* nothing is for sale again */
	reduced(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	shop_assert_lot(shop, 0, 1, 0, 2, 3);
	assert_order(shop, &item.order.id, ORDER_CONFIRMED, 2, 6);
}

static void test_the_last_units_go_where_a_cancel_sends_them(void **state)
{
	static const enum order_action actions[] = {ORDER_CANCEL, ORDER_REFUND};
	static const enum units_to places[] = {UNITS_TO_WAREHOUSE, UNITS_GONE};
	struct shop *shop = *state;

	sell(shop, 2, 4);
	for (int i = 0; i < 2; i++) {
		struct stock_reserve item;
		struct stock_settle settle;

		shop->hold_ms = i ? 0 : SHOP_HOLD_MS;
		item = shop_order(shop, i ? "bob" : "ann", "k", 2);
		settle = ask(shop, &item.order.id, actions[i], places[i]);
		settle.from = 2;
		shop->stock->ops->settle(shop->stock, &settle, 1);
		assert_int_equal(settle.outcome, STOCK_DONE);
		assert_int_equal(settle.event.units_to, places[i]);
		assert_int_equal(settle.event.quantity, 2);
		shop_assert_lot(shop, 0, 2 - 2 * i, i ? 0 : 2, i ? 2 : 0, 2 * i);
		shop_acknowledge(shop, &settle.event);
		shop_assert_lot(shop, 0, 2 - 2 * i, 0, 0, 2 + 2 * i);
		assert_int_equal(shop_find(shop, &item.order.id).order.state, ORDER_CANCELLED);
	}
}

static void test_a_reduction_is_of_the_units_that_the_order_has(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	sell(shop, 3, 3);
	item = shop_order(shop, "ann", "k", 3);
	reduced(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	settle = reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE); /* somebody was faster */
	assert_int_equal(settle.outcome, STOCK_REFUSED);
	assert_int_equal(settle.order.quantity, 2);
	settle = ask(shop, &item.order.id, ORDER_CANCEL, UNITS_TO_SALE);
	settle.from = 3;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_REFUSED);
	settle.from = 2;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
	shop->stock->ops->settle(shop->stock, &settle, 1); /* whose it was nobody here knows */
	assert_int_equal(settle.outcome, STOCK_REFUSED);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CANCEL).outcome, STOCK_ALREADY);
	assert_int_equal(reduce(shop, &item.order.id, 2, 1, UNITS_TO_SALE).outcome, STOCK_REFUSED);
	shop_assert_lot(shop, 0, 3, 0, 0, 0);
}

static void test_a_reduction_of_a_hold_is_no_refund(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	sell(shop, 2, 2);
	item = shop_order(shop, "ann", "k", 2);
	settle = shop_settle(shop, &item.order.id, ORDER_CONFIRM);
	shop_acknowledge(shop, &settle.event);
	settle = ask(shop, &item.order.id, ORDER_REDUCE, UNITS_TO_SALE);
	settle.from = 2;
	settle.quantity = 1;
	settle.held_only = true;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_REFUSED);
	assert_int_equal(settle.order.state, ORDER_CONFIRMED);
	shop_assert_lot(shop, 0, 0, 0, 2, 0);
}

static void test_one_thing_of_an_order_is_on_its_way(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	sell(shop, 3, 3);
	item = shop_buy(shop, "ann", "k", 3);
	assert_int_equal(reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE).outcome, STOCK_BUSY); /* its grant is not durable */
	shop_acknowledge(shop, &item.event);
	settle = reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	assert_int_equal(reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE).outcome, STOCK_BUSY);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_BUSY);
	shop_acknowledge(shop, &settle.event);
	settle = shop_settle(shop, &item.order.id, ORDER_CONFIRM);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.event.quantity, 2);
	assert_int_equal(reduce(shop, &item.order.id, 2, 1, UNITS_TO_SALE).outcome, STOCK_BUSY);
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 1, 0, 2, 0);
}

static void test_a_refused_reduction_leaves_the_order_as_it_was(void **state)
{
	struct shop *shop = *state;
	struct event out[2];
	struct stock_reserve item;
	struct stock_settle settle;
	int64_t next_ns;

	sell(shop, 3, 3);
	item = shop_order(shop, "ann", "k", 3);
	settle = reduce(shop, &item.order.id, 3, 2, UNITS_GONE);
	assert_true(shop_compensate(shop, &settle.event));
	assert_order(shop, &item.order.id, ORDER_HELD, 3, 3);
	assert_false(shop_find(shop, &item.order.id).order.settling);
	shop_assert_lot(shop, 0, 0, 3, 0, 0);
	reduced(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	shop_refresh(shop);
	assert_int_equal(shop_expire(shop, out, 2, &next_ns), 1); /* its hold is as it was */
	assert_int_equal(out[0].quantity, 2);
	shop_acknowledge(shop, &out[0]);
	assert_order(shop, &item.order.id, ORDER_EXPIRED, 2, 3);
	shop_assert_lot(shop, 0, 3, 0, 0, 0);
}

static void test_a_hold_does_not_run_out_under_a_reduction(void **state)
{
	struct shop *shop = *state;
	struct event out[2];
	struct stock_reserve item;
	struct stock_settle settle;
	int64_t next_ns;

	sell(shop, 3, 3);
	item = shop_order(shop, "ann", "k", 3);
	settle = reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	shop_refresh(shop);
	assert_int_equal(shop_expire(shop, out, 2, &next_ns), 0);
	shop_acknowledge(shop, &settle.event);
	assert_int_equal(reduce(shop, &item.order.id, 2, 1, UNITS_TO_SALE).outcome, STOCK_EXPIRED);
	shop_refresh(shop);
	assert_int_equal(shop_expire(shop, out, 2, &next_ns), 1);
	shop_acknowledge(shop, &out[0]);
	shop_assert_lot(shop, 0, 3, 0, 0, 0);
	assert_int_equal(reduce(shop, &item.order.id, 2, 1, UNITS_TO_SALE).outcome, STOCK_REFUSED);
}

static void test_whoever_drives_a_reduction_has_all_of_it(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	struct event event;

	sell(shop, 3, 3);
	item = shop_order(shop, "ann", "k", 3);
	settle = reduce(shop, &item.order.id, 3, 2, UNITS_GONE);
	event = *shop_claimed(shop);
	assert_int_equal(event.kind, EVENT_REDUCED);
	assert_true(uuid_equal(&event.id, &item.order.id));
	assert_int_equal(event.quantity, 2);
	assert_int_equal(event.left, 1);
	assert_int_equal(event.units_to, UNITS_GONE);
	assert_true(event.at_ms == settle.event.at_ms);
	assert_true(event.hold_expires_at_ms == 0);
	assert_true(uuid_equal(&event.request, &request));
	assert_true(slice_equal(event.refund, SLICE("re_1")));
	assert_true(slice_equal(event.reason, SLICE("broken")));
	assert_true(slice_equal(event.actor, SLICE("operator")));
	assert_false(shop_compensate(shop, &settle.event)); /* it is another's now */
	shop_acknowledge(shop, &event);
	shop_assert_lot(shop, 0, 0, 1, 0, 2);
	shop_acknowledge(shop, &settle.event); /* and its gate hears of it after all */
	shop_assert_lot(shop, 0, 0, 1, 0, 2);
}

static void test_whoever_drives_a_cancel_knows_where_its_units_go(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	struct event event;

	sell(shop, 2, 2);
	item = shop_order(shop, "ann", "k", 2);
	settle = ask(shop, &item.order.id, ORDER_CANCEL, UNITS_TO_WAREHOUSE);
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_DONE);
	event = *shop_claimed(shop);
	assert_int_equal(event.kind, EVENT_CANCELLED);
	assert_int_equal(event.units_to, UNITS_TO_WAREHOUSE);
	assert_true(uuid_equal(&event.request, &request));
	assert_true(slice_equal(event.refund, SLICE("re_1")));
	shop_acknowledge(shop, &event);
	shop_assert_lot(shop, 0, 0, 0, 0, 2);
}

/* The end of a reduction is told by what it leaves: not by an earlier one's. */
static void test_two_reductions_of_an_order_are_told_apart(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle first, second;

	sell(shop, 4, 4);
	item = shop_order(shop, "ann", "k", 4);
	first = reduced(shop, &item.order.id, 4, 1, UNITS_TO_SALE);
	second = reduce(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	assert_int_equal(second.outcome, STOCK_DONE);
	shop_acknowledge(shop, &first.event);
	assert_order(shop, &item.order.id, ORDER_HELD, 3, 4);
	(void)shop_compensate(shop, &first.event);
	assert_true(shop_find(shop, &item.order.id).order.settling);
	shop_acknowledge(shop, &second.event);
	assert_order(shop, &item.order.id, ORDER_HELD, 2, 4);
	shop_assert_lot(shop, 0, 2, 2, 0, 0);
}

static void test_a_reduced_order_leaves_its_buyer_room(void **state)
{
	static const enum units_to places[] = {UNITS_TO_SALE, UNITS_TO_WAREHOUSE, UNITS_GONE};
	struct shop *shop = *state;
	struct stock_reserve item;

	sell(shop, 4, 9);
	item = shop_order(shop, "ann", "k", 4);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT);
		reduced(shop, &item.order.id, 4 - i, 1, places[i]);
		shop_order(shop, "ann", "", 1);
	}
	assert_int_equal(shop_buy(shop, "ann", "", 1).outcome, STOCK_BUYER_LIMIT);
	shop_assert_lot(shop, 0, 3, 4, 0, 2);
}

static void test_a_retry_of_a_purchase_is_answered_as_it_was_granted(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item, again;

	sell(shop, 3, 9);
	item = shop_order(shop, "ann", "k", 3);
	reduced(shop, &item.order.id, 3, 2, UNITS_TO_SALE);
	again = shop_buy(shop, "ann", "k", 3);
	assert_int_equal(again.outcome, STOCK_REPLAY);
	assert_true(uuid_equal(&again.order.id, &item.order.id));
	assert_int_equal(again.order.first_quantity, 3);
	assert_int_equal(again.order.quantity, 1);
	assert_int_equal(shop_buy(shop, "ann", "k", 1).outcome, STOCK_KEY_CONFLICT);
}

static void test_a_payment_is_of_what_the_order_costs_now(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	sell(shop, 3, 9);
	item = shop_order(shop, "ann", "k", 3);
	reduced(shop, &item.order.id, 3, 1, UNITS_TO_SALE);
	settle = (struct stock_settle){.sale = shop->sale,
				       .id = item.order.id,
				       .action = ORDER_CONFIRM,
				       .now_ns = shop->now_ns,
				       .now_ms = shop->now_ms,
				       .actor_kind = ACTOR_OPERATOR,
				       .actor = SLICE("operator"),
				       .payment = {.reference = SLICE("pi_1"), .amount = 300, .currency = "EUR"},
				       .priced = true,
				       .unit_price = 100};
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_WRONG_AMOUNT);
	settle.payment.amount = 200;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
	reduced(shop, &item.order.id, 2, 1, UNITS_TO_SALE);
	settle.payment.amount = 100;
	shop->stock->ops->settle(shop->stock, &settle, 1); /* the payment stays the order's */
	assert_int_equal(settle.outcome, STOCK_ALREADY);
	shop_assert_lot(shop, 0, 8, 0, 1, 0);
}

static struct stock_load load_of(const struct uuid *id, uint32_t quantity, uint32_t first_quantity, enum order_state state)
{
	return (struct stock_load){.id = *id,
				   .quantity = quantity,
				   .first_quantity = first_quantity,
				   .state = state,
				   .buyer = SLICE("ann"),
				   .key = SLICE("k")};
}

static void test_a_rebuild_knows_what_was_given_back(void **state)
{
	struct shop *shop = *state;
	struct uuid id = shop_id(shop);
	struct stock_load order = load_of(&id, 3, 4, ORDER_CONFIRMED);
	int64_t allocated = 9, withdrawn = 2;

	shop->rules.limit_per_buyer = 4;
	shop->rules.lot_count = 1;
	shop->rules.sale = shop->sale;
	assert_int_equal(shop->stock->ops->preheat_begin(shop->stock, &shop->rules), 0);
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, shop->sale, &order, 1, shop->now_ns), 0);
	order = load_of(&id, 2, 4, ORDER_CONFIRMED); /* a reduction of the journal's tail */
	order.key = SLICE("");
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, shop->sale, &order, 1, shop->now_ns), 0);
	assert_int_equal(shop->stock->ops->arm(shop->stock, shop->sale, &allocated, &withdrawn), 0);
	shop->sold[0] = (struct stock_refresh){.sale = shop->sale, .epoch = shop->rules.epoch, .lot_count = 1};
	shop->sold_count = 1;
	assert_order(shop, &id, ORDER_CONFIRMED, 2, 4);
	shop_assert_lot(shop, 0, 5, 0, 2, 2);
	assert_int_equal(shop_buy(shop, "ann", "k", 4).outcome, STOCK_REPLAY);
	assert_int_equal(shop_buy(shop, "ann", "", 3).outcome, STOCK_BUYER_LIMIT);
	reduced(shop, &id, 2, 1, UNITS_TO_SALE);
	assert_order(shop, &id, ORDER_CONFIRMED, 1, 4);
	assert_int_equal(shop_buy(shop, "ann", "", 3).outcome, STOCK_DONE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_reduction_gives_units_back_only_once_durable, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_units_go_where_a_reduction_sends_them, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_the_last_units_go_where_a_cancel_sends_them, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_reduction_is_of_the_units_that_the_order_has, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_reduction_of_a_hold_is_no_refund, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_one_thing_of_an_order_is_on_its_way, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_refused_reduction_leaves_the_order_as_it_was, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_hold_does_not_run_out_under_a_reduction, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_whoever_drives_a_reduction_has_all_of_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_whoever_drives_a_cancel_knows_where_its_units_go, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_two_reductions_of_an_order_are_told_apart, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_reduced_order_leaves_its_buyer_room, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_retry_of_a_purchase_is_answered_as_it_was_granted, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_payment_is_of_what_the_order_costs_now, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_rebuild_knows_what_was_given_back, shop_open, shop_close),
};

const struct shop_tests shop_tests_reduce = {tests, sizeof(tests) / sizeof(tests[0])};
