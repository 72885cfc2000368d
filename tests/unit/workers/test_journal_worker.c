/*
 * The journal's thread over the memory stock and a journal that comes to the end it is told: what
 * becomes of the stock, and when. The buyer's first letter says the end of its events: d(urable),
 * r(efused), u(nknown).
 */
#include "unit/core/house.h"

#include <string.h>
#include "base/thread.h"
#include "stock/memory/memory.h"
#include "workers/journal_client.h"
#include "workers/journal_worker.h"

enum { BATCH_MAX = 4, SEEN_MAX = 4096, LANE_SIZE = 64, SALE = 7, UNITS = 50, OUTBOX = 64 };
/*
 * What waits longer is refused: nothing here does but what a test lets wait, for the clock runs and
 * a busy machine may keep a thread from its core for long.
 */
static const int64_t ACK_NS = 60000000000;
enum { GIVEN_UP_MS = 120000 }; /* after which an entry that nobody knows the end of is driven again */

struct fake_journal {
	struct journal base; /* first */
	pthread_mutex_t lock;
	struct {
		enum event_kind kind;
		struct uuid id;
	} seen[SEEN_MAX];
	size_t seen_count, appends, largest, looks;
	atomic_int end; /* of every entry; 0: by the buyer's name */
	atomic_bool unhealthy;
	atomic_bool held;             /* append() does not return before this is false */
	atomic_size_t stuck_from;     /* nor does an append of this number, or a later one, before this is 0 */
	atomic_bool waiting;          /* it is in append() */
	struct lane *reply;           /* answers come by it */
	atomic_size_t answered_first; /* by the first tidy() */
	atomic_int tidied;
};

struct bench {
	struct fake_journal journal;
	struct stock *stock;
	struct lane *lane, *reply;
	struct metrics *metrics;
	struct journal_worker *worker;
	struct uuid_generator ids;
	struct event_job jobs[LANE_SIZE];
	size_t job_count;
};

static bool is_let_go(void *context)
{
	return !atomic_load(&((struct fake_journal *)context)->held);
}

static bool is_unstuck(void *context)
{
	return atomic_load(&((struct fake_journal *)context)->stuck_from) == 0;
}

static enum journal_end end_of(struct fake_journal *journal, const struct event *event)
{
	if (atomic_load(&journal->end))
		return (enum journal_end)atomic_load(&journal->end);
	switch (event->buyer.size ? event->buyer.data[0] : 'd') {
	case 'r':
		return JOURNAL_REFUSED;
	case 'u':
		return JOURNAL_UNKNOWN;
	default:
		return JOURNAL_DURABLE;
	}
}

static void fake_append(struct journal *base, struct journal_entry *entries, size_t count)
{
	struct fake_journal *journal = (struct fake_journal *)base;
	bool stuck;

	pthread_mutex_lock(&journal->lock);
	if (count == 0)
		journal->looks++;
	else
		journal->appends++;
	if (count > journal->largest)
		journal->largest = count;
	for (size_t i = 0; i < count; i++) {
		assert_in_range(journal->seen_count, 0, SEEN_MAX - 1);
		journal->seen[journal->seen_count].kind = entries[i].event->kind;
		journal->seen[journal->seen_count++].id = entries[i].event->id;
		entries[i].end = end_of(journal, entries[i].event);
		entries[i].reason = entries[i].end == JOURNAL_DURABLE ? NULL : "as told";
	}
	stuck = count > 0 && atomic_load(&journal->stuck_from) > 0 && journal->appends >= atomic_load(&journal->stuck_from);
	pthread_mutex_unlock(&journal->lock);
	if (stuck)
		house_wait(is_unstuck, journal);
	atomic_store(&journal->waiting, true);
	house_wait(is_let_go, journal);
	atomic_store(&journal->waiting, false);
}

static int fake_health(struct journal *base, const char **reason)
{
	*reason = "as told";
	return atomic_load(&((struct fake_journal *)base)->unhealthy) ? -EIO : 0;
}

/* Notes how many had been answered by then. */
static void fake_tidy(struct journal *base)
{
	struct fake_journal *journal = (struct fake_journal *)base;

	if (journal->reply && atomic_load(&journal->tidied) == 0)
		atomic_store(&journal->answered_first, lane_depth(journal->reply));
	atomic_fetch_add(&journal->tidied, 1);
}

static struct journal_ops fake_ops = {.name = "fake", .append = fake_append, .tidy = fake_tidy, .health = fake_health};

/* One of the journal's counts. */
static size_t read_count(struct bench *bench, const size_t *place)
{
	size_t count;

	pthread_mutex_lock(&bench->journal.lock);
	count = *place;
	pthread_mutex_unlock(&bench->journal.lock);
	return count;
}

