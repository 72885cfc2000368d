#include "gate/buyer/lookup.h"

#include <stdlib.h>
#include "base/clock.h"
#include "gate/render.h"
#include "gate/stock_round.h"

struct lookup {
	struct lookup_job decision;   /* first: its job's message is what the lane carries */
	struct pending_reply pending; /* its handle */
	void (*work)(struct ledger_task *task);
	char buyer[BUYER_MAX + 1]; /* empty: an operator */
};

static void answer_problem(struct gate_thread *thread, const struct lookup *lookup, enum problem problem, const char *detail)
{
	reply_clear(&thread->reply);
	reply_problem(&thread->reply, problem, &(struct problem_options){.detail = detail});
	gate_answer_handle(thread, &lookup->pending.handle, &thread->reply);
}

static void ask_ledger(struct gate_thread *thread, struct lookup *lookup)
{
	const struct reply_handle handle = lookup->pending.handle;
	struct ledger_task *task = ledger_task_new_deferred(thread, &handle, TASK_LOOKUP, lookup->work);

	if (task) {
		task->order.id = lookup->decision.find.id;
		memcpy(task->order.buyer, lookup->buyer, sizeof(task->order.buyer));
		if (ledger_task_send_deferred(task))
			return;
		ledger_task_free(task);
	}
	answer_problem(thread, lookup, PROBLEM_OVERLOADED, NULL);
}

/* What the stock has said. */
static void end(struct gate_thread *thread, struct lookup *lookup)
{
	const struct stock_find *find = &lookup->decision.find;
	struct sale_entry *entry = sale_table_find_number(gate_sales(thread), find->sale);
	const char *owner = lookup->buyer[0] ? lookup->buyer : find->owner;

	if (find->outcome == STOCK_FULL) {
		answer_problem(thread, lookup, PROBLEM_OVERLOADED, NULL);
	} else if (find->outcome != STOCK_DONE || !*owner || !entry || find->order.lot >= entry->sale->lot_count) {
		ask_ledger(thread, lookup);
	} else if (!find->order.durable) { /* the journal may have it, and the stock not have heard so */
		answer_problem(thread, lookup, PROBLEM_OUTCOME_UNKNOWN,
			       "It cannot be said yet whether this order was made. Read it again shortly.");
	} else {
		reply_clear(&thread->reply);
		render_stock_order(&find->order, entry->sale->id, entry->sale->lots[find->order.lot].sku, slice_of(owner),
				   &thread->reply.body);
		gate_answer_handle(thread, &lookup->pending.handle, &thread->reply);
	}
}

static void on_complete(struct message *message, void *receiver)
{
	struct lookup *lookup = (struct lookup *)message;
	struct gate_thread *thread = receiver;

	if (pending_reply_end(thread, &lookup->pending))
		end(thread, lookup);
	free(lookup);
}

static void fill(struct lookup *lookup, struct gate_request *request, const struct uuid *id, struct slice buyer)
{
	lookup->decision.job = (struct job){
		.message = {.reply = request->thread->replies, .on_complete = on_complete},
		.kind = JOB_LOOKUP,
		.started_ns = clock_mono_ns(),
	};
	if (buyer.size)
		memcpy(lookup->buyer, buyer.data, buyer.size);
	lookup->decision.find = (struct stock_find){.sale = uuid_tag(id), .id = *id, .buyer = slice_of(lookup->buyer)};
}

void lookup_start(struct gate_request *request, const struct uuid *id, struct slice buyer, void (*work)(struct ledger_task *))
{
	struct gate_thread *thread = request->thread;
	struct lookup *lookup = pending_reply_has_room(thread) ? calloc(1, sizeof(*lookup)) : NULL;
	const struct reply_handle handle = gate_reply_handle(request);

	if (!lookup) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	fill(lookup, request, id, buyer);
	lookup->work = work;
	http_defer(request->exchange);
	pending_reply_begin(thread, &lookup->pending, &handle, PENDING_READ, thread->gate->settings.admission->ack_deadline_ns);
	stock_round_add(thread->stock, &lookup->decision.job);
}
