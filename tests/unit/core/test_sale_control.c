/*
 * A sale's life and units over a real ledger and stock: the order of the rules, what is lost on the
 * way, and the clock.
 */
#include "base/failpoint.h"
#include "unit/core/house.h"

#include <string.h>
#include "recovery/rebuild.h"

static int add(struct house *house, const char *id, const char *sku, uint32_t units)
{
	struct ledger_actor actor = house_actor();

	return sale_control_add(house->control, slice_of(id), slice_of(sku), units, &actor);
}

static int withdraw(struct house *house, const char *id, const char *sku, uint32_t units, uint32_t *taken)
{
	struct ledger_actor actor = house_actor();

	return sale_control_withdraw(house->control, slice_of(id), slice_of(sku), units, false, &actor, taken);
}

static int care(struct house *house)
{
	return sale_control_care(house->control, clock_wall_ms(), true);
}

static int64_t allocated(struct house *house, const char *id, uint32_t lot)
{
	struct sale *sale = house_sale(house, id);
	int64_t units = sale->lots[lot].allocated;

	free(sale);
	return units;
}

/* --- Life --- */

static void test_a_new_sale_is_a_draft_that_the_catalog_shows(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *draft = house_draft("drop");
	uint32_t lot = 99;

	house_create(house, house_draft("drop"));
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 10);
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_EXISTS);
	strcpy(draft->id, "other");
	strcpy(draft->lots[1].sku, "HAT");
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_NO_ITEM);
	assert_int_equal(lot, 1);
	strcpy(draft->lots[1].sku, "SHOE");
	draft->lots[1].allocated = HOUSE_ON_HAND;
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_NOT_ENOUGH);
	assert_int_equal(house_shown(house, "other"), 0);
	free(draft);
	house_assert_audit(house);
}

static void test_each_move_is_in_the_ledger_and_in_the_catalog(void **state)
{
	static const struct {
		enum sale_action action;
		int outcome;
		enum sale_state after;
	} moves[] = {
		{SALE_PAUSE, SALE_CONTROL_WRONG_STATE, SALE_DRAFT}, {SALE_ARM, SALE_CONTROL_DONE, SALE_ARMED},
		{SALE_ARM, SALE_CONTROL_ALREADY, SALE_ARMED},       {SALE_RESUME, SALE_CONTROL_ALREADY, SALE_ARMED},
		{SALE_START, SALE_CONTROL_DONE, SALE_OPEN},         {SALE_START, SALE_CONTROL_ALREADY, SALE_OPEN},
		{SALE_PAUSE, SALE_CONTROL_DONE, SALE_PAUSED},       {SALE_START, SALE_CONTROL_WRONG_STATE, SALE_PAUSED},
		{SALE_RESUME, SALE_CONTROL_DONE, SALE_OPEN},        {SALE_END, SALE_CONTROL_DONE, SALE_ENDED},
		{SALE_END, SALE_CONTROL_ALREADY, SALE_ENDED},       {SALE_RESUME, SALE_CONTROL_WRONG_STATE, SALE_ENDED},
	};
	struct house *house = *state;

	house_create(house, house_draft("drop"));
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		struct sale *sale;

		assert_int_equal(house_move(house, "drop", moves[i].action), moves[i].outcome);
		sale = house_sale(house, "drop");
		assert_int_equal(sale->state, moves[i].after);
		free(sale);
		assert_int_equal(house_shown(house, "drop"), moves[i].after);
	}
	assert_int_equal(house_move(house, "none", SALE_ARM), SALE_CONTROL_NO_SALE);
}

static void test_arming_raises_the_epoch_and_fills_the_stock(void **state)
{
	struct house *house = *state;
	struct sale *sale;

	house_create(house, house_draft("drop"));
	sale = house_sale(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house_assert_lot(house, "drop", 1, 5, 0, 0, 0);
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(house->last.epoch, sale->epoch + 1);
	free(sale);
}

static void test_a_failed_arming_leaves_no_stock_behind(void **state)
{
	struct house *house = *state;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	house_create(house, house_draft("drop"));
	failpoints_set("ledger.before_commit=error:5@1x1"); /* the epoch is written, the move is not */
	assert_int_equal(house_move(house, "drop", SALE_ARM), -5);
	failpoints_set("");
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "drop"), lots, &count), STOCK_UNKNOWN_SALE);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
}

/*
 * To open a draft is two moves: an armed sale without its stock would be fenced until the next
 * start.
 */
static void test_a_failed_opening_of_a_draft_that_is_armed_keeps_its_stock(void **state)
{
	struct house *house = *state;

	house_create(house, house_draft("drop"));
	failpoints_set("ledger.before_commit=error:5@2x1"); /* the epoch and the first move are written, the second is not */
	assert_int_equal(house_move(house, "drop", SALE_START), -5);
	failpoints_set("");
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	house_assert_audit(house);
}

