/*
 * The part of the ledger's contract that a drain, and processes beside each other, live by:
 * positions, barriers, dead letters, what has changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "contract/ledger_suite.h"
#include "contract/sqlite_place.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static size_t dead_letters(struct kit *kit, struct ledger_dead_letter *rows, size_t max)
{
	size_t count;

	assert_int_equal(kit->ledger->ops->dead_letters(kit->ledger, 0, rows, max, &count), 0);
	return count;
}

static int64_t orders_count(struct kit *kit)
{
	struct ledger_audit audit;

	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	return audit.orders;
}

/* P2 is broken so often, and nothing else. */
static void assert_dead_purchases(struct kit *kit, int64_t count)
{
	struct ledger_audit audit;

	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_int_equal(audit.dead_purchases, count);
	assert_int_equal(audit.p2_broken, count);
	assert_int_equal(audit.p1_broken + audit.p3_broken + audit.p4_broken + audit.log_broken, 0);
}

/* --- Positions --- */

static void test_drain_moves_its_position_with_the_rows(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann"), ben = kit_reserved(kit, KIT_SHOE, 1, "ben");
	struct event confirmed = kit_settled(kit, EVENT_CONFIRMED, &ann);
	struct ledger_entry first[] = {{&ann, -1}, {&ben, -1}}, second[] = {{&confirmed, -1}};

	kit_assert_position(kit, 0, -1);
	assert_int_equal(kit_drain(kit, 0, first, 2), LEDGER_DONE);
	assert_int_equal(first[0].outcome, LEDGER_DONE);
	assert_int_equal(first[1].outcome, LEDGER_DONE);
	kit_assert_position(kit, 0, 2);
	assert_int_equal(kit_drain(kit, 2, second, 1), LEDGER_DONE);
	assert_int_equal(second[0].outcome, LEDGER_DONE);
	ledger_suite_restart(*state);
	kit_assert_position(kit, 0, 3);
	kit_assert_position(kit, 1, -1);
	kit_assert_order(kit, &ann.id, ORDER_CONFIRMED);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 1, 0);
	kit_assert_audit(kit);
}

static void test_batch_that_comes_again_changes_nothing(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann"), ben = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct event other = kit_reserved(kit, KIT_SHIRT, 1, "cid");
	struct ledger_entry first[] = {{&ann, -1}}, second[] = {{&ben, -1}}, never[] = {{&other, -1}};

	assert_int_equal(kit_drain(kit, 0, first, 1), LEDGER_DONE);
	assert_int_equal(kit_drain(kit, 1, second, 1), LEDGER_DONE);
	assert_int_equal(kit_drain(kit, 0, first, 1), LEDGER_STALE_POSITION);
	assert_int_equal(kit_drain(kit, 1, second, 1), LEDGER_STALE_POSITION);
	/* Neither what is behind nor what is ahead of the position. */
	assert_int_equal(kit_drain(kit, 0, never, 1), LEDGER_STALE_POSITION);
	assert_int_equal(kit_drain(kit, 7, never, 1), LEDGER_STALE_POSITION);
	kit_assert_position(kit, 0, 2);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	kit_assert_audit(kit);
}

static void test_partitions_of_a_batch_move_together_or_not(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	struct ledger_entry entry = {&ann, -1};
	struct ledger_progress progress[] = {{5, 0, 4, 40}, {3, 0, 1, 10}};
	struct ledger_drain drain = {.progress = progress, .progress_count = 2, .now_ms = kit->now_ms};

	/* Without an event: records that were read over. */
	assert_int_equal(kit->ledger->ops->drain(kit->ledger, &drain), LEDGER_DONE);
	kit_assert_position(kit, 5, 4);
	kit_assert_position(kit, 3, 1);
	progress[0] = (struct ledger_progress){5, 4, 6, 60};
	progress[1] = (struct ledger_progress){3, 0, 2, 20};
	drain.entries = &entry;
	drain.count = 1;
	assert_int_equal(kit->ledger->ops->drain(kit->ledger, &drain), LEDGER_STALE_POSITION);
	kit_assert_position(kit, 5, 4);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 0, 0);
}