static size_t seen_count(struct bench *bench)
{
	return read_count(bench, &bench->journal.seen_count);
}

static int bench_open(void **state)
{
	const int64_t allocated[] = {UNITS}, withdrawn[] = {0};
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	house_take_clock();
	house_let_time_run();
	bench->journal.base.ops = &fake_ops;
	fake_ops.in_ledger = false;
	pthread_mutex_init(&bench->journal.lock, NULL);
	assert_int_equal(stock_memory_new(&bench->stock, OUTBOX), 0);
	assert_int_equal(bench->stock->ops->preheat_begin(
				 bench->stock, &(struct stock_rules){.sale = SALE, .epoch = 1, .limit_per_buyer = 5, .lot_count = 1}),
			 0);
	assert_int_equal(bench->stock->ops->arm(bench->stock, SALE, allocated, withdrawn), 0);
	assert_int_equal(lane_new(&bench->lane, LANE_SIZE), 0);
	assert_int_equal(lane_new(&bench->reply, LANE_SIZE), 0);
	assert_int_equal(metrics_new(&bench->metrics), 0);
	assert_int_equal(journal_worker_new(&bench->worker, &(struct journal_worker_settings){.journal = &bench->journal.base,
											      .stock = bench->stock,
											      .lane = bench->lane,
											      .metrics = bench->metrics,
											      .batch_max = BATCH_MAX,
											      .ack_deadline_ns = ACK_NS}),
			 0);
	*state = bench;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *bench = *state;

	journal_worker_free(bench->worker);
	metrics_free(bench->metrics);
	lane_free(bench->lane);
	lane_free(bench->reply);
	bench->stock->ops->free(bench->stock);
	pthread_mutex_destroy(&bench->journal.lock);
	clock_set_source(NULL);
	free(bench);
	return 0;
}

static void start(struct bench *bench)
{
	assert_int_equal(journal_worker_start(bench->worker), 0);
}

/* Takes a unit for the buyer; its job, not sent. */
static struct job *reserve(struct bench *bench, const char *buyer)
{
	struct event_job *job = &bench->jobs[bench->job_count++];
	struct stock_reserve item = {
		.event = {.kind = EVENT_RESERVED,
			  .sale = SALE,
			  .quantity = 1,
			  .id = uuid_make(&bench->ids, clock_wall_ms(), SALE),
			  .at_ms = clock_wall_ms(),
			  .hold_expires_at_ms = clock_wall_ms() + 60000,
			  .buyer = slice_of(buyer),
			  .key = SLICE("key"),
			  .actor = slice_of(buyer)},
		.now_ns = clock_mono_ns(),
		.hold_ns = INT64_C(60000000000),
	};

	bench->stock->ops->reserve(bench->stock, &item, 1);
	assert_int_equal(item.outcome, STOCK_DONE);
	job->job = (struct job){.message = {.reply = bench->reply},
				.kind = JOB_PURCHASE,
				.event = &job->event,
				.started_ns = item.now_ns,
				.end = JOURNAL_UNKNOWN};
	job->event = item.event;
	event_own(&job->event, &job->text);
	return &job->job;
}

static void send(struct bench *bench, struct job *job, enum lane_class class)
{
	void *item = job;

	assert_int_equal(lane_push(bench->lane, class, &item, 1), 1);
}

static struct job *buy(struct bench *bench, const char *buyer)
{
	struct job *job = reserve(bench, buyer);

	send(bench, job, LANE_NORMAL);
	return job;
}

static struct job *answer(struct bench *bench)
{
	void *item;

	assert_int_equal(lane_pop(bench->reply, &item, 1, INT64_C(60000000000)), 1);
	return item;
}

static struct stock_lot_state lot(struct bench *bench)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count;

	assert_int_equal(bench->stock->ops->snapshot(bench->stock, SALE, lots, &count), 0);
	return lots[0];
}

static int64_t outbox(struct bench *bench)
{
	struct stock_totals totals;

	bench->stock->ops->totals(bench->stock, &totals);
	return totals.outbox;
}

static struct stock_find find(struct bench *bench, const struct job *job)
{
	struct stock_find item = {.sale = SALE, .id = job->event->id};

	bench->stock->ops->find(bench->stock, &item, 1);
	return item;
}

/* --- Ends --- */

static void test_a_durable_event_is_acknowledged_before_it_is_answered(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	start(bench);
	job = buy(bench, "dora");
	assert_ptr_equal(answer(bench), job);
	assert_int_equal(job->end, JOURNAL_DURABLE);
	assert_true(find(bench, job).order.durable);
	assert_int_equal(outbox(bench), 0);
	assert_int_equal(lot(bench).held, 1);
}

