/*
 * The thread that owns the journal, and a second one where appends may overlap (append_pace.h).
 * Each takes jobs from the lane in batches (urgent ones first: confirms, cancels and expiries never
 * starve behind purchases), appends them, tells the stock what became of each, and only then sends
 * the answers back.
 *
 *   durable   the stock is told; the answer goes when it has said that the event's epoch is still its own (rule 3). A journal that is in the ledger has
 *             checked the epoch itself: there a purchase's answer goes while the stock is being
 *             told, for nothing that is asked later comes before that
 *   refused   stock.compensate, then the answer; what another has claimed by then is unknown
 *   unknown   the outbox entry stays; the answer says so; the entry is claimed and driven again here until its end is known (rule 2)
 *
 * A job that has waited longer than the acknowledgement deadline is refused unsent: nobody could be
 * told of its success any more.
 */
#pragma once

#include "workers/message.h"
#include "metrics/metrics.h"
#include "port/stock.h"

struct journal_worker;

struct journal_worker_settings {
	struct journal *journal; /* borrowed, like all here */
	struct stock *stock;
	struct lane *lane; /* of struct message pointers that begin a struct job */
	struct metrics *metrics;
	size_t batch_max;
	int64_t ack_deadline_ns;
};

/* Registers its metrics; before any metrics_cells_new(). 0 or -ENOMEM. */
int journal_worker_new(struct journal_worker **worker, const struct journal_worker_settings *settings) MUST_CHECK;
int journal_worker_start(struct journal_worker *worker) MUST_CHECK;
/* Closes the lane, lets the threads finish what is in it, joins. May be repeated. */
void journal_worker_stop(struct journal_worker *worker);
void journal_worker_free(struct journal_worker *worker);
/*
 * Entries of the outbox that were driven again and are still not known to be in the journal. Any
 * thread.
 */
int64_t journal_worker_undelivered(const struct journal_worker *worker);
/* How long purchases wait in its lane (workers/queue_wait.h). Any thread. */
int64_t journal_worker_wait_ns(const struct journal_worker *worker);
