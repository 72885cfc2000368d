#include "workers/stock_worker.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/thread.h"
#include "workers/return_batch.h"

enum { IDLE_NS = 100000000 };

/* The jobs of a batch, by what is to be done with them. */
struct pile {
	void **items; /* batch_max */
	size_t count;
};

struct stock_worker {
	struct stock_worker_settings settings;
	struct thread thread;
	void **batch, **scratch; /* batch_max each, like all below */
	struct pile purchases, settlements, lookups, orders;
	struct pile normal, urgent, home; /* for the journal's lane; for their senders */
	struct stock_settle *settles;
	struct stock_find *finds;
	const struct event **abandoned;
	bool *undone; /* of those */
	struct metrics_cells *cells;
	metric_id batch_jobs, call_seconds, late;
};

static void register_metrics(struct stock_worker *worker)
{
	struct metrics *metrics = worker->settings.metrics;

	worker->batch_jobs =
		metrics_histogram(metrics, "penstock_stock_batch_jobs", "Purchases, settlements and look-ups in one batch.", NULL,
				  1, metrics_size_bounds, metrics_size_bound_count);
	worker->call_seconds = metrics_histogram(metrics, "penstock_stock_call_seconds", "Time of one batch in the stock.", NULL,
						 1e-9, metrics_latency_bounds, metrics_latency_bound_count);
	worker->late = metrics_counter(metrics, "penstock_stock_late_total",
				       "Purchases refused unasked because they had waited past the acknowledgement deadline.", NULL);
}

static bool make_piles(struct stock_worker *worker)
{
	size_t max = worker->settings.batch_max;
	struct pile *const piles[] = {&worker->purchases, &worker->settlements, &worker->lookups, &worker->orders,
				      &worker->normal,    &worker->urgent,      &worker->home};
	bool fine = true;

	for (size_t i = 0; i < sizeof(piles) / sizeof(piles[0]); i++) {
		piles[i]->items = calloc(max, sizeof(*piles[i]->items));
		fine = fine && piles[i]->items;
	}
	worker->batch = calloc(max, sizeof(*worker->batch));
	worker->scratch = calloc(max, sizeof(*worker->scratch));
	worker->settles = calloc(max, sizeof(*worker->settles));
	worker->finds = calloc(max, sizeof(*worker->finds));
	worker->abandoned = calloc(max, sizeof(*worker->abandoned));
	worker->undone = calloc(max, sizeof(*worker->undone));
	return fine && worker->batch && worker->scratch && worker->settles && worker->finds && worker->abandoned && worker->undone;
}

int stock_worker_new(struct stock_worker **out, const struct stock_worker_settings *settings)
{
	struct stock_worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return error_origin(-ENOMEM);
	worker->settings = *settings;
	if (!make_piles(worker)) {
		stock_worker_free(worker);
		return error_origin(-ENOMEM);
	}
	register_metrics(worker);
	*out = worker;
	return 0;
}

void stock_worker_free(struct stock_worker *worker)
{
	if (!worker)
		return;
	stock_worker_stop(worker);
	free(worker->purchases.items);
	free(worker->settlements.items);
	free(worker->lookups.items);
	free(worker->orders.items);
	free(worker->normal.items);
	free(worker->urgent.items);
	free(worker->home.items);
	free(worker->batch);
	free(worker->scratch);
	free(worker->settles);
	free(worker->finds);
	free(worker->abandoned);
	free(worker->undone);
	free(worker);
}

static void put(struct pile *pile, void *item)
{
	pile->items[pile->count++] = item;
}

static void sort_out(struct stock_worker *worker, size_t count, int64_t now_ns)
{
	worker->purchases.count = worker->settlements.count = worker->lookups.count = worker->orders.count = 0;
	worker->normal.count = worker->urgent.count = worker->home.count = 0;
	for (size_t i = 0; i < count; i++) {
		struct job *job = worker->batch[i];

		switch (job->kind) {
		case JOB_PURCHASE:
			if (now_ns - job->started_ns <= worker->settings.admission->ack_deadline_ns) {
				put(&worker->purchases, job);
				break;
			}
			((struct purchase_job *)job)->purchase.verdict = VERDICT_STOCK_UNAVAILABLE;
			metrics_add(worker->cells, worker->late, 1);
			put(&worker->home, job);
			break;
		case JOB_SETTLEMENT:
			put(&worker->settlements, job);
			break;
		case JOB_LOOKUP:
			put(&worker->lookups, job);
			break;
		case JOB_ORDERS:
			put(&worker->orders, job);
			break;
		case JOB_EVENT:
			assertion_failed("a job for the stock", __FILE__, __LINE__, __func__);
		}
	}
}

