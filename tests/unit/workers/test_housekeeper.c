/*
 * The threads that keep time, the stock's and the sales', with the journal's beside them, over a
 * whole house whose clock runs.
 */
#include "unit/core/house.h"

#include <stdatomic.h>
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "workers/housekeeper.h"
#include "workers/journal_client.h"
#include "workers/journal_worker.h"
#include "workers/sale_keeper.h"

enum { HOLDS = 20 };
/* Of what waits that long nobody knows the end; a busy machine does not make it wait that long. */
#define ACK_NS INT64_C(60000000000)

struct bench {
	struct house *house;
	struct lane *lane, *fenced;
	struct metrics *metrics;
	struct promises promises;
	struct journal_worker *worker;
	struct journal_client *client;
	struct sale_turn *turn;
	struct leadership *leadership;
	struct housekeeper *keeper;
	struct sale_keeper *sales;
	size_t batch_max; /* of the journal; 0: 64 */
};

static int bench_open(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	assert_int_equal(house_open((void **)&bench->house), 0);
	*state = bench;
	return 0;
}

/* After the house has its sales; from here on time runs. */
static void start(struct bench *bench, size_t lane_size)
{
	struct house *house = bench->house;
	struct sale_control *control;

	assert_int_equal(metrics_new(&bench->metrics), 0);
	promises_register(&bench->promises, bench->metrics);
	assert_int_equal(lane_new(&bench->lane, lane_size), 0);
	assert_int_equal(journal_worker_new(&bench->worker,
					    &(struct journal_worker_settings){.journal = house->journal,
									      .stock = house->stock,
									      .lane = bench->lane,
									      .metrics = bench->metrics,
									      .batch_max = bench->batch_max ? bench->batch_max : 64,
									      .ack_deadline_ns = ACK_NS}),
			 0);
	assert_int_equal(journal_client_new(&bench->client, bench->lane, ACK_NS), 0);
	assert_int_equal(sale_control_new(&control, &(struct sale_control_settings){.ledger = house->ledger,
										    .stock = house->stock,
										    .catalog = house->catalog,
										    .commit = journal_client_commit(bench->client),
										    .retention_ms = HOUSE_RETENTION_MS}),
			 0);
	assert_int_equal(sale_turn_new(&bench->turn, control), 0);
	assert_int_equal(housekeeper_new(&bench->keeper, &(struct housekeeper_settings){.stock = house->stock,
											.catalog = house->catalog,
											.journal_lane = bench->lane,
											.fenced_lane = bench->fenced,
											.metrics = bench->metrics,
											.promises = &bench->promises,
											.hold_grace_ns = 0}),
			 0);
	assert_int_equal(leadership_new(&bench->leadership, &(struct leadership_settings){.metrics = bench->metrics}), 0);
	assert_int_equal(sale_keeper_new(&bench->sales, &(struct sale_keeper_settings){.ledger = house->ledger,
										       .leadership = bench->leadership,
										       .sales = bench->turn,
										       .catalog = house->catalog,
										       .retention_ms = HOUSE_RETENTION_MS}),
			 0);
	house_let_time_run();
	assert_int_equal(sale_keeper_start(bench->sales), 0);
	assert_int_equal(journal_worker_start(bench->worker), 0);
	assert_int_equal(housekeeper_start(bench->keeper), 0);
}

static void stop(struct bench *bench)
{
	if (!bench->keeper)
		return;
	housekeeper_stop(bench->keeper);
	sale_keeper_free(bench->sales);
	journal_worker_free(bench->worker);
	housekeeper_free(bench->keeper);
	journal_client_free(bench->client);
	sale_turn_free(bench->turn);
	leadership_free(bench->leadership);
	lane_free(bench->lane);
	bench->keeper = NULL;
}

static int bench_close(void **state)
{
	struct bench *bench = *state;

	failpoints_set("");
	stop(bench);
	metrics_free(bench->metrics);
	house_close((void **)&bench->house);
	free(bench);
	return 0;
}

static bool is_all_back(void *context)
{
	struct stock_lot_state lot = house_lot(((struct bench *)context)->house, "drop", 0);

	return lot.available == lot.allocated - lot.withdrawn;
}

