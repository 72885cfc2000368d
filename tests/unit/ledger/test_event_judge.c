#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "ledger/event_batch.h"
#include "ledger/event_judge.h"

enum { SALE = 7, LOT = 2, ITEM = 31, EPOCH = 5, NOW_MS = 1000, HOLD_MS = 9000 };

static const struct uuid id = {{[0] = 1, [15] = SALE}};

static struct event event_of(enum event_kind kind)
{
	return (struct event){
		.kind = kind,
		.id = id,
		.sale = SALE,
		.lot = LOT,
		.epoch = EPOCH,
		.quantity = 2,
		.buyer_units = 2,
		.limit_per_buyer = 3,
		.at_ms = NOW_MS,
		.hold_expires_at_ms = HOLD_MS,
		.buyer = SLICE("anna"),
		.actor = SLICE("anna"),
	};
}

static struct order_row row_of(enum order_state state)
{
	return (struct order_row){
		.sale = SALE, .lot = LOT, .quantity = 2, .first_quantity = 2, .state = state, .hold_expires_at_ms = HOLD_MS, .buyer = "anna"};
}

/* A sale with the lot, that has this epoch. */
static struct event_facts facts_of(const struct order_row *order)
{
	return (struct event_facts){.has_sale = true, .has_lot = true, .item = ITEM, .oldest = EPOCH, .barrier = EPOCH, .order = order};
}

static void test_a_new_order_takes_its_units(void **state)
{
	struct event event = event_of(EVENT_RESERVED);
	struct event_facts facts = facts_of(NULL);
	struct event_change change;

	(void)state;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.state, ORDER_HELD);
	assert_int_equal(change.hold_expires_at_ms, HOLD_MS);
	assert_true(change.moves);
	assert_false(change.logged);
	assert_int_equal(change.movement.cause, CAUSE_RESERVE);
	assert_int_equal(change.movement.sale, SALE);
	assert_int_equal(change.movement.lot, LOT);
	assert_int_equal(change.movement.held, 2);
	assert_int_equal(change.movement.confirmed, 0);
	assert_int_equal(change.movement.actor.size, 0);

	event.hold_expires_at_ms = 0;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.state, ORDER_CONFIRMED);
	assert_int_equal(change.movement.confirmed, 2);
}

/*
 * Who drives an event again must never hear that it is not there when it is, whatever epoch its
 * sale has by now.
 */
static void test_what_is_there_is_there_under_any_epoch(void **state)
{
	static const struct {
		enum event_kind kind;
		enum order_state state;
	} done[] = {
		{EVENT_RESERVED, ORDER_HELD},       {EVENT_RESERVED, ORDER_EXPIRED},   {EVENT_CONFIRMED, ORDER_CONFIRMED},
		{EVENT_CANCELLED, ORDER_CANCELLED}, {EVENT_REFUNDED, ORDER_CANCELLED}, {EVENT_EXPIRED, ORDER_EXPIRED},
		{EVENT_EXTENDED, ORDER_HELD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++) {
		struct order_row row = row_of(done[i].state);
		struct event event = event_of(done[i].kind);
		struct event_facts facts = facts_of(&row);
		struct event_change change;

		facts.oldest = EPOCH + 1;
		assert_true(event_is_there(&event, &facts));
		assert_int_equal(event_judge(&event, &facts, &change), LEDGER_ALREADY);
	}
}

static void test_an_older_epoch_is_void_whatever_the_kind(void **state)
{
	static const enum event_kind kinds[] = {EVENT_RESERVED, EVENT_CONFIRMED, EVENT_CANCELLED, EVENT_EXPIRED,
						EVENT_EXTENDED, EVENT_WITHDRAWN, EVENT_REFUNDED};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct order_row row = row_of(kinds[i] == EVENT_REFUNDED ? ORDER_CONFIRMED : ORDER_HELD);
		struct event event = event_of(kinds[i]);
		struct event_facts facts = facts_of(event_settles(kinds[i]) ? &row : NULL);
		struct event_change change;

		event.hold_expires_at_ms = HOLD_MS + 1;
		assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
		facts.oldest = EPOCH + 1;
		assert_int_equal(event_judge(&event, &facts, &change), LEDGER_STALE_EPOCH);
		/* Also where what it follows was void itself. */
		facts.order = NULL;
		facts.has_lot = false;
		assert_int_equal(event_judge(&event, &facts, &change), LEDGER_STALE_EPOCH);
		/* A newer epoch than the ledger's is let through. */
		facts.oldest = EPOCH - 1;
		assert_int_equal(event_judge(&event, &facts, &change), LEDGER_NOT_FOUND);
	}
}