static void test_a_refused_event_is_compensated_before_it_is_answered(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	start(bench);
	job = buy(bench, "rita");
	assert_ptr_equal(answer(bench), job);
	assert_int_equal(job->end, JOURNAL_REFUSED);
	assert_string_equal(job->reason, "as told");
	assert_int_equal(find(bench, job).outcome, STOCK_NO_ORDER);
	assert_int_equal(outbox(bench), 0);
	assert_int_equal(lot(bench).available, UNITS);
}

static void test_a_batch_of_all_ends_gives_each_its_own(void **state)
{
	static const char *const buyers[] = {"d1", "r1", "u1", "d2"};
	struct bench *bench = *state;
	struct job *jobs[4];

	for (size_t i = 0; i < 4; i++)
		jobs[i] = buy(bench, buyers[i]);
	start(bench);
	for (size_t i = 0; i < 4; i++)
		(void)answer(bench);
	assert_int_equal(jobs[0]->end, JOURNAL_DURABLE);
	assert_int_equal(jobs[1]->end, JOURNAL_REFUSED);
	assert_int_equal(jobs[2]->end, JOURNAL_UNKNOWN);
	assert_int_equal(jobs[3]->end, JOURNAL_DURABLE);
	assert_true(find(bench, jobs[0]).order.durable);
	assert_int_equal(find(bench, jobs[1]).outcome, STOCK_NO_ORDER);
	assert_false(find(bench, jobs[2]).order.durable);
	assert_int_equal(lot(bench).held, 3);
}

static bool is_driven_again(void *context)
{
	return seen_count(context) >= 3;
}

static bool is_clear(void *context)
{
	return outbox(context) == 0;
}

static bool is_undelivered(void *context)
{
	return journal_worker_undelivered(((struct bench *)context)->worker) == 1;
}

static bool is_delivered(void *context)
{
	return journal_worker_undelivered(((struct bench *)context)->worker) == 0;
}

static void test_an_unknown_event_is_left_and_driven_again_until_it_is_known(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	start(bench);
	job = buy(bench, "ulla");
	assert_ptr_equal(answer(bench), job);
	assert_int_equal(job->end, JOURNAL_UNKNOWN);
	assert_int_equal(lot(bench).held, 1);
	assert_int_equal(outbox(bench), 1);
	/* Not before whoever made it has given up on it. */
	assert_int_equal(seen_count(bench), 1);
	for (int round = 0; round < 2; round++) {
		size_t before = seen_count(bench);

		house_pass(GIVEN_UP_MS);
		house_wait(is_undelivered, bench);
		assert_true(seen_count(bench) >= before);
	}
	assert_int_equal(outbox(bench), 1);
	atomic_store(&bench->journal.end, JOURNAL_DURABLE);
	house_pass(GIVEN_UP_MS);
	house_wait(is_clear, bench);
	house_wait(is_delivered, bench);
	assert_true(find(bench, job).order.durable);
	assert_int_equal(lot(bench).held, 1);
	for (size_t i = 0; i < seen_count(bench); i++)
		assert_true(uuid_equal(&bench->journal.seen[i].id, &job->event->id));
}

/* Rule 2: an earlier try may have got through. */
static void test_what_was_claimed_is_never_compensated(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	start(bench);
	job = buy(bench, "ulla");
	(void)answer(bench);
	atomic_store(&bench->journal.end, JOURNAL_REFUSED);
	house_pass(GIVEN_UP_MS);
	house_wait(is_undelivered, bench);
	house_pass(GIVEN_UP_MS);
	house_wait(is_driven_again, bench);
	assert_int_equal(lot(bench).held, 1);
	assert_int_equal(lot(bench).available, UNITS - 1);
	assert_int_equal(outbox(bench), 1);
	atomic_store(&bench->journal.end, JOURNAL_DURABLE);
	house_pass(GIVEN_UP_MS);
	house_wait(is_clear, bench);
	assert_true(find(bench, job).order.durable);
}

static bool is_waiting(void *context)
{
	return atomic_load(&((struct bench *)context)->journal.waiting);
}

/*
 * Another gate that shares the stock may drive an entry that is refused here: then it is not known
 * what becomes of it, and must not be told.
 */
static void test_what_another_has_claimed_meanwhile_is_unknown(void **state)
{
	struct bench *bench = *state;
	struct stock_claim claim;
	struct job *job;

	start(bench);
	atomic_store(&bench->journal.held, true);
	job = buy(bench, "rita");
	house_wait(is_waiting, bench);
	assert_int_equal(bench->stock->ops->claim(bench->stock, INT64_MAX, clock_mono_ns(), &claim, 1), 1);
	atomic_store(&bench->journal.held, false);
	assert_ptr_equal(answer(bench), job);
	assert_int_equal(job->end, JOURNAL_UNKNOWN);
	assert_int_equal(lot(bench).available, UNITS - 1);
	assert_int_equal(outbox(bench), 1);
}

