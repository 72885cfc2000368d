/*
 * A stock that has forgotten is built from the ledger and the journal's tail, whatever a drain has
 * done of it. The log is an array here; ledger and stock are real ones.
 */
#include "base/failpoint.h"
#include "unit/core/house.h"

#include <string.h>
#include "recovery/round.h"
#include "recovery/unsold.h"

enum { RECORDS_MAX = 4000 };
#define HOLD_MS INT64_C(60000)

/* A log of one partition, of which some is in the ledger. */
static struct {
	struct journal journal;
	struct journal_record records[RECORDS_MAX];
	size_t count, drained;
	size_t batch;                /* records that are handed over at once */
	int64_t low;                 /* what lies before it retention has taken */
	uint64_t other;              /* of a log made anew: its fingerprints are others */
	size_t reads, read;          /* calls; records handed over */
	size_t largest;              /* batch */
	struct event before_barrier; /* another gate's, that comes in between; sale 0: none */
} tape;

static struct house *house;

static uint64_t mark_of(int64_t next)
{
	return next == 0 ? 0 : (uint64_t)next * 1000 + tape.other;
}

static struct journal_record *put(const struct event *event)
{
	struct journal_record *record = &tape.records[tape.count];

	assert_true(tape.count < RECORDS_MAX);
	*record = (struct journal_record){.offset = (int64_t)tape.count, .event = *event};
	event_own(&record->event, &record->text);
	tape.count++;
	return record;
}

static int tape_barrier(struct journal *journal, uint32_t sale, uint32_t epoch, struct uuid *id)
{
	struct event event = {.kind = EVENT_BARRIER, .sale = sale, .epoch = epoch, .actor = SLICE("clock")};

	(void)journal;
	if (uuid_is_null(id))
		*id = uuid_make(&house->ids, clock_wall_ms(), sale);
	event.id = *id;
	if (tape.before_barrier.sale)
		put(&tape.before_barrier);
	put(&event);
	return 0;
}

/* That of another process. */
static void put_barrier(uint32_t sale, uint32_t epoch)
{
	struct uuid id = {{0}};

	assert_int_equal(tape_barrier(NULL, sale, epoch, &id), 0);
}

static int tape_ends(struct journal *journal, int64_t *ends, uint32_t max, uint32_t *count)
{
	(void)journal;
	assert_true(max >= 1);
	ends[0] = (int64_t)tape.count;
	*count = 1;
	return 0;
}

static uint32_t tape_partition(struct journal *journal, uint32_t sale)
{
	(void)journal;
	(void)sale;
	return 0;
}

static int tape_read(struct journal *journal, const struct journal_range *range, journal_take take, void *context)
{
	static struct journal_record batch[JOURNAL_READ_MAX];
	size_t next = (size_t)range->from, to = (size_t)range->to;

	(void)journal;
	tape.reads++;
	if (range->from < tape.low || to > tape.count)
		return -ENODATA;
	if (range->mark != mark_of(range->from))
		return -ESTALE;
	while (next < to) {
		size_t size = to - next < tape.batch ? to - next : tape.batch;
		int r;

		/*
		 * Copies, as a reader's: what is kept of them is wrong as soon as the next ones
		 * come.
		 */
		for (size_t i = 0; i < size; i++) {
			batch[i] = tape.records[next + i];
			batch[i].mark = mark_of((int64_t)(next + i) + 1);
			event_own(&batch[i].event, &batch[i].text);
		}
		tape.read += size;
		r = take(context, batch, size);
		memset(batch, 0xee, size * sizeof(batch[0]));
		if (r < 0)
			return r;
		next += size;
	}
	return 0;
}

static const struct journal_ops tape_ops = {
	.name = "tape", .barrier = tape_barrier, .ends = tape_ends, .partition = tape_partition, .read = tape_read};

static int set_up(void **state)
{
	house_open(state);
	house = *state;
	memset(&tape, 0, sizeof(tape));
	tape.journal.ops = &tape_ops;
	tape.batch = JOURNAL_READ_MAX;
	return 0;
}

/* --- What lies in the log --- */