static void test_a_settlement_moves_units_and_ends_are_final(void **state)
{
	struct order_row row = row_of(ORDER_HELD);
	struct event event = event_of(EVENT_CONFIRMED);
	struct event_facts facts = facts_of(&row);
	struct event_change change;

	(void)state;
	event.actor = SLICE("olga");
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.state, ORDER_CONFIRMED);
	assert_int_equal(change.movement.held, -2);
	assert_int_equal(change.movement.confirmed, 2);
	assert_true(slice_equal(change.movement.actor, SLICE("olga")));
	assert_true(change.logged);

	event.kind = EVENT_EXPIRED;
	event.actor = SLICE("clock");
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.movement.held, -2);
	assert_false(change.logged);

	row.state = ORDER_EXPIRED;
	event.kind = EVENT_CONFIRMED;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_WRONG_STATE);
	row.state = ORDER_HELD;
	row.sale = SALE + 1; /* another sale's order */
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_NOT_FOUND);
}

/*
 * What each event is by its own word, and by the names where it says nothing; the order is anna's.
 */
static void test_who_acted_is_the_events_word_and_no_guess(void **state)
{
	static const struct {
		enum actor_kind kind;
		const char *name;
		bool logged, named;
	} cases[] = {
		{ACTOR_OPERATOR, "olga", true, true}, {ACTOR_OPERATOR, "anna", true, true}, {ACTOR_OPERATOR, "clock", true, true},
		{ACTOR_OPERATOR, "", true, false},    {ACTOR_BUYER, "anna", false, false},  {ACTOR_BUYER, "clock", false, false},
		{ACTOR_CLOCK, "clock", false, true},  {ACTOR_CLOCK, "anna", false, true},   {ACTOR_UNSAID, "olga", true, true},
		{ACTOR_UNSAID, "anna", false, false}, {ACTOR_UNSAID, "clock", false, true}, {ACTOR_UNSAID, "", false, false},
	};
	static const enum event_kind kinds[] = {EVENT_CONFIRMED, EVENT_CANCELLED, EVENT_EXTENDED, EVENT_WITHDRAWN};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			struct order_row row = row_of(ORDER_HELD);
			struct event event = event_of(kinds[j]);
			struct event_facts facts = facts_of(event_settles(kinds[j]) ? &row : NULL);
			struct event_change change;
			bool settles = kinds[j] == EVENT_CONFIRMED || kinds[j] == EVENT_CANCELLED;

			event.hold_expires_at_ms = HOLD_MS + 1;
			event.actor_kind = cases[i].kind;
			event.actor = slice_of(cases[i].name);
			assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
			if (kinds[j] != EVENT_WITHDRAWN || cases[i].kind != ACTOR_UNSAID)
				assert_int_equal(change.logged, cases[i].logged);
			if (settles)
				assert_int_equal(change.movement.actor.size > 0, cases[i].named);
		}
}

/*
 * A late confirm makes an order for its buyer; that a buyer has the operator's name does not make
 * it the buyer's.
 */
static void test_an_operators_order_has_its_actor_whatever_the_name(void **state)
{
	struct event event = event_of(EVENT_RESERVED);
	struct event_facts facts = facts_of(NULL);
	struct event_change change;

	(void)state;
	event.actor_kind = ACTOR_OPERATOR;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_true(slice_equal(change.movement.actor, SLICE("anna")));
	event.actor_kind = ACTOR_BUYER;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.movement.actor.size, 0);
}

static void test_an_extension_moves_no_units(void **state)
{
	struct order_row row = row_of(ORDER_HELD);
	struct event event = event_of(EVENT_EXTENDED);
	struct event_facts facts = facts_of(&row);
	struct event_change change;

	(void)state;
	event.hold_expires_at_ms = HOLD_MS + 500;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_true(change.moves); /* the ledger's movements tell of all that happened */
	assert_int_equal(change.movement.held, 0);
	assert_int_equal(change.movement.confirmed, 0);
	assert_int_equal(change.movement.hold_expires_at_ms, HOLD_MS + 500);
	assert_int_equal(change.state, ORDER_HELD);
	assert_int_equal(change.hold_expires_at_ms, HOLD_MS + 500);
	event.hold_expires_at_ms = HOLD_MS - 1;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_ALREADY);
}

