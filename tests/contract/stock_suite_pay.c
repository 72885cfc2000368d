/* Payments: a confirm that brings one, once for an order and once for a payment. */
#include "contract/stock_shop.h"

static struct stock_settle pay(struct shop *shop, const struct uuid *id, const char *reference)
{
	struct stock_settle item = {
		.sale = shop->sale,
		.id = *id,
		.action = ORDER_CONFIRM,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.grace_ns = SHOP_GRACE_MS * MS,
		.actor_kind = ACTOR_OPERATOR,
		.actor = SLICE("operator"),
		.payment = {.reference = slice_of(reference), .method = SLICE("card"), .amount = 17900, .currency = "EUR"},
	};

	shop->stock->ops->settle(shop->stock, &item, 1);
	return item;
}

static void pay_done(struct shop *shop, const struct uuid *id, const char *reference)
{
	struct stock_settle settle = pay(shop, id, reference);

	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
}

static struct uuid ordered(struct shop *shop, const char *buyer)
{
	return shop_order(shop, buyer, "k", 1).order.id;
}

static void test_a_confirm_carries_its_payment(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid id;

	shop_sell(shop, 1, 5);
	id = ordered(shop, "ann");
	settle = pay(shop, &id, "pi_1");
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.event.kind, EVENT_CONFIRMED);
	assert_true(slice_equal(settle.event.payment.reference, SLICE("pi_1")));
	assert_true(slice_equal(settle.event.payment.method, SLICE("card")));
	assert_int_equal(settle.event.payment.amount, 17900);
	assert_string_equal(settle.event.payment.currency, "EUR");
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 4, 0, 1, 0);
	assert_int_equal(shop_find(shop, &id).order.state, ORDER_CONFIRMED);
}

static void test_a_payment_reaches_whoever_drives_it(void **state)
{
	static const char *const references[] = {"pi_1", "pi_2"};
	struct shop *shop = *state;
	struct stock_settle settle;
	const struct event *claim;
	struct uuid ids[2];

	shop_sell(shop, 1, 5);
	for (int i = 0; i < 2; i++)
		ids[i] = ordered(shop, i ? "bob" : "ann");
	settle = shop_settle(shop, &ids[1], ORDER_CONFIRM);
	shop_acknowledge(shop, &settle.event);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pay(shop, &ids[i], references[i]).outcome, STOCK_DONE);
		claim = shop_claimed(shop);
		assert_int_equal(claim->kind, i ? EVENT_PAID : EVENT_CONFIRMED);
		assert_true(uuid_equal(&claim->id, &ids[i]));
		assert_true(slice_equal(claim->payment.reference, slice_of(references[i])));
		assert_true(slice_equal(claim->payment.method, SLICE("card")));
		assert_int_equal(claim->payment.amount, 17900);
		assert_string_equal(claim->payment.currency, "EUR");
		shop_acknowledge(shop, claim);
		assert_int_equal(pay(shop, &ids[i], references[i]).outcome, STOCK_ALREADY);
	}
}

static void test_the_same_payment_again_is_done_already_and_another_is_refused(void **state)
{
	struct shop *shop = *state;
	struct stock_settle second;
	struct uuid id;

	shop_sell(shop, 1, 5);
	id = ordered(shop, "ann");
	pay_done(shop, &id, "pi_1");
	assert_int_equal(pay(shop, &id, "pi_1").outcome, STOCK_ALREADY);
	assert_int_equal(shop_settle(shop, &id, ORDER_CONFIRM).outcome, STOCK_ALREADY);
	second = pay(shop, &id, "pi_2");
	assert_int_equal(second.outcome, STOCK_PAID_ALREADY);
	if (second.owner[0]) /* it keeps texts */
		assert_string_equal(second.paid, "pi_1");
	shop_assert_lot(shop, 0, 4, 0, 1, 0);
	assert_int_equal(shop_totals(shop).outbox, 0);
}

