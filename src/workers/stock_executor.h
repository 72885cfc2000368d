/*
 * The one way to ask the stock: decide, send on, undo. It takes jobs, asks the stock once for all
 * of a kind, and sends each on:
 *
 *   granted, settled   to the journal's lane; from there it completes with its end
 *   refused, found     complete
 *   no room there      undone in the stock, then complete: overloaded, or unknown where it could
 *                      not be undone
 *
 * A stock that does no I/O is asked by whoever has the job, at the end of its round. For one that
 * blocks there is a thread that runs an executor (workers/stock_worker.h), and the others have one
 * that sends to it. Which of the two it is the engine alone knows. Each thread has its own.
 */
#pragma once

#include "workers/message.h"

struct stock_executor;

struct stock_executor_settings {
	const struct admission *admission; /* borrowed, like all here */
	struct lane *journal_lane;
	struct lane *lane; /* of the thread that asks the stock for this one; NULL: it asks by itself */
	size_t batch_max;  /* jobs in one batch */
};

int stock_executor_new(struct stock_executor **executor, const struct stock_executor_settings *settings) MUST_CHECK;
void stock_executor_free(struct stock_executor *executor); /* NULL is fine */

/*
 * Asks the stock, or sends to who does. `jobs`: pointers to struct job, of one class where they are
 * sent. Returns how many are complete by now: those are in front; the others are on their way, and
 * not to be touched until they complete. A purchase that has waited past the acknowledgement
 * deadline (rule 3) is refused unasked.
 */
size_t stock_executor_run(struct stock_executor *executor, enum lane_class class, void **jobs, size_t count) MUST_CHECK;
/* Purchases that were refused unasked so far. */
uint64_t stock_executor_late(const struct stock_executor *executor);

/*
 * Events that the stock has made, to the journal. Those that found no room, behind the first so
 * many that it returns, never left: they are undone, and undone[i], for each of `jobs`, says
 * whether nothing of it is left. False there: another has claimed it, and its end is unknown.
 * `events`: scratch, one for each.
 */
size_t stock_executor_send_events(struct stock *stock, struct lane *journal_lane, enum lane_class class, void *const *jobs,
				  size_t count, const struct event **events, bool *undone) MUST_CHECK;
