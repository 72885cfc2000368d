/* Units of a lot by the operator's hand. */
#include <stdlib.h>
#include "gate/body.h"
#include "gate/operator/routes.h"
#include "gate/operator/sales.h"
#include "gate/render.h"

/*
 * The lot as it is now, or, while a shared stock is being rebuilt, as the ledger has it. 0, an
 * outcome of the ledger's, or negative.
 */
static int look_at_lot(struct ledger_task *task, struct stock_lot_state *state)
{
	struct gate *gate = task->thread->gate;
	struct stock_lot_state lots[LOTS_MAX];
	struct sale *sale = NULL;
	int r = gate->settings.ledger->ops->sale_get(gate->settings.ledger, 0, slice_of(task->names[0]), &sale);
	int lot = r == 0 ? sale_find_lot(sale, slice_of(task->names[1])) : -1;

	if (r == 0 && lot < 0)
		r = LEDGER_NOT_FOUND;
	if (r == 0 && gate_lots(gate, sale, lots))
		*state = lots[lot];
	else if (r == 0)
		*state = render_lot_state_in_ledger(&sale->lots[lot]);
	free(sale);
	return r;
}

/*
 * What was asked for is done: whatever cannot be shown now, it must not be told as a refusal.
 * taken: -1 leaves it out.
 */
static void answer_lot(struct ledger_task *task, int64_t taken)
{
	struct buffer *out = &task->reply.body;
	struct stock_lot_state state;

	if (look_at_lot(task, &state)) {
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "It is done, but what the lot has now cannot be read."});
		return;
	}
	render_operator_lot(task->names[1], &state, out);
	if (taken >= 0) {
		out->size--; /* the closing brace comes after one more member */
		render_int_member(out, "units_withdrawn", taken);
		buffer_append_literal(out, "}");
	}
}

/* up_to NULL: the route has no such field. */
static bool read_units(struct ledger_task *task, int64_t *units, bool *up_to)
{
	struct body_field fields[] = {
		{.name = "units", .kind = BODY_INTEGER, .target = units, .required = true, .min = 1, .max = UNITS_MAX},
		{.name = "up_to", .kind = BODY_BOOLEAN, .target = up_to},
	};

	return body_read(task->body, fields, up_to ? 2 : 1, "", &task->reply) == 0;
}

static void say_lot_refusal(struct ledger_task *task, int r, int64_t units)
{
	if (r == SALE_CONTROL_NO_SALE)
		reply_refuse(&task->reply, PROBLEM_UNKNOWN_SALE, "There is no sale %s with a lot %s.", task->names[0],
			     task->names[1]);
	else if (r == SALE_CONTROL_NOT_ENOUGH)
		operator_say_on_hand(task, task->names[1], "", units);
	else
		operator_say_control(task, task->names[0], r);
}

void operator_lots_add(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int64_t units;
	int r;

	if (!read_units(task, &units, NULL))
		return;
	r = sale_control_add(operator_control_take(task), slice_of(task->names[0]), slice_of(task->names[1]), (uint32_t)units, &actor);
	operator_control_end(task);
	(void)operator_control_repeats(task, &r);
	if (r)
		say_lot_refusal(task, r, units);
	else
		answer_lot(task, -1);
}

static void say_not_so_many(struct ledger_task *task)
{
	struct stock_lot_state state;

	if (look_at_lot(task, &state) == 0)
		reply_refuse(&task->reply, PROBLEM_NOT_ENOUGH_UNITS,
			     "The lot has %lld units available. Nothing was taken: ask for fewer, or for up_to so many.",
			     (long long)state.available);
	else
		reply_refuse(&task->reply, PROBLEM_NOT_ENOUGH_UNITS,
			     "The lot has not so many units available. Nothing was taken: ask for fewer, or for up_to so many.");
}

void operator_lots_withdraw(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	bool up_to = false;
	uint32_t taken;
	int64_t units;
	int r;

	if (!read_units(task, &units, &up_to))
		return;
	r = sale_control_withdraw(operator_control_take(task), slice_of(task->names[0]), slice_of(task->names[1]),
				  (uint32_t)units, !up_to, &actor, &taken);
	operator_control_end(task);
	(void)operator_control_repeats(task, &r);
	if (r == SALE_CONTROL_NOT_SO_MANY)
		say_not_so_many(task);
	else if (r)
		say_lot_refusal(task, r, units);
	else
		answer_lot(task, taken);
}