static void settle(struct stock_worker *worker)
{
	struct stock *stock = worker->settings.admission->stock;
	size_t count = worker->settlements.count;

	for (size_t i = 0; i < count; i++)
		worker->settles[i] = ((struct settle_job *)worker->settlements.items[i])->settle;
	if (count)
		stock->ops->settle(stock, worker->settles, count);
	for (size_t i = 0; i < count; i++) {
		struct settle_job *job = worker->settlements.items[i];

		job->settle = worker->settles[i];
		job->job.event = &job->settle.event;
		put(job->settle.outcome == STOCK_DONE ? &worker->urgent : &worker->home, job);
	}
}

static void look_up(struct stock_worker *worker)
{
	struct stock *stock = worker->settings.admission->stock;
	size_t count = worker->lookups.count;

	for (size_t i = 0; i < count; i++)
		worker->finds[i] = ((struct lookup_job *)worker->lookups.items[i])->find;
	if (count)
		stock->ops->find(stock, worker->finds, count);
	for (size_t i = 0; i < count; i++) {
		struct lookup_job *job = worker->lookups.items[i];

		job->find = worker->finds[i];
		put(&worker->home, job);
	}
}

/* One call each: few ask, and each for eight orders. */
static void tell_orders(struct stock_worker *worker)
{
	struct stock *stock = worker->settings.admission->stock;

	for (size_t i = 0; i < worker->orders.count; i++) {
		struct orders_job *job = worker->orders.items[i];

		stock->ops->orders(stock, &job->orders);
		put(&worker->home, job);
	}
}

static void reserve(struct stock_worker *worker)
{
	const struct pile *purchases = &worker->purchases;

	for (size_t i = 0; i < purchases->count; i++)
		worker->scratch[i] = &((struct purchase_job *)purchases->items[i])->purchase;
	if (purchases->count)
		admission_reserve(worker->settings.admission, (struct purchase *const *)worker->scratch, purchases->count);
	for (size_t i = 0; i < purchases->count; i++) {
		struct purchase_job *job = purchases->items[i];

		put(job->purchase.verdict == VERDICT_NONE ? &worker->normal : &worker->home, job);
	}
}

/* What found no room never left: it is undone, all at once, and goes home. */
static void abandon(struct stock_worker *worker, void *const *items, size_t count)
{
	struct stock *stock = worker->settings.admission->stock;

	for (size_t i = 0; i < count; i++)
		worker->abandoned[i] = ((struct job *)items[i])->event;
	if (count)
		stock->ops->compensate(stock, worker->abandoned, count, worker->undone);
	for (size_t i = 0; i < count; i++) {
		struct job *job = items[i];
		bool undone = worker->undone[i];

		if (job->kind == JOB_PURCHASE)
			((struct purchase_job *)job)->purchase.verdict = undone ? VERDICT_OVERLOADED : VERDICT_OUTCOME_UNKNOWN;
		else
			((struct settle_job *)job)->settle.outcome = undone ? STOCK_FULL : STOCK_OUTCOME_UNKNOWN;
		put(&worker->home, job);
	}
}

/* Once it is pushed it is the journal's. */
static void send_on(struct stock_worker *worker, const struct pile *pile, enum lane_class class)
{
	size_t pushed = lane_push(worker->settings.journal_lane, class, pile->items, pile->count);

	abandon(worker, pile->items + pushed, pile->count - pushed);
}

static void process(struct stock_worker *worker, size_t count)
{
	int64_t start_ns = clock_mono_ns();

	sort_out(worker, count, start_ns);
	settle(worker);
	look_up(worker);
	tell_orders(worker);
	reserve(worker);
	metrics_observe(worker->cells, worker->call_seconds, (uint64_t)(clock_mono_ns() - start_ns));
	metrics_observe(worker->cells, worker->batch_jobs, count);
	if (worker->normal.count + worker->urgent.count)
		(void)FAILPOINT("stock.decided"); /* the stock has it, the journal does not */
	send_on(worker, &worker->urgent, LANE_URGENT);
	send_on(worker, &worker->normal, LANE_NORMAL);
	return_batch((struct message **)worker->home.items, worker->scratch, worker->home.count);
}

static void run(void *argument)
{
	struct stock_worker *worker = argument;
	struct lane *lane = worker->settings.lane;

	for (;;) {
		size_t count = lane_pop(lane, worker->batch, worker->settings.batch_max, IDLE_NS);

		if (count)
			process(worker, count);
		else if (lane_closed(lane))
			break;
	}
}

int stock_worker_start(struct stock_worker *worker)
{
	worker->cells = metrics_cells_new(worker->settings.metrics);
	return thread_start(&worker->thread, "stock", run, worker);
}

void stock_worker_stop(struct stock_worker *worker)
{
	lane_close(worker->settings.lane);
	thread_join(&worker->thread);
}