static void test_ledger_knows_the_log_it_is_filled_from(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger *ledger = kit->ledger;
	char *known = (char *)"unset";
	uint32_t partitions = 12;

	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("c1"), SLICE("orders"), &partitions, &known), LEDGER_DONE);
	assert_int_equal(partitions, 12);
	ledger_suite_restart(*state);
	ledger = kit->ledger;
	partitions = 24; /* somebody has added some: a sale's partition follows from the number, so the first one stays */
	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("c1"), SLICE("orders"), &partitions, &known), LEDGER_DONE);
	assert_null(known);
	assert_int_equal(partitions, 12);
	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("c2"), SLICE("orders"), &partitions, &known), LEDGER_OTHER_LOG);
	assert_string_equal(known, "c1 orders");
	free(known);
	assert_int_equal(ledger->ops->journal_identify(ledger, SLICE("c1"), SLICE("order"), &partitions, &known), LEDGER_OTHER_LOG);
	free(known);
}

/* --- Barriers --- */

/*
 * Rule 4: the epoch has risen in the ledger, but what is before the barrier in the log still
 * counts.
 */
static void test_barrier_voids_what_is_older_behind_it(void **state)
{
	struct kit *kit = kit_of(state);
	struct event before = kit_reserved(kit, KIT_SHIRT, 1, "ann"), barrier = kit_barrier(kit, 2);
	struct event behind = kit_reserved(kit, KIT_SHIRT, 1, "ben"), settled = kit_settled(kit, EVENT_CONFIRMED, &before);
	struct event follows = kit_settled(kit, EVENT_CONFIRMED, &behind), returned = kit_withdrawn(kit, KIT_SHOE, 1);
	struct event fresh = kit_reserved(kit, KIT_SHIRT, 1, "cid");
	struct ledger_entry entries[] = {{&before, -1},  {&barrier, -1}, {&behind, -1},   {&settled, -1},
					 {&follows, -1}, {&before, -1},  {&returned, -1}, {&fresh, -1}};
	static const int expected[] = {LEDGER_DONE,        LEDGER_DONE,    LEDGER_STALE_EPOCH, LEDGER_STALE_EPOCH,
				       LEDGER_STALE_EPOCH, LEDGER_ALREADY, LEDGER_STALE_EPOCH, LEDGER_DONE};
	struct ledger_dead_letter rows[1];
	struct sale *sale;
	uint32_t epoch;

	fresh.epoch = 2;
	assert_int_equal(kit->ledger->ops->sale_raise_epoch(kit->ledger, kit->sale, 0, &epoch), LEDGER_DONE);
	assert_int_equal(kit_drain(kit, 0, entries, 8), LEDGER_DONE);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(entries[i].outcome, expected[i]);
	/* And in the batches behind. */
	assert_int_equal(kit_drain(kit, 8, &entries[2], 1), LEDGER_DONE);
	assert_int_equal(entries[2].outcome, LEDGER_STALE_EPOCH);
	assert_int_equal(dead_letters(kit, rows, 1), 0);
	sale = kit_sale(kit);
	assert_int_equal(sale->barrier, 2);
	assert_int_equal(sale->epoch, 2);
	free(sale);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	kit_assert_lot(kit, KIT_SHOE, KIT_SHOES, 0, 0, 0);
	kit_assert_audit(kit);
}

static void assert_at_barrier(struct kit *kit, uint32_t lot, int64_t held, int64_t confirmed, int64_t withdrawn)
{
	struct sale *sale = kit_sale(kit);

	assert_int_equal(sale->lots[lot].barrier_held, held);
	assert_int_equal(sale->lots[lot].barrier_confirmed, confirmed);
	assert_int_equal(sale->lots[lot].barrier_withdrawn, withdrawn);
	free(sale);
}

/*
 * What a rebuild has armed is held against these: what lies before the barrier, whether in its
 * batch or in one before, and nothing that lies behind it.
 */
