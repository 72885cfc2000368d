/* A program that starts again finds every order as it was. */
#include "base/failpoint.h"
#include "unit/core/house.h"

#include <string.h>
#include "recovery/rebuild.h"

static int rebuild(struct house *house, struct rebuild_result *result)
{
	return rebuild_stock(house->ledger, house->stock, house->catalog, clock_wall_ms() - HOUSE_RETENTION_MS, result);
}

static void restart(struct house *house, size_t sales, size_t orders)
{
	struct rebuild_result result;

	house_restart(house);
	assert_int_equal(rebuild(house, &result), 0);
	assert_int_equal(result.sales, sales);
	assert_int_equal(result.orders, orders);
}

static struct stock_order find(struct house *house, const struct uuid *id)
{
	struct stock_find item = {.sale = uuid_tag(id), .id = *id};

	house->stock->ops->find(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	return item.order;
}

/* Asks again with a key that was used. */
static struct stock_reserve retry(struct house *house, const char *sale, uint32_t lot, const char *buyer, const char *key,
				  uint32_t quantity)
{
	uint32_t number = house_number(house, sale);
	struct stock_reserve item = {
		.event = {.kind = EVENT_RESERVED,
			  .sale = number,
			  .lot = lot,
			  .quantity = quantity,
			  .id = uuid_make(&house->ids, clock_wall_ms(), number),
			  .at_ms = clock_wall_ms(),
			  .hold_expires_at_ms = clock_wall_ms() + 60000,
			  .buyer = slice_of(buyer),
			  .key = slice_of(key),
			  .actor = slice_of(buyer)},
		.now_ns = clock_mono_ns(),
		.hold_ns = INT64_C(60000000000),
		.replay_only = true,
	};

	house->stock->ops->reserve(house->stock, &item, 1);
	return item;
}

static void assert_same(const struct stock_order *a, const struct stock_order *b)
{
	assert_true(uuid_equal(&a->id, &b->id));
	assert_int_equal(a->lot, b->lot);
	assert_int_equal(a->quantity, b->quantity);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->settling, b->settling);
	assert_int_equal(a->durable, b->durable);
	assert_int_equal(a->hold_expires_at_ms, b->hold_expires_at_ms);
	assert_int_equal(a->first_hold_expires_at_ms, b->first_hold_expires_at_ms);
}

enum { ORDERS = 12 };
static const char *const sales[] = {"first", "second", "third"};

/* In each sale: held, extended, confirmed, cancelled, each of a buyer of its own and with a key. */
static void trade(struct house *house, struct uuid ids[ORDERS])
{
	for (size_t i = 0; i < ORDERS; i++) {
		char buyer[16], key[16];

		snprintf(buyer, sizeof(buyer), "buyer-%zu", i);
		snprintf(key, sizeof(key), "key-%zu", i);
		/* The sales take turns, so that their orders lie between each other. */
		ids[i] = house_buy(house, sales[i % 3], (uint32_t)(i / 3 % 2), buyer, key, 1 + (uint32_t)(i / 3) % 2);
		house_pass(1);
	}
	for (size_t i = 3; i < 6; i++)
		house_settle(house, &ids[i], ORDER_EXTEND);
	for (size_t i = 6; i < 9; i++)
		house_settle(house, &ids[i], ORDER_CONFIRM);
	for (size_t i = 9; i < 12; i++)
		house_settle(house, &ids[i], ORDER_CANCEL);
}

static void test_orders_of_several_sales_come_back_as_they_were(void **state)
{
	struct house *house = *state;
	struct stock_order before[ORDERS], after;
	struct stock_lot_state lots[3][2];
	struct uuid ids[ORDERS];

	for (int i = 0; i < 3; i++)
		house_sell(house, sales[i]);
	trade(house, ids);
	for (size_t i = 0; i < ORDERS; i++)
		before[i] = find(house, &ids[i]);
	for (int i = 0; i < 3; i++)
		for (uint32_t lot = 0; lot < 2; lot++)
			lots[i][lot] = house_lot(house, sales[i], lot);

	house_pass(1000);
	restart(house, 3, ORDERS);
	for (size_t i = 0; i < ORDERS; i++) {
		after = find(house, &ids[i]);
		assert_same(&after, &before[i]);
	}
	for (int i = 0; i < 3; i++)
		for (uint32_t lot = 0; lot < 2; lot++)
			house_assert_lot(house, sales[i], lot, lots[i][lot].available, lots[i][lot].held, lots[i][lot].confirmed, 0);
	house_assert_audit(house);
}

