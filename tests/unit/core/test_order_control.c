/* Orders past their hold or their sale, over a real ledger and stock. */
#include "unit/core/house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/preheat.h"

static const struct order_give_back all_units = {0};

static int refund(struct house *house, const struct uuid *id)
{
	struct ledger_actor actor = house_actor();
	struct ledger_order order = house_order(house, id);

	return order_control_refund(&house->orders, &order, &actor, &all_units);
}

static int confirm_late(struct house *house, const struct uuid *id, struct ledger_order *fresh)
{
	struct ledger_actor actor = house_actor();
	struct ledger_order order = house_order(house, id);

	return order_control_confirm_late(&house->orders, &order, &actor, NULL, fresh);
}

/* An open sale that allows late confirms, and an order of ann's that has expired. */
static struct uuid expired_order(struct house *house, uint32_t rate_requests)
{
	struct sale *draft = house_draft("drop");
	struct uuid id;

	draft->late_confirm = true;
	draft->rate_requests = rate_requests;
	draft->rate_seconds = 60;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	id = house_buy(house, "drop", 0, "ann", "k", 2);
	house_pass(HOUSE_HOLD_S * 1000);
	assert_int_equal(house_expire(house), 1);
	return id;
}

static void test_a_late_confirm_is_a_new_order_that_is_born_confirmed(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order fresh, order;

	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_DONE);
	assert_int_equal(house->last.actor_kind, ACTOR_OPERATOR);
	assert_false(uuid_equal(&old, &fresh.id));
	order = house_order(house, &fresh.id);
	assert_int_equal(fresh.state, ORDER_CONFIRMED); /* what is told is what the ledger has, or will have */
	assert_int_equal(fresh.quantity, order.quantity);
	assert_int_equal(fresh.lot, order.lot);
	assert_string_equal(fresh.buyer, order.buyer);
	assert_string_equal(fresh.sale_id, order.sale_id);
	assert_string_equal(fresh.sku, order.sku);
	assert_string_equal(fresh.trace, order.trace);
	assert_int_equal(fresh.hold_expires_at_ms, order.hold_expires_at_ms);
	assert_int_equal(order.state, ORDER_CONFIRMED);
	assert_int_equal(order.quantity, 2);
	assert_int_equal(order.lot, 0);
	assert_string_equal(order.buyer, "ann");
	assert_int_equal(order.hold_expires_at_ms, 0);
	assert_int_equal(house_order(house, &old).state, ORDER_EXPIRED);
	house_assert_lot(house, "drop", 0, 8, 0, 2, 0);
	house_assert_audit(house);
}

static void test_asked_twice_it_is_the_same_order(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order first, second;

	assert_int_equal(confirm_late(house, &old, &first), ORDER_CONTROL_DONE);
	assert_int_equal(confirm_late(house, &old, &second), ORDER_CONTROL_DONE);
	assert_true(uuid_equal(&first.id, &second.id));
	house_assert_lot(house, "drop", 0, 8, 0, 2, 0);
}

static void test_a_buyers_rate_is_not_asked_for_an_operators_confirm(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 1);
	struct ledger_order fresh;

	(void)house_buy(house, "drop", 1, "ann", "other", 1); /* ann's one request of the minute */
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_DONE);
}

static void test_only_an_expired_order_of_a_sale_that_allows_it_is_confirmed_late(void **state)
{
	struct house *house = *state;
	struct uuid id;
	struct ledger_order fresh;

	house_sell(house, "drop"); /* which does not */
	id = house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(confirm_late(house, &id, &fresh), ORDER_CONTROL_REFUSED);
	house_pass(HOUSE_HOLD_S * 1000);
	assert_int_equal(house_expire(house), 1);
	assert_int_equal(confirm_late(house, &id, &fresh), ORDER_CONTROL_REFUSED);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
}