static void test_sums_of_the_lots_are_written_down_where_the_barrier_lies(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann"), ben = kit_reserved(kit, KIT_SHIRT, 2, "ben");
	struct event cid = kit_reserved(kit, KIT_SHIRT, 1, "cid"), paid = kit_settled(kit, EVENT_CONFIRMED, &ann);
	struct event later = kit_settled(kit, EVENT_CANCELLED, &ben), returned = kit_withdrawn(kit, KIT_SHOE, 1);
	struct event second = kit_barrier(kit, 2), third = kit_barrier(kit, 3), again = kit_barrier(kit, 3);
	struct ledger_entry before[] = {{&ann, -1}, {&returned, -1}};
	struct ledger_entry entries[] = {{&ben, -1}, {&paid, -1}, {&second, -1}, {&cid, -1}, {&later, -1}};
	struct ledger_entry third_entries[] = {{&third, -1}, {&again, -1}};
	struct ledger_entry again_entries[] = {{&again, -1}};

	cid.epoch = later.epoch = 2;
	assert_int_equal(kit_drain(kit, 0, before, 2), LEDGER_DONE);
	assert_at_barrier(kit, KIT_SHIRT, 0, 0, 0);
	assert_int_equal(kit_drain(kit, 2, entries, 5), LEDGER_DONE);
	assert_at_barrier(kit, KIT_SHIRT, 2, 1, 0);
	assert_at_barrier(kit, KIT_SHOE, 0, 0, 1);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 1, 1, 0);
	assert_int_equal(kit_drain(kit, 7, third_entries, 2), LEDGER_DONE);
	assert_at_barrier(kit, KIT_SHIRT, 1, 1, 0);
	cid = kit_settled(kit, EVENT_CANCELLED, &cid);
	cid.epoch = 3;
	entries[0] = (struct ledger_entry){&cid, -1};
	assert_int_equal(kit_drain(kit, 9, entries, 1), LEDGER_DONE);
	assert_int_equal(kit_drain(kit, 10, again_entries, 1), LEDGER_DONE); /* appended twice: the first one counts */
	assert_at_barrier(kit, KIT_SHIRT, 1, 1, 0);
	ledger_suite_restart(*state);
	assert_at_barrier(kit, KIT_SHIRT, 1, 1, 0);
	kit_assert_audit(kit);
}

static void test_barrier_never_falls(void **state)
{
	struct kit *kit = kit_of(state);
	struct event third = kit_barrier(kit, 3), second = kit_barrier(kit, 2), nowhere = kit_barrier(kit, 2);
	struct ledger_entry entries[] = {{&third, -1}, {&second, -1}, {&third, -1}};
	struct sale *sale;

	assert_int_equal(kit_drain(kit, 0, entries, 3), LEDGER_DONE);
	assert_int_equal(entries[0].outcome, LEDGER_DONE);
	assert_int_equal(entries[1].outcome, LEDGER_ALREADY);
	assert_int_equal(entries[2].outcome, LEDGER_ALREADY);
	assert_int_equal(kit_apply(kit, &second), LEDGER_ALREADY);
	nowhere.sale = 999;
	assert_int_equal(kit_apply(kit, &nowhere), LEDGER_NOT_FOUND);
	sale = kit_sale(kit);
	assert_int_equal(sale->barrier, 3);
	free(sale);
}

/*
 * A ledger that was restored from a backup has met barriers in the journal that it had not raised
 * itself. Below one of them, a new grant would be void.
 */
static void test_an_epoch_is_raised_above_every_barrier(void **state)
{
	struct kit *kit = kit_of(state);
	struct event barrier = kit_barrier(kit, 7), fresh = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	struct ledger_entry entries[] = {{&barrier, -1}, {&fresh, -1}};
	uint32_t epoch = 0;

	assert_int_equal(kit_drain(kit, 0, &entries[0], 1), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->sale_raise_epoch(kit->ledger, kit->sale, 0, &epoch), LEDGER_DONE);
	assert_int_equal(epoch, 8);
	fresh.epoch = epoch;
	assert_int_equal(kit_drain(kit, 1, &entries[1], 1), LEDGER_DONE);
	assert_int_equal(entries[1].outcome, LEDGER_DONE);
}