static struct event reserved(const char *sale, uint32_t lot, const char *buyer, uint32_t quantity)
{
	static char key[16];
	static unsigned keys;
	struct sale *its = house_sale(house, sale);
	struct event event = {
		.kind = EVENT_RESERVED,
		.sale = its->number,
		.epoch = its->epoch,
		.lot = lot,
		.quantity = quantity,
		.buyer_units = quantity,
		.limit_per_buyer = its->limit_per_buyer,
		.at_ms = clock_wall_ms(),
		.hold_expires_at_ms = clock_wall_ms() + HOLD_MS,
		.buyer = slice_of(buyer),
		.actor = slice_of(buyer),
	};

	snprintf(key, sizeof(key), "key-%u", keys++);
	event.key = slice_of(key);
	event.id = uuid_make(&house->ids, event.at_ms, event.sale);
	free(its);
	return event;
}

static struct event buy(const char *sale, const char *buyer, uint32_t quantity)
{
	struct event event = reserved(sale, 0, buyer, quantity);

	return put(&event)->event;
}

static void settle(const struct event *order, enum event_kind kind)
{
	struct event event = {.kind = kind,
			      .sale = order->sale,
			      .epoch = order->epoch,
			      .id = order->id,
			      .at_ms = clock_wall_ms(),
			      .actor = SLICE("olga")};

	if (kind == EVENT_EXTENDED)
		event.hold_expires_at_ms = order->hold_expires_at_ms + HOLD_MS;
	put(&event);
}

static void withdraw(const char *sale, uint32_t units, const struct uuid *again)
{
	struct event event = reserved(sale, 0, "olga", units);

	event.kind = EVENT_WITHDRAWN;
	if (again)
		event.id = *again;
	put(&event);
}

/* The drain brings the ledger up to before this record. */
static void drain_to(size_t to)
{
	struct ledger_entry entries[RECORDS_MAX];
	struct ledger_progress progress = {0, (int64_t)tape.drained, (int64_t)to, mark_of((int64_t)to)};
	struct ledger_drain drain = {.entries = entries, .progress = &progress, .progress_count = 1, .now_ms = clock_wall_ms()};

	for (size_t i = tape.drained; i < to; i++)
		entries[drain.count++] = (struct ledger_entry){&tape.records[i].event, -1};
	if (to > tape.drained)
		assert_int_equal(house->ledger->ops->drain(house->ledger, &drain), LEDGER_DONE);
	tape.drained = to;
}

/* --- A round --- */

static struct round_sale told[8];
static size_t told_count;

static void tell(void *context, const struct round_sale *sale)
{
	(void)context;
	told[told_count++] = *sale;
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static void forget(const char *sale)
{
	house->stock->ops->drop(house->stock, house_number(house, sale), UINT32_MAX);
}

static void open_round(struct round *round, const char *const *sales, size_t count)
{
	assert_int_equal(round_init(round, house->ledger, house->stock, &tape.journal), 0);
	for (size_t i = 0; i < count; i++) {
		forget(sales[i]);
		assert_int_equal(round_add(round, house_sale(house, sales[i])), 0);
	}
	told_count = 0;
}

static void begin_round(struct round *round)
{
	assert_int_equal(round_learn(round), 0);
	assert_int_equal(round_begin(round), 0);
}

static void end_round(struct round *round)
{
	assert_int_equal(round_barriers(round), 0);
	assert_int_equal(round_load(round, tell, never, NULL), 0);
	round_deinit(round);
}

static void rebuild(const char *const *sales, size_t count)
{
	struct round round;

	open_round(&round, sales, count);
	begin_round(&round);
	end_round(&round);
	assert_int_equal(told_count, count);
}

static void rebuild_drop(void)
{
	rebuild((const char *const[]){"drop"}, 1);
}

/* What the drain makes of it all is what was armed. */
static void assert_as_drained(const char *sale)
{
	struct stock_lot_state armed[2];
	struct sale *ledgers;

	for (uint32_t i = 0; i < 2; i++)
		armed[i] = house_lot(house, sale, i);
	drain_to(tape.count);
	ledgers = house_sale(house, sale);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(armed[i].held, ledgers->lots[i].held);
		assert_int_equal(armed[i].confirmed, ledgers->lots[i].confirmed);
		assert_int_equal(armed[i].withdrawn, ledgers->lots[i].withdrawn);
		assert_int_equal(armed[i].allocated, ledgers->lots[i].allocated);
	}
	free(ledgers);
}