/* The value of one series of the metrics. */
static double metric(struct bench *bench, const char *name)
{
	struct buffer out;
	const char *found;
	char line[96];
	double value;

	buffer_init(&out, 1 << 20);
	metrics_render(bench->metrics, METRICS_TEXT, &out);
	buffer_append(&out, "", 1);
	snprintf(line, sizeof(line), "\n%s ", name);
	found = strstr(out.data, line);
	assert_non_null(found);
	value = strtod(found + strlen(line), NULL);
	buffer_deinit(&out);
	return value;
}

static void assert_no_promise_broken(struct bench *bench)
{
	for (int promise = 0; promise < PROMISE_COUNT; promise++)
		assert_int_equal(promises_broken(&bench->promises, (enum promise)promise), 0);
}

static void hold_many(struct house *house)
{
	struct sale *draft = house_draft("drop");
	char buyer[16];

	draft->lots[0].allocated = HOLDS;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	for (int i = 0; i < HOLDS; i++) {
		snprintf(buyer, sizeof(buyer), "buyer-%d", i);
		(void)house_buy(house, "drop", 0, buyer, "k", 1);
	}
}

static bool is_counted(void *context)
{
	return metric(context, "penstock_holds_expired_total") == HOLDS;
}

static void test_holds_that_run_out_are_expired_in_stock_and_ledger(void **state)
{
	struct bench *bench = *state;

	hold_many(bench->house);
	start(bench, 256);
	assert_int_equal(house_lot(bench->house, "drop", 0).held, HOLDS);
	house_pass(HOUSE_HOLD_S * 1000);
	house_wait(is_all_back, bench);
	house_wait(is_counted, bench);
	house_assert_lot(bench->house, "drop", 0, HOLDS, 0, 0, 0);
	stop(bench);
	assert_no_promise_broken(bench);
	house_assert_audit(bench->house);
}

/*
 * What finds no room goes back to be held and is seen again next turn: each expires once, none is
 * lost.
 */
static void test_a_full_lane_loses_no_expiry(void **state)
{
	struct bench *bench = *state;

	hold_many(bench->house);
	start(bench, 2);
	house_pass(HOUSE_HOLD_S * 1000);
	house_wait(is_all_back, bench);
	house_wait(is_counted, bench);
	house_assert_lot(bench->house, "drop", 0, HOLDS, 0, 0, 0);
	stop(bench);
	assert_no_promise_broken(bench);
	house_assert_audit(bench->house);
}

/* --- A storm: very many holds run out at once, while others buy --- */

enum { STORM = 400, BUYERS = 200, BATCH = 256 };

/*
 * Who buys without a break: in each append there is the purchase that was sent from within the one
 * before. All of it is the journal's thread's, but for `left`.
 */
struct buyers {
	struct bench *bench;
	const struct journal_ops *plain;
	struct event_job jobs[BUYERS];
	struct lane *reply;
	size_t sent, beside_max; /* beside: expiries in one append with a purchase */
	uint32_t sale;
	atomic_size_t left; /* holds that have not run out yet */
};
static struct buyers buyers;

static void send_purchase(void)
{
	struct house *house = buyers.bench->house;
	struct event_job *job = &buyers.jobs[buyers.sent];
	int64_t now_ms = clock_wall_ms();
	void *item = job;
	char name[24];
	struct stock_reserve reserve = {
		.event = {.kind = EVENT_RESERVED,
			  .sale = buyers.sale,
			  .lot = 1,
			  .quantity = 1,
			  .id = uuid_make(&house->ids, now_ms, buyers.sale),
			  .at_ms = now_ms,
			  .hold_expires_at_ms = now_ms + HOUSE_HOLD_S * 1000},
		.now_ns = clock_mono_ns(),
		.hold_ns = HOUSE_HOLD_S * INT64_C(1000000000),
	};

	snprintf(name, sizeof(name), "late-%zu", buyers.sent++);
	reserve.event.buyer = reserve.event.actor = slice_of(name);
	house->stock->ops->reserve(house->stock, &reserve, 1);
	assert_int_equal(reserve.outcome, STOCK_DONE);
	*job = (struct event_job){.job = {.message = {.reply = buyers.reply}, .event = &job->event, .started_ns = clock_mono_ns()},
				  .event = reserve.event};
	event_own(&job->event, &job->text);
	assert_int_equal(lane_push(buyers.bench->lane, LANE_NORMAL, &item, 1), 1);
}