static void test_purchases_in_a_row_are_held_against_the_barrier(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann"), ben = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct event barrier = kit_barrier(kit, 2), late = kit_reserved(kit, KIT_SHIRT, 1, "cid");
	struct event fresh = kit_reserved(kit, KIT_SHIRT, 1, "dan");
	struct ledger_entry entries[] = {{&ann, -1}, {&ben, -1}, {&barrier, -1}, {&late, -1}, {&fresh, -1}};

	fresh.epoch = 2;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(kit_drain(kit, (int64_t)i, &entries[i], 1), LEDGER_DONE);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(entries[i].outcome, i == 3 ? LEDGER_STALE_EPOCH : LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 3, 0, 0);
}

/* apply() judges by the epoch, whatever the barrier. */
static void test_void_settlement_of_a_void_order_is_no_mystery(void **state)
{
	struct kit *kit = kit_of(state);
	struct event late = kit_reserved(kit, KIT_SHIRT, 1, "ann"), settled = kit_settled(kit, EVENT_CONFIRMED, &late);
	uint32_t epoch;

	assert_int_equal(kit->ledger->ops->sale_raise_epoch(kit->ledger, kit->sale, 0, &epoch), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &late), LEDGER_STALE_EPOCH);
	assert_int_equal(kit_apply(kit, &settled), LEDGER_STALE_EPOCH);
	settled.epoch = 2;
	assert_int_equal(kit_apply(kit, &settled), LEDGER_NOT_FOUND);
}

/* --- Dead letters --- */

static void test_what_cannot_be_applied_becomes_a_dead_letter_and_harms_nobody(void **state)
{
	static const char *const buyers[] = {"ann", "ben", "cid", "dan", "eve", "fay", "gil", "hal"};
	static char large[100000];
	const struct ledger_bad_record bad[] = {
		{"not JSON", SLICE("nonsense")},
		{"not text", SLICE("a\0b\xff")},
		{"too large", {large, sizeof(large)}},
		{"empty", SLICE_NULL},
	};
	struct kit *kit = kit_of(state);
	struct ledger_progress progress = {0, 0, 12, 120};
	struct event events[8];
	struct ledger_entry entries[8];
	struct ledger_drain drain = {entries, 8, bad, 4, &progress, 1, kit->now_ms};
	struct ledger_dead_letter rows[16];
	struct ledger_audit audit;
	size_t count;

	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < 8; i++) {
		events[i] = kit_reserved(kit, i % 2, 1, buyers[i]);
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	events[2].buyer_units = KIT_LIMIT + 1;
	events[4].sale = 999;
	events[5].quantity = KIT_SHOES; /* with its neighbours, more than the lot has */
	assert_int_equal(kit->ledger->ops->drain(kit->ledger, &drain), LEDGER_DONE);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(entries[i].outcome, i == 4             ? LEDGER_NOT_FOUND
						     : i == 2 || i == 5 ? LEDGER_CONSTRAINT
									: LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	kit_assert_lot(kit, KIT_SHOE, KIT_SHOES, 3, 0, 0);
	kit_assert_position(kit, 0, 12);
	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_int_equal(audit.dead_letters, 7);
	assert_dead_purchases(kit, 7);
	count = dead_letters(kit, rows, 16);
	assert_int_equal(count, 7);
	assert_string_equal(rows[0].reason, "not JSON");
	assert_string_equal(rows[0].event, "nonsense");
	assert_string_equal(rows[1].event, "{\"size\":4,\"base64url\":\"YQBi_w\"}");
	assert_true(strlen(rows[2].event) < 16384);
	assert_string_equal(rows[3].event, "");
	for (size_t i = 0; i < count; i++) {
		struct event event;
		struct event_text text;
		const char *reason;

		assert_int_equal(rows[i].at_ms, kit->now_ms);
		if (i >= 4) {
			assert_int_equal(event_decode(slice_of(rows[i].event), &event, &text, &reason), 0);
			assert_true(uuid_equal(&event.id, &events[i == 4 ? 2 : i - 1].id));
		}
		free(rows[i].event);
	}
	/* The batch that comes again leaves no second letter. */
	assert_int_equal(kit->ledger->ops->drain(kit->ledger, &drain), LEDGER_STALE_POSITION);
	assert_int_equal(dead_letters(kit, rows, 1), 1);
	free(rows[0].event);
}

/* --- Large batches --- */

enum { MANY = 3000 };

static void fill_many(struct kit *kit, struct event *events, struct ledger_entry *entries, uint32_t sale)
{
	static char names[MANY][16];

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "buyer-%zu", i);
		events[i] = kit_reserved(kit, 0, 1, names[i]);
		kit_in_sale(kit, &events[i], sale);
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
}