static void test_changes_end_step_by_step(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *change = house_draft("drop"), *sale;
	unsigned all = SALE_FIELD_NAME | SALE_FIELD_PRICE | SALE_FIELD_LIMIT | SALE_FIELD_RATE | SALE_FIELD_HOLD |
		       SALE_FIELD_OPENS | SALE_FIELD_CLOSES | SALE_FIELD_LATE_CONFIRM;

	house_create(house, house_draft("drop"));
	strcpy(change->name, "New");
	strcpy(change->currency, "USD");
	change->price_minor = 1;
	change->limit_per_buyer = 7;
	change->rate_requests = 4;
	change->rate_seconds = 5;
	change->hold_seconds = 6;
	change->opens_at_ms = HOUSE_NOW_MS + 100000;
	change->closes_at_ms = HOUSE_NOW_MS + 200000;
	change->late_confirm = true;
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), all, change, &actor), SALE_CONTROL_DONE);
	sale = house_sale(house, "drop");
	assert_string_equal(sale->name, "New");
	assert_string_equal(sale->currency, "USD");
	assert_int_equal(sale->price_minor, 1);
	assert_int_equal(sale->limit_per_buyer, 7);
	assert_int_equal(sale->rate_requests, 4);
	assert_int_equal(sale->rate_seconds, 5);
	assert_int_equal(sale->hold_seconds, 6);
	assert_int_equal(sale->opens_at_ms, HOUSE_NOW_MS + 100000);
	assert_int_equal(sale->closes_at_ms, HOUSE_NOW_MS + 200000);
	assert_true(sale->late_confirm);
	free(sale);

	change->closes_at_ms = change->opens_at_ms;
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_CLOSES, change, &actor),
			 SALE_CONTROL_BAD_TIMES);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	for (unsigned field = 1; field <= SALE_FIELD_ANNOUNCE; field *= 2) {
		change->closes_at_ms = HOUSE_NOW_MS + 300000;
		assert_int_equal(sale_control_update(house->control, SLICE("drop"), field, change, &actor),
				 field & SALE_FIELDS_ARMED ? SALE_CONTROL_DONE : SALE_CONTROL_LOADED);
	}
	/*
	 * It is open by the clock, though nobody has written it down yet: what sells is not moved
	 * out of its window.
	 */
	house_pass(100000);
	actor = house_actor();
	for (int i = 0; i < 2; i++) {
		for (unsigned field = 1; field <= SALE_FIELD_ANNOUNCE; field *= 2)
			assert_int_equal(sale_control_update(house->control, SLICE("drop"), field, change, &actor),
					 field & SALE_FIELDS_HARMLESS ? SALE_CONTROL_DONE : SALE_CONTROL_FROZEN);
		assert_int_equal(care(house), 0);
		assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	}
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_NAME, change, &actor),
			 SALE_CONTROL_WRONG_STATE);
	assert_int_equal(sale_control_update(house->control, SLICE("none"), SALE_FIELD_NAME, change, &actor), SALE_CONTROL_NO_SALE);
	free(change);
}

static void test_an_armed_sale_opens_at_the_time_that_it_was_given_last(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *change = house_draft("drop");

	change->opens_at_ms = HOUSE_NOW_MS + 5000;
	house_create(house, sale_copy(change));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	change->opens_at_ms = SALE_NO_TIME;
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_OPENS, change, &actor), SALE_CONTROL_DONE);
	house_pass(6000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	actor = house_actor();
	change->opens_at_ms = HOUSE_NOW_MS + 5000;
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_OPENS, change, &actor),
			 SALE_CONTROL_PAST_OPENS);
	change->opens_at_ms = HOUSE_NOW_MS + 9000;
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_OPENS, change, &actor), SALE_CONTROL_DONE);
	house_pass(3000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	free(change);
	house_assert_audit(house);
}

/* --- Disarming --- */

static void test_a_disarmed_sale_is_a_draft_that_is_changed_and_armed_again(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *change = house_draft("drop");
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count, taken;

	change->opens_at_ms = HOUSE_NOW_MS + 5000;
	change->scheduled = true;
	house_create(house, sale_copy(change));
	assert_int_equal(care(house), 0); /* the clock arms it */
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	assert_int_equal(add(house, "drop", "SHIRT", 4), SALE_CONTROL_DONE);
	assert_int_equal(withdraw(house, "drop", "SHOE", 1, &taken), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_ALREADY);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "drop"), lots, &count), STOCK_UNKNOWN_SALE);
	house_pass(1000);
	assert_int_equal(care(house), 0); /* not anew */
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	change->limit_per_buyer = 2;
	actor = house_actor();
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_LIMIT, change, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 14, 0, 0, 0);
	house_assert_lot(house, "drop", 1, 4, 0, 0, 1);
	house_pass(5000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	(void)house_buy(house, "drop", 0, "ann", "k", 2);
	house_assert_lot(house, "drop", 0, 12, 2, 0, 0);
	free(change);
	house_assert_audit(house);
}

static void test_a_disarmed_sale_is_deleted(void **state)
{
	struct house *house = *state;

	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DELETE), SALE_CONTROL_DONE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	assert_int_equal(house_on_hand(house, "SHOE"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

/*
 * A gate whose clock is ahead sold a unit: the sale stays armed, with its stock, and the order with
 * its buyer.
 */
static void test_what_has_sold_is_not_disarmed_and_sells_on(void **state)
{
	struct house *house = *state;
	struct uuid order;

	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	order = house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_HAS_ORDERS);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_assert_lot(house, "drop", 0, 9, 1, 0, 0);
	house_settle(house, &order, ORDER_CONFIRM);
	(void)house_buy(house, "drop", 0, "ben", "k", 1);
	house_assert_lot(house, "drop", 0, 8, 1, 1, 0);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_WRONG_STATE);
	house_assert_audit(house);
}

static void disarm_meanwhile(struct house *house)
{
	house->during = NULL;
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
}

/*
 * Granted before, in the journal behind: it is refused there and comes back, whatever the sale is
 * by then.
 */
