/*
 * Extensions with an Idempotency-Key. An extension counts from when it is asked, so one that is
 * sent again would move the hold again. With a key the hold's new end is fixed where it is asked
 * first: by the stock's time, in the row of the request, committed before the stock is asked to
 * move it there. Whoever asks again reads that end and asks for the same, which changes nothing
 * where the hold ends then already, or later. So it does not matter who died in between, nor where
 * the event is: not sent, unknown, void behind a barrier, in the log before the drain, or in the
 * ledger.
 *
 * Only for an order that is held is an end fixed: of any other the stock refuses it, and a refusal
 * uses no key up. Where the stock cannot say how the order stands nothing is begun: a moment later
 * it might move the hold, and without an end that was fixed it would do so again.
 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/ledger_task.h"
#include "gate/buyer/settlement.h"
#include "gate/buyer/settlement_ledger.h"

static void settle(struct gate_thread *thread, struct ledger_task *task)
{
	const struct reply_handle handle = task->pending.handle;
	const struct settlement_request wanted = {
		.action = ORDER_EXTEND,
		.id = task->order.id,
		.actor = slice_of(task->actor),
		.reason = slice_of(task->order.reason),
		.extend_ns = task->order.extend_ns,
		.extend_to_ms = task->order.extend_to_ms,
		.repeated = task->order.repeated,
	};

	settlement_go_on(thread, &handle, &wanted);
}

/*
 * The end for who asks first: *r as of ledger.request_note. What is not held, or not there, gets
 * none. False: it is answered.
 */
static bool fix_end(struct ledger_task *task, int *r)
{
	struct stock *stock = task->thread->gate->settings.admission->stock;
	struct ledger *ledger = ledger_task_ledger(task);
	struct stock_find find = {.sale = uuid_tag(&task->order.id), .id = task->order.id};

	stock->ops->find(stock, &find, 1);
	if (!settlement_stock_says(task, &find))
		return false;
	if (find.outcome != STOCK_DONE || find.order.state != ORDER_HELD)
		return true;
	task->request.outcome = find.now_ms + task->order.extend_ns / 1000000;
	*r = ledger->ops->request_note(ledger, &task->request, clock_wall_ms());
	(void)FAILPOINT("extend.fixed"); /* the ledger has the end, the stock does not */
	return true;
}

static void work(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	int r = ledger->ops->request_find(ledger, &task->request);

	if (r == LEDGER_DONE) {
		task->request.outcome = 0;
		if (!fix_end(task, &r))
			return;
	}
	if (ledger_task_refuses(task, r))
		return;
	task->order.extend_to_ms = task->request.outcome;
	task->order.repeated = r == LEDGER_REPEATED;
	task->then = settle;
}

void extension_start(struct gate_request *request, struct ledger_task *task)
{
	task->work = work;
	ledger_task_send(request, task);
}