/* Of before such keys were kept from buyers: it is not the confirmed order that was asked for. */
static void test_a_buyers_own_order_under_the_programs_key_is_no_late_confirm(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	char key[KEY_MAX + 1], id[UUID_TEXT_SIZE];
	struct ledger_order fresh;
	struct uuid own;

	uuid_format(&old, id);
	snprintf(key, sizeof(key), LATE_CONFIRM_KEY "%s", id);
	own = house_buy(house, "drop", 0, "ann", key, 2);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
	house_settle(house, &own, ORDER_CONFIRM);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
	assert_int_equal(house_order(house, &own).state, ORDER_CONFIRMED);
}

static void test_a_late_confirm_that_was_refunded_since_is_not_told_as_confirmed(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order fresh;

	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_DONE);
	house_settle(house, &fresh.id, ORDER_REFUND);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
}

static void test_a_held_order_is_not_confirmed_late(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0), held;
	struct ledger_order fresh;

	(void)old;
	held = house_buy(house, "drop", 0, "ben", "k", 1);
	assert_int_equal(confirm_late(house, &held, &fresh), ORDER_CONTROL_REFUSED);
	house_settle(house, &held, ORDER_CANCEL);
	assert_int_equal(confirm_late(house, &held, &fresh), ORDER_CONTROL_REFUSED);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
}

/*
 * The epoch rises while the refund is on its way: its record may lie behind the barrier, and be
 * void.
 */
static void raise_epoch(struct house *house)
{
	uint32_t epoch;

	assert_int_equal(house->ledger->ops->sale_raise_epoch(house->ledger, house->last.sale, 0, &epoch), LEDGER_DONE);
}

static struct uuid confirmed_order(struct house *house)
{
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 2);
	house_settle(house, &id, ORDER_CONFIRM);
	return id;
}

static void test_a_refund_that_no_stock_proves_is_told_by_the_ledgers_epoch(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order(house);

	house->pretend = JOURNAL_DURABLE;
	house->no_stock = true;
	assert_int_equal(refund(house, &id), ORDER_CONTROL_DONE);
	house->during = raise_epoch;
	assert_int_equal(refund(house, &id), ORDER_CONTROL_UNKNOWN);
}

/* "The hold has expired" would be the last word on a payment that could still be taken. */
static void test_a_stock_that_cannot_be_asked_now_is_no_refusal(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order fresh;
	struct sale *sale = house_sale(house, "drop");

	assert_int_equal(preheat_begin(house->stock, sale, sale->epoch + 1), 0); /* it is being loaded */
	free(sale);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_STOCK_AWAY);
}

static void test_without_units_or_beyond_the_limit_it_is_refused(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order fresh;

	(void)house_buy(house, "drop", 0, "ann", "again", 2); /* 2 of 3: two more would be too many */
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
	house_pass(HOUSE_HOLD_S * 1000);
	assert_int_equal(house_expire(house), 1);
	(void)house_buy(house, "drop", 0, "ben", "k", 3);
	(void)house_buy(house, "drop", 0, "cid", "k", 3);
	(void)house_buy(house, "drop", 0, "dan", "k", 3);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
	house_assert_lot(house, "drop", 0, 1, 9, 0, 0);
	house_assert_audit(house);
}

static void test_the_journals_end_is_told(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order first, second;
	static struct stock_claim claim;

	house->pretend = JOURNAL_REFUSED;
	assert_int_equal(confirm_late(house, &old, &first), ORDER_CONTROL_UNAVAILABLE);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house->pretend = JOURNAL_UNKNOWN;
	assert_int_equal(confirm_late(house, &old, &first), ORDER_CONTROL_UNKNOWN);
	assert_int_equal(confirm_late(house, &old, &second), ORDER_CONTROL_UNKNOWN); /* still on its way: not told as done */
	assert_true(uuid_equal(&first.id, &second.id));
	house->pretend = (enum journal_end)0;
	house_pass(5000);
	assert_int_equal(house->stock->ops->claim(house->stock, clock_mono_ns(), clock_mono_ns(), &claim, 1), 1);
	assert_int_equal(house_append(house, &claim.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	assert_int_equal(confirm_late(house, &old, &second), ORDER_CONTROL_DONE);
	assert_true(uuid_equal(&first.id, &second.id));
	house_assert_lot(house, "drop", 0, 8, 0, 2, 0);
	house_assert_audit(house);
}

/* --- Refunds of a sale that the stock has forgotten --- */

static struct uuid confirmed_order_of_a_forgotten_sale(struct house *house)
{
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 2);
	house_settle(house, &id, ORDER_CONFIRM);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	house_pass(HOUSE_RETENTION_MS + 1);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	assert_int_equal(house_shown(house, "drop"), 0);
	return id;
}

static void test_a_refund_after_the_sale_is_forgotten(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);

	assert_int_equal(refund(house, &id), ORDER_CONTROL_DONE);
	assert_int_equal(house->last.actor_kind, ACTOR_OPERATOR);
	assert_int_equal(house_order(house, &id).state, ORDER_CANCELLED);
	assert_int_equal(refund(house, &id), ORDER_CONTROL_REFUSED);    /* it is cancelled by now */
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND); /* its units are the warehouse's again */
	house_assert_audit(house);
}