static void test_what_waited_too_long_is_refused_unsent(void **state)
{
	struct bench *bench = *state;
	struct job *late = reserve(bench, "dora"), *good;

	house_pass(ACK_NS / 1000000 + 1);
	good = reserve(bench, "dina");
	send(bench, late, LANE_NORMAL);
	send(bench, good, LANE_NORMAL);
	start(bench);
	(void)answer(bench);
	(void)answer(bench);
	assert_int_equal(late->end, JOURNAL_REFUSED);
	assert_string_equal(late->reason, "waited too long");
	assert_int_equal(good->end, JOURNAL_DURABLE);
	assert_int_equal(seen_count(bench), 1);
	assert_true(uuid_equal(&bench->journal.seen[0].id, &good->event->id));
	assert_int_equal(find(bench, late).outcome, STOCK_NO_ORDER);
	assert_int_equal(lot(bench).held, 1);
}

/* --- Order --- */

static void test_urgent_events_go_before_purchases(void **state)
{
	struct bench *bench = *state;
	struct job *urgent;

	atomic_store(&bench->journal.held, true);
	start(bench);
	(void)buy(bench, "d0");
	house_wait(is_waiting, bench);
	(void)buy(bench, "d1");
	(void)buy(bench, "d2");
	urgent = reserve(bench, "d3");
	send(bench, urgent, LANE_URGENT);
	atomic_store(&bench->journal.held, false);
	for (int i = 0; i < 4; i++)
		(void)answer(bench);
	assert_true(uuid_equal(&bench->journal.seen[1].id, &urgent->event->id));
	assert_int_equal(seen_count(bench), 4);
}

/* --- The second half of an acknowledgement --- */

static struct slow_stock {
	struct stock_ops ops;
	atomic_bool held, waiting;
	enum stock_ack *answers, say; /* say: instead of what the stock says itself; 0: that */
} slow;

static bool is_slow_let_go(void *context)
{
	(void)context;
	return !atomic_load(&slow.held);
}

static bool is_slow_waiting(void *context)
{
	(void)context;
	return atomic_load(&slow.waiting);
}

static void slow_wait(struct stock *stock)
{
	(void)stock;
	atomic_store(&slow.waiting, true);
	house_wait(is_slow_let_go, NULL);
	if (slow.say)
		slow.answers[0] = slow.say;
}

static const struct stock_ops *real_ops;

static void slow_send(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	slow.answers = answers;
	real_ops->acknowledge_send(stock, events, count, answers);
}

/* Until hasten(); both while no worker runs. */
static void slow_down(struct bench *bench, bool held, enum stock_ack say)
{
	real_ops = bench->stock->ops;
	slow.ops = *real_ops;
	slow.ops.acknowledge_send = slow_send;
	slow.ops.acknowledge_wait = slow_wait;
	slow.say = say;
	atomic_store(&slow.waiting, false);
	atomic_store(&slow.held, held);
	bench->stock->ops = &slow.ops;
}

static void hasten(struct bench *bench)
{
	bench->stock->ops = real_ops;
}

/*
 * The commit has checked its epoch: a buyer need not wait for the stock. Whoever has settled an
 * order may look at the units next.
 */
static void test_a_purchase_is_answered_by_the_commit_and_a_settlement_after_the_stock_was_told(void **state)
{
	struct bench *bench = *state;
	struct job *settlement = reserve(bench, "d0"), *purchase;
	void *item;

	fake_ops.in_ledger = true;
	slow_down(bench, true, STOCK_ACK_UNANSWERED);
	settlement->kind = JOB_SETTLEMENT;
	send(bench, settlement, LANE_URGENT);
	purchase = buy(bench, "d1");
	start(bench);
	house_wait(is_slow_waiting, NULL);
	assert_ptr_equal(answer(bench), purchase);
	assert_int_equal(purchase->proof, EPOCH_PROVEN);
	assert_true(find(bench, purchase).order.durable);
	assert_int_equal(lane_pop(bench->reply, &item, 1, 0), 0);
	atomic_store(&slow.held, false);
	assert_ptr_equal(answer(bench), settlement);
	assert_int_equal(settlement->proof, EPOCH_PROVEN);
	assert_int_equal(bench->journal.appends, 1);
	journal_worker_stop(bench->worker);
	hasten(bench);
}

/*
 * A log does not know of epochs: whether the record lies before the barrier only the stock's answer
 * shows.
 */
