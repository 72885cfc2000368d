/* A sale's life by the operator's hand: arm, disarm, open, pause, resume, end, delete. */
#include <stdlib.h>
#include <string.h>
#include "gate/operator/routes.h"
#include "gate/operator/sales.h"
#include "gate/render.h"

static int move(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int r = sale_control_move(operator_control_take(task), slice_of(task->names[0]), (enum sale_action)task->argument, &actor);

	operator_control_end(task);
	if (r != SALE_CONTROL_ALREADY)
		(void)operator_control_repeats(task, &r);
	return r;
}

static void answer_moved(struct ledger_task *task, int r)
{
	if (r && r != SALE_CONTROL_ALREADY)
		operator_say_control(task, task->names[0], r);
	else
		operator_sales_answer(task, task->names[0]);
}

void operator_sales_move(struct ledger_task *task)
{
	answer_moved(task, move(task));
}

/* Shows it as it is now, under the id that it had: that one is free again. */
static void answer_deleted(struct ledger_task *task, uint32_t number)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct sale *sale = NULL;

	if (ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale)) {
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "It is deleted, but cannot be shown now."});
		return;
	}
	strcpy(sale->id, task->names[0]);
	render_operator_sale(sale, NULL, true, &task->reply.body);
	free(sale);
}

void operator_sales_delete(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, 0, slice_of(task->names[0]), &sale);

	if (sale)
		task->request.outcome = sale->number; /* who asks again knows its id alone, which is free by then */
	free(sale);
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return;
	}
	r = sale_control_move(operator_control_take(task), slice_of(task->names[0]), SALE_DELETE, &actor);
	operator_control_end(task);
	if (r == SALE_CONTROL_DONE || operator_control_repeats(task, &r))
		answer_deleted(task, (uint32_t)task->request.outcome);
	else
		operator_say_control(task, task->names[0], r);
}

/*
 * --- The brake: to the stock first. What the ledger has is not asked for, so that nothing that
 * holds up the ledger holds it up. ---
 */

static void answer_from_catalog(struct ledger_task *task)
{
	const struct sale_table *table = sale_catalog_ref(task->thread->gate->settings.catalog);
	const struct sale_entry *entry = sale_table_find_number(table, task->brake.sale);

	if (entry)
		operator_sales_render(task, entry->sale, entry->ledger_state);
	else
		reply_problem(&task->reply, PROBLEM_UNKNOWN_SALE, NULL);
	sale_table_unref(table);
}

/*
 * It is taken, and a gate that reaches the stock may sell until it has heard of it by the ledger.
 */
static void say_not_everywhere(struct ledger_task *task)
{
	if (task->reply.status == 200)
		task->reply.status = 202;
}

/*
 * Where the stock cannot be told, other processes may still hear of it by the ledger. Where that
 * has no use for it, since the sale has ended meanwhile, the stop may have been before: then it is
 * written down, so nobody is told that it was refused.
 */
static void move_behind_a_stop(struct ledger_task *task)
{
	int r = move(task);

	answer_moved(task, r == SALE_CONTROL_WRONG_STATE ? SALE_CONTROL_UNKNOWN : r);
	say_not_everywhere(task);
}

static void move_in_place_of_a_stop(struct ledger_task *task)
{
	operator_sales_move(task);
	say_not_everywhere(task);
}

/* How a stop goes on that has come to this at the stock, where it may hold all the same. */
static void (*by_ledger_alone(int r))(struct ledger_task *)
{
	bool may_hold = r == SALE_CONTROL_UNKNOWN || r == SALE_CONTROL_STOCK_AWAY;

	return may_hold ? move_behind_a_stop : move_in_place_of_a_stop;
}

static void work_stop(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int r = sale_turn_brake(task->thread->gate->settings.sales, task->brake.sale, true, &actor);

	(void)operator_control_repeats(task, &r);
	if (r)
		task->further = by_ledger_alone(r);
	else
		answer_from_catalog(task);
}

static void work_go_on(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int r = sale_turn_brake(task->thread->gate->settings.sales, task->brake.sale, false, &actor);

	(void)operator_control_repeats(task, &r);
	if (r)
		operator_say_control(task, task->names[0], r);
	else
		answer_from_catalog(task);
}

/*
 * Of what is on sale, will be, or was until it was stopped. That its end has come by this gate's
 * clock says nothing: another gate may sell it for as long as the two clocks are apart.
 */
static bool is_stocks(const struct sale *sale)
{
	return sale->state == SALE_ARMED || sale->state == SALE_OPEN || sale->state == SALE_PAUSED;
}

/*
 * This gate's table may be behind: another gate may sell what is a draft here, or not known. Then
 * the ledger says what the sale is, and the stock is told first all the same. What is nobody's to
 * sell is moved by the ledger, whose rules say what can be.
 */
static void work_unseen(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, 0, slice_of(task->names[0]), &sale);
	bool brakes = r == 0 && is_stocks(sale);

	if (brakes)
		r = sale_turn_brake(task->thread->gate->settings.sales, sale->number, task->argument == SALE_PAUSE, &actor);
	free(sale);
	if (brakes)
		(void)operator_control_repeats(task, &r);
	if (brakes && r == 0)
		operator_sales_answer(task, task->names[0]);
	else if (brakes && task->argument == SALE_PAUSE)
		by_ledger_alone(r)(task);
	else if (brakes)
		operator_say_control(task, task->names[0], r); /* no release goes by the ledger alone: somebody may have stopped it since */
	else
		operator_sales_move(task);
}

/* Pause and resume. */
void operator_sales_brake(struct gate_request *request)
{
	const struct sale_entry *entry = sale_table_find(gate_sales(request->thread), request->parameters[0]);
	bool brakes = entry && is_stocks(entry->sale);
	void (*work)(struct ledger_task *) = request->argument == SALE_PAUSE ? work_stop : work_go_on;
	struct ledger_task *task = ledger_task_new(request, brakes ? work : work_unseen);

	if (!task)
		return;
	ledger_task_own_request(task); /* of the stock, and of the ledger where the stock cannot be told */
	if (brakes) {
		task->class = request->argument == SALE_PAUSE ? TASK_STOP : TASK_RELEASE;
		task->brake.sale = entry->sale->number;
	}
	ledger_task_send(request, task);
}
