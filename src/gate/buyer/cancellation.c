/*
 * Cancels by an operator with an Idempotency-Key. An operator's cancel of an order that is
 * confirmed is a refund. One that was sent while the order was held, and is sent again after
 * somebody has confirmed it, must not become one: it was to end a hold. So what the order was when
 * it was asked first is fixed in the row of the request, before the stock is asked.
 *
 * Whether it was done needs no row: an order is cancelled once, and stays so.
 *
 * While the ledger is away an order that is held is cancelled all the same; only a refund waits.
 */
#include "base/clock.h"
#include "gate/ledger_task.h"
#include "gate/buyer/settlement.h"

static void settle(struct gate_thread *thread, struct ledger_task *task)
{
	const struct reply_handle handle = task->pending.handle;
	const struct settlement_request wanted = {
		.action = ORDER_CANCEL,
		.id = task->order.id,
		.actor = slice_of(task->actor),
		.reason = slice_of(task->order.reason),
		.refund = task->order.refund,
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
	if (r < 0 || task->request.outcome == 0)
		task->order.refund = REFUND_UNDECIDED;
	else if (task->request.outcome == ORDER_HELD)
		task->order.refund = REFUND_NOT_MEANT;
	task->then = settle;
}

void cancellation_start(struct gate_request *request, struct ledger_task *task)
{
	task->work = work;
	ledger_task_send(request, task);
}
