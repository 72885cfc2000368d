/*
 * What travels in lanes. A message owns its memory until it is delivered; whoever sends it says
 * where the answer goes (`reply`) and what is done with it there (`on_complete`, on the receiving
 * thread, with that thread's own context). A worker never looks behind it.
 */
#pragma once

#include <stdint.h>
#include "base/lane.h"
#include "core/admission.h"

struct message {
	struct lane *reply;
	void (*on_complete)(struct message *message, void *receiver);
};

/*
 * Sends the message back. The reply lanes have room for everything that can be in flight, so a full
 * one is a fault.
 */
static inline void message_return(struct message *message)
{
	void *item = message;

	while (lane_push(message->reply, LANE_URGENT, &item, 1) == 0)
		ASSERT(!lane_closed(message->reply));
}

enum job_kind {
	JOB_EVENT = 0,      /* begins a struct event_job, whose event the stock has made already: for the journal alone */
	JOB_PURCHASE = 1,   /* begins a struct purchase_job */
	JOB_SETTLEMENT = 2, /* begins a struct settle_job */
	JOB_LOOKUP = 3,     /* begins a struct lookup_job: for the stock alone */
	JOB_ORDERS = 4,     /* begins a struct orders_job: for the stock alone */
};

/*
 * One event on its way to the journal, by way of the stock (workers/stock_executor.h). The journal
 * worker sets `end` and `proof`, and tells the stock; what the stock refused completes with end 0.
 * What may be told of it ack_deadline_end() says.
 */
struct job {
	struct message message;
	enum job_kind kind;
	const struct event *event; /* lies behind the job; NULL of a look-up */
	int64_t started_ns;        /* monotonic; the acknowledgement deadline counts from here */
	enum journal_end end;
	enum epoch_proof proof; /* of what is durable */
	const char *reason;     /* static text where it is not durable */
};

struct event_job {
	struct job job;
	struct event event;
	struct event_text text;
};

/* A purchase that is to be decided; `text` keeps its event's texts. */
struct purchase_job {
	struct job job;
	struct purchase purchase;
	struct event_text text;
};

/*
 * A settlement that is to be decided; `text` keeps its texts. STOCK_DONE: settle.event is on its
 * way.
 */
struct settle_job {
	struct job job;
	struct stock_settle settle;
	struct event_text text;
	bool may_refund; /* a cancel of what is confirmed is a refund: an operator's */
};

struct lookup_job {
	struct job job;
	struct stock_find find;
};

struct orders_job {
	struct job job;
	struct stock_orders orders;
};

/* Blocking work on the ledger for a thread that must not block; a ledger worker runs it. */
struct blocking_task {
	struct message message;
	void (*run)(struct blocking_task *task);
};