static void test_a_key_from_before_gets_its_order_again(void **state)
{
	struct house *house = *state;
	struct uuid ids[ORDERS];

	for (int i = 0; i < 3; i++)
		house_sell(house, sales[i]);
	trade(house, ids);
	restart(house, 3, ORDERS);
	for (size_t i = 0; i < ORDERS; i++) {
		uint32_t lot = (uint32_t)(i / 3 % 2), quantity = 1 + (uint32_t)(i / 3) % 2;
		char buyer[16], key[16];
		struct stock_reserve item;
		struct stock_order before = find(house, &ids[i]);

		snprintf(buyer, sizeof(buyer), "buyer-%zu", i);
		snprintf(key, sizeof(key), "key-%zu", i);
		item = retry(house, sales[i % 3], lot, buyer, key, quantity);
		assert_int_equal(item.outcome, STOCK_REPLAY);
		assert_same(&item.order, &before);
		assert_true(item.order.durable);
		assert_int_equal(retry(house, sales[i % 3], lot, buyer, key, quantity + 1).outcome, STOCK_KEY_CONFLICT);
		assert_int_equal(retry(house, sales[i % 3], lot, buyer, "new", quantity).outcome, STOCK_NO_REPLAY);
	}
}

static void test_an_extended_order_replays_with_the_hold_that_was_told_first(void **state)
{
	struct house *house = *state;
	struct stock_reserve item;
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 1);
	house_pass(1000);
	house_settle(house, &id, ORDER_EXTEND); /* an hour */
	restart(house, 1, 1);
	item = retry(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(item.order.first_hold_expires_at_ms, HOUSE_NOW_MS + HOUSE_HOLD_S * 1000);
	assert_int_equal(item.order.hold_expires_at_ms, HOUSE_NOW_MS + 1000 + 3600000);
}

static void test_holds_run_on_over_a_restart(void **state)
{
	struct house *house = *state;
	struct uuid over, alive;

	house_sell(house, "drop");
	over = house_buy(house, "drop", 0, "ann", "k", 1);
	house_pass(30000);
	alive = house_buy(house, "drop", 0, "ben", "k", 1);
	house_pass(20000);
	restart(house, 1, 2);
	assert_int_equal(house_expire(house), 0);
	house_pass(10000);
	assert_int_equal(house_expire(house), 1);
	assert_int_equal(house_order(house, &over).state, ORDER_EXPIRED);
	assert_int_equal(house_order(house, &alive).state, ORDER_HELD);
	/* A hold that ran out while nobody was there is over at once. */
	house_pass(3600000);
	restart(house, 1, 2);
	assert_int_equal(house_expire(house), 1);
	assert_int_equal(house_order(house, &alive).state, ORDER_EXPIRED);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house_assert_audit(house);
}

/* However many are over: those that lie together in the ledger go there together. */
static void test_holds_that_ended_while_nobody_was_there_end_in_the_order_of_their_ids(void **state)
{
	enum { HOLDS = 10 };
	struct house *house = *state;
	struct uuid ids[HOLDS];
	struct event out[HOLDS];
	char buyer[16];
	int64_t next_ns;

	house_sell(house, "drop");
	for (int i = 0; i < HOLDS; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		ids[i] = house_buy(house, "drop", 0, buyer, "k", 1);
	}
	house_pass(3600000);
	restart(house, 1, HOLDS);
	assert_int_equal(house->stock->ops->expire(house->stock, clock_mono_ns(), clock_wall_ms(), 0, out, HOLDS, &next_ns), HOLDS);
	for (int i = 0; i < HOLDS; i++)
		assert_true(uuid_equal(&out[i].id, &ids[i]));
}

static void test_the_limit_per_buyer_goes_on_counting(void **state)
{
	struct house *house = *state;
	struct stock_reserve item;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "1", 2);
	restart(house, 1, 1);
	item = retry(house, "drop", 0, "ann", "2", 2);
	assert_int_equal(item.outcome, STOCK_NO_REPLAY);
	item.replay_only = false;
	house->stock->ops->reserve(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_BUYER_LIMIT);
	(void)house_buy(house, "drop", 1, "ann", "3", 1);
}

static void test_the_epoch_rises_and_what_the_old_one_granted_is_void(void **state)
{
	struct house *house = *state;
	struct journal_entry entry = {.event = &house->last};
	struct event old;
	struct sale *sale;
	uint32_t epoch;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	old = house->last;
	epoch = old.epoch;
	restart(house, 1, 1);
	sale = house_sale(house, "drop");
	assert_int_equal(sale->epoch, epoch + 1);
	free(sale);
	/* Granted before, written after: refused. */
	old.id = uuid_make(&house->ids, clock_wall_ms(), old.sale);
	old.key = SLICE("late");
	entry.event = &old;
	house->journal->ops->append(house->journal, &entry, 1);
	assert_int_equal(entry.end, JOURNAL_REFUSED);
	(void)house_buy(house, "drop", 0, "ben", "k", 1);
	assert_int_equal(house->last.epoch, epoch + 1);
	house_assert_audit(house);
}

