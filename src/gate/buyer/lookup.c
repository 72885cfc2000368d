#include "gate/buyer/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "gate/render.h"
#include "gate/stock_round.h"

enum {
	WAITING_MAX = 1024,         /* a thread */
	WAITING_MAX_OF_A_BUYER = 8, /* a thread */
	ASK_NS = 500000000,
	HOLD_NOT_SEEN = -1,
};
static const int64_t AT_THE_STOCK = INT64_MAX;

struct lookup {
	struct lookup_job decision;   /* first: its job's message is what the lane carries */
	struct pending_reply pending; /* its handle */
	void (*work)(struct ledger_task *task);
	char buyer[BUYER_MAX + 1]; /* empty: an operator */
	int64_t until_ns;          /* monotonic; until then it waits for a held order to change; 0: it does not wait */
	int64_t hold_ms;           /* the end of the hold, as it was found first */
	int64_t due_ns;            /* of one that waits: when the stock is asked again; AT_THE_STOCK: it is being asked */
	size_t place;              /* of one that waits: in the queue */
};

/*
 * Those that wait, from their request to their answer, so that those who are at the stock count,
 * too. One costs the stock a look each ASK_NS, with the round's others.
 */
struct lookup_queue {
	struct gate_thread *thread;
	struct lookup *waiting[WAITING_MAX];
	size_t count;
};

int lookup_queue_new(struct lookup_queue **out, struct gate_thread *thread)
{
	struct lookup_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return error_origin(-ENOMEM);
	queue->thread = thread;
	*out = queue;
	return 0;
}

void lookup_queue_free(struct lookup_queue *queue)
{
	if (!queue)
		return;
	for (size_t i = 0; i < queue->count; i++)
		if (queue->waiting[i]->due_ns != AT_THE_STOCK)
			free(queue->waiting[i]);
	free(queue);
}

static void put(struct lookup_queue *queue, struct lookup *lookup)
{
	lookup->due_ns = AT_THE_STOCK;
	lookup->place = queue->count;
	queue->waiting[queue->count++] = lookup;
}

/* It has its answer, or its client is gone. */
static void finish(struct lookup_queue *queue, struct lookup *lookup)
{
	if (lookup->until_ns) {
		struct lookup *last = queue->waiting[--queue->count];

		last->place = lookup->place;
		queue->waiting[last->place] = last;
	}
	free(lookup);
}

static void answer_problem(struct gate_thread *thread, const struct lookup *lookup, enum problem problem, const char *detail)
{
	reply_clear(&thread->reply);
	reply_problem(&thread->reply, problem, &(struct problem_options){.detail = detail});
	gate_answer_handle(thread, &lookup->pending.handle, &thread->reply);
}

void lookup_know(const struct stock_order *order, const struct sale *sale, const char *owner, struct ledger_order *known)
{
	*known = (struct ledger_order){
		.id = order->id,
		.sale = sale->number,
		.lot = order->lot,
		.quantity = order->quantity,
		.first_quantity = order->first_quantity,
		.state = order->state,
		.hold_expires_at_ms = order->hold_expires_at_ms,
		.payment = {.amount = PAYMENT_NO_AMOUNT},
		.priced = true, /* a sale that has orders keeps its price */
		.unit_price = sale->price_minor,
	};
	memcpy(known->sale_id, sale->id, sizeof(known->sale_id));
	memcpy(known->sku, sale->lots[order->lot].sku, sizeof(known->sku));
	memcpy(known->currency, sale->currency, sizeof(known->currency));
	snprintf(known->buyer, sizeof(known->buyer), "%s", owner);
}

/* `sale`: of an order that the stock has told of, with its owner. NULL: it has not. */
static void ask_ledger(struct gate_thread *thread, struct lookup *lookup, const struct sale *sale)
{
	const struct stock_find *find = &lookup->decision.find;
	const struct reply_handle handle = lookup->pending.handle;
	struct ledger_task *task = ledger_task_new_deferred(thread, &handle, TASK_LOOKUP, lookup->work);

	if (task) {
		task->order.id = lookup->decision.find.id;
		memcpy(task->order.buyer, lookup->buyer, sizeof(task->order.buyer));
		if (sale) {
			lookup_know(&find->order, sale, find->owner, &task->order.known);
			memcpy(task->order.known.payment.reference, find->paid, sizeof(find->paid));
		}
		if (ledger_task_send_deferred(task))
			return;
		ledger_task_free(task);
	}
	answer_problem(thread, lookup, PROBLEM_OVERLOADED, NULL);
}

/* Whether the answer can wait: the order is held as it was when it was asked for. */
static bool waits(const struct gate_thread *thread, struct lookup *lookup, const struct stock_order *order)
{
	int64_t now_ns = clock_mono_ns();

	if (now_ns >= lookup->until_ns || order->state != ORDER_HELD || http_loop_stopping(thread->loop))
		return false;
	if (lookup->hold_ms == HOLD_NOT_SEEN)
		lookup->hold_ms = order->hold_expires_at_ms;
	if (lookup->hold_ms != order->hold_expires_at_ms)
		return false;
	lookup->due_ns = now_ns + ASK_NS < lookup->until_ns ? now_ns + ASK_NS : lookup->until_ns;
	return true;
}