static void test_nobody_is_answered_before_the_stock_where_the_journal_is_a_log(void **state)
{
	struct bench *bench = *state;
	struct job *purchase = buy(bench, "d0");
	void *item;

	slow_down(bench, true, STOCK_ACK_UNANSWERED);
	start(bench);
	house_wait(is_slow_waiting, NULL);
	assert_int_equal(lane_pop(bench->reply, &item, 1, 0), 0);
	atomic_store(&slow.held, false);
	assert_ptr_equal(answer(bench), purchase);
	assert_int_equal(purchase->end, JOURNAL_DURABLE);
	assert_int_equal(purchase->proof, EPOCH_PROVEN);
	journal_worker_stop(bench->worker);
	hasten(bench);
}

static void test_what_the_stock_says_is_the_proof(void **state)
{
	static const struct {
		const char *buyer;
		enum stock_ack says;
		enum epoch_proof proof;
	} cases[] = {
		{"d0", STOCK_ACK_ALREADY, EPOCH_PROVEN},
		{"d1", STOCK_ACK_UNKNOWN, EPOCH_UNPROVEN},
		{"d2", STOCK_ACK_OTHER_EPOCH, EPOCH_UNPROVEN},
		{"d3", STOCK_ACK_NO_SALE, EPOCH_NO_STOCK},
	};
	struct bench *bench = *state;

	slow_down(bench, false, STOCK_ACK_UNANSWERED);
	start(bench);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job *job;

		slow.say = cases[i].says; /* the worker reads it with the next job */
		job = buy(bench, cases[i].buyer);
		assert_ptr_equal(answer(bench), job);
		assert_int_equal(job->end, JOURNAL_DURABLE);
		assert_int_equal(job->proof, cases[i].proof);
	}
	journal_worker_stop(bench->worker);
	hasten(bench);
}

/*
 * A refund of a sale that no stock has: whoever took the epoch from the ledger looks there again.
 */
static void test_a_client_says_where_no_stock_has_the_sale(void **state)
{
	struct bench *bench = *state;
	struct event event = *reserve(bench, "dora")->event;
	struct journal_client *client;
	bool no_stock = false;

	assert_int_equal(journal_client_new(&client, bench->lane, ACK_NS), 0);
	slow_down(bench, false, STOCK_ACK_NO_SALE);
	start(bench);
	assert_int_equal(journal_client_append(client, &event, clock_mono_ns(), &no_stock), JOURNAL_UNKNOWN);
	assert_true(no_stock);
	journal_worker_stop(bench->worker);
	hasten(bench);
	journal_client_free(client);
}

static void test_what_piles_up_is_one_batch_up_to_its_size(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 10; i++) {
		char buyer[8];

		snprintf(buyer, sizeof(buyer), "d%d", i);
		(void)buy(bench, buyer);
	}
	start(bench);
	for (int i = 0; i < 10; i++) {
		struct job *job = answer(bench);

		assert_ptr_equal(job, &bench->jobs[i].job);
		assert_int_equal(job->end, JOURNAL_DURABLE);
	}
	assert_int_equal(bench->journal.largest, BATCH_MAX);
	assert_int_equal(bench->journal.appends, 3);
}

static void test_stopping_finishes_what_is_in_the_lane(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 10; i++) {
		char buyer[8];

		snprintf(buyer, sizeof(buyer), "d%d", i);
		(void)buy(bench, buyer);
	}
	start(bench);
	journal_worker_stop(bench->worker);
	journal_worker_stop(bench->worker);
	assert_int_equal(lane_depth(bench->reply), 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(answer(bench)->end, JOURNAL_DURABLE);
}

static void test_answers_go_to_the_lanes_they_name(void **state)
{
	struct bench *bench = *state;
	struct job *other;
	struct lane *lane;
	void *item;

	assert_int_equal(lane_new(&lane, 4), 0);
	(void)buy(bench, "d0");
	other = reserve(bench, "d1");
	other->message.reply = lane;
	send(bench, other, LANE_NORMAL);
	(void)buy(bench, "d2");
	start(bench);
	assert_ptr_equal(answer(bench), &bench->jobs[0]);
	assert_ptr_equal(answer(bench), &bench->jobs[2]);
	assert_int_equal(lane_pop(lane, &item, 1, INT64_C(60000000000)), 1);
	assert_ptr_equal(item, other);
	journal_worker_stop(bench->worker); /* its thread may still be in the push */
	lane_free(lane);
}

static bool is_looked_at(void *context)
{
	struct bench *bench = context;
	bool looked;

	pthread_mutex_lock(&bench->journal.lock);
	looked = bench->journal.looks >= 2;
	pthread_mutex_unlock(&bench->journal.lock);
	return looked;
}

static void test_an_unhealthy_journal_is_given_a_try_to_get_well(void **state)
{
	struct bench *bench = *state;

	atomic_store(&bench->journal.unhealthy, true);
	start(bench);
	house_wait(is_looked_at, bench);
}

