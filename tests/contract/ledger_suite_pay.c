/* Payments in the ledger: written with the confirm that brings them, found by their reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static struct event paid(struct kit *kit, enum event_kind kind, const struct event *reserved, const char *reference)
{
	struct event event = kit_settled(kit, kind, reserved);

	event.payment = (struct payment){slice_of(reference), SLICE("card"), 17900, "EUR"};
	return event;
}

static struct ledger_order read_order(struct kit *kit, const struct uuid *id)
{
	struct ledger_order order;

	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, id, &order), LEDGER_DONE);
	return order;
}

static void test_a_confirm_writes_its_payment(void **state)
{
	struct ledger_fixture *fixture = *state;
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserve(kit, KIT_SHIRT, 1, "ann"), confirmed = paid(kit, EVENT_CONFIRMED, &reserved, "pi_1");
	struct ledger_order order = read_order(kit, &reserved.id);

	assert_string_equal(order.payment.reference, "");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_ALREADY);
	ledger_suite_restart(fixture);
	order = read_order(kit, &reserved.id);
	assert_int_equal(order.state, ORDER_CONFIRMED);
	assert_string_equal(order.payment.reference, "pi_1");
	assert_string_equal(order.payment.method, "card");
	assert_string_equal(order.payment.currency, "EUR");
	assert_int_equal(order.payment.amount, 17900);
	kit_assert_audit(kit);
}

static void test_what_was_not_told_of_a_payment_is_not_there(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserve(kit, KIT_SHIRT, 1, "ann"), confirmed = kit_settled(kit, EVENT_CONFIRMED, &reserved);
	struct ledger_order order;

	confirmed.payment = (struct payment){.reference = SLICE("pi_1"), .amount = PAYMENT_NO_AMOUNT};
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	order = read_order(kit, &reserved.id);
	assert_string_equal(order.payment.reference, "pi_1");
	assert_string_equal(order.payment.method, "");
	assert_string_equal(order.payment.currency, "");
	assert_int_equal(order.payment.amount, PAYMENT_NO_AMOUNT);
}

static void test_a_payment_comes_to_a_confirmed_order_once(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserve(kit, KIT_SHIRT, 1, "ann"), confirmed = kit_settled(kit, EVENT_CONFIRMED, &reserved);
	struct event first = paid(kit, EVENT_PAID, &reserved, "pi_1"), second = paid(kit, EVENT_PAID, &reserved, "pi_2");
	struct event refunded = kit_settled(kit, EVENT_REFUNDED, &reserved);

	assert_int_equal(kit_apply(kit, &first), LEDGER_WRONG_STATE); /* it is held */
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &first), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &first), LEDGER_ALREADY);
	assert_int_equal(kit_apply(kit, &second), LEDGER_WRONG_STATE);
	assert_string_equal(read_order(kit, &reserved.id).payment.reference, "pi_1");
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &first), LEDGER_ALREADY); /* a late copy */
	assert_string_equal(read_order(kit, &reserved.id).payment.reference, "pi_1");
	kit_assert_audit(kit);
}

/* The whole life in one transaction, as a drain meets it. */
static void test_payments_in_one_batch(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserved(kit, KIT_SHIRT, 1, "ann"), confirmed = kit_settled(kit, EVENT_CONFIRMED, &reserved);
	struct event first = paid(kit, EVENT_PAID, &reserved, "pi_1"), second = paid(kit, EVENT_PAID, &reserved, "pi_2");
	struct ledger_entry entries[] = {{&reserved, -1}, {&confirmed, -1}, {&first, -1}, {&first, -1}, {&second, -1}};
	static const int outcomes[] = {LEDGER_DONE, LEDGER_DONE, LEDGER_DONE, LEDGER_ALREADY, LEDGER_WRONG_STATE};

	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, 5), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(entries[i].outcome, outcomes[i]);
	assert_string_equal(read_order(kit, &reserved.id).payment.reference, "pi_1");
	kit_assert_audit(kit);
}