/* What the stock has said. True: it waits on. */
static bool end(struct gate_thread *thread, struct lookup *lookup)
{
	const struct stock_find *find = &lookup->decision.find;
	struct sale_entry *entry = sale_table_find_number(gate_sales(thread), find->sale);
	const char *owner = lookup->buyer[0] ? lookup->buyer : find->owner;

	if (find->outcome == STOCK_FULL) {
		answer_problem(thread, lookup, PROBLEM_OVERLOADED, NULL);
	} else if (find->outcome != STOCK_DONE || !*owner || !entry || find->order.lot >= entry->sale->lot_count) {
		ask_ledger(thread, lookup, NULL);
	} else if (!find->order.durable) { /* the journal may have it, and the stock not have heard so */
		answer_problem(thread, lookup, PROBLEM_OUTCOME_UNKNOWN,
			       "It cannot be said yet whether this order was made. Read it again shortly.");
	} else if (waits(thread, lookup, &find->order)) {
		return true;
	} else if (!lookup->buyer[0]) {
		ask_ledger(thread, lookup, entry->sale);
	} else {
		reply_clear(&thread->reply);
		render_stock_order(&find->order, entry->sale, slice_of(owner), NULL, &thread->reply.body);
		gate_answer_handle(thread, &lookup->pending.handle, &thread->reply);
	}
	return false;
}

static void on_complete(struct message *message, void *receiver)
{
	struct lookup *lookup = (struct lookup *)message;
	struct gate_thread *thread = receiver;

	if (!pending_reply_end(thread, &lookup->pending) || !end(thread, lookup))
		finish(thread->lookups, lookup);
}

/* Goes with this round. There is room for one that is pending. */
static void ask_stock(struct gate_thread *thread, struct lookup *lookup, const struct reply_handle *handle, struct uuid id)
{
	lookup->decision.job = (struct job){
		.message = {.reply = thread->replies, .on_complete = on_complete},
		.kind = JOB_LOOKUP,
		.started_ns = clock_mono_ns(),
	};
	lookup->decision.find = (struct stock_find){.sale = uuid_tag(&id), .id = id, .buyer = slice_of(lookup->buyer)};
	pending_reply_begin(thread, &lookup->pending, handle, PENDING_FIND);
	stock_round_add(thread->stock, &lookup->decision.job);
}

/* Its time has come: the stock is asked again, unless the client is gone. */
static void look_at(struct lookup_queue *queue, struct lookup *lookup)
{
	struct reply_handle handle = lookup->pending.handle;

	handle.deadline_ns = 0; /* it has waited for its order alone */
	if (!http_find(queue->thread->loop, handle.handle)) {
		finish(queue, lookup);
	} else if (pending_reply_has_room(queue->thread)) {
		lookup->due_ns = AT_THE_STOCK;
		ask_stock(queue->thread, lookup, &handle, lookup->decision.find.id);
	}
}

int64_t lookup_queue_tick(struct lookup_queue *queue, int64_t now_ns)
{
	bool stopping = http_loop_stopping(queue->thread->loop);
	int64_t first_ns = INT64_MAX;

	for (size_t i = queue->count; i-- > 0;) {
		struct lookup *lookup = queue->waiting[i];

		if (lookup->due_ns != AT_THE_STOCK && (now_ns >= lookup->due_ns || stopping))
			look_at(queue, lookup);
	}
	for (size_t i = 0; i < queue->count; i++)
		if (queue->waiting[i]->due_ns < first_ns)
			first_ns = queue->waiting[i]->due_ns;
	return first_ns;
}

/* Whether one more of this buyer may wait; else it has answered. */
static bool may_wait(struct gate_request *request, struct slice buyer)
{
	const struct lookup_queue *queue = request->thread->lookups;
	size_t own = 0;

	for (size_t i = 0; i < queue->count; i++)
		own += slice_equal(slice_of(queue->waiting[i]->buyer), buyer);
	if (own < WAITING_MAX_OF_A_BUYER && queue->count < WAITING_MAX)
		return true;
	if (own < WAITING_MAX_OF_A_BUYER)
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
	else
		gate_refuse(request, PROBLEM_RATE_LIMITED,
			    &(struct problem_options){.detail = "You wait for as many orders as one buyer may.",
						      .retry_after_ms = 1000});
	return false;
}

void lookup_start(struct gate_request *request, const struct uuid *id, struct slice buyer, int64_t wait_ns,
		  void (*work)(struct ledger_task *))
{
	struct gate_thread *thread = request->thread;
	struct lookup *lookup = pending_reply_has_room(thread) ? calloc(1, sizeof(*lookup)) : NULL;
	const struct reply_handle handle = gate_reply_handle(request);

	if (wait_ns && !may_wait(request, buyer)) {
		free(lookup);
		return;
	}
	if (!lookup) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	if (buyer.size)
		memcpy(lookup->buyer, buyer.data, buyer.size);
	lookup->work = work;
	lookup->until_ns = wait_ns ? clock_mono_ns() + wait_ns : 0;
	lookup->hold_ms = HOLD_NOT_SEEN;
	if (wait_ns)
		put(thread->lookups, lookup);
	http_defer(request->exchange);
	ask_stock(thread, lookup, &handle, *id);
}