static void test_a_reference_pays_for_one_order_of_a_sale(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid first, second;

	shop_sell(shop, 1, 5);
	first = ordered(shop, "ann");
	second = ordered(shop, "bob");
	settle = pay(shop, &first, "pi_1");
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(pay(shop, &second, "pi_1").outcome, STOCK_BUSY); /* it may still be refused */
	shop_acknowledge(shop, &settle.event);
	settle = pay(shop, &second, "pi_1");
	assert_int_equal(settle.outcome, STOCK_REFERENCE_USED);
	assert_true(uuid_equal(&settle.payer, &first));
	assert_int_equal(shop_find(shop, &second).order.state, ORDER_HELD);
	shop_assert_lot(shop, 0, 3, 1, 1, 0);
	pay_done(shop, &second, "pi_2");
	/* A refund sets no reference free. */
	settle = shop_settle(shop, &first, ORDER_REFUND);
	shop_acknowledge(shop, &settle.event);
	second = ordered(shop, "cid");
	assert_int_equal(pay(shop, &second, "pi_1").outcome, STOCK_REFERENCE_USED);
}

static void test_two_confirms_in_one_call_share_no_reference(void **state)
{
	struct shop *shop = *state;
	struct stock_settle items[2];
	int done = 0;

	shop_sell(shop, 1, 5);
	for (int i = 0; i < 2; i++)
		items[i] = (struct stock_settle){
			.sale = shop->sale,
			.id = ordered(shop, i ? "bob" : "ann"),
			.action = ORDER_CONFIRM,
			.now_ns = shop->now_ns,
			.now_ms = shop->now_ms,
			.grace_ns = SHOP_GRACE_MS * MS,
			.payment = {.reference = SLICE("pi_1"), .amount = PAYMENT_NO_AMOUNT},
		};
	shop->stock->ops->settle(shop->stock, items, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(items[i].outcome == STOCK_DONE || items[i].outcome == STOCK_BUSY);
		done += items[i].outcome == STOCK_DONE;
	}
	assert_int_equal(done, 1);
}

static void test_a_payment_that_was_refused_never_was(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid first, second;

	shop_sell(shop, 1, 5);
	first = ordered(shop, "ann");
	second = ordered(shop, "bob");
	settle = pay(shop, &first, "pi_1");
	assert_true(shop_compensate(shop, &settle.event));
	assert_int_equal(shop_find(shop, &first).order.state, ORDER_HELD);
	pay_done(shop, &second, "pi_1");
	pay_done(shop, &first, "pi_2");
	/*
	 * Its own payment is told first: who hears that another order has it may take an unpaid
	 * order back.
	 */
	assert_int_equal(pay(shop, &second, "pi_2").outcome, STOCK_PAID_ALREADY);
}

static void test_an_order_that_is_confirmed_takes_the_first_payment(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid id;

	shop_sell(shop, 1, 5);
	shop->hold_ms = 0; /* born confirmed */
	id = ordered(shop, "ann");
	settle = pay(shop, &id, "pi_1");
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.event.kind, EVENT_PAID);
	assert_int_equal(settle.order.state, ORDER_CONFIRMED);
	assert_int_equal(pay(shop, &id, "pi_2").outcome, STOCK_BUSY);
	assert_true(shop_compensate(shop, &settle.event));
	settle = pay(shop, &id, "pi_2");
	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
	shop_acknowledge(shop, &settle.event); /* twice is once */
	assert_int_equal(pay(shop, &id, "pi_1").outcome, STOCK_PAID_ALREADY);
	assert_int_equal(pay(shop, &id, "pi_2").outcome, STOCK_ALREADY);
	shop_assert_lot(shop, 0, 4, 0, 1, 0);
}

static struct stock_settle pay_priced(struct shop *shop, const struct uuid *id, const char *reference, int64_t amount)
{
	struct stock_settle item = {
		.sale = shop->sale,
		.id = *id,
		.action = ORDER_CONFIRM,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.grace_ns = SHOP_GRACE_MS * MS,
		.payment = {.reference = slice_of(reference), .amount = amount},
		.priced = true,
		.unit_price = 17900,
	};