static struct stock_order find(const struct uuid *id)
{
	struct stock_find item = {.sale = uuid_tag(id), .id = *id};

	house->stock->ops->find(house->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	return item.order;
}

static void assert_lot(int64_t held, int64_t confirmed, int64_t withdrawn)
{
	struct stock_lot_state lot = house_lot(house, "drop", 0);

	assert_int_equal(lot.held, held);
	assert_int_equal(lot.confirmed, confirmed);
	assert_int_equal(lot.withdrawn, withdrawn);
	assert_int_equal(lot.available, lot.allocated - held - confirmed - withdrawn);
}

static void assert_held(const char *words)
{
	assert_false(told[0].armed);
	assert_non_null(told[0].held);
	if (!strstr(told[0].held, words))
		fail_msg("no \"%s\" in: %s", words, told[0].held);
}

/* Every kind of event, on both sides of where the drain stands. */
static void write_all_kinds(struct event orders[6])
{
	static const char *const buyers[] = {"ann", "bob", "cid", "dot", "eve", "fay"};

	for (size_t i = 0; i < 4; i++)
		orders[i] = buy("drop", buyers[i], 1);
	withdraw("drop", 1, NULL);
	settle(&orders[0], EVENT_CONFIRMED);
	settle(&orders[1], EVENT_CANCELLED);
	settle(&orders[2], EVENT_EXTENDED);
	orders[4] = buy("drop", buyers[4], 2);
	orders[5] = buy("drop", buyers[5], 1);
	settle(&orders[5], EVENT_EXPIRED);
	settle(&orders[5], EVENT_CONFIRMED); /* late: absorbed */
	settle(&orders[0], EVENT_REFUNDED);
	put(&orders[3]); /* driven again */
	withdraw("drop", 2, NULL);
	withdraw("drop", 2, &tape.records[tape.count - 1].event.id);
}

/* --- Tests --- */

static void test_stock_is_the_same_wherever_the_drain_stands(void **state)
{
	struct event orders[6];

	(void)state;
	house_sell(house, "drop");
	write_all_kinds(orders);
	for (size_t drained = 0, all = tape.count; drained <= all; drained++) {
		struct stock_order extended;

		drain_to(drained);
		tape.batch = 1 + drained % 5;
		rebuild_drop();
		assert_true(told[0].armed);
		assert_lot(4, 0, 3);
		assert_int_equal(find(&orders[0].id).state, ORDER_CANCELLED);
		assert_int_equal(find(&orders[1].id).state, ORDER_CANCELLED);
		assert_int_equal(find(&orders[5].id).state, ORDER_EXPIRED);
		extended = find(&orders[2].id);
		assert_true(extended.hold_expires_at_ms == orders[2].hold_expires_at_ms + HOLD_MS);
		assert_true(extended.first_hold_expires_at_ms == orders[2].hold_expires_at_ms);
		tape.count = all; /* the next one over the same tail: without our barrier */
	}
	assert_as_drained("drop");
}

static void assert_withdrawn_once(const struct event *event)
{
	struct stock_withdrawal withdrawal = {
		.sale = event->sale, .lot = event->lot, .units = event->quantity, .exact = true, .movement = event->id};
	int64_t before = house_lot(house, "drop", 0).withdrawn;

	assert_int_equal(house->stock->ops->withdraw(house->stock, &withdrawal), 0);
	assert_int_equal(withdrawal.event.quantity, event->quantity);
	assert_int_equal(house_lot(house, "drop", 0).withdrawn, before);
}

/* Whether the ledger has it, or the tail alone. */
static void test_withdrawal_that_is_sent_again_after_a_rebuild_takes_nothing(void **state)
{
	struct event withdrawals[2];

	(void)state;
	house_sell(house, "drop");
	for (uint32_t i = 0; i < 2; i++) {
		withdraw("drop", 1 + i, NULL);
		withdrawals[i] = tape.records[tape.count - 1].event;
		buy("drop", "ann", 1);
	}
	for (size_t drained = 0, all = tape.count; drained <= all; drained++) {
		drain_to(drained);
		rebuild_drop();
		assert_true(told[0].armed);
		for (size_t i = 0; i < 2; i++)
			assert_withdrawn_once(&withdrawals[i]);
		assert_lot(2, 0, 3);
		tape.count = all;
	}
}

static void test_tail_longer_than_any_batch_is_applied_whole(void **state)
{
	enum { TURNS = 900 };

	(void)state;
	house_sell(house, "drop");
	for (int i = 0; i < TURNS; i++) {
		struct event order = buy("drop", "ann", 3); /* her limit: it must be given back each time */

		settle(&order, EVENT_CANCELLED);
	}
	buy("drop", "ann", 2);
	drain_to(7);
	rebuild_drop();
	assert_true(told[0].armed);
	assert_int_equal(told[0].tail.applied, 2 * TURNS + 1 - 7 + 1); /* and the barrier */
	assert_lot(2, 0, 0);
	assert_as_drained("drop");
}

static int (*real_snapshot)(struct ledger *, uint32_t, struct ledger_snapshot *, ledger_orders_fn *, void *);
static struct {
	size_t drain_before, drain_after; /* to here */
	bool raise_before, raise_after, add_after;
	int64_t spoil; /* held units that no order has */
} meddle;

static int meddling_snapshot(struct ledger *ledger, uint32_t sale, struct ledger_snapshot *snapshot, ledger_orders_fn *page,
			     void *context)
{
	struct ledger_actor actor = house_actor();
	struct uuid movement = uuid_make(&house->ids, clock_wall_ms(), sale);
	uint32_t epoch;
	int r;

	if (meddle.raise_before)
		assert_int_equal(ledger->ops->sale_raise_epoch(ledger, sale, 0, &epoch), LEDGER_DONE);
	if (meddle.drain_before)
		drain_to(meddle.drain_before);
	r = real_snapshot(ledger, sale, snapshot, page, context);
	if (meddle.drain_after)
		drain_to(meddle.drain_after);
	if (meddle.raise_after)
		assert_int_equal(ledger->ops->sale_raise_epoch(ledger, sale, 0, &epoch), LEDGER_DONE);
	if (meddle.add_after)
		assert_int_equal(ledger->ops->lot_add(ledger, sale, 0, 5, &movement, &actor), LEDGER_DONE);
	if (r == 0)
		snapshot->sale->lots[0].held += meddle.spoil;
	return r;
}

/* The ledger is another one's too: what is told happens around its snapshot. */
static void rebuild_meddled(void)
{
	const struct ledger_ops *honest = house->ledger->ops;
	struct ledger_ops ops = *honest;

	real_snapshot = honest->sale_snapshot;
	ops.sale_snapshot = meddling_snapshot;
	house->ledger->ops = &ops;
	rebuild_drop();
	house->ledger->ops = honest;
	memset(&meddle, 0, sizeof(meddle));
}

static void test_drain_that_commits_in_the_middle_counts_nothing_twice(void **state)
{
	struct event orders[6];

	(void)state;
	house_sell(house, "drop");
	write_all_kinds(orders);
	drain_to(2);
	for (size_t i = 0; i < 3; i++) {
		size_t all = tape.count;

		meddle.drain_before = tape.drained + 2;
		meddle.drain_after = tape.drained + 4;
		rebuild_meddled();
		assert_true(told[0].armed);
		assert_lot(4, 0, 3);
		tape.count = all;
	}
	assert_as_drained("drop");
}

/*
 * The drain passes the barrier itself before the ledger is read: there is no tail then, and what it
 * has is all.
 */
static void test_drain_that_passes_the_barrier_leaves_no_tail(void **state)
{
	struct event orders[6];

	(void)state;
	house_sell(house, "drop");
	write_all_kinds(orders);
	meddle.drain_before = tape.count + 1;
	rebuild_meddled();
	assert_true(told[0].armed);
	assert_int_equal(told[0].tail.applied, 0);
	assert_lot(4, 0, 3);
}

static void test_epoch_rises_above_all_that_the_journal_has_seen(void **state)
{
	struct event late;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	late = reserved("drop", 0, "bob", 1);
	late.epoch = 9;
	put(&late);
	put_barrier(late.sale, 12);
	late = reserved("drop", 0, "cid", 1);
	late.epoch = 11; /* void behind that barrier */
	put(&late);
	rebuild_drop();
	assert_true(told[0].armed);
	assert_int_equal(told[0].tail.epoch, 13);
	assert_lot(2, 0, 0);
	assert_as_drained("drop");
}

static void test_rebuild_is_broken_off_where_another_has_begun_a_newer_epoch(void **state)
{
	struct stock_find nothing = {0};

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	nothing.sale = house_number(house, "drop");
	for (int after = 0; after < 2; after++) {
		meddle.raise_before = !after;
		meddle.raise_after = after;
		rebuild_meddled();
		assert_false(told[0].armed);
		assert_int_equal(told[0].error, -ESTALE);
		house->stock->ops->find(house->stock, &nothing, 1);
		assert_int_not_equal(nothing.outcome, STOCK_NO_ORDER); /* nothing is sold from there */
	}
	rebuild_drop();
	assert_true(told[0].armed);
	assert_lot(1, 0, 0);
}

/*
 * Found by the world 132006425 of a cluster: a gate that had not heard yet that a sale was disarmed
 * built its stock again and sold from it, and who opened the draft gave out the same units.
 */
static void test_a_sale_that_was_disarmed_meanwhile_is_not_armed(void **state)
{
	struct stock_find nothing = {0};
	struct round round;

	(void)state;
	house_create(house, house_draft("drop"));
	assert_int_equal(house_move(house, "drop", SALE_ARM), 0);
	nothing.sale = house_number(house, "drop");
	open_round(&round, (const char *const[]){"drop"}, 1);
	assert_int_equal(house_move(house, "drop", SALE_DISARM), 0);
	begin_round(&round);
	end_round(&round);
	assert_false(told[0].armed);
	assert_int_equal(told[0].error, -ESTALE);
	house->stock->ops->find(house->stock, &nothing, 1);
	assert_int_equal(nothing.outcome, STOCK_UNKNOWN_SALE); /* what was begun for it is no more */
}

/* A ledger that was restored in between says nothing of the other: the log does. */
static void test_newer_barrier_in_the_log_breaks_a_rebuild_off(void **state)
{
	struct round round;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	open_round(&round, (const char *const[]){"drop"}, 1);
	begin_round(&round);
	put_barrier(round.sales[0].tail.number, round.sales[0].tail.epoch + 1);
	end_round(&round);
	assert_false(told[0].armed);
	assert_int_equal(told[0].error, -ESTALE);
}

/*
 * The ledger is restored between the reading of the tail and the raising of the epoch, and another
 * process was armed under that epoch in between: what it granted lies before our barrier under an
 * epoch that is ours.
 */
static void test_barrier_of_our_epoch_that_is_not_ours_breaks_a_rebuild_off(void **state)
{
	struct event theirs;
	struct round round;
	uint32_t epoch;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	open_round(&round, (const char *const[]){"drop"}, 1);
	begin_round(&round);
	epoch = round.sales[0].tail.epoch;
	put_barrier(round.sales[0].tail.number, epoch);
	theirs = reserved("drop", 0, "bob", 1);
	assert_int_equal(theirs.epoch, epoch);
	put(&theirs);
	end_round(&round);
	assert_false(told[0].armed);
	assert_int_equal(told[0].error, -ESTALE);
	rebuild_drop(); /* anew, above it */
	assert_true(told[0].armed);
	assert_int_equal(told[0].tail.epoch, epoch + 1);
	assert_lot(2, 0, 0);
	assert_as_drained("drop");
}

/* Nobody could say whether the first one is in the log. */
static void test_barrier_that_was_appended_twice_is_ours_both_times(void **state)
{
	struct round round;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	open_round(&round, (const char *const[]){"drop"}, 1);
	begin_round(&round);
	assert_int_equal(round_barriers(&round), 0);
	end_round(&round);
	assert_true(told[0].armed);
	assert_lot(1, 0, 0);
	assert_as_drained("drop");
}

static void test_of_two_in_turn_the_later_arms(void **state)
{
	struct round first, second;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	open_round(&first, (const char *const[]){"drop"}, 1);
	begin_round(&first);
	open_round(&second, (const char *const[]){"drop"}, 1);
	begin_round(&second);
	end_round(&second);
	assert_true(told[0].armed);
	told_count = 0;
	end_round(&first);
	assert_false(told[0].armed);
	assert_lot(1, 0, 0);
}

static void test_event_that_would_break_a_constraint_keeps_its_sale_alone_fenced(void **state)
{
	(void)state;
	house_sell(house, "drop");
	house_sell(house, "other");
	for (int i = 0; i < 4; i++)
		buy("drop", (const char *const[]){"ann", "bob", "cid", "dot"}[i], 3); /* 12 of 10 */
	buy("other", "ann", 2);
	rebuild((const char *const[]){"drop", "other"}, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(told[i].armed == (told[i].tail.number == house_number(house, "other")));
	if (told[0].armed)
		told[0] = told[1];
	assert_held("would break a constraint");
}

static void test_record_that_cannot_be_read_keeps_its_sale_fenced_until_the_drain_has_decided(void **state)
{
	struct journal_record *bad;
	struct event order;
	char key[12];

	(void)state;
	house_sell(house, "drop");
	order = buy("drop", "ann", 1);
	bad = put(&order);
	bad->reason = "it is garbage";
	bad->event.sale = 0;
	snprintf(key, sizeof(key), "%u", order.sale);
	bad->key = slice_of(key);
	rebuild_drop();
	assert_held("cannot be read");
	tape.records[1] = tape.records[0]; /* what the drain makes of it is its own business */
	tape.records[1].offset = 1;
	drain_to(2);
	rebuild_drop();
	assert_true(told[0].armed);
	assert_lot(1, 0, 0);
}

static void test_gap_and_another_log_keep_the_sale_fenced(void **state)
{
	(void)state;
	house_sell(house, "drop");
	for (int i = 0; i < 3; i++)
		buy("drop", "ann", 1);
	drain_to(1);
	tape.low = 2;
	rebuild_drop();
	assert_held("retention");
	tape.low = 0;
	tape.other = 7;
	rebuild_drop();
	assert_held("not the one");
	tape.other = 0;
	rebuild_drop();
	assert_true(told[0].armed);
	assert_lot(3, 0, 0);
}

static void test_ledger_that_contradicts_itself_is_not_armed(void **state)
{
	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	drain_to(1);
	meddle.spoil = 1;
	rebuild_meddled();
	assert_held("its own sums");
	rebuild_drop();
	assert_true(told[0].armed);
}

static void test_units_that_are_added_meanwhile_are_for_sale(void **state)
{
	(void)state;
	house_sell(house, "drop");
	meddle.add_after = true;
	rebuild_meddled();
	assert_true(told[0].armed);
	assert_int_equal(house_lot(house, "drop", 0).available, 15);
}

static void test_sales_that_sell_come_first_and_small_ones_before_large_ones(void **state)
{
	static const char *const sales[] = {"ended", "large", "small"};

	(void)state;
	for (int i = 0; i < 3; i++)
		house_sell(house, sales[i]);
	buy("large", "ann", 3);
	buy("large", "bob", 3);
	buy("small", "ann", 1);
	drain_to(tape.count);
	assert_int_equal(house_move(house, "ended", SALE_END), SALE_CONTROL_DONE);
	rebuild(sales, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(told[i].armed);
		assert_int_equal(told[i].tail.number, house_number(house, sales[2 - i]));
	}
}

static void test_long_tail_is_read_once_for_all_sales(void **state)
{
	static const char *const sales[] = {"one", "two", "three"};
	struct round round;

	(void)state;
	for (int i = 0; i < 3; i++)
		house_sell(house, sales[i]);
	for (int i = 0; i < 400; i++) {
		struct event order = buy(sales[i % 3], "ann", 3);

		settle(&order, EVENT_CANCELLED);
		if (i == 100)
			drain_to(tape.count);
	}
	buy("one", "ann", 2);
	open_round(&round, sales, 3);
	round.short_tail = 100;
	begin_round(&round);
	end_round(&round);
	for (size_t i = 0; i < 3; i++)
		assert_true(told[i].armed);
	assert_int_equal(tape.reads, 3); /* to learn, on to the barriers, and over the orders */
	assert_as_drained("one");
}

/* How many lots the drain came to other units of than were armed; which, in `unequal`. */
static struct ledger_unequal_lot unequal[4];

static size_t count_unequal(void)
{
	size_t count;

	assert_int_equal(house->ledger->ops->lots_unequal(house->ledger, unequal, 4, &count), 0);
	return count;
}

static void test_what_was_armed_is_what_the_drain_has_at_the_barrier(void **state)
{
	struct event orders[6], late;

	(void)state;
	house_sell(house, "drop");
	write_all_kinds(orders);
	for (size_t drained = 0, all = tape.count; drained <= all; drained += 4) {
		tape.count = all;
		drain_to(drained);
		rebuild_drop();
		assert_int_equal(count_unequal(), 0); /* the drain has not passed its barrier */
	}
	late = buy("drop", "gil", 2); /* behind the barrier: not of the sums there */
	assert_true(late.epoch == told[0].tail.epoch);
	drain_to(tape.count);
	assert_int_equal(count_unequal(), 0);
}

/*
 * Found: the sums that a gate had armed with were in its memory alone, so where it had died nobody
 * compared.
 */
static void test_rebuild_that_loses_an_event_is_found_by_whoever_looks_when_the_drain_has_passed_its_barrier(void **state)
{
	struct ledger_audit audit;

	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	buy("drop", "bob", 2);
	failpoints_set("rebuild.lose_event=onx1");
	rebuild_drop();
	failpoints_set("");
	assert_true(told[0].armed);
	assert_lot(2, 0, 0);
	assert_int_equal(count_unequal(), 0);
	drain_to(tape.count);
	assert_int_equal(count_unequal(), 1);
	assert_true(ledger_lot_oversold(&unequal[0]));
	assert_string_equal(unequal[0].sale_id, "drop");
	assert_true(unequal[0].armed_held == 2 && unequal[0].held == 3 && unequal[0].epoch == told[0].tail.epoch);
	assert_int_equal(house->ledger->ops->audit(house->ledger, &audit), 0);
	assert_true(audit.p1_broken == 1 && audit.unequal_p1 == 1 && audit.p4_broken == 0);
	assert_non_null(strstr(audit.first, "P1: lot"));
	/* The next rebuild mends it, and its own barrier says so. */
	rebuild_drop();
	drain_to(tape.count);
	assert_int_equal(count_unequal(), 0);
	assert_int_equal(house->ledger->ops->audit(house->ledger, &audit), 0);
	assert_int_equal(audit.p1_broken, 0);
}

/*
 * Redis has forgotten once more, and another process has armed it: the sums at the newest barrier
 * are none of ours.
 */
static void test_sums_behind_a_newer_barrier_are_not_compared(void **state)
{
	(void)state;
	house_sell(house, "drop");
	buy("drop", "ann", 1);
	rebuild_drop();
	buy("drop", "bob", 2);
	put_barrier(house_number(house, "drop"), told[0].tail.epoch + 1);
	drain_to(tape.count);
	assert_int_equal(count_unequal(), 0);
}

/* --- Whether anything was sold --- */

static int prove_unsold(uint32_t *epoch)
{
	struct unsold unsold = {house->ledger, house->stock, &tape.journal, 0};
	struct sale *sale = house_sale(house, "drop");
	int r = unsold_prove(&unsold, sale, epoch);

	free(sale);
	return r;
}

static uint32_t epoch_now(void)
{
	struct sale *sale = house_sale(house, "drop");
	uint32_t epoch = sale->epoch;

	free(sale);
	return epoch;
}

static void test_a_sale_with_no_order_in_the_tail_is_unsold_under_a_new_epoch(void **state)
{
	struct stock_find nothing = {.buyer = SLICE("ann")};
	uint32_t before, epoch = 0;

	(void)state;
	house_sell(house, "drop");
	before = epoch_now();
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_DONE);
	assert_int_equal(epoch, before + 1);
	assert_int_equal(epoch_now(), epoch);
	assert_int_equal(tape.records[tape.count - 1].event.kind, EVENT_BARRIER);
	assert_int_equal(tape.records[tape.count - 1].event.epoch, epoch);
	/* Nothing is granted any more. */
	nothing.sale = house_number(house, "drop");
	house->stock->ops->find(house->stock, &nothing, 1);
	assert_true(nothing.outcome == STOCK_FENCED || nothing.outcome == STOCK_UNKNOWN_SALE);
}

/* Whoever arms the draft would arm them: the ledger has them still. */
static void test_a_withdrawal_that_the_ledger_does_not_have_yet_keeps_a_sale_armed(void **state)
{
	uint32_t before, epoch = 0;

	(void)state;
	house_sell(house, "drop");
	before = epoch_now();
	withdraw("drop", 2, NULL);
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_JOURNAL_AWAY);
	assert_int_equal(epoch_now(), before); /* nothing was begun */
	drain_to(tape.count);
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_DONE);
}