static void test_a_purchase_on_its_way_while_its_sale_is_disarmed_is_void(void **state)
{
	struct house *house = *state;
	struct stock_reserve item = {
		.event = {.kind = EVENT_RESERVED, .quantity = 1, .at_ms = clock_wall_ms(), .buyer = SLICE("ann"), .actor = SLICE("ann")},
		.now_ns = clock_mono_ns(),
	};

	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	item.event.sale = house_number(house, "drop");
	item.event.id = uuid_make(&house->ids, clock_wall_ms(), item.event.sale);
	house->stock->ops->reserve(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	house->during = disarm_meanwhile;
	assert_int_equal(house_append(house, &item.event, clock_mono_ns(), NULL), JOURNAL_REFUSED);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house_assert_audit(house);
}

/* What the journal has and the ledger has not may have been told. */
/* What the journal says when it is asked, try by try; a proof has begun an epoch. */
struct proof {
	struct house *house;
	int ends[4], asked;
};

static int prove(void *context, const struct sale *sale, uint32_t *epoch)
{
	struct proof *proof = context;
	int end = proof->ends[proof->asked++];

	if (end == SALE_CONTROL_DONE)
		assert_int_equal(proof->house->ledger->ops->sale_raise_epoch(proof->house->ledger, sale->number, 0, epoch),
				 LEDGER_DONE);
	return end;
}

/* Nobody but the journal knows what was told and is not in the ledger yet. */
static void test_a_sale_whose_journal_is_elsewhere_is_disarmed_where_the_journal_has_no_order_of_it(void **state)
{
	struct house *house = *state;
	struct proof proof = {.house = house,
			      .ends = {SALE_CONTROL_HAS_ORDERS, SALE_CONTROL_NO_PROOF, SALE_CONTROL_CONFLICT, SALE_CONTROL_DONE}};
	const struct sale_control_settings settings = {
		.ledger = house->ledger,
		.stock = house->stock,
		.catalog = house->catalog,
		.commit = {house_append, house},
		.proof = {prove, &proof},
	};
	struct ledger_actor actor = house_actor();
	struct sale_control *control;

	house_create(house, house_draft("drop"));
	assert_int_equal(sale_control_new(&control, &settings), 0);
	assert_int_equal(sale_control_move(control, SLICE("drop"), SALE_DISARM, &actor), SALE_CONTROL_ALREADY);
	assert_int_equal(proof.asked, 0); /* there is nothing to prove of a draft */
	assert_int_equal(sale_control_move(control, SLICE("drop"), SALE_ARM, &actor), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_move(control, SLICE("drop"), SALE_DISARM, &actor), SALE_CONTROL_HAS_ORDERS);
	assert_int_equal(sale_control_move(control, SLICE("drop"), SALE_DISARM, &actor), SALE_CONTROL_NO_PROOF);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	/* Somebody else was rebuilding it: once more. */
	assert_int_equal(sale_control_move(control, SLICE("drop"), SALE_DISARM, &actor), SALE_CONTROL_DONE);
	assert_int_equal(proof.asked, 4);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	sale_control_free(control);
	house_assert_audit(house);
}

static void test_a_sale_that_is_stopped_before_it_opens_is_corrected_resumed_and_opened_by_the_clock(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *change = house_draft("drop");
	uint32_t number;

	change->opens_at_ms = HOUSE_NOW_MS + 5000;
	house_create(house, sale_copy(change));
	number = house_number(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_brake(house->control, number, true, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	house_pass(6000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED); /* its time is over, and the clock leaves it alone */
	change->price_minor = 4711;
	change->opens_at_ms = HOUSE_NOW_MS + 9000;
	actor = house_actor();
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_PRICE | SALE_FIELD_OPENS, change, &actor),
			 SALE_CONTROL_DONE);
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_LIMIT, change, &actor), SALE_CONTROL_LOADED);
	assert_int_equal(sale_control_brake(house->control, number, false, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_pass(3000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	/* What has been open is frozen while it is stopped, and resumed to open. */
	actor = house_actor();
	assert_int_equal(sale_control_brake(house->control, number, true, &actor), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_update(house->control, SLICE("drop"), SALE_FIELD_PRICE, change, &actor), SALE_CONTROL_FROZEN);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_WRONG_STATE);
	assert_int_equal(sale_control_brake(house->control, number, false, &actor), SALE_CONTROL_DONE);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	free(change);
	house_assert_audit(house);
}

static void test_a_sale_that_is_stopped_before_it_opens_is_disarmed(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();

	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_brake(house->control, house_number(house, "drop"), true, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), SALE_CONTROL_DONE); /* before the keeper has written the stop down */
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	/* The stop went with what was armed. */
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	house_assert_audit(house);
}

/* --- Units: rule 1 --- */

static void test_added_units_are_in_the_ledger_and_for_sale(void **state)
{
	struct house *house = *state;
	uint32_t taken;

	house_create(house, house_draft("drop"));
	assert_int_equal(add(house, "drop", "SHIRT", 4), SALE_CONTROL_WRONG_STATE); /* a draft */
	assert_int_equal(withdraw(house, "drop", "SHIRT", 4, &taken), SALE_CONTROL_WRONG_STATE);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	assert_int_equal(add(house, "drop", "SHIRT", 4), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 14, 0, 0, 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 14);
	assert_int_equal(add(house, "drop", "SHIRT", HOUSE_ON_HAND), SALE_CONTROL_NOT_ENOUGH);
	assert_int_equal(add(house, "drop", "HAT", 1), SALE_CONTROL_NO_SALE);
	assert_int_equal(add(house, "none", "SHIRT", 1), SALE_CONTROL_NO_SALE);
	house_assert_lot(house, "drop", 0, 14, 0, 0, 0);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(add(house, "drop", "SHIRT", 1), SALE_CONTROL_WRONG_STATE);
	house_assert_audit(house);
}

