/*
 * Asking the stock: what is decided goes on to the journal's lane, what finds no room there is
 * undone, what is refused is complete.
 */
#include "unit/core/house.h"

#include <string.h>
#include "workers/stock_executor.h"

enum { JOBS = 16, BATCH = 4, ROOM = 8, ACK_NS = 2000000000 };

struct bench {
	struct house *house;
	struct admission admission;
	const struct sale_table *table;
	struct lane *journal, *stock;
	struct stock_executor *executor;
	struct purchase_job purchases[JOBS];
	struct settle_job settlements[JOBS];
	void *jobs[JOBS];
	size_t count;
};

static int bench_open(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	assert_int_equal(house_open((void **)&bench->house), 0);
	house_sell(bench->house, "drop");
	bench->admission = (struct admission){.stock = bench->house->stock, .ack_deadline_ns = ACK_NS};
	bench->table = sale_catalog_ref(bench->house->catalog);
	*state = bench;
	return 0;
}

static void empty(struct lane *lane)
{
	void *item;

	while (lane && lane_pop(lane, &item, 1, 0))
		continue;
	lane_free(lane);
}

static int bench_close(void **state)
{
	struct bench *bench = *state;
	int r;

	empty(bench->journal);
	empty(bench->stock);
	stock_executor_free(bench->executor);
	sale_table_unref(bench->table);
	r = house_close((void **)&bench->house);
	free(bench);
	return r;
}

/* room: what the journal's lane takes of each class. */
static void start(struct bench *bench, size_t room)
{
	assert_int_equal(lane_new(&bench->journal, room), 0);
	assert_int_equal(stock_executor_new(&bench->executor, &(struct stock_executor_settings){.admission = &bench->admission,
												.journal_lane = bench->journal,
												.lane = bench->stock,
												.batch_max = BATCH}),
			 0);
}

static struct purchase_job *buy(struct bench *bench, const char *buyer, uint32_t quantity)
{
	struct sale_entry *entry = sale_table_find(bench->table, SLICE("drop"));
	struct purchase_job *job = &bench->purchases[bench->count];
	int64_t now_ms = clock_wall_ms();

	bench->jobs[bench->count++] = job;
	job->purchase = (struct purchase){
		.event = {.kind = EVENT_RESERVED,
			  .sale = entry->sale->number,
			  .quantity = quantity,
			  .id = uuid_make(&bench->house->ids, now_ms, entry->sale->number),
			  .at_ms = now_ms,
			  .hold_expires_at_ms = now_ms + HOUSE_HOLD_S * 1000,
			  .buyer = slice_of(buyer),
			  .key = SLICE("k"),
			  .actor = slice_of(buyer)},
		.started_ns = clock_mono_ns(),
		.hold_ns = HOUSE_HOLD_S * INT64_C(1000000000),
		.entry = entry,
	};
	job->job = (struct job){.kind = JOB_PURCHASE, .event = &job->purchase.event, .started_ns = job->purchase.started_ns};
	return job;
}

static struct settle_job *settle(struct bench *bench, const struct uuid *order, enum order_action action, bool may_refund)
{
	struct settle_job *job = &bench->settlements[bench->count];

	bench->jobs[bench->count++] = job;
	job->may_refund = may_refund;
	job->settle = (struct stock_settle){
		.sale = uuid_tag(order),
		.id = *order,
		.action = action,
		.now_ns = clock_mono_ns(),
		.now_ms = clock_wall_ms(),
		.actor = SLICE("olga"),
	};
	job->job = (struct job){.kind = JOB_SETTLEMENT, .started_ns = job->settle.now_ns};
	return job;
}

/* How many are complete: they are in front. */
static size_t run(struct bench *bench, enum lane_class class)
{
	return stock_executor_run(bench->executor, class, bench->jobs, bench->count);
}