static bool is_more_in_lane(void *context)
{
	return lane_depth(((struct bench *)context)->lane) > LANE_SLICE;
}

/* In the first append the next one is made: a purchase, and more expiries than it may take. */
static void append_beside_buyers(struct journal *journal, struct journal_entry *entries, size_t count)
{
	size_t expiries = 0, purchases = 0;

	for (size_t i = 0; i < count; i++) {
		expiries += entries[i].event->kind == EVENT_EXPIRED;
		purchases += entries[i].event->kind == EVENT_RESERVED;
	}
	if (purchases && expiries > buyers.beside_max)
		buyers.beside_max = expiries;
	if (expiries && buyers.sent == 0)
		house_wait(is_more_in_lane, buyers.bench);
	if (expiries && buyers.sent < BUYERS)
		send_purchase();
	buyers.plain->append(journal, entries, count);
	atomic_fetch_sub(&buyers.left, expiries);
}

static bool is_storm_over(void *context)
{
	(void)context;
	return atomic_load(&buyers.left) == 0;
}

static bool are_buyers_served(void *context)
{
	(void)context;
	return lane_depth(buyers.reply) == buyers.sent;
}

static void make_storm(struct bench *bench)
{
	struct house *house = bench->house;
	struct sale *draft = house_draft("drop");
	char name[16];

	draft->lots[0].allocated = STORM;
	draft->lots[1].allocated = BUYERS;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	for (int i = 0; i < STORM; i++) {
		snprintf(name, sizeof(name), "buyer-%d", i);
		(void)house_buy(house, "drop", 0, name, "", 1);
	}
	buyers = (struct buyers){.bench = bench, .plain = house->journal->ops, .sale = house_number(house, "drop"), .left = STORM};
	assert_int_equal(lane_new(&buyers.reply, BUYERS), 0);
}

/*
 * The expiries went first, a thousand in an append: whoever bought meanwhile waited for all of
 * them.
 */
static void test_buyers_wait_for_a_slice_of_a_storm_of_expiries(void **state)
{
	struct bench *bench = *state;
	struct journal_ops ops;
	void *served[BUYERS];

	make_storm(bench);
	ops = *buyers.plain;
	ops.append = append_beside_buyers;
	bench->house->journal->ops = &ops;
	bench->batch_max = BATCH;
	start(bench, 1024);
	house_pass(HOUSE_HOLD_S * 1000);
	house_wait(is_storm_over, bench);
	house_wait(is_all_back, bench);
	house_wait(are_buyers_served, bench);
	assert_int_equal(lane_pop(buyers.reply, served, BUYERS, 0), buyers.sent);
	for (size_t i = 0; i < buyers.sent; i++)
		assert_int_equal(buyers.jobs[i].job.end, JOURNAL_DURABLE);
	stop(bench);
	bench->house->journal->ops = buyers.plain;
	assert_true(buyers.sent > 1);
	assert_in_range(buyers.beside_max, 1, LANE_SLICE);
	lane_free(buyers.reply);
	assert_no_promise_broken(bench);
	house_assert_audit(bench->house);
}

static bool is_refused(void *context)
{
	return metric(context, "penstock_journal_events_total{end=\"refused\"}") >= HOLDS;
}

static void test_expiries_that_the_journal_refuses_are_tried_again(void **state)
{
	struct bench *bench = *state;

	hold_many(bench->house);
	failpoints_set("ledger.begin=error:28");
	start(bench, 256);
	house_pass(HOUSE_HOLD_S * 1000);
	house_wait(is_refused, bench);
	assert_int_equal(house_lot(bench->house, "drop", 0).available, 0);
	failpoints_set("");
	house_wait(is_all_back, bench);
	house_wait(is_counted, bench);
	stop(bench);
	assert_no_promise_broken(bench);
	house_assert_audit(bench->house);
}

static bool is_open(void *context)
{
	return house_shown(((struct bench *)context)->house, "drop") == SALE_OPEN;
}

static bool is_ended(void *context)
{
	return house_shown(((struct bench *)context)->house, "drop") == SALE_ENDED;
}

static bool is_returned(void *context)
{
	struct bench *bench = context;

	return house_on_hand(bench->house, "SHIRT") == HOUSE_ON_HAND && house_on_hand(bench->house, "SHOE") == HOUSE_ON_HAND;
}