/* Ledger first: units that the ledger refused are never for sale. */
static void test_units_that_the_ledger_did_not_take_are_not_for_sale(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	failpoints_set("ledger.before_commit=error:5x1");
	assert_int_equal(add(house, "drop", "SHIRT", 4), -5);
	failpoints_set("");
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	assert_int_equal(allocated(house, "drop", 0), 10);
	house_assert_audit(house);
}

/*
 * The answer of the commit is lost, and the ledger cannot be looked at: the units are not for sale
 * until it is known, and then exactly once, whether the commit had got through or not.
 */
static void lose_the_answer_of_an_addition(struct house *house, const char *failpoints)
{
	house_sell(house, "drop");
	failpoints_set(failpoints);
	assert_int_equal(add(house, "drop", "SHIRT", 4), -EINPROGRESS);
	assert_int_equal(house_lot(house, "drop", 0).available, 10);
	assert_true(care(house) < 0); /* still unhealthy */
	assert_int_equal(house_lot(house, "drop", 0).available, 10);
	failpoints_set("");
	house_pass(2000); /* the turn after a failure waits */
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 14, 0, 0, 0);
	house_pass(2000);
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 14, 0, 0, 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 14);
	house_assert_audit(house);
}

static void test_an_addition_that_got_through_unheard_is_finished_once(void **state)
{
	lose_the_answer_of_an_addition(*state, "ledger.commit_unknown=error:5,ledger.reopen=error:5");
}

static void test_an_addition_that_was_lost_unheard_is_done_once(void **state)
{
	lose_the_answer_of_an_addition(*state, "ledger.commit_lost=error:5,ledger.reopen=error:5");
}

static void look_during_withdrawal(struct house *house)
{
	/*
	 * Counter first: at the time of the append the units have left the counter, and the ledger
	 * does not know.
	 */
	assert_int_equal(house_lot(house, "drop", 0).available, 6);
	assert_int_equal(house->last.kind, EVENT_WITHDRAWN);
	assert_int_equal(house->last.quantity, 4);
	assert_int_equal(house->last.actor_kind, ACTOR_OPERATOR);
}

static void test_withdrawn_units_leave_the_counter_before_the_ledger_has_it(void **state)
{
	struct house *house = *state;
	uint32_t taken;

	house_sell(house, "drop");
	house->during = look_during_withdrawal;
	assert_int_equal(withdraw(house, "drop", "SHIRT", 4, &taken), 0);
	assert_true(house->during_ran);
	house->during = NULL;
	assert_int_equal(taken, 4);
	house_assert_lot(house, "drop", 0, 6, 0, 0, 4);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 6);
	house_assert_audit(house);
}

static void test_withdrawing_takes_what_is_there(void **state)
{
	struct house *house = *state;
	uint32_t taken;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 1, "ann", "k", 3);
	assert_int_equal(withdraw(house, "drop", "SHOE", 100, &taken), 0);
	assert_int_equal(taken, 2);
	house_assert_lot(house, "drop", 1, 0, 3, 0, 2);
	house->appends = 0;
	assert_int_equal(withdraw(house, "drop", "SHOE", 100, &taken), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(house->appends, 0);
	assert_int_equal(withdraw(house, "drop", "HAT", 1, &taken), SALE_CONTROL_NO_SALE);
	assert_int_equal(withdraw(house, "none", "SHOE", 1, &taken), SALE_CONTROL_NO_SALE);
	house_assert_audit(house);
}

static int withdraw_for(struct house *house, struct ledger_request *request, uint32_t units, bool exact, uint32_t *taken)
{
	struct ledger_actor actor = house_actor();

	actor.request = request;
	return sale_control_withdraw(house->control, SLICE("drop"), SLICE("SHIRT"), units, exact, &actor, taken);
}

static struct ledger_request request_of(uint8_t id, uint8_t body)
{
	const uint8_t hash[16] = {id}, body_hash[16] = {body};

	return (struct ledger_request){.id = uuid_of_hash(hash), .body = uuid_of_hash(body_hash)};
}

static void test_an_exact_withdrawal_of_more_than_is_there_takes_nothing(void **state)
{
	struct house *house = *state;
	uint32_t taken = 99;

	house_sell(house, "drop");
	assert_int_equal(withdraw_for(house, NULL, 11, true, &taken), SALE_CONTROL_NOT_SO_MANY);
	assert_int_equal(taken, 0);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	assert_int_equal(withdraw_for(house, NULL, 10, true, &taken), 0);
	assert_int_equal(taken, 10);
	house_assert_audit(house);
}

/* Found: a withdrawal whose answer was lost took its units again with every retry. */
static void test_a_withdrawal_with_a_key_takes_once_whatever_died(void **state)
{
	struct house *house = *state;
	struct ledger_request request = request_of(1, 1), other_body = request_of(1, 2);
	uint32_t taken = 99;

	house_sell(house, "drop");
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), 0);
	assert_int_equal(taken, 4);
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), SALE_CONTROL_REPEATED);
	assert_int_equal(taken, 4);
	assert_int_equal(withdraw_for(house, &other_body, 5, true, &taken), SALE_CONTROL_KEY_REUSED);
	house_assert_lot(house, "drop", 0, 6, 0, 0, 4);
	house_assert_audit(house);
}

/* The ledger does not know the request yet, as behind a journal that is being drained. */
static int knows_no_request(struct ledger *ledger, struct ledger_request *request)
{
	(void)ledger;
	(void)request;
	return LEDGER_DONE;
}

