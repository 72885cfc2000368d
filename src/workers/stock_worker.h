/*
 * The thread that asks a stock which blocks, for those who must not wait for it: it runs an
 * executor (workers/stock_executor.h) over what its lane has, settlements and look-ups first, and
 * returns what is complete. While one batch is on its round trip the next one piles up, so the
 * batch sets its size to the load.
 */
#pragma once

#include "core/admission.h"
#include "metrics/metrics.h"

struct stock_worker;

struct stock_worker_settings {
	const struct admission *admission; /* borrowed, like all here */
	struct lane *lane;                 /* of struct message pointers that begin a struct job */
	struct lane *journal_lane;
	struct metrics *metrics;
	size_t batch_max;
};

/* Registers its metrics; before any metrics_cells_new(). 0 or -ENOMEM. */
int stock_worker_new(struct stock_worker **worker, const struct stock_worker_settings *settings) MUST_CHECK;
int stock_worker_start(struct stock_worker *worker) MUST_CHECK;
/*
 * Closes the lane, lets the thread finish what is in it, joins. Before the journal's worker is
 * stopped. May be repeated.
 */
void stock_worker_stop(struct stock_worker *worker);
/* How long purchases wait in its lane (workers/queue_wait.h). Any thread. */
int64_t stock_worker_wait_ns(const struct stock_worker *worker);
void stock_worker_free(struct stock_worker *worker); /* NULL is fine */