static size_t find(struct kit *kit, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max)
{
	size_t count;

	assert_int_equal(kit->ledger->ops->orders(kit->ledger, filter, orders, max, &count), 0);
	return count;
}

static void test_orders_are_found_by_their_payment(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 1, "ann"), ben = kit_reserve(kit, KIT_SHIRT, 1, "ben"),
		     other = kit_reserved(kit, 0, 1, "ann"), confirmed;
	struct ledger_order_filter filter = {.payment = SLICE("pi_1")};
	struct ledger_order orders[4];

	kit_in_sale(kit, &other, kit_big_sale(kit, 10));
	assert_int_equal(kit_apply(kit, &other), LEDGER_DONE);
	confirmed = paid(kit, EVENT_CONFIRMED, &ben, "pi_2");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(find(kit, &filter, orders, 4), 0);
	confirmed = paid(kit, EVENT_CONFIRMED, &ann, "pi_1");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	assert_true(uuid_equal(&orders[0].id, &ann.id));
	assert_string_equal(orders[0].payment.reference, "pi_1");
	assert_string_equal(orders[0].sale_id, "drop");
	/* Another sale's stock cannot know: the ledger tells. */
	confirmed = paid(kit, EVENT_CONFIRMED, &other, "pi_1");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(find(kit, &filter, orders, 4), 2);
	assert_true(uuid_compare(&orders[0].id, &orders[1].id) < 0);
	filter.after = orders[0].id;
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	filter = (struct ledger_order_filter){.payment = SLICE("pi_1"), .sale = other.sale};
	assert_int_equal(find(kit, &filter, orders, 4), 1);
	assert_true(uuid_equal(&orders[0].id, &other.id));
	filter.buyer = SLICE("ben");
	assert_int_equal(find(kit, &filter, orders, 4), 0);
	filter = (struct ledger_order_filter){.payment = SLICE("pi_1"), .state = ORDER_HELD};
	assert_int_equal(find(kit, &filter, orders, 4), 0);
}

static void test_the_audit_counts_payments_that_pay_for_several_orders(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 1, "ann"), other = kit_reserved(kit, 0, 1, "ann"), confirmed;
	struct ledger_audit audit;

	kit_in_sale(kit, &other, kit_big_sale(kit, 10));
	assert_int_equal(kit_apply(kit, &other), LEDGER_DONE);
	confirmed = paid(kit, EVENT_CONFIRMED, &ann, "pi_1");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_int_equal(audit.shared_payments, 0);
	confirmed = paid(kit, EVENT_CONFIRMED, &other, "pi_1");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_int_equal(audit.shared_payments, 1);
	kit_assert_audit(kit); /* no promise is broken by it */
}

static int keep_paid(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	(void)snapshot;
	assert_int_equal(count, 2);
	assert_string_equal(orders[0].payment.reference, "pi_1");
	assert_string_equal(orders[1].payment.reference, "");
	*(int *)context += 1;
	return 0;
}

static void test_a_snapshot_has_the_payments(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserve(kit, KIT_SHIRT, 1, "ann"), confirmed = paid(kit, EVENT_CONFIRMED, &reserved, "pi_1");
	struct ledger_snapshot snapshot;
	int pages = 0;

	kit_reserve(kit, KIT_SHIRT, 1, "ben");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->sale_snapshot(kit->ledger, kit->sale, &snapshot, keep_paid, &pages), LEDGER_DONE);
	assert_int_equal(pages, 1);
	ledger_snapshot_deinit(&snapshot);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_pay_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_confirm_writes_its_payment),
		TEST(test_what_was_not_told_of_a_payment_is_not_there),
		TEST(test_a_payment_comes_to_a_confirmed_order_once),
		TEST(test_payments_in_one_batch),
		TEST(test_orders_are_found_by_their_payment),
		TEST(test_the_audit_counts_payments_that_pay_for_several_orders),
		TEST(test_a_snapshot_has_the_payments),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
