#include "workers/stock_worker.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/thread.h"
#include "workers/queue_wait.h"
#include "workers/return_batch.h"
#include "workers/stock_executor.h"

enum { IDLE_NS = 100000000 };

struct stock_worker {
	struct stock_worker_settings settings;
	struct thread thread;
	struct stock_executor *executor;
	void **batch, **scratch; /* batch_max each */
	struct metrics_cells *cells;
	metric_id batch_jobs, call_seconds, late;
	struct queue_wait queue;
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

int stock_worker_new(struct stock_worker **out, const struct stock_worker_settings *settings)
{
	const struct stock_executor_settings executor = {
		.admission = settings->admission, .journal_lane = settings->journal_lane, .batch_max = settings->batch_max};
	struct stock_worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return error_origin(-ENOMEM);
	worker->settings = *settings;
	worker->batch = calloc(settings->batch_max, sizeof(*worker->batch));
	worker->scratch = calloc(settings->batch_max, sizeof(*worker->scratch));
	r = worker->batch && worker->scratch ? stock_executor_new(&worker->executor, &executor) : error_origin(-ENOMEM);
	if (r < 0) {
		stock_worker_free(worker);
		return r;
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
	stock_executor_free(worker->executor);
	free(worker->batch);
	free(worker->scratch);
	free(worker);
}

int64_t stock_worker_wait_ns(const struct stock_worker *worker)
{
	return queue_wait_ns(&worker->queue);
}

static void process(struct stock_worker *worker, size_t count)
{
	int64_t start_ns = clock_mono_ns(), took_ns;
	uint64_t late = stock_executor_late(worker->executor);
	size_t complete;

	queue_wait_note(&worker->queue, (struct message *const *)worker->batch, count, count == worker->settings.batch_max, start_ns);
	complete = stock_executor_run(worker->executor, LANE_NORMAL, worker->batch, count);

	took_ns = clock_mono_ns() - start_ns;
	queue_wait_served(&worker->queue, count, took_ns, lane_depth(worker->settings.lane) > 0);
	metrics_observe(worker->cells, worker->call_seconds, (uint64_t)took_ns);
	metrics_observe(worker->cells, worker->batch_jobs, count);
	metrics_add(worker->cells, worker->late, stock_executor_late(worker->executor) - late);
	return_batch((struct message **)worker->batch, worker->scratch, complete);
}

static void stock_worker_run(void *argument)
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
	return thread_start(&worker->thread, "stock", stock_worker_run, worker);
}

void stock_worker_stop(struct stock_worker *worker)
{
	lane_close(worker->settings.lane);
	thread_join(&worker->thread);
}
