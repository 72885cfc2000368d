/*
 * Cancels by an operator with an Idempotency-Key. An operator's cancel of an order that is
 * confirmed is a refund. One that was sent while the order was held, and is sent again after
 * somebody has confirmed it, must not become one: it was to end a hold. So what the order was when
 * it was asked first is fixed in the row of the request, before the stock is asked.
 *
 * Whether it was done needs no row: an order is cancelled once, and stays so.
 *
 * While the ledger is away an order that is held is cancelled all the same; only a refund waits.
 *
 * One that gives back a number of units takes them from what the order had when it was asked first:
 * that is fixed in the same row. Whoever sends it again takes from the same, so that it is done
 * once, and whether it was this one or somebody else is said by the ledger, which writes a second
 * row with the event (docs/decisions/0019-some-units-of-an-order.md). So it needs the ledger from
 * the start.
 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/ledger_task.h"
#include "gate/buyer/settlement.h"
#include "gate/buyer/settlement_ledger.h"

/*
 * What is fixed in the row of one that gives back a number of units: the order's state, and what it
 * had.
 */
enum { STATE_BITS = 3 };

static void settle(struct gate_thread *thread, struct ledger_task *task)
{
	const struct reply_handle handle = task->pending.handle;
	bool reduces = task->order.quantity < task->order.from;
	const struct settlement_request wanted = {
		.action = reduces ? ORDER_REDUCE : ORDER_CANCEL,
		.id = task->order.id,
		.actor = slice_of(task->actor),
		.reason = slice_of(task->order.reason),
		.refund = task->order.refund,
		.request = task->order.from ? task->request.id : (struct uuid){{0}},
		.give =
			{
				.from = task->order.from,
				.quantity = task->order.quantity,
				.units_to = task->order.units_to,
				.refund = slice_of(task->order.refunded),
			},
		.payment = {.amount = PAYMENT_NO_AMOUNT},
		.repeated = true,
	};

	settlement_go_on(thread, &handle, &wanted);
}

/*
 * The order's state, by the stock, or by the ledger where the stock has it no more; 0: there is
 * none to be seen.
 */
static int see_state(struct ledger_task *task, enum order_state *state)
{
	struct stock *stock = task->thread->gate->settings.admission->stock;
	struct ledger *ledger = ledger_task_ledger(task);
	struct stock_find find = {.sale = uuid_tag(&task->order.id), .id = task->order.id};
	struct ledger_order order;
	int r;

	*state = 0;
	stock->ops->find(stock, &find, 1);
	if (find.outcome == STOCK_DONE)
		*state = find.order.state;
	if (find.outcome != STOCK_NO_ORDER && find.outcome != STOCK_UNKNOWN_SALE)
		return 0;
	r = ledger->ops->order_get(ledger, &task->order.id, &order);
	if (r == LEDGER_DONE)
		*state = order.state;
	return r < 0 ? r : 0;
}

/*
 * Fixes it for who asks first; as ledger.request_note. Of an order that has ended nothing is to be
 * fixed.
 */
static int fix_state(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	enum order_state state;
	int r = see_state(task, &state);

	if (r < 0 || !order_is_live(state))
		return r;
	task->request.outcome = state;
	return ledger->ops->request_note(ledger, &task->request, clock_wall_ms());
}

/*
 * The order as the stock has it, or the ledger where its sale has left the stock. False: it cannot
 * be said, or nothing can be given back of it, and that is the answer.
 */
static bool see_order(struct ledger_task *task, struct stock_order *order)
{
	struct stock *stock = task->thread->gate->settings.admission->stock;
	struct ledger *ledger = ledger_task_ledger(task);
	struct stock_find find = {.sale = uuid_tag(&task->order.id), .id = task->order.id};
	struct ledger_order row;
	int r;

	stock->ops->find(stock, &find, 1);
	if (!settlement_stock_says(task, &find))
		return false;
	*order = find.order;
	if (find.outcome != STOCK_DONE) {
		r = ledger->ops->order_get(ledger, &task->order.id, &row);
		if (r < 0)
			ledger_task_refuse_fatal(task, r);
		else if (r == LEDGER_NOT_FOUND)
			reply_problem(&task->reply, PROBLEM_UNKNOWN_ORDER, NULL);
		if (r != LEDGER_DONE)
			return false;
		*order = (struct stock_order){.quantity = row.quantity, .state = row.state, .durable = true};
	}
	if (order->settling || !order->durable)
		reply_problem(&task->reply, PROBLEM_IN_FLIGHT, &(struct problem_options){.retry_after_ms = 1000});
	else if (!order_is_live(order->state))
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order->state));
	else if (order->quantity < task->order.quantity)
		settlement_say_quantity(&task->reply, order->quantity, NULL);
	else
		return true;
	return false;
}

/*
 * What the units are taken from, for who asks first. As see_order(); *r as of ledger.request_note.
 */
static bool fix_units(struct ledger_task *task, int *r)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct stock_order order;

	if (!see_order(task, &order))
		return false;
	task->request.outcome = (int64_t)order.quantity << STATE_BITS | order.state;
	*r = ledger->ops->request_note(ledger, &task->request, clock_wall_ms());
	(void)FAILPOINT("reduce.fixed"); /* the ledger has what they are taken from, the stock was not asked */
	return true;
}

static enum refund refund_of(int64_t state)
{
	return state == ORDER_HELD ? REFUND_NOT_MEANT : REFUND_ALLOWED;
}

static void work_units(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	int r = ledger->ops->request_find(ledger, &task->request);

	if (r == LEDGER_DONE && !fix_units(task, &r))
		return;
	if (ledger_task_refuses(task, r))
		return;
	task->order.from = (uint32_t)(task->request.outcome >> STATE_BITS);
	task->order.refund = refund_of(task->request.outcome & ((1 << STATE_BITS) - 1));
	task->then = settle;
}

static void work(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	int r = ledger->ops->request_find(ledger, &task->request);

	if (r == LEDGER_DONE) {
		task->request.outcome = 0;
		r = fix_state(task);
	}
	if (r == LEDGER_KEY_REUSED) {
		reply_problem(&task->reply, PROBLEM_KEY_REUSED, NULL);
		return;
	}
	task->order.refund = r < 0 || task->request.outcome == 0 ? REFUND_UNDECIDED : refund_of(task->request.outcome);
	task->then = settle;
}

void cancellation_start(struct gate_request *request, struct ledger_task *task)
{
	task->work = task->order.quantity ? work_units : work;
	ledger_task_send(request, task);
}