static void test_drafts_are_shown_but_have_no_stock(void **state)
{
	struct house *house = *state;
	struct stock_lot_state lots[LOTS_MAX];
	struct sale *sale;
	uint32_t count;

	house_create(house, house_draft("drop"));
	restart(house, 0, 0);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "drop"), lots, &count), STOCK_UNKNOWN_SALE);
	sale = house_sale(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	free(sale);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
}

static void test_states_and_withdrawn_units_come_back(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	uint32_t taken;

	house_sell(house, "drop");
	assert_int_equal(sale_control_withdraw(house->control, SLICE("drop"), SLICE("SHIRT"), 4, false, &actor, &taken), 0);
	assert_int_equal(sale_control_add(house->control, SLICE("drop"), SLICE("SHIRT"), 1, &actor), 0);
	assert_int_equal(house_move(house, "drop", SALE_PAUSE), SALE_CONTROL_DONE);
	restart(house, 1, 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	house_assert_lot(house, "drop", 0, 7, 0, 0, 4);
}

static void test_a_sale_that_ended_long_ago_is_left_out(void **state)
{
	struct house *house = *state;
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 1);
	house_settle(house, &id, ORDER_CONFIRM);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	house_pass(HOUSE_RETENTION_MS);
	restart(house, 1, 1);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
	house_pass(1);
	restart(house, 0, 0);
	assert_int_equal(house_shown(house, "drop"), 0);
}

/*
 * The program was away for longer than the retention: what the sale still holds must not be
 * forgotten (P4).
 */
static void test_a_sale_that_ended_long_ago_with_units_left_is_cared_for(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	house_pass(HOUSE_RETENTION_MS + 1);
	restart(house, 1, 1);
	assert_int_equal(house_expire(house), 1);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), true), 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	assert_int_equal(house_on_hand(house, "SHOE"), HOUSE_ON_HAND);
	restart(house, 0, 0);
	house_assert_audit(house);
}

/* --- A ledger that is wrong --- */

/* Does this to the ledger, and starts again on it: the sale "drop" stays fenced, and is counted. */
static void hold(struct house *house, const char *sql)
{
	struct stock_lot_state lots[LOTS_MAX];
	struct rebuild_result result;
	uint32_t count;

	sqlite_place_run(house->place, sql);
	house_restart(house);
	assert_int_equal(rebuild(house, &result), 0);
	assert_int_equal(result.sales, 0);
	assert_int_equal(result.held, 1);
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "drop"), lots, &count), STOCK_UNKNOWN_SALE);
}

static void test_a_sale_with_more_orders_than_units_stays_fenced(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 1, "ann", "k", 3);
	(void)house_buy(house, "drop", 1, "ben", "k", 2);
	hold(house, "UPDATE lots SET allocated = 4 WHERE place = 1");
}

static void test_a_sale_with_more_than_a_buyers_limit_stays_fenced(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 2);
	hold(house, "UPDATE sales SET limit_per_buyer = 1");
}

/* What is missing would be sold a second time; what is too much would never be sold. */
static void test_a_sale_whose_orders_are_not_its_sums_stays_fenced_until_they_are(void **state)
{
	static const char *const faults[][2] = {
		{"UPDATE lots SET held = held + 1 WHERE place = 0", "UPDATE lots SET held = held - 1 WHERE place = 0"},
		{"UPDATE lots SET confirmed = confirmed - 1 WHERE place = 1",
		 "UPDATE lots SET confirmed = confirmed + 1 WHERE place = 1"},
		{"UPDATE lots SET withdrawn = withdrawn + 1 WHERE place = 0",
		 "UPDATE lots SET withdrawn = withdrawn - 1 WHERE place = 0"},
		{"CREATE TABLE lost AS SELECT * FROM orders WHERE state = 1; DELETE FROM orders WHERE state = 1",
		 "INSERT INTO orders SELECT * FROM lost"},
	};
	struct house *house = *state;
	struct uuid id;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 2);
	id = house_buy(house, "drop", 1, "ben", "k", 1);
	house_settle(house, &id, ORDER_CONFIRM);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		hold(house, faults[i][0]);
		sqlite_place_run(house->place, faults[i][1]);
		restart(house, 1, 2);
		house_assert_lot(house, "drop", 0, 10 - 2, 2, 0, 0);
	}
}