/* While nobody buys it may have gone away, and whoever asks for the health should hear of it. */
static void test_a_journal_that_is_given_nothing_is_looked_at(void **state)
{
	struct bench *bench = *state;

	start(bench);
	house_wait(is_looked_at, bench);
	assert_int_equal(bench->journal.appends, 0);
}

/* --- The blocking client --- */

static void test_a_client_waits_for_the_end(void **state)
{
	static const struct {
		const char *buyer;
		enum journal_end end;
	} ends[] = {{"dora", JOURNAL_DURABLE}, {"rita", JOURNAL_REFUSED}, {"ulla", JOURNAL_UNKNOWN}};
	struct bench *bench = *state;
	struct journal_client *client;

	assert_int_equal(journal_client_new(&client, bench->lane, ACK_NS), 0);
	start(bench);
	for (size_t i = 0; i < 3; i++) {
		struct event event = *reserve(bench, ends[i].buyer)->event;
		struct journal_commit commit = journal_client_commit(client);

		assert_int_equal(commit.append(commit.context, &event, clock_mono_ns(), NULL), ends[i].end);
	}
	assert_int_equal(lot(bench).held, 2);
	journal_worker_stop(bench->worker);
	journal_client_free(client);
	journal_client_free(NULL);
}

static void test_a_client_without_room_does_not_know(void **state)
{
	struct bench *bench = *state;
	struct journal_client *client;
	struct job *job = reserve(bench, "dora");
	void *item = job;

	assert_int_equal(journal_client_new(&client, bench->lane, ACK_NS), 0);
	for (int i = 0; i < LANE_SIZE; i++)
		assert_int_equal(lane_push(bench->lane, LANE_URGENT, &item, 1), 1);
	assert_int_equal(journal_client_append(client, job->event, clock_mono_ns(), NULL), JOURNAL_UNKNOWN);
	while (lane_pop(bench->lane, &item, 1, 0))
		continue;
	lane_close(bench->lane);
	assert_int_equal(journal_client_append(client, job->event, clock_mono_ns(), NULL), JOURNAL_UNKNOWN);
	assert_int_equal(outbox(bench), 1); /* it waits to be driven again */
	journal_client_free(client);
}

/* It is in the journal, behind whatever has come in between. */
static void test_a_client_tells_no_success_that_is_late(void **state)
{
	struct bench *bench = *state;
	struct event event = *reserve(bench, "dora")->event;
	struct journal_client *client;

	assert_int_equal(journal_client_new(&client, bench->lane, 0), 0);
	start(bench);
	assert_int_equal(journal_client_append(client, &event, clock_mono_ns(), NULL), JOURNAL_UNKNOWN);
	assert_int_equal(bench->journal.appends, 1);
	assert_int_equal(outbox(bench), 0);
	journal_worker_stop(bench->worker);
	journal_client_free(client);
}

static void test_a_client_does_not_send_what_is_late(void **state)
{
	struct bench *bench = *state;
	struct event event = *reserve(bench, "dora")->event;
	struct journal_client *client;

	assert_int_equal(journal_client_new(&client, bench->lane, ACK_NS), 0);
	start(bench);
	assert_int_equal(journal_client_append(client, &event, clock_mono_ns() - ACK_NS - 1, NULL), JOURNAL_REFUSED);
	assert_int_equal(bench->journal.appends, 0);
	assert_int_equal(lot(bench).held, 0);
	journal_worker_stop(bench->worker);
	journal_client_free(client);
}

enum { CALLERS = 4, CALLS = 5 };
struct caller {
	struct thread thread;
	struct journal_client *client;
	struct event events[CALLS];
	bool wrong;
};

static void call(void *argument)
{
	struct caller *caller = argument;

	for (int i = 0; i < CALLS; i++)
		caller->wrong |= journal_client_append(caller->client, &caller->events[i], clock_mono_ns(), NULL) != JOURNAL_DURABLE;
}

static void test_a_client_serves_several_threads(void **state)
{
	struct bench *bench = *state;
	struct caller callers[CALLERS] = {0};
	struct journal_client *client;

	assert_int_equal(journal_client_new(&client, bench->lane, ACK_NS), 0);
	start(bench);
	for (int i = 0; i < CALLERS; i++) {
		char buyer[8];

		snprintf(buyer, sizeof(buyer), "d%d", i);
		callers[i].client = client;
		for (int j = 0; j < CALLS; j++) {
			buyer[2] = (char)('a' + j);
			buyer[3] = '\0';
			callers[i].events[j] = *reserve(bench, buyer)->event;
		}
	}
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(thread_start(&callers[i].thread, "caller", call, &callers[i]), 0);
	for (int i = 0; i < CALLERS; i++) {
		thread_join(&callers[i].thread);
		assert_false(callers[i].wrong);
	}
	assert_int_equal(outbox(bench), 0);
	assert_int_equal(seen_count(bench), CALLERS * CALLS);
	journal_worker_stop(bench->worker);
	journal_client_free(client);
}