static void test_sales_live_by_the_clock(void **state)
{
	struct bench *bench = *state;
	struct sale *draft = house_draft("drop");

	draft->opens_at_ms = HOUSE_NOW_MS + 100000;
	draft->closes_at_ms = HOUSE_NOW_MS + 200000;
	draft->scheduled = true;
	house_create(bench->house, draft);
	start(bench, 256);
	house_pass(100000);
	house_wait(is_open, bench);
	house_pass(100000);
	house_wait(is_ended, bench);
	house_wait(is_returned, bench);
	stop(bench);
	house_assert_audit(bench->house);
}

/* It has made a turn, so it has looked at the clock. */
static bool is_watching(void *context)
{
	return house_shown(((struct bench *)context)->house, "timed") == SALE_OPEN;
}

static bool is_jump_seen(void *context)
{
	return metric(context, "penstock_clock_jumps_total") == 1;
}

/* A hold is counted by monotonic time: a wall clock that jumps neither ends nor prolongs it. */
static void test_a_jump_of_the_wall_clock_is_counted_and_expires_nothing(void **state)
{
	struct bench *bench = *state;
	struct sale *timed = house_draft("timed");

	timed->opens_at_ms = HOUSE_NOW_MS;
	timed->scheduled = true;
	house_create(bench->house, timed);
	hold_many(bench->house);
	start(bench, 256);
	house_wait(is_watching, bench);
	house_jump(7200000);
	house_wait(is_jump_seen, bench);
	assert_int_equal(house_lot(bench->house, "drop", 0).held, HOLDS);
	house_jump(-14400000);
	house_pass(HOUSE_HOLD_S * 1000);
	house_wait(is_all_back, bench);
	stop(bench);
	assert_no_promise_broken(bench);
}

/* --- A stock whose outbox is full --- */

enum { ASKS = 20, PACE_MS = 10 };

static atomic_int asks, refreshes;

static size_t expire_nothing(struct stock *stock, int64_t now_ns, int64_t now_ms, int64_t grace_ns, struct event *out, size_t max,
			     int64_t *next_ns)
{
	(void)stock, (void)now_ms, (void)grace_ns, (void)out, (void)max;
	*next_ns = now_ns - 1;
	atomic_fetch_add(&asks, 1);
	return 0;
}

static void refresh_nothing(struct stock *stock, struct stock_refresh *sales, size_t count)
{
	(void)stock, (void)sales, (void)count;
	atomic_fetch_add(&refreshes, 1);
}

static bool is_asked_often(void *context)
{
	(void)context;
	return atomic_load(&asks) >= ASKS && atomic_load(&refreshes) >= ASKS;
}

/* Holds are due and there is no room for their expiries: the stock was asked each millisecond. */
static void test_a_full_outbox_is_not_asked_each_millisecond(void **state)
{
	struct bench *bench = *state;
	const struct stock_ops *roomy = bench->house->stock->ops;
	struct stock_ops ops = *roomy;
	int64_t begun_ns;

	hold_many(bench->house);
	ops.expire = expire_nothing;
	ops.refresh = refresh_nothing;
	bench->house->stock->ops = &ops;
	assert_int_equal(lane_new(&bench->fenced, 16), 0);
	start(bench, 256);
	begun_ns = clock_mono_ns();
	house_wait(is_asked_often, bench);
	assert_true(clock_mono_ns() - begun_ns >= (ASKS - 1) * PACE_MS * INT64_C(1000000));
	stop(bench);
	bench->house->stock->ops = roomy;
	lane_free(bench->fenced);
	bench->fenced = NULL;
}

/* --- A shared stock that must not be sold from --- */

static const struct stock_ops *in_place;
static atomic_int hearings;

static void refresh_forgotten(struct stock *stock, struct stock_refresh *sales, size_t count)
{
	(void)stock;
	for (size_t i = 0; i < count; i++)
		sales[i].outcome = STOCK_UNKNOWN_SALE;
}

/* Another process has let it go on. */
static void hear_release(struct stock *stock, uint32_t sale)
{
	const struct stock_brake_change release = {.stopped = false, .at_ms = HOUSE_NOW_MS, .actor = "olga"};

	if (atomic_fetch_add(&hearings, 1) == 0)
		assert_int_equal(in_place->brake(stock, sale, &release), STOCK_DONE);
}

