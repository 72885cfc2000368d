/*
 * Private to the gate: the purchases of one thread that are on their way. A pending purchase owns
 * all its memory, so a client may hang up at any time: its answer is dropped, its order is not. The
 * pool is fixed: where it is empty the answer is 503 overloaded.
 */
#pragma once

#include "gate/buyer/purchase_answer.h"
#include "gate/thread.h"

struct pending_purchase {
	struct purchase_job decision; /* first: its job's message is what the lanes carry */
	struct reply_handle handle;
	struct pending_purchase *previous, *next; /* in flight, oldest first; `next` also links the free ones */
	bool answered;                            /* it was answered outcome-unknown, and is on its way still */
	struct address client;                    /* where counted_ms: by gate.address_rate */
	int64_t counted_ms;                       /* 0: not counted */
	struct purchase_terms terms;
};

/* A free one, as it was left; NULL: there is none. purchase_pool_send() must follow. */
struct pending_purchase *purchase_pool_take(struct purchase_pool *pool);
/*
 * To the stock with the thread's round. It is filled, but for what completes it; its exchange is
 * deferred.
 */
void purchase_pool_send(struct purchase_pool *pool, struct pending_purchase *pending);
/*
 * Counts the answer to a purchase: a problem, OUTCOME_ACCEPTED or OUTCOME_REPLAYED; sale 0: of none
 * that is known.
 */
void purchase_pool_count(struct gate_thread *thread, uint32_t sale, size_t outcome);
/* The same of one that was turned away because it had waited too long. */
void purchase_pool_count_late(struct gate_thread *thread, uint32_t sale);