/* --- Company --- */

static bool is_in_append(void *context)
{
	return atomic_load(&((struct bench *)context)->journal.waiting);
}

static bool is_taken(void *context)
{
	return lane_depth(((struct bench *)context)->lane) == 0;
}

/* Three events have been appended together, in 100 ms of a clock that stands still from then on. */
static void append_three(struct bench *bench)
{
	house_take_clock();
	for (size_t i = 0; i < 3; i++)
		(void)buy(bench, (const char *[]){"d1", "d2", "d3"}[i]);
	atomic_store(&bench->journal.held, true);
	start(bench);
	house_wait(is_in_append, bench);
	house_pass(100);
	atomic_store(&bench->journal.held, false);
	for (size_t i = 0; i < 3; i++)
		(void)answer(bench);
	assert_int_equal(bench->journal.appends, 1);
}

static void test_few_events_wait_for_those_who_come_back(void **state)
{
	struct bench *bench = *state;

	append_three(bench);
	(void)buy(bench, "d4");
	house_wait(is_taken, bench);
	(void)buy(bench, "d5");
	(void)buy(bench, "d6"); /* the last of those who are expected: nobody waits any longer, and the clock stands still */
	for (size_t i = 0; i < 3; i++)
		(void)answer(bench);
	assert_int_equal(bench->journal.appends, 2);
	assert_int_equal(bench->journal.largest, 3);
}

static bool is_answered_in_time(void *context)
{
	house_pass(2);
	return lane_depth(((struct bench *)context)->reply) > 0;
}

static void test_few_events_do_not_wait_for_ever(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	append_three(bench);
	job = buy(bench, "d4");
	house_wait(is_answered_in_time, bench);
	assert_ptr_equal(answer(bench), job);
	/*
	 * It was alone, so nobody is expected any more: the next one goes while the clock stands
	 * still.
	 */
	job = buy(bench, "d5");
	assert_ptr_equal(answer(bench), job);
	assert_int_equal(bench->journal.appends, 3);
}

static bool is_tidied(void *context)
{
	return atomic_load(&((struct bench *)context)->journal.tidied) > 0;
}

/*
 * A checkpoint was a part of the commit: whoever was in it waited for it, for twelve times as long
 * as for the commit.
 */
static void test_what_the_journal_puts_off_is_done_when_all_are_answered(void **state)
{
	struct bench *bench = *state;

	buy(bench, "d0");
	buy(bench, "d1");
	bench->journal.reply = bench->reply;
	start(bench);
	house_wait(is_tidied, bench);
	assert_int_equal(atomic_load(&bench->journal.answered_first), 2);
	(void)answer(bench);
	(void)answer(bench);
	journal_worker_stop(bench->worker);
}

static void test_nobody_waits_for_company_where_the_ledger_is_the_journal(void **state)
{
	struct bench *bench = *state;
	struct job *job;

	fake_ops.in_ledger = true;
	append_three(bench);
	job = buy(bench, "d4");
	assert_ptr_equal(answer(bench), job);
}

/* --- Two appends --- */

static int bench_open_for_two(void **state)
{
	fake_ops.appends = 2;
	return bench_open(state);
}

static int bench_close_for_two(void **state)
{
	fake_ops.appends = 0;
	return bench_close(state);
}

static size_t appends(struct bench *bench)
{
	return read_count(bench, &bench->journal.appends);
}

static bool are_two_appends(void *context)
{
	return appends(context) == 2;
}

static bool are_three_appends(void *context)
{
	return appends(context) == 3;
}

static void buy_many(struct bench *bench, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		char buyer[8];

		snprintf(buyer, sizeof(buyer), "d%d", i);
		(void)buy(bench, buyer);
	}
}

static void answer_many(struct bench *bench, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(answer(bench)->end, JOURNAL_DURABLE);
}

/* An append of twice a few, of which the second half does not come back before it is let go. */
static void append_beside(struct bench *bench)
{
	atomic_store(&bench->journal.stuck_from, 2);
	buy_many(bench, 0, 2 * BATCH_MAX);
	start(bench);
	house_wait(are_two_appends, bench);
	answer_many(bench, BATCH_MAX);
}

static void test_enough_for_an_append_do_not_wait_for_the_end_of_another(void **state)
{
	struct bench *bench = *state;

	append_beside(bench);
	buy_many(bench, 2 * BATCH_MAX, BATCH_MAX);
	house_wait(are_three_appends, bench);
	atomic_store(&bench->journal.stuck_from, 0);
	answer_many(bench, 2 * BATCH_MAX);
	assert_int_equal(outbox(bench), 0);
	journal_worker_stop(bench->worker);
}

