/*
 * GET /v1/sales/{sale}/orders: a buyer's own orders, so that one whose answer was lost can be found
 * without its key. The stock knows them first; of a sale that the stock has no more they are read
 * from the ledger.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/buyer/routes.h"
#include "gate/ledger_task.h"
#include "gate/render.h"
#include "gate/stock_round.h"

struct own_orders {
	struct orders_job decision;   /* first: its job's message is what the lane carries */
	struct pending_reply pending; /* its handle */
	char buyer[BUYER_MAX + 1];
	char sale[SALE_ID_MAX + 1];
};

static void answer_problem(struct gate_thread *thread, const struct own_orders *own, enum problem problem)
{
	reply_clear(&thread->reply);
	reply_problem(&thread->reply, problem, NULL);
	gate_answer_handle(thread, &own->pending.handle, &thread->reply);
}

static void end_list(struct buffer *out, bool more, bool waiting)
{
	buffer_append_literal(out, "],\"more\":");
	buffer_append_text(out, more ? "true" : "false");
	buffer_append_literal(out, ",\"waiting\":");
	buffer_append_text(out, waiting ? "true}" : "false}");
}

/* --- From the ledger --- */

enum { LEDGER_PAGE = 64 };

/* The ledger gives the oldest first: the last STOCK_NEWEST are kept, as a ring. */
struct newest {
	struct ledger_order orders[STOCK_NEWEST], page[LEDGER_PAGE];
	size_t total;
};

static int read_newest(struct ledger *ledger, struct ledger_order_filter *filter, struct newest *newest)
{
	size_t count;

	do {
		int r = ledger->ops->orders(ledger, filter, newest->page, LEDGER_PAGE, &count);

		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++)
			newest->orders[newest->total++ % STOCK_NEWEST] = newest->page[i];
		if (count)
			filter->after = newest->page[count - 1].id;
	} while (count == LEDGER_PAGE);
	return 0;
}

static void render_newest(struct newest *newest, struct buffer *out)
{
	size_t count = newest->total < STOCK_NEWEST ? newest->total : STOCK_NEWEST;

	buffer_append_literal(out, "{\"orders\":[");
	for (size_t i = 1; i <= count; i++) {
		struct ledger_order *order = &newest->orders[(newest->total - i) % STOCK_NEWEST];

		render_hide_operators(order);
		if (i > 1)
			buffer_append_literal(out, ",");
		render_ledger_order(order, out);
	}
	end_list(out, newest->total > STOCK_NEWEST, false);
}

static void work(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order_filter filter = {.buyer = slice_of(task->orders.buyer)};
	struct newest *newest = calloc(1, sizeof(*newest));
	struct sale *sale = NULL;
	int r = newest ? ledger->ops->sale_get(ledger, 0, slice_of(task->orders.sale), &sale) : -ENOMEM;

	if (r == LEDGER_DONE && sale->state == SALE_DRAFT)
		r = LEDGER_NOT_FOUND;
	if (r == LEDGER_DONE) {
		filter.sale = sale->number;
		r = read_newest(ledger, &filter, newest);
	}
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_UNKNOWN_SALE, NULL);
	else
		render_newest(newest, &task->reply.body);
	free(sale);
	free(newest);
}

static void ask_ledger(struct gate_thread *thread, const struct own_orders *own)
{
	struct ledger_task *task = ledger_task_new_deferred(thread, &own->pending.handle, TASK_LOOKUP, work);

	if (task) {
		memcpy(task->orders.buyer, own->buyer, sizeof(task->orders.buyer));
		memcpy(task->orders.sale, own->sale, sizeof(task->orders.sale));
		if (ledger_task_send_deferred(task))
			return;
		ledger_task_free(task);
	}
	answer_problem(thread, own, PROBLEM_OVERLOADED);
}

/* --- From the stock --- */

static void answer_orders(struct gate_thread *thread, const struct own_orders *own, const struct sale *sale)
{
	const struct stock_orders *orders = &own->decision.orders;
	struct buffer *out = &thread->reply.body;

	reply_clear(&thread->reply);
	buffer_append_literal(out, "{\"orders\":[");
	for (uint32_t i = 0; i < orders->count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		render_stock_order(&orders->orders[i], sale, slice_of(own->buyer), NULL, out);
	}
	end_list(out, orders->more, orders->waiting);
	gate_answer_handle(thread, &own->pending.handle, &thread->reply);
}

static bool is_readable(const struct stock_orders *orders, const struct sale *sale)
{
	for (uint32_t i = 0; i < orders->count; i++)
		if (orders->orders[i].lot >= sale->lot_count)
			return false;
	return true;
}

static void end(struct gate_thread *thread, const struct own_orders *own)
{
	const struct stock_orders *orders = &own->decision.orders;
	struct sale_entry *entry = sale_table_find_number(gate_sales(thread), orders->sale);

	if (orders->outcome == STOCK_FENCED)
		answer_problem(thread, own, PROBLEM_FENCED);
	else if (orders->outcome == STOCK_FULL)
		answer_problem(thread, own, PROBLEM_OVERLOADED);
	else if (orders->outcome == STOCK_UNKNOWN_SALE || !entry)
		ask_ledger(thread, own);
	else if (orders->outcome != STOCK_DONE || !is_readable(orders, entry->sale))
		answer_problem(thread, own, PROBLEM_STOCK_UNAVAILABLE);
	else
		answer_orders(thread, own, entry->sale);
}

static void on_complete(struct message *message, void *receiver)
{
	struct own_orders *own = (struct own_orders *)message;
	struct gate_thread *thread = receiver;

	if (pending_reply_end(thread, &own->pending))
		end(thread, own);
	free(own);
}

static void fill(struct own_orders *own, struct gate_request *request, const struct sale *sale, const struct identity_buyer *buyer)
{
	own->decision.job = (struct job){
		.message = {.reply = request->thread->replies, .on_complete = on_complete},
		.kind = JOB_ORDERS,
		.started_ns = clock_mono_ns(),
	};
	memcpy(own->buyer, buyer->name, buyer->size);
	memcpy(own->sale, request->parameters[0].data, request->parameters[0].size);
	own->decision.orders = (struct stock_orders){
		.sale = sale ? sale->number : 0,
		.buyer = slice_of(own->buyer),
		.outcome = STOCK_UNKNOWN_SALE,
	};
}

static void start(struct gate_request *request, const struct sale *sale, const struct identity_buyer *buyer)
{
	struct gate_thread *thread = request->thread;
	struct own_orders *own = pending_reply_has_room(thread) ? calloc(1, sizeof(*own)) : NULL;
	const struct reply_handle handle = gate_reply_handle(request);

	if (!own) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	fill(own, request, sale, buyer);
	http_defer(request->exchange);
	pending_reply_begin(thread, &own->pending, &handle, PENDING_FIND);
	if (sale)
		stock_round_add(thread->stock, &own->decision.job);
	else
		on_complete(&own->decision.job.message, thread);
}

void own_orders_list(struct gate_request *request)
{
	struct sale_entry *entry = sale_table_find(gate_sales(request->thread), request->parameters[0]);
	struct identity_buyer buyer;

	if (request->parameters[0].size > SALE_ID_MAX || (entry && entry->sale->state == SALE_DRAFT)) {
		gate_refuse(request, PROBLEM_UNKNOWN_SALE, NULL);
		return;
	}
	if (gate_identify(request, &buyer))
		start(request, entry ? entry->sale : NULL, &buyer);
}