/*
 * Found: the sales behind the wrong one were never armed; of a shared stock that had forgotten all,
 * one wrong sale kept the rest from being sold.
 */
static void test_a_sale_that_is_wrong_does_not_keep_the_others_from_being_armed(void **state)
{
	struct house *house = *state;
	struct stock_lot_state lots[LOTS_MAX];
	struct rebuild_result result;
	uint32_t count;

	for (int i = 0; i < 3; i++) {
		house_sell(house, sales[i]);
		(void)house_buy(house, sales[i], 1, "ann", "k", 2);
	}
	sqlite_place_run(house->place, "UPDATE lots SET allocated = 1 WHERE place = 1 AND sale = (SELECT min(number) FROM sales)");
	house_restart(house);
	assert_int_equal(rebuild(house, &result), 0);
	assert_int_equal(result.sales, 2);
	assert_int_equal(result.held, 1);
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "first"), lots, &count), STOCK_UNKNOWN_SALE);
	house_assert_lot(house, "second", 1, 3, 2, 0, 0);
	house_assert_lot(house, "third", 1, 3, 2, 0, 0);
}

static void test_a_withdrawal_from_before_takes_nothing_again(void **state)
{
	struct house *house = *state;
	struct uuid movement;
	struct stock_withdrawal again = {.lot = 0, .units = 4, .exact = true};
	struct ledger_request request = {{{0}}, {{0}}, 0};
	struct ledger_actor actor = house_actor();
	uint32_t taken;

	house_sell(house, "drop");
	again.sale = house_number(house, "drop");
	movement = request.id = uuid_make(&house->ids, clock_wall_ms(), again.sale);
	actor.request = &request;
	assert_int_equal(sale_control_withdraw(house->control, SLICE("drop"), SLICE("SHIRT"), 4, true, &actor, &taken), 0);
	restart(house, 1, 0);
	again.movement = movement;
	assert_int_equal(house->stock->ops->withdraw(house->stock, &again), 0);
	assert_int_equal(again.event.quantity, 4);
	house_assert_lot(house, "drop", 0, 6, 0, 0, 4);
	house_assert_audit(house);
}

/*
 * Found: orders were looked for from the moment at which the oldest sale was made, by the clock of
 * whoever made it.
 */
static void test_orders_that_are_older_than_their_sale_by_the_clock_come_back(void **state)
{
	struct house *house = *state;
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 2);
	sqlite_place_run(house->place, "UPDATE sales SET created_at_ms = created_at_ms + 3600000");
	restart(house, 1, 1);
	house_assert_lot(house, "drop", 0, 10 - 2, 2, 0, 0);
	assert_int_equal(find(house, &id).state, ORDER_HELD);
}

static void test_an_empty_ledger_is_rebuilt_to_nothing(void **state)
{
	restart(*state, 0, 0);
}

static void test_a_ledger_that_cannot_be_written_stops_the_rebuild(void **state)
{
	struct house *house = *state;
	struct rebuild_result result;

	house_sell(house, "drop");
	house_restart(house);
	failpoints_set("ledger.begin=error:28");
	assert_int_equal(rebuild(house, &result), -28);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders_of_several_sales_come_back_as_they_were),
		TEST(test_a_key_from_before_gets_its_order_again),
		TEST(test_an_extended_order_replays_with_the_hold_that_was_told_first),
		TEST(test_holds_run_on_over_a_restart),
		TEST(test_holds_that_ended_while_nobody_was_there_end_in_the_order_of_their_ids),
		TEST(test_the_limit_per_buyer_goes_on_counting),
		TEST(test_the_epoch_rises_and_what_the_old_one_granted_is_void),
		TEST(test_drafts_are_shown_but_have_no_stock),
		TEST(test_states_and_withdrawn_units_come_back),
		TEST(test_a_sale_that_ended_long_ago_is_left_out),
		TEST(test_a_sale_that_ended_long_ago_with_units_left_is_cared_for),
		TEST(test_a_sale_with_more_orders_than_units_stays_fenced),
		TEST(test_a_sale_with_more_than_a_buyers_limit_stays_fenced),
		TEST(test_a_sale_whose_orders_are_not_its_sums_stays_fenced_until_they_are),
		TEST(test_orders_that_are_older_than_their_sale_by_the_clock_come_back),
		TEST(test_a_sale_that_is_wrong_does_not_keep_the_others_from_being_armed),
		TEST(test_a_withdrawal_from_before_takes_nothing_again),
		TEST(test_an_empty_ledger_is_rebuilt_to_nothing),
		TEST(test_a_ledger_that_cannot_be_written_stops_the_rebuild),
	};

	return cmocka_run_group_tests_name("recovery: rebuild", tests, NULL, NULL);
}