static void test_a_sale_with_an_order_in_the_tail_is_left_alone(void **state)
{
	uint32_t before, epoch = 0;

	(void)state;
	house_sell(house, "drop");
	before = epoch_now();
	buy("drop", "ann", 1);
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_HAS_ORDERS);
	assert_int_equal(epoch_now(), before); /* nothing was begun */
	assert_int_equal(tape.count, 1);
}

/*
 * It was told under the older epoch after the tail was read first: that is what the barrier is for.
 */
static void test_an_order_that_comes_in_before_the_barrier_is_met(void **state)
{
	uint32_t epoch = 0;

	(void)state;
	house_sell(house, "drop");
	tape.before_barrier = reserved("drop", 0, "ann", 1);
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_HAS_ORDERS);
}

static void test_a_record_that_nobody_can_read_may_be_an_order(void **state)
{
	uint32_t before, epoch = 0;
	char key[16];

	(void)state;
	house_sell(house, "drop");
	before = epoch_now();
	snprintf(key, sizeof(key), "%u", house_number(house, "drop"));
	tape.records[tape.count] = (struct journal_record){.offset = (int64_t)tape.count, .reason = "broken", .key = slice_of(key)};
	tape.count++;
	assert_int_equal(prove_unsold(&epoch), SALE_CONTROL_NO_PROOF);
	assert_int_equal(epoch_now(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stock_is_the_same_wherever_the_drain_stands),
		TEST(test_withdrawal_that_is_sent_again_after_a_rebuild_takes_nothing),
		TEST(test_tail_longer_than_any_batch_is_applied_whole),
		TEST(test_drain_that_commits_in_the_middle_counts_nothing_twice),
		TEST(test_drain_that_passes_the_barrier_leaves_no_tail),
		TEST(test_epoch_rises_above_all_that_the_journal_has_seen),
		TEST(test_rebuild_is_broken_off_where_another_has_begun_a_newer_epoch),
		TEST(test_a_sale_that_was_disarmed_meanwhile_is_not_armed),
		TEST(test_newer_barrier_in_the_log_breaks_a_rebuild_off),
		TEST(test_barrier_of_our_epoch_that_is_not_ours_breaks_a_rebuild_off),
		TEST(test_barrier_that_was_appended_twice_is_ours_both_times),
		TEST(test_of_two_in_turn_the_later_arms),
		TEST(test_event_that_would_break_a_constraint_keeps_its_sale_alone_fenced),
		TEST(test_record_that_cannot_be_read_keeps_its_sale_fenced_until_the_drain_has_decided),
		TEST(test_gap_and_another_log_keep_the_sale_fenced),
		TEST(test_ledger_that_contradicts_itself_is_not_armed),
		TEST(test_units_that_are_added_meanwhile_are_for_sale),
		TEST(test_sales_that_sell_come_first_and_small_ones_before_large_ones),
		TEST(test_long_tail_is_read_once_for_all_sales),
		TEST(test_what_was_armed_is_what_the_drain_has_at_the_barrier),
		TEST(test_rebuild_that_loses_an_event_is_found_by_whoever_looks_when_the_drain_has_passed_its_barrier),
		TEST(test_sums_behind_a_newer_barrier_are_not_compared),
		TEST(test_a_sale_with_no_order_in_the_tail_is_unsold_under_a_new_epoch),
		TEST(test_a_withdrawal_that_the_ledger_does_not_have_yet_keeps_a_sale_armed),
		TEST(test_a_sale_with_an_order_in_the_tail_is_left_alone),
		TEST(test_an_order_that_comes_in_before_the_barrier_is_met),
		TEST(test_a_record_that_nobody_can_read_may_be_an_order),
	};

	return cmocka_run_group_tests_name("round", tests, NULL, NULL);
}