/* As where a drain is behind: the row still says confirmed at the second time. */
static void test_a_refund_that_is_asked_twice_gives_its_units_once(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);
	struct ledger_order first = house_order(house, &id), second = first;
	struct ledger_actor actor = house_actor();

	assert_int_equal(order_control_refund(&house->orders, &first, &actor, &all_units), ORDER_CONTROL_DONE);
	assert_int_equal(first.state, ORDER_CANCELLED);
	actor.now_ms++;
	assert_int_equal(order_control_refund(&house->orders, &second, &actor, &all_units), ORDER_CONTROL_DONE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

static void test_a_late_confirm_after_the_sale_is_forgotten_is_refused(void **state)
{
	struct house *house = *state;
	struct uuid old = expired_order(house, 0);
	struct ledger_order fresh;

	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	house_pass(HOUSE_RETENTION_MS + 1);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	assert_int_equal(confirm_late(house, &old, &fresh), ORDER_CONTROL_REFUSED);
	house_assert_audit(house);
}

static void test_a_refund_tells_the_journals_end(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);

	house->pretend = JOURNAL_REFUSED;
	assert_int_equal(refund(house, &id), ORDER_CONTROL_UNAVAILABLE);
	house->pretend = JOURNAL_UNKNOWN;
	assert_int_equal(refund(house, &id), ORDER_CONTROL_UNKNOWN);
	house->pretend = (enum journal_end)0;
	assert_int_equal(house_order(house, &id).state, ORDER_CONFIRMED);
	assert_int_equal(refund(house, &id), ORDER_CONTROL_DONE);
	house_assert_audit(house);
}

/* Of this request: its number. What it is to be taken from is as it was fixed. */
static int give_back(struct house *house, const struct uuid *id, uint32_t from, uint32_t quantity, unsigned char request)
{
	const struct order_give_back wanted = {.from = from, .quantity = quantity, .request = {{request, 7}}};
	struct ledger_actor actor = house_actor();
	struct ledger_order order = house_order(house, id);

	order.quantity = from; /* as it is read where a drain is behind */
	order.state = ORDER_CONFIRMED;
	return order_control_refund(&house->orders, &order, &actor, &wanted);
}

static void test_units_of_a_forgotten_sale_go_to_the_warehouse(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);

	assert_int_equal(give_back(house, &id, 2, 1, 1), ORDER_CONTROL_DONE);
	assert_int_equal(house->last.kind, EVENT_REDUCED);
	assert_int_equal(house_order(house, &id).quantity, 1);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 1);
	assert_int_equal(give_back(house, &id, 2, 1, 1), ORDER_CONTROL_DONE); /* sent again */
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 1);
	assert_int_equal(give_back(house, &id, 1, 1, 2), ORDER_CONTROL_DONE); /* the last one ends it */
	assert_int_equal(house->last.kind, EVENT_REFUNDED);
	assert_int_equal(house_order(house, &id).state, ORDER_CANCELLED);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