static void test_a_retried_withdrawal_takes_once_while_the_ledger_is_behind(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_ops behind = *ops;
	struct ledger_request request = request_of(1, 1), other_body = request_of(1, 2);
	uint32_t taken;

	house_sell(house, "drop");
	behind.request_find = knows_no_request;
	house->ledger->ops = &behind;
	house->pretend = JOURNAL_UNKNOWN;
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), SALE_CONTROL_UNKNOWN);
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), SALE_CONTROL_UNKNOWN); /* on its way */
	house->pretend = (enum journal_end)0;
	assert_int_equal(house_append(house, &house->last, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), 0);
	assert_int_equal(taken, 4);
	assert_int_equal(withdraw_for(house, &other_body, 5, true, &taken), SALE_CONTROL_KEY_REUSED);
	house->ledger->ops = ops;
	house_assert_lot(house, "drop", 0, 6, 0, 0, 4);
	assert_int_equal(withdraw_for(house, &request, 4, true, &taken), SALE_CONTROL_REPEATED);
	assert_int_equal(taken, 4);
	house_assert_audit(house);
}

static void test_a_move_with_a_key_is_not_repeated(void **state)
{
	struct house *house = *state;
	struct ledger_request request = request_of(1, 1);
	struct ledger_actor actor = house_actor();

	house_create(house, house_draft("drop"));
	actor.request = &request;
	assert_int_equal(sale_control_move(house->control, SLICE("drop"), SALE_START, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(sale_control_move(house->control, SLICE("drop"), SALE_START, &actor), SALE_CONTROL_REPEATED);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
}

static void test_a_drafts_lots_are_changed_until_it_is_armed(void **state)
{
	struct house *house = *state;
	const struct sale_lot lots[] = {{.sku = "SHIRT", .allocated = 2}, {.sku = "SHOE", .allocated = 7}};
	struct ledger_actor actor = house_actor();
	uint32_t lot;

	house_create(house, house_draft("drop"));
	assert_int_equal(sale_control_set_lots(house->control, SLICE("none"), lots, 2, &actor, &lot), SALE_CONTROL_NO_SALE);
	assert_int_equal(sale_control_set_lots(house->control, SLICE("drop"), lots, 2, &actor, &lot), SALE_CONTROL_DONE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 2);
	assert_int_equal(house_on_hand(house, "SHOE"), HOUSE_ON_HAND - 7);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	assert_int_equal(house_lot(house, "drop", 0).available, 2);
	assert_int_equal(house_lot(house, "drop", 1).available, 7);
	assert_int_equal(sale_control_set_lots(house->control, SLICE("drop"), lots, 2, &actor, &lot), SALE_CONTROL_WRONG_STATE);
	house_assert_audit(house);
}

static void test_a_refused_withdrawal_gives_the_units_back(void **state)
{
	struct house *house = *state;
	uint32_t taken = 99;

	house_sell(house, "drop");
	house->pretend = JOURNAL_REFUSED;
	assert_int_equal(withdraw(house, "drop", "SHIRT", 4, &taken), SALE_CONTROL_JOURNAL_AWAY);
	assert_int_equal(taken, 0);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house_assert_audit(house);
}

static void test_a_withdrawal_of_unknown_end_is_never_undone(void **state)
{
	struct house *house = *state;
	static struct stock_claim claim;
	uint32_t taken;

	house_sell(house, "drop");
	house->pretend = JOURNAL_UNKNOWN;
	assert_int_equal(withdraw(house, "drop", "SHIRT", 4, &taken), SALE_CONTROL_UNKNOWN);
	assert_int_equal(taken, 0);
	assert_int_equal(house_lot(house, "drop", 0).available, 6);
	/* It is driven again, and then both have it. */
	house->pretend = (enum journal_end)0;
	house_pass(10000);
	assert_int_equal(house->stock->ops->claim(house->stock, clock_mono_ns(), clock_mono_ns(), &claim, 1), 1);
	assert_int_equal(house_append(house, &claim.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	house_assert_lot(house, "drop", 0, 6, 0, 0, 4);
	house_assert_audit(house);
}

/* --- After the end --- */

static void test_what_an_ended_sale_has_left_goes_back_to_its_items(void **state)
{
	struct house *house = *state;
	struct uuid held, confirmed;

	house_sell(house, "drop");
	held = house_buy(house, "drop", 0, "ann", "k", 2);
	confirmed = house_buy(house, "drop", 0, "ben", "k", 1);
	house_settle(house, &confirmed, ORDER_CONFIRM);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	house_assert_lot(house, "drop", 0, 7, 2, 1, 0);
	assert_int_equal(care(house), 0);
	assert_int_equal(house->last.kind, EVENT_WITHDRAWN);
	assert_int_equal(house->last.actor_kind, ACTOR_CLOCK);
	house_assert_lot(house, "drop", 0, 0, 2, 1, 7);
	house_assert_lot(house, "drop", 1, 0, 0, 0, 5);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 3);
	/* Holds that run out later bring more. */
	house_settle(house, &held, ORDER_CANCEL);
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 0, 0, 1, 9);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND - 1);
	assert_int_equal(house_on_hand(house, "SHOE"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

/*
 * Found: a draft that was ended was armed for it, so the public saw a sale that nobody had
 * published.
 */
static void test_a_draft_is_deleted_and_not_ended(void **state)
{
	struct house *house = *state;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count, number;

	house_create(house, house_draft("drop"));
	number = house_number(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_WRONG_STATE);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	assert_int_equal(house_move(house, "drop", SALE_DELETE), SALE_CONTROL_DONE);
	assert_int_equal(house_shown(house, "drop"), 0);
	assert_int_equal(house->stock->ops->snapshot(house->stock, number, lots, &count), STOCK_UNKNOWN_SALE);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_NO_SALE);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	assert_int_equal(house_on_hand(house, "SHOE"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

static int change(struct house *house, unsigned fields, int64_t opens_ms, int64_t closes_ms)
{
	struct ledger_actor actor = house_actor();
	struct sale terms = {.opens_at_ms = opens_ms, .closes_at_ms = closes_ms, .scheduled = true};

	return sale_control_update(house->control, SLICE("drop"), fields, &terms, &actor);
}

static void test_times_that_are_over_are_refused(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct sale *draft = house_draft("drop");
	uint32_t lot;

	draft->opens_at_ms = HOUSE_NOW_MS - 1;
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_PAST_OPENS);
	draft->opens_at_ms = SALE_NO_TIME;
	draft->closes_at_ms = HOUSE_NOW_MS;
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_PAST_CLOSES);
	draft->closes_at_ms = SALE_NO_TIME;
	draft->scheduled = true;
	assert_int_equal(sale_control_create(house->control, draft, &actor, &lot), SALE_CONTROL_NO_OPENS);
	draft->scheduled = false;
	draft->opens_at_ms = HOUSE_NOW_MS + 1000;
	draft->closes_at_ms = HOUSE_NOW_MS + 5000;
	house_create(house, draft);
	assert_int_equal(change(house, SALE_FIELD_OPENS, HOUSE_NOW_MS - 1, 0), SALE_CONTROL_PAST_OPENS);
	assert_int_equal(change(house, SALE_FIELD_OPENS | SALE_FIELD_CLOSES, SALE_NO_TIME, HOUSE_NOW_MS), SALE_CONTROL_PAST_CLOSES);
	assert_int_equal(change(house, SALE_FIELD_OPENS | SALE_FIELD_SCHEDULE, SALE_NO_TIME, 0), SALE_CONTROL_NO_OPENS);
	house_pass(1001);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_PAST_OPENS); /* it would sell at once */
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	house_pass(4000);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_PAST_CLOSES); /* it would end at once */
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	house_assert_audit(house);
}

/*
 * Found: the clock armed and opened every draft that had a time, though the documents said that it
 * must be armed.
 */
static void test_the_clock_leaves_a_draft_alone_that_is_not_scheduled(void **state)
{
	struct house *house = *state;
	struct sale *draft = house_draft("drop");

	draft->opens_at_ms = HOUSE_NOW_MS + 1000;
	draft->closes_at_ms = HOUSE_NOW_MS + 100000;
	house_create(house, draft);
	for (int i = 0; i < 3; i++) {
		house_pass(1000);
		assert_int_equal(care(house), 0);
		assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	}
	assert_int_equal(change(house, SALE_FIELD_OPENS | SALE_FIELD_SCHEDULE, HOUSE_NOW_MS + 4000, 0), SALE_CONTROL_DONE);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_pass(1000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

static void test_leftovers_that_the_journal_refused_are_asked_for_again(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	house->pretend = JOURNAL_REFUSED;
	assert_int_equal(care(house), SALE_CONTROL_JOURNAL_AWAY);
	house_assert_lot(house, "drop", 0, 10, 0, 0, 0);
	house->pretend = (enum journal_end)0;
	house->appends = 0;
	assert_int_equal(care(house), SALE_CONTROL_JOURNAL_AWAY); /* waits after the failure */
	assert_int_equal(house->appends, 0);
	house_pass(1000);
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 0, 0, 0, 10);
	house_assert_audit(house);
}

static void test_an_ended_sale_is_forgotten_after_the_retention_and_not_while_it_holds(void **state)
{
	struct house *house = *state;
	struct stock_lot_state lots[LOTS_MAX];
	struct uuid held;
	uint32_t count, number, taken;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	held = house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	house_pass(HOUSE_RETENTION_MS);
	assert_int_equal(care(house), 0);
	house_pass(1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED); /* its hold is still there */
	house_settle(house, &held, ORDER_CANCEL);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), 0);
	assert_int_equal(house->stock->ops->snapshot(house->stock, number, lots, &count), STOCK_UNKNOWN_SALE);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	assert_int_equal(withdraw(house, "drop", "SHIRT", 1, &taken), SALE_CONTROL_WRONG_STATE);
	assert_int_equal(care(house), 0);
	house_assert_audit(house);
}

static void test_an_ended_sale_is_kept_through_the_retention(void **state)
{
	struct house *house = *state;

	house_sell(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	house_pass(HOUSE_RETENTION_MS);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
	house_pass(1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), 0);
}

/* --- The clock --- */

static void create_timed(struct house *house, int64_t opens_ms, int64_t closes_ms)
{
	struct sale *draft = house_draft("drop");

	draft->opens_at_ms = opens_ms;
	draft->closes_at_ms = closes_ms;
	draft->scheduled = true;
	house_create(house, draft);
}

static void test_the_clock_arms_opens_and_ends(void **state)
{
	struct house *house = *state;

	create_timed(house, HOUSE_NOW_MS + 20000, HOUSE_NOW_MS + 50000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	house_pass(9999);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT);
	house_pass(1); /* ten seconds before it opens */
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_pass(9999);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ARMED);
	house_pass(1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	house_pass(29999);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	house_pass(1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	house_assert_audit(house);
}

static void test_a_paused_sale_ends_by_the_clock_but_is_not_opened_by_it(void **state)
{
	struct house *house = *state;

	create_timed(house, HOUSE_NOW_MS + 1000, HOUSE_NOW_MS + 5000);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE); /* by hand, before its time */
	assert_int_equal(house_move(house, "drop", SALE_PAUSE), SALE_CONTROL_DONE);
	house_pass(2000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	house_pass(3000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
}

static void test_a_clock_that_jumps_back_takes_no_move_back(void **state)
{
	struct house *house = *state;

	create_timed(house, HOUSE_NOW_MS + 1000, SALE_NO_TIME);
	assert_int_equal(care(house), 0);
	house_pass(1000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
	house_jump(-3600000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_OPEN);
}

static void test_one_unhealthy_sale_does_not_keep_the_others_from_their_time(void **state)
{
	struct house *house = *state;
	struct sale *draft;

	for (char id[] = "a"; id[0] <= 'c'; id[0]++) {
		draft = house_draft(id);
		draft->opens_at_ms = HOUSE_NOW_MS;
		draft->scheduled = true;
		house_create(house, draft);
	}
	failpoints_set("ledger.begin=error:5x1"); /* the first sale's arming */
	assert_int_equal(care(house), -5);
	failpoints_set("");
	assert_int_equal(house_shown(house, "a"), SALE_DRAFT);
	assert_int_equal(house_shown(house, "b"), SALE_ARMED);
	assert_int_equal(house_shown(house, "c"), SALE_ARMED);
	house_pass(1000);
	assert_int_equal(care(house), 0);
	house_pass(1000);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "a"), SALE_OPEN);
}

static void test_a_failure_is_told_again_while_the_next_try_waits(void **state)
{
	struct house *house = *state;

	create_timed(house, HOUSE_NOW_MS, SALE_NO_TIME);
	failpoints_set("ledger.begin=error:5x1");
	assert_int_equal(care(house), -5);
	house_pass(999);
	assert_int_equal(care(house), -5);
	house_pass(1);
	assert_int_equal(care(house), 0);
	house_pass(1);
	assert_int_equal(care(house), 0);
}

/* --- Another process on the same ledger and stock --- */

static struct {
	struct house *house;
	struct sale_catalog *catalog;
	struct sale_control *control;
	int (*raise_epoch)(struct ledger *, uint32_t, uint32_t, uint32_t *);
	bool sell_first; /* it opens the sale and sells a unit just before our epoch rises */
} other;

static void open_other(struct house *house)
{
	struct sale_control_settings settings = {
		.ledger = house->ledger,
		.stock = house->stock,
		.commit = {house_append, house},
		.retention_ms = HOUSE_RETENTION_MS,
	};

	other.house = house;
	assert_int_equal(sale_catalog_new(&other.catalog), 0);
	settings.catalog = other.catalog;
	assert_int_equal(sale_control_new(&other.control, &settings), 0);
}

static void close_other(void)
{
	sale_control_free(other.control);
	sale_catalog_free(other.catalog);
}

static void sell_elsewhere(void)
{
	struct ledger_actor actor = house_actor();

	assert_int_equal(sale_control_move(other.control, SLICE("drop"), SALE_START, &actor), SALE_CONTROL_DONE);
	(void)house_buy(other.house, "drop", 0, "ann", "k", 1);
}

static int raise_after_other(struct ledger *ledger, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	if (other.sell_first) {
		other.sell_first = false;
		sell_elsewhere();
	}
	return other.raise_epoch(ledger, sale, above, epoch);
}

/*
 * Found: the keeper armed by what its catalog showed; a sale that another gate had opened since was
 * begun anew, its orders forgotten (P1).
 */
static void test_a_sale_that_another_process_has_armed_is_not_begun_anew(void **state)
{
	struct house *house = *state;

	create_timed(house, HOUSE_NOW_MS + 5000, SALE_NO_TIME);
	open_other(house);
	sell_elsewhere();
	assert_int_equal(house_shown(house, "drop"), SALE_DRAFT); /* not followed yet */
	assert_int_equal(care(house), 0);
	house_assert_lot(house, "drop", 0, 9, 1, 0, 0);
	close_other();
}

/*
 * Found: of two that arm at once, the later armed all units, though the earlier had sold some
 * already (P1).
 */
static void test_of_two_that_arm_at_once_the_later_arms_nothing_once_units_are_sold(void **state)
{
	struct house *house = *state;
	const struct ledger_ops *ops = house->ledger->ops;
	struct ledger_ops racing = *ops;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	house_create(house, house_draft("drop"));
	open_other(house);
	other.raise_epoch = ops->sale_raise_epoch;
	other.sell_first = true;
	racing.sale_raise_epoch = raise_after_other;
	house->ledger->ops = &racing;
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_STOCK_AWAY);
	house->ledger->ops = ops;
	/* Nothing is sold from there until it is rebuilt. */
	assert_int_equal(house->stock->ops->snapshot(house->stock, house_number(house, "drop"), lots, &count), STOCK_UNKNOWN_SALE);
	close_other();
}

/*
 * Found: a shared stock that had forgotten an old sale was taken for one with nothing left; its
 * held units never came back (P4).
 */
static void test_what_a_forgotten_sale_still_holds_keeps_it_from_being_past(void **state)
{
	struct house *house = *state;
	struct rebuild_result result;
	struct sale_catalog *forgotten;
	const struct sale_table *table;
	struct sale *sale;

	house_sell(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	assert_int_equal(care(house), 0);
	house_share_stock(house);
	house->stock->ops->drop(house->stock, house_number(house, "drop"), UINT32_MAX);
	house_pass(HOUSE_RETENTION_MS + 1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);
	assert_int_equal(sale_control_care(house->control, clock_wall_ms(), false), 0);
	assert_int_equal(house_shown(house, "drop"), SALE_ENDED);

	sale = house_sale(house, "drop");
	assert_int_equal(rebuild_begin(house->ledger, house->stock, sale, 0), 0);
	assert_int_equal(sale_catalog_new(&forgotten), 0);
	assert_int_equal(sale_catalog_put(forgotten, sale), 0);
	table = sale_catalog_ref(forgotten);
	assert_int_equal(rebuild_load(house->ledger, house->stock, table, &result), 0);
	sale_table_unref(table);
	sale_catalog_free(forgotten);
	assert_int_equal(house_expire(house), 1);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_on_hand(house, "SHIRT"), HOUSE_ON_HAND);
	/* Forgotten again, but with nothing left: now it is past. */
	house->stock->ops->drop(house->stock, house_number(house, "drop"), UINT32_MAX);
	assert_int_equal(care(house), 0);
	assert_int_equal(house_shown(house, "drop"), 0);
	house_assert_audit(house);
}

/*
 * Found: the operator was told that the sale had ended long ago, though the ledger had moved the
 * units into it (P5).
 */
static void test_units_for_a_sale_that_a_shared_stock_has_forgotten_are_added_in_the_ledger(void **state)
{
	struct house *house = *state;
	uint32_t taken;

	house_sell(house, "drop");
	house_share_stock(house);
	house->stock->ops->drop(house->stock, house_number(house, "drop"), UINT32_MAX);
	assert_int_equal(add(house, "drop", "SHIRT", 5), 0);
	assert_int_equal(allocated(house, "drop", 0), 15);
	assert_int_equal(withdraw(house, "drop", "SHIRT", 5, &taken), SALE_CONTROL_STOCK_AWAY);
	assert_int_equal(taken, 0);
	assert_int_equal(house->appends, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_sale_is_a_draft_that_the_catalog_shows),
		TEST(test_each_move_is_in_the_ledger_and_in_the_catalog),
		TEST(test_arming_raises_the_epoch_and_fills_the_stock),
		TEST(test_a_failed_arming_leaves_no_stock_behind),
		TEST(test_a_failed_opening_of_a_draft_that_is_armed_keeps_its_stock),
		TEST(test_changes_end_step_by_step),
		TEST(test_an_armed_sale_opens_at_the_time_that_it_was_given_last),
		TEST(test_a_disarmed_sale_is_a_draft_that_is_changed_and_armed_again),
		TEST(test_a_disarmed_sale_is_deleted),
		TEST(test_what_has_sold_is_not_disarmed_and_sells_on),
		TEST(test_a_purchase_on_its_way_while_its_sale_is_disarmed_is_void),
		TEST(test_a_sale_whose_journal_is_elsewhere_is_disarmed_where_the_journal_has_no_order_of_it),
		TEST(test_a_sale_that_is_stopped_before_it_opens_is_corrected_resumed_and_opened_by_the_clock),
		TEST(test_a_sale_that_is_stopped_before_it_opens_is_disarmed),
		TEST(test_added_units_are_in_the_ledger_and_for_sale),
		TEST(test_units_that_the_ledger_did_not_take_are_not_for_sale),
		TEST(test_an_addition_that_got_through_unheard_is_finished_once),
		TEST(test_an_addition_that_was_lost_unheard_is_done_once),
		TEST(test_withdrawn_units_leave_the_counter_before_the_ledger_has_it),
		TEST(test_withdrawing_takes_what_is_there),
		TEST(test_an_exact_withdrawal_of_more_than_is_there_takes_nothing),
		TEST(test_a_withdrawal_with_a_key_takes_once_whatever_died),
		TEST(test_a_retried_withdrawal_takes_once_while_the_ledger_is_behind),
		TEST(test_a_move_with_a_key_is_not_repeated),
		TEST(test_a_drafts_lots_are_changed_until_it_is_armed),
		TEST(test_a_refused_withdrawal_gives_the_units_back),
		TEST(test_a_withdrawal_of_unknown_end_is_never_undone),
		TEST(test_what_an_ended_sale_has_left_goes_back_to_its_items),
		TEST(test_a_draft_is_deleted_and_not_ended),
		TEST(test_times_that_are_over_are_refused),
		TEST(test_the_clock_leaves_a_draft_alone_that_is_not_scheduled),
		TEST(test_leftovers_that_the_journal_refused_are_asked_for_again),
		TEST(test_an_ended_sale_is_forgotten_after_the_retention_and_not_while_it_holds),
		TEST(test_an_ended_sale_is_kept_through_the_retention),
		TEST(test_the_clock_arms_opens_and_ends),
		TEST(test_a_paused_sale_ends_by_the_clock_but_is_not_opened_by_it),
		TEST(test_a_clock_that_jumps_back_takes_no_move_back),
		TEST(test_one_unhealthy_sale_does_not_keep_the_others_from_their_time),
		TEST(test_a_failure_is_told_again_while_the_next_try_waits),
		TEST(test_a_sale_that_another_process_has_armed_is_not_begun_anew),
		TEST(test_of_two_that_arm_at_once_the_later_arms_nothing_once_units_are_sold),
		TEST(test_what_a_forgotten_sale_still_holds_keeps_it_from_being_past),
		TEST(test_units_for_a_sale_that_a_shared_stock_has_forgotten_are_added_in_the_ledger),
	};

	return cmocka_run_group_tests_name("core: sale control", tests, NULL, NULL);
}