/*
 * As a drain that has fallen behind has them; also one without a key and one that is born
 * confirmed.
 */
static void test_large_batch_is_as_any(void **state)
{
	struct kit *kit = kit_of(state);
	struct event *events = calloc(MANY, sizeof(*events));
	struct ledger_entry *entries = calloc(MANY, sizeof(*entries));
	struct ledger_order order;
	struct event confirmed;
	uint32_t sale = kit_big_sale(kit, MANY);

	assert_non_null(events);
	assert_non_null(entries);
	fill_many(kit, events, entries, sale);
	events[1].key = events[1].trace = SLICE_NULL;
	events[2].hold_expires_at_ms = 0;
	assert_int_equal(kit_drain(kit, 0, entries, MANY), LEDGER_DONE);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(entries[i].outcome, LEDGER_DONE);
	kit_assert_audit(kit);
	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, &events[1].id, &order), LEDGER_DONE);
	assert_string_equal(order.key, "");
	assert_string_equal(order.buyer, "buyer-1");
	assert_int_equal(order.hold_expires_at_ms, kit->now_ms + KIT_HOLD_MS);
	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, &events[2].id, &order), LEDGER_DONE);
	assert_string_equal(order.key, "buyer-2");
	assert_int_equal(order.state, ORDER_CONFIRMED);
	assert_int_equal(order.hold_expires_at_ms, 0);
	/*
	 * The same records once more in the log, as a producer makes them that does not know
	 * whether they arrived.
	 */
	assert_int_equal(kit_drain(kit, MANY, entries, MANY), LEDGER_DONE);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(entries[i].outcome, LEDGER_ALREADY);
	confirmed = kit_settled(kit, EVENT_CONFIRMED, &events[0]);
	entries[0].event = &confirmed;
	assert_int_equal(kit_drain(kit, 2 * MANY, entries, 1), LEDGER_DONE);
	assert_int_equal(entries[0].outcome, LEDGER_DONE);
	assert_int_equal(orders_count(kit), MANY);
	kit_assert_audit(kit);
	free(events);
	free(entries);
}

static void test_bad_events_of_a_large_batch_are_found(void **state)
{
	struct kit *kit = kit_of(state);
	struct event *events = calloc(MANY, sizeof(*events));
	struct ledger_entry *entries = calloc(MANY, sizeof(*entries));
	uint32_t sale = kit_big_sale(kit, MANY);

	assert_non_null(events);
	assert_non_null(entries);
	fill_many(kit, events, entries, sale);
	/* So that the lot is known: by the short way. */
	assert_int_equal(kit_drain(kit, 0, entries, 1), LEDGER_DONE);
	events[7].buyer_units = KIT_LIMIT + 1;
	events[2999].quantity = UINT32_MAX; /* more than the column can hold */
	assert_int_equal(kit_drain(kit, 1, entries + 1, MANY - 1), LEDGER_DONE);
	for (size_t i = 1; i < MANY; i++)
		assert_int_equal(entries[i].outcome, i == 7 || i == 2999 ? LEDGER_CONSTRAINT : LEDGER_DONE);
	assert_int_equal(orders_count(kit), MANY - 2);
	assert_dead_purchases(kit, 2);
	free(events);
	free(entries);
}