/* Both were decided over the same units; the first in the log has them. */
static void test_of_two_who_give_back_late_one_is_told_that_it_did(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);

	assert_int_equal(give_back(house, &id, 2, 1, 1), ORDER_CONTROL_DONE);
	assert_int_equal(give_back(house, &id, 2, 1, 2), ORDER_CONTROL_REFUSED);
	assert_int_equal(give_back(house, &id, 1, 1, 3), ORDER_CONTROL_DONE);
	assert_int_equal(give_back(house, &id, 1, 1, 4), ORDER_CONTROL_REFUSED); /* the last unit */
	assert_int_equal(give_back(house, &id, 1, 1, 3), ORDER_CONTROL_DONE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

/* The log has it, the ledger not yet: it may still turn out to be another's. */
static void test_units_that_the_ledger_has_not_seen_leave_are_not_told(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);

	house->pretend = JOURNAL_DURABLE;
	assert_int_equal(give_back(house, &id, 2, 1, 1), ORDER_CONTROL_UNKNOWN);
	house->pretend = (enum journal_end)0;
	assert_int_equal(give_back(house, &id, 2, 1, 2), ORDER_CONTROL_DONE); /* which was before it in the log */
	house->pretend = JOURNAL_DURABLE;
	assert_int_equal(give_back(house, &id, 2, 1, 1), ORDER_CONTROL_REFUSED);
	house->pretend = JOURNAL_REFUSED;
	assert_int_equal(give_back(house, &id, 1, 1, 3), ORDER_CONTROL_UNAVAILABLE);
	house_assert_audit(house);
}

static void test_lost_units_are_nowhere_and_counted(void **state)
{
	struct house *house = *state;
	struct uuid id = confirmed_order_of_a_forgotten_sale(house);
	const struct order_give_back wanted = {.units_to = UNITS_GONE, .refund = SLICE("re_1")};
	struct ledger_actor actor = house_actor();
	struct ledger_order order = house_order(house, &id);
	struct ledger_audit audit;

	assert_int_equal(order_control_refund(&house->orders, &order, &actor, &wanted), ORDER_CONTROL_DONE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 2);
	assert_int_equal(house->ledger->ops->audit(house->ledger, &audit), 0);
	assert_int_equal(audit.units_gone, 2);
	house_assert_audit(house);
}

static void test_an_order_that_is_not_confirmed_is_not_refunded(void **state)
{
	struct house *house = *state;
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 2);
	house->appends = 0;
	assert_int_equal(refund(house, &id), ORDER_CONTROL_REFUSED);
	assert_int_equal(house->appends, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_late_confirm_is_a_new_order_that_is_born_confirmed),
		TEST(test_units_of_a_forgotten_sale_go_to_the_warehouse),
		TEST(test_of_two_who_give_back_late_one_is_told_that_it_did),
		TEST(test_units_that_the_ledger_has_not_seen_leave_are_not_told),
		TEST(test_lost_units_are_nowhere_and_counted),
		TEST(test_a_buyers_own_order_under_the_programs_key_is_no_late_confirm),
		TEST(test_a_late_confirm_that_was_refunded_since_is_not_told_as_confirmed),
		TEST(test_asked_twice_it_is_the_same_order),
		TEST(test_a_buyers_rate_is_not_asked_for_an_operators_confirm),
		TEST(test_only_an_expired_order_of_a_sale_that_allows_it_is_confirmed_late),
		TEST(test_a_held_order_is_not_confirmed_late),
		TEST(test_a_refund_that_no_stock_proves_is_told_by_the_ledgers_epoch),
		TEST(test_a_stock_that_cannot_be_asked_now_is_no_refusal),
		TEST(test_without_units_or_beyond_the_limit_it_is_refused),
		TEST(test_the_journals_end_is_told),
		TEST(test_a_refund_after_the_sale_is_forgotten),
		TEST(test_a_refund_that_is_asked_twice_gives_its_units_once),
		TEST(test_a_late_confirm_after_the_sale_is_forgotten_is_refused),
		TEST(test_a_refund_tells_the_journals_end),
		TEST(test_an_order_that_is_not_confirmed_is_not_refunded),
	};

	return cmocka_run_group_tests_name("core: order control", tests, NULL, NULL);
}