static void test_a_few_go_when_the_append_before_them_ends(void **state)
{
	struct bench *bench = *state;

	append_beside(bench);
	buy_many(bench, 2 * BATCH_MAX, BATCH_MAX - 1);
	atomic_store(&bench->journal.stuck_from, 0);
	answer_many(bench, 2 * BATCH_MAX - 1);
	assert_int_equal(outbox(bench), 0);
	journal_worker_stop(bench->worker);
}

static void test_stopping_waits_for_both_appends(void **state)
{
	struct bench *bench = *state;

	append_beside(bench);
	buy_many(bench, 2 * BATCH_MAX, BATCH_MAX);
	house_wait(are_three_appends, bench);
	atomic_store(&bench->journal.stuck_from, 0);
	journal_worker_stop(bench->worker);
	assert_int_equal(lane_depth(bench->reply), 2 * BATCH_MAX);
	answer_many(bench, 2 * BATCH_MAX);
}

/* Between its two halves an acknowledgement is the stock's own: another would lose it. */
static atomic_bool between, told_at_once;

static void single_send(struct stock *stock, const struct event *const *events, size_t count, enum stock_ack *answers)
{
	if (atomic_exchange(&between, true))
		atomic_store(&told_at_once, true);
	real_ops->acknowledge_send(stock, events, count, answers);
}

static void single_wait(struct stock *stock)
{
	real_ops->acknowledge_wait(stock);
	atomic_store(&between, false);
}

static void test_the_stock_is_told_of_one_append_at_a_time(void **state)
{
	struct bench *bench = *state;
	int next = 0;

	real_ops = bench->stock->ops;
	slow.ops = *real_ops;
	slow.ops.acknowledge_send = single_send;
	slow.ops.acknowledge_wait = single_wait;
	bench->stock->ops = &slow.ops;
	atomic_store(&told_at_once, false);
	start(bench);
	for (int turn = 0; turn < 3; turn++, next += 4 * BATCH_MAX) {
		buy_many(bench, next, 4 * BATCH_MAX);
		answer_many(bench, 4 * BATCH_MAX);
	}
	journal_worker_stop(bench->worker);
	assert_false(atomic_load(&told_at_once));
	assert_int_equal(outbox(bench), 0);
	hasten(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, bench_open_for_two, bench_close_for_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_durable_event_is_acknowledged_before_it_is_answered),
		TEST(test_a_refused_event_is_compensated_before_it_is_answered),
		TEST(test_a_batch_of_all_ends_gives_each_its_own),
		TEST(test_an_unknown_event_is_left_and_driven_again_until_it_is_known),
		TEST(test_what_was_claimed_is_never_compensated),
		TEST(test_what_another_has_claimed_meanwhile_is_unknown),
		TEST(test_what_waited_too_long_is_refused_unsent),
		TEST(test_urgent_events_go_before_purchases),
		TEST(test_a_purchase_is_answered_by_the_commit_and_a_settlement_after_the_stock_was_told),
		TEST(test_nobody_is_answered_before_the_stock_where_the_journal_is_a_log),
		TEST(test_what_the_stock_says_is_the_proof),
		TEST(test_a_client_says_where_no_stock_has_the_sale),
		TEST(test_what_piles_up_is_one_batch_up_to_its_size),
		TEST(test_stopping_finishes_what_is_in_the_lane),
		TEST(test_answers_go_to_the_lanes_they_name),
		TEST(test_an_unhealthy_journal_is_given_a_try_to_get_well),
		TEST(test_a_journal_that_is_given_nothing_is_looked_at),
		TEST(test_few_events_wait_for_those_who_come_back),
		TEST(test_few_events_do_not_wait_for_ever),
		TEST(test_what_the_journal_puts_off_is_done_when_all_are_answered),
		TEST(test_nobody_waits_for_company_where_the_ledger_is_the_journal),
		TEST_OF_TWO(test_enough_for_an_append_do_not_wait_for_the_end_of_another),
		TEST_OF_TWO(test_a_few_go_when_the_append_before_them_ends),
		TEST_OF_TWO(test_stopping_waits_for_both_appends),
		TEST_OF_TWO(test_the_stock_is_told_of_one_append_at_a_time),
		TEST(test_a_client_waits_for_the_end),
		TEST(test_a_client_without_room_does_not_know),
		TEST(test_a_client_tells_no_success_that_is_late),
		TEST(test_a_client_does_not_send_what_is_late),
		TEST(test_a_client_serves_several_threads),
	};

	return cmocka_run_group_tests_name("workers: journal worker and client", tests, NULL, NULL);
}