/* --- What has changed --- */

/* The one sale that has changed since *after, which moves on; NULL where none has. */
static struct sale *next_change(struct kit *kit, uint64_t *after)
{
	struct sale *sales[4];
	size_t count;

	assert_int_equal(kit->ledger->ops->sales_changed(kit->ledger, *after, sales, 4, &count), 0);
	assert_true(count <= 1);
	if (count == 0)
		return NULL;
	assert_true(sales[0]->change > *after);
	*after = sales[0]->change;
	return sales[0];
}

static void test_every_change_of_a_sale_is_told_once(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger *ledger = kit->ledger;
	struct ledger_actor actor = kit_actor(kit);
	struct uuid movement = kit_id(kit);
	struct event barrier = kit_barrier(kit, 2), reserved = kit_reserved(kit, KIT_SHOE, 1, "ann");
	struct ledger_entry entry = {&barrier, -1};
	struct sale *sale, *read;
	uint64_t after = 0;
	uint32_t epoch;

	sale = next_change(kit, &after);
	assert_non_null(sale);
	assert_string_equal(sale->id, "drop");
	for (int step = 0; step < 5; step++) {
		assert_null(next_change(kit, &after));
		if (step == 0)
			assert_int_equal(ledger->ops->sale_update(ledger, sale, &actor), LEDGER_DONE);
		if (step == 1)
			assert_int_equal(ledger->ops->sale_move(ledger, kit->sale, SALE_ARM, &actor), LEDGER_DONE);
		if (step == 2)
			assert_int_equal(ledger->ops->sale_raise_epoch(ledger, kit->sale, 0, &epoch), LEDGER_DONE);
		if (step == 3)
			assert_int_equal(ledger->ops->lot_add(ledger, kit->sale, KIT_SHOE, 2, &movement, &actor), LEDGER_DONE);
		if (step == 4)
			assert_int_equal(kit_drain(kit, 0, &entry, 1), LEDGER_DONE);
		free(sale);
		sale = next_change(kit, &after);
		assert_non_null(sale);
		read = kit_sale(kit);
		assert_int_equal(read->change, sale->change);
		assert_int_equal(read->version, sale->version);
		free(read);
	}
	assert_int_equal(sale->barrier, 2);
	assert_int_equal(sale->epoch, 2);
	assert_int_equal(sale->lot_count, 2);
	assert_int_equal(sale->lots[KIT_SHOE].allocated, KIT_SHOES + 2);
	free(sale);
	/* What changed nothing, and what only orders changed, is not told. */
	assert_int_equal(ledger->ops->sale_move(ledger, kit->sale, SALE_ARM, &actor), LEDGER_ALREADY);
	assert_int_equal(ledger->ops->lot_add(ledger, kit->sale, KIT_SHOE, 2, &movement, &actor), LEDGER_ALREADY);
	reserved.epoch = 2;
	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	assert_null(next_change(kit, &after));
}