	shop->stock->ops->settle(shop->stock, &item, 1);
	return item;
}

static void test_a_wrong_amount_moves_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid id;

	shop_sell(shop, 1, 5);
	id = shop_order(shop, "ann", "k", 2).order.id;
	assert_int_equal(pay_priced(shop, &id, "pi_1", 17900).outcome, STOCK_WRONG_AMOUNT);
	assert_int_equal(pay_priced(shop, &id, "", 35801).outcome, STOCK_WRONG_AMOUNT);
	shop_assert_lot(shop, 0, 3, 2, 0, 0);
	settle = pay_priced(shop, &id, "pi_1", 35800);
	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
	assert_int_equal(pay_priced(shop, &id, "pi_1", 35799).outcome, STOCK_WRONG_AMOUNT);
	assert_int_equal(pay_priced(shop, &id, "pi_1", 35800).outcome, STOCK_ALREADY);
}

static void test_a_used_reference_is_told_of_a_hold_that_is_over(void **state)
{
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid first, second;

	shop_sell(shop, 1, 5);
	first = ordered(shop, "ann");
	second = ordered(shop, "bob");
	pay_done(shop, &first, "pi_1");
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	assert_int_equal(pay(shop, &second, "pi_2").outcome, STOCK_EXPIRED);
	settle = pay(shop, &second, "pi_1");
	assert_int_equal(settle.outcome, STOCK_REFERENCE_USED);
	assert_true(uuid_equal(&settle.payer, &first));
}

static void test_loaded_payments_are_known(void **state)
{
	struct shop *shop = *state;
	struct stock_load orders[2], again;
	int64_t allocated = 5, withdrawn = 0;

	shop->rules.lot_count = 1;
	shop->sale = SHOP_SALE;
	assert_int_equal(shop->stock->ops->preheat_begin(shop->stock, &shop->rules), 0);
	for (int i = 0; i < 2; i++)
		orders[i] = (struct stock_load){.id = shop_id(shop),
						.quantity = 1,
						.first_quantity = 1,
						.state = ORDER_CONFIRMED,
						.buyer = i ? SLICE("bob") : SLICE("ann"),
						.paid = i ? SLICE("") : SLICE("pi_1")};
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, orders, 2, shop->now_ns), 0);
	again = orders[0]; /* it keeps what it has */
	again.paid = SLICE("");
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, &again, 1, shop->now_ns), 0);
	again = orders[1]; /* and takes what it has not */
	again.paid = SLICE("pi_2");
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, &again, 1, shop->now_ns), 0);
	assert_int_equal(shop->stock->ops->arm(shop->stock, SHOP_SALE, &allocated, &withdrawn), 0);
	assert_int_equal(pay(shop, &orders[0].id, "pi_1").outcome, STOCK_ALREADY);
	assert_int_equal(pay(shop, &orders[0].id, "pi_3").outcome, STOCK_PAID_ALREADY);
	assert_int_equal(pay(shop, &orders[1].id, "pi_2").outcome, STOCK_ALREADY);
	assert_int_equal(pay(shop, &orders[1].id, "pi_1").outcome, STOCK_PAID_ALREADY);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_confirm_carries_its_payment, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_payment_reaches_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_the_same_payment_again_is_done_already_and_another_is_refused, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_reference_pays_for_one_order_of_a_sale, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_two_confirms_in_one_call_share_no_reference, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_payment_that_was_refused_never_was, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_order_that_is_confirmed_takes_the_first_payment, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_wrong_amount_moves_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_used_reference_is_told_of_a_hold_that_is_over, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_loaded_payments_are_known, shop_open, shop_close),
};
const struct shop_tests shop_tests_pay = {tests, sizeof(tests) / sizeof(tests[0])};