static void test_withdrawn_units_go_back_to_their_item_once(void **state)
{
	struct event event = event_of(EVENT_WITHDRAWN);
	struct event_facts facts = facts_of(NULL);
	struct event_change change;

	(void)state;
	event.actor = SLICE("olga");
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_int_equal(change.movement.item, ITEM);
	assert_int_equal(change.movement.on_hand, 2);
	assert_int_equal(change.movement.withdrawn, 2);
	assert_true(change.logged);
	facts.has_movement = true;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_ALREADY);
}

static void test_a_barrier_only_rises(void **state)
{
	struct event event = event_of(EVENT_BARRIER);
	struct event_facts facts = facts_of(NULL);
	struct event_change change;

	(void)state;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_ALREADY);
	event.epoch = EPOCH + 1;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_DONE);
	assert_false(change.moves);
	facts.has_sale = facts.has_lot = false;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_NOT_FOUND);
}

static void test_an_id_has_one_order(void **state)
{
	struct order_row row = row_of(ORDER_HELD);
	struct event event = event_of(EVENT_RESERVED);
	struct event_facts facts = facts_of(&row);
	struct event_change change;

	(void)state;
	event.buyer = SLICE("bert");
	assert_false(event_is_there(&event, &facts));
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_CONSTRAINT);
}

static void test_an_order_whose_id_names_another_sale_is_kept_out(void **state)
{
	struct event event = event_of(EVENT_RESERVED);
	struct event_facts facts = facts_of(NULL);
	struct event_change change;

	(void)state;
	event.id.bytes[15] = SALE + 1;
	assert_int_equal(event_judge(&event, &facts, &change), LEDGER_CONSTRAINT);
}

static void test_the_constraints_are_those_of_the_tables(void **state)
{
	struct event event = event_of(EVENT_RESERVED);
	struct lot_sums sums = {.allocated = 5, .held = 1, .confirmed = 1, .withdrawn = 1};
	struct movement two = {.held = 2};

	(void)state;
	ledger_lot_sums_add(&sums, &two);
	assert_true(event_fits(&event, &sums)); /* the last units */
	ledger_lot_sums_add(&sums, &(struct movement){.held = 1});
	assert_false(event_fits(&event, &sums));
	sums = (struct lot_sums){.allocated = 5, .held = -1};
	assert_false(event_fits(&event, &sums));
	sums = (struct lot_sums){.allocated = 5};
	event.buyer_units = 4; /* above the limit that it was granted under */
	assert_false(event_fits(&event, &sums));
}

/* --- Batches --- */

/* A range is broken where an event of a lot above 9 is in it; what was applied is counted. */
static int apply_range(void *context, struct ledger_entry *entries, size_t count, bool *broken)
{
	size_t *applied = context;

	*broken = false;
	for (size_t i = 0; i < count; i++)
		*broken |= entries[i].event->lot > 9;
	for (size_t i = 0; i < count && !*broken; i++)
		entries[i].outcome = LEDGER_DONE;
	*applied += *broken ? 0 : count;
	return 0;
}

static void test_halving_leaves_out_just_what_breaks(void **state)
{
	struct event events[11];
	struct ledger_entry entries[11];
	size_t applied = 0;

	(void)state;
	for (uint32_t i = 0; i < 11; i++) {
		events[i] = event_of(EVENT_RESERVED);
		events[i].lot = i == 3 || i == 10 ? 99 : i % 10;
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	assert_int_equal(event_batch_halve(apply_range, &applied, entries, 11), 0);
	assert_int_equal(applied, 9);
	for (size_t i = 0; i < 11; i++)
		assert_int_equal(entries[i].outcome, i == 3 || i == 10 ? LEDGER_CONSTRAINT : LEDGER_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_order_takes_its_units),
		cmocka_unit_test(test_what_is_there_is_there_under_any_epoch),
		cmocka_unit_test(test_an_older_epoch_is_void_whatever_the_kind),
		cmocka_unit_test(test_a_settlement_moves_units_and_ends_are_final),
		cmocka_unit_test(test_who_acted_is_the_events_word_and_no_guess),
		cmocka_unit_test(test_an_operators_order_has_its_actor_whatever_the_name),
		cmocka_unit_test(test_an_extension_moves_no_units),
		cmocka_unit_test(test_withdrawn_units_go_back_to_their_item_once),
		cmocka_unit_test(test_a_barrier_only_rises),
		cmocka_unit_test(test_an_id_has_one_order),
		cmocka_unit_test(test_an_order_whose_id_names_another_sale_is_kept_out),
		cmocka_unit_test(test_the_constraints_are_those_of_the_tables),
		cmocka_unit_test(test_halving_leaves_out_just_what_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