static bool is_shown_open(void *context)
{
	return house_shown(((struct bench *)context)->house, "drop") == SALE_OPEN;
}

/*
 * No refresh tells of a stop where the sale is not armed: a gate that had heard of the stop, and
 * then of nothing for as long as the sale was rebuilt, told its first buyers afterwards that it was
 * not open, long after somebody had let it go on elsewhere.
 */
static void test_a_release_is_heard_of_while_the_sale_is_fenced(void **state)
{
	struct bench *bench = *state;
	struct house *house = bench->house;
	struct ledger_actor actor = house_actor();
	struct stock_ops ops = *house->stock->ops;
	void *told;

	house_sell(house, "drop");
	assert_int_equal(sale_control_brake(house->control, house_number(house, "drop"), true, &actor), SALE_CONTROL_DONE);
	assert_int_equal(house_shown(house, "drop"), SALE_PAUSED);
	atomic_store(&hearings, 0);
	in_place = house->stock->ops;
	ops.refresh = refresh_forgotten;
	ops.brake_hear = hear_release;
	house->stock->ops = &ops;
	assert_int_equal(lane_new(&bench->fenced, 16), 0);
	start(bench, 256);
	house_wait(is_shown_open, bench);
	stop(bench);
	house->stock->ops = in_place;
	while (lane_pop(bench->fenced, &told, 1, 0))
		continue; /* a rebuilder's */
	lane_free(bench->fenced);
	bench->fenced = NULL;
}

/* --- A stock that does not add up --- */

static int (*true_snapshot)(struct stock *, uint32_t, struct stock_lot_state *, uint32_t *);
static struct stock_lot_state lie;

static int lying_snapshot(struct stock *stock, uint32_t sale, struct stock_lot_state *lots, uint32_t *count)
{
	int outcome = true_snapshot(stock, sale, lots, count);

	lots[1] = lie;
	return outcome;
}

static bool is_oversold_seen(void *context)
{
	return promises_broken(&((struct bench *)context)->promises, PROMISE_NEVER_OVERSOLD) > 0;
}

static bool is_leak_seen(void *context)
{
	return promises_broken(&((struct bench *)context)->promises, PROMISE_NEVER_LEAKED) > 0;
}

static void lie_about(struct bench *bench, struct stock_lot_state what, bool (*is_seen)(void *))
{
	const struct stock_ops *honest = bench->house->stock->ops;
	struct stock_ops ops = *honest;

	house_sell(bench->house, "drop");
	lie = what;
	true_snapshot = ops.snapshot;
	ops.snapshot = lying_snapshot;
	bench->house->stock->ops = &ops;
	start(bench, 256);
	house_wait(is_seen, bench);
	stop(bench);
	bench->house->stock->ops = honest;
}

static void test_more_live_units_than_there_are_break_the_first_promise(void **state)
{
	struct bench *bench = *state;

	lie_about(bench, (struct stock_lot_state){.available = 0, .held = 3, .confirmed = 3, .allocated = 5}, is_oversold_seen);
	assert_int_equal(promises_broken(&bench->promises, PROMISE_NEVER_LEAKED), 0);
}

static void test_a_unit_that_is_nowhere_breaks_the_fourth(void **state)
{
	struct bench *bench = *state;

	lie_about(bench, (struct stock_lot_state){.available = 1, .held = 1, .confirmed = 1, .withdrawn = 1, .allocated = 5},
		  is_leak_seen);
	assert_int_equal(promises_broken(&bench->promises, PROMISE_NEVER_OVERSOLD), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_holds_that_run_out_are_expired_in_stock_and_ledger),
		TEST(test_a_full_lane_loses_no_expiry),
		TEST(test_buyers_wait_for_a_slice_of_a_storm_of_expiries),
		TEST(test_expiries_that_the_journal_refuses_are_tried_again),
		TEST(test_a_full_outbox_is_not_asked_each_millisecond),
		TEST(test_a_release_is_heard_of_while_the_sale_is_fenced),
		TEST(test_sales_live_by_the_clock),
		TEST(test_a_jump_of_the_wall_clock_is_counted_and_expires_nothing),
		TEST(test_more_live_units_than_there_are_break_the_first_promise),
		TEST(test_a_unit_that_is_nowhere_breaks_the_fourth),
	};

	return cmocka_run_group_tests_name("workers: housekeeper", tests, NULL, NULL);
}