static void test_changes_are_told_in_their_order_page_by_page(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger *ledger = kit->ledger;
	struct sale *sales[2];
	uint32_t epoch, big = kit_big_sale(kit, 10);
	size_t count;

	assert_int_equal(ledger->ops->sale_raise_epoch(ledger, kit->sale, 0, &epoch), LEDGER_DONE);
	assert_int_equal(ledger->ops->sales_changed(ledger, 0, sales, 2, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(sales[0]->number, big);
	assert_int_equal(sales[0]->lot_count, 1);
	assert_string_equal(sales[0]->lots[0].sku, "BIG");
	assert_int_equal(sales[1]->number, kit->sale);
	assert_string_equal(sales[1]->lots[KIT_SHOE].sku, "SHOE");
	free(sales[1]);
	assert_int_equal(ledger->ops->sales_changed(ledger, 0, sales + 1, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(sales[1]->change, sales[0]->change);
	free(sales[1]);
	assert_int_equal(ledger->ops->sales_changed(ledger, sales[0]->change, sales + 1, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(sales[1]->number, kit->sale);
	free(sales[0]);
	free(sales[1]);
}

static void test_holder_of_the_lease_is_elected(void **state)
{
	struct kit *kit = kit_of(state);

	assert_int_equal(kit->ledger->ops->elect(kit->ledger, true), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->elect(kit->ledger, true), LEDGER_DONE);
}

/* --- Failures --- */

#ifdef PENSTOCK_TESTING
static void wait_well(struct kit *kit)
{
	while (kit->ledger->ops->recover(kit->ledger) < 0)
		;
}

static void test_lost_answer_to_a_drain_is_found_by_its_position(void **state)
{
	struct kit *kit = kit_of(state);
	static const char *const buyers[] = {"ann", "ben", "cid"};
	struct event events[3];
	struct ledger_entry entries[3];

	for (size_t i = 0; i < 3; i++) {
		events[i] = kit_reserved(kit, KIT_SHIRT, 1, buyers[i]);
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	failpoints_set("ledger.commit_unknown=error:5x1");
	assert_int_equal(kit_drain(kit, 0, &entries[0], 1), LEDGER_DONE);
	failpoints_set("ledger.commit_lost=error:5x1");
	assert_int_equal(kit_drain(kit, 1, &entries[1], 1), -EIO);
	failpoints_set("");
	wait_well(kit);
	kit_assert_position(kit, 0, 1);
	failpoints_set("ledger.commit_unknown=error:5,ledger.reopen=error:5");
	assert_int_equal(kit_drain(kit, 1, &entries[1], 1), -EINPROGRESS);
	failpoints_set("");
	wait_well(kit);
	kit_assert_position(kit, 0, 2);
	failpoints_set("ledger.commit_lost=error:5,ledger.reopen=error:5");
	assert_int_equal(kit_drain(kit, 2, &entries[2], 1), -EINPROGRESS);
	failpoints_set("");
	wait_well(kit);
	kit_assert_position(kit, 0, 2);
	assert_int_equal(kit_drain(kit, 2, &entries[2], 1), LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 3, 0, 0);
	kit_assert_audit(kit);
}

static void test_drain_that_fails_leaves_nothing(void **state)
{
	struct kit *kit = kit_of(state);
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	struct ledger_entry entry = {&event, -1};

	failpoints_set("ledger.before_commit=error:28x1");
	assert_int_equal(kit_drain(kit, 0, &entry, 1), -ENOSPC);
	failpoints_set("");
	wait_well(kit);
	kit_assert_position(kit, 0, -1);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 0, 0);
	assert_int_equal(kit_drain(kit, 0, &entry, 1), LEDGER_DONE);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_drain_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drain_moves_its_position_with_the_rows),
		TEST(test_batch_that_comes_again_changes_nothing),
		TEST(test_partitions_of_a_batch_move_together_or_not),
		TEST(test_ledger_knows_the_log_it_is_filled_from),
		TEST(test_barrier_voids_what_is_older_behind_it),
		TEST(test_sums_of_the_lots_are_written_down_where_the_barrier_lies),
		TEST(test_barrier_never_falls),
		TEST(test_an_epoch_is_raised_above_every_barrier),
		TEST(test_purchases_in_a_row_are_held_against_the_barrier),
		TEST(test_void_settlement_of_a_void_order_is_no_mystery),
		TEST(test_what_cannot_be_applied_becomes_a_dead_letter_and_harms_nobody),
		TEST(test_large_batch_is_as_any),
		TEST(test_bad_events_of_a_large_batch_are_found),
		TEST(test_every_change_of_a_sale_is_told_once),
		TEST(test_changes_are_told_in_their_order_page_by_page),
		TEST(test_holder_of_the_lease_is_elected),
#ifdef PENSTOCK_TESTING
		TEST(test_lost_answer_to_a_drain_is_found_by_its_position),
		TEST(test_drain_that_fails_leaves_nothing),
#endif
	};
	char title[64];

	snprintf(title, sizeof(title), "%s, drain", name);
	return cmocka_run_group_tests_name(title, tests, NULL, NULL);
}