static void test_what_is_granted_goes_to_the_journal_and_what_is_refused_is_complete(void **state)
{
	struct bench *bench = *state;
	struct purchase_job *granted, *refused;
	void *item;

	start(bench, ROOM);
	granted = buy(bench, "ann", 3);
	refused = buy(bench, "ben", 4); /* more than one buyer may have */
	assert_int_equal(run(bench, LANE_NORMAL), 1);
	assert_ptr_equal(bench->jobs[0], refused);
	assert_int_equal(refused->purchase.verdict, VERDICT_BUYER_LIMIT);
	assert_int_equal(granted->purchase.verdict, VERDICT_NONE);
	assert_int_equal(lane_depth(bench->journal), 1);
	assert_int_equal(lane_pop(bench->journal, &item, 1, 0), 1);
	assert_ptr_equal(item, granted);
	house_assert_audit(bench->house);
}

static void test_a_round_larger_than_a_batch_is_asked_in_batches(void **state)
{
	static const char *const buyers[] = {"b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"};
	struct bench *bench = *state;

	start(bench, JOBS);
	for (size_t i = 0; i < 10; i++)
		(void)buy(bench, buyers[i], 2); /* of ten units */
	assert_int_equal(run(bench, LANE_NORMAL), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(((struct purchase_job *)bench->jobs[i])->purchase.verdict, VERDICT_SOLD_OUT);
	assert_int_equal(lane_depth(bench->journal), 5);
}

static void test_an_abandoned_purchase_gives_everything_back(void **state)
{
	struct bench *bench = *state;
	struct purchase_job *first, *second;

	start(bench, 1);
	first = buy(bench, "ann", 1);
	second = buy(bench, "ben", 3);
	assert_int_equal(run(bench, LANE_NORMAL), 1);
	assert_int_equal(first->purchase.verdict, VERDICT_NONE);
	assert_ptr_equal(bench->jobs[0], second);
	assert_int_equal(second->purchase.verdict, VERDICT_OVERLOADED);
	assert_int_equal(house_lot(bench->house, "drop", 0).available, 9);
	assert_int_equal(house_lot(bench->house, "drop", 0).held, 1);
	empty(bench->journal);
	stock_executor_free(bench->executor);
	bench->count = 0;
	start(bench, 1);
	second = buy(bench, "ben", 3);
	assert_int_equal(run(bench, LANE_NORMAL), 0);
	assert_int_equal(second->purchase.verdict, VERDICT_NONE); /* neither the key nor the limit is used up */
}

/* What another has claimed may still become true. */
static void undo_nothing(struct stock *stock, const struct event *const *events, size_t count, bool *undone)
{
	(void)stock;
	(void)events;
	memset(undone, 0, count * sizeof(*undone));
}

static void test_what_cannot_be_undone_is_unknown(void **state)
{
	struct bench *bench = *state;
	struct house *house = bench->house;
	const struct stock_ops *honest = house->stock->ops;
	struct stock_ops claimed = *honest;
	struct uuid order = house_buy(house, "drop", 0, "cid", "", 1);
	struct purchase_job *purchase;
	struct settle_job *settlement;

	claimed.compensate = undo_nothing;
	house->stock->ops = &claimed;
	start(bench, 1);
	(void)buy(bench, "ann", 1);
	purchase = buy(bench, "ben", 1);
	assert_int_equal(run(bench, LANE_NORMAL), 1);
	assert_int_equal(purchase->purchase.verdict, VERDICT_OUTCOME_UNKNOWN);
	bench->count = 0;
	lane_close(bench->journal);
	settlement = settle(bench, &order, ORDER_CONFIRM, false);
	assert_int_equal(run(bench, LANE_URGENT), 1);
	assert_int_equal(settlement->settle.outcome, STOCK_OUTCOME_UNKNOWN);
	house->stock->ops = honest;
}

static void test_a_settlement_that_finds_no_room_is_undone(void **state)
{
	struct bench *bench = *state;
	struct house *house = bench->house;
	struct uuid order = house_buy(house, "drop", 0, "cid", "", 1);
	struct settle_job *settlement;

	start(bench, 1);
	lane_close(bench->journal);
	settlement = settle(bench, &order, ORDER_CONFIRM, false);
	assert_int_equal(run(bench, LANE_URGENT), 1);
	assert_int_equal(settlement->settle.outcome, STOCK_FULL);
	house_assert_lot(house, "drop", 0, 9, 1, 0, 0);
}

static void test_an_operators_cancel_of_a_confirmed_order_is_a_refund(void **state)
{
	struct bench *bench = *state;
	struct house *house = bench->house;
	struct uuid first = house_buy(house, "drop", 0, "ann", "", 1), second = house_buy(house, "drop", 0, "ben", "", 1);
	struct settle_job *buyers, *operators;

	house_settle(house, &first, ORDER_CONFIRM);
	house_settle(house, &second, ORDER_CONFIRM);
	start(bench, ROOM);
	buyers = settle(bench, &first, ORDER_CANCEL, false);
	operators = settle(bench, &second, ORDER_CANCEL, true);
	assert_int_equal(run(bench, LANE_URGENT), 1);
	assert_ptr_equal(bench->jobs[0], buyers);
	assert_int_equal(buyers->settle.outcome, STOCK_REFUSED);
	assert_int_equal(operators->settle.outcome, STOCK_DONE);
	assert_int_equal(operators->job.event->kind, EVENT_REFUNDED);
	assert_true(uuid_equal(&operators->job.event->id, &second));
}

static void test_what_has_waited_past_the_deadline_is_refused_unasked(void **state)
{
	struct bench *bench = *state;
	struct purchase_job *late;

	start(bench, ROOM);
	late = buy(bench, "ann", 1);
	house_pass(ACK_NS / 1000000 + 1);
	(void)buy(bench, "ben", 1);
	assert_int_equal(run(bench, LANE_NORMAL), 1);
	assert_ptr_equal(bench->jobs[0], late);
	assert_int_equal(late->purchase.verdict, VERDICT_STOCK_UNAVAILABLE);
	assert_int_equal(stock_executor_late(bench->executor), 1);
	assert_int_equal(house_lot(bench->house, "drop", 0).available, 9);
}

/* Another thread asks: its sale may leave the table meanwhile. */
static void test_a_purchase_that_is_sent_keeps_its_entry(void **state)
{
	struct bench *bench = *state;
	struct purchase_job *sent, *refused;
	struct sale_entry *entry = sale_table_find(bench->table, SLICE("drop"));
	unsigned references = atomic_load(&entry->references);

	assert_int_equal(lane_new(&bench->stock, 1), 0);
	start(bench, ROOM);
	sent = buy(bench, "ann", 1);
	refused = buy(bench, "ben", 1);
	assert_int_equal(run(bench, LANE_NORMAL), 1);
	assert_ptr_equal(bench->jobs[0], refused);
	assert_int_equal(refused->purchase.verdict, VERDICT_OVERLOADED);
	assert_int_equal(lane_depth(bench->stock), 1);
	assert_int_equal(atomic_load(&entry->references), references + 2);
	admission_let_go(&refused->purchase);
	admission_let_go(&sent->purchase);
	assert_int_equal(atomic_load(&entry->references), references);
	assert_int_equal(house_lot(bench->house, "drop", 0).available, 10); /* nobody has asked */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_granted_goes_to_the_journal_and_what_is_refused_is_complete,
						bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_a_round_larger_than_a_batch_is_asked_in_batches, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_an_abandoned_purchase_gives_everything_back, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_undone_is_unknown, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_a_settlement_that_finds_no_room_is_undone, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_an_operators_cancel_of_a_confirmed_order_is_a_refund, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_what_has_waited_past_the_deadline_is_refused_unasked, bench_open, bench_close),
		cmocka_unit_test_setup_teardown(test_a_purchase_that_is_sent_keeps_its_entry, bench_open, bench_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
