/* Sales by the operator's hand: make, list, show, change; and what is said of any of them. */
#include <stdio.h>
#include <stdlib.h>
#include "core/brake.h"
#include "gate/operator/routes.h"
#include "gate/operator/sale_terms.h"
#include "gate/operator/sales.h"
#include "gate/render.h"

struct sale_control *operator_control_take(const struct ledger_task *task)
{
	return sale_turn_take(task->thread->gate->settings.sales);
}

void operator_control_end(const struct ledger_task *task)
{
	sale_turn_end(task->thread->gate->settings.sales);
}

bool operator_control_repeats(struct ledger_task *task, int *r)
{
	int ledger = *r == SALE_CONTROL_REPEATED ? LEDGER_REPEATED : *r == SALE_CONTROL_ALREADY ? LEDGER_ALREADY : LEDGER_DONE;

	if (!ledger_task_repeats(task, &ledger))
		return false;
	*r = SALE_CONTROL_DONE;
	return true;
}

void operator_sales_render(struct ledger_task *task, const struct sale *sale, enum sale_state in_row)
{
	struct stock_lot_state lots[LOTS_MAX];
	/* What the stock alone has raises it once the ledger is told. */
	bool has_version = brake_is_in_row(task->thread->gate->settings.admission->stock, sale, in_row);

	render_operator_sale(sale, gate_lots(task->thread->gate, sale, lots) ? lots : NULL, has_version, &task->reply.body);
}

/*
 * An ended sale's units come to their item by way of the drain, behind all that is in the journal
 * before them: how many are still to come, and how long that takes at the pace that the drain has,
 * or may have.
 */
static void say_returning(struct ledger_task *task, const struct sale *sale)
{
	struct buffer *out = &task->reply.body;
	int64_t units = 0, rate = task->thread->gate->settings.settings->drain.max_rate;

	for (uint32_t i = 0; i < sale->lot_count; i++)
		units += sale->lots[i].allocated - sale->lots[i].withdrawn - sale->lots[i].confirmed - sale->lots[i].held;
	if (rate <= 0 || (task->age.rate > 0 && task->age.rate < rate))
		rate = task->age.rate;
	out->size--; /* the closing brace comes after one more member */
	render_name(out, "returning");
	buffer_append_literal(out, "{");
	render_int_member(out, "units", units);
	render_name(out, "seconds");
	if (rate > 0 || task->age.lag_records == 0)
		buffer_append_int(out, rate > 0 ? (task->age.lag_records + rate - 1) / rate : 0);
	else
		buffer_append_literal(out, "null");
	buffer_append_literal(out, "}}");
}

/* The ledger may not have been told of the brake yet. */
static void render_ledger_sale(struct ledger_task *task, struct sale *sale)
{
	enum sale_state in_row = sale->state;

	sale->state = brake_state(task->thread->gate->settings.admission->stock, sale);
	operator_sales_render(task, sale, in_row);
	if (sale->state == SALE_ENDED && task->thread->gate->settings.ledger_age)
		say_returning(task, sale);
}

void operator_sales_answer(struct ledger_task *task, const char *id)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, 0, slice_of(id), &sale);

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_UNKNOWN_SALE, NULL);
	else
		render_ledger_sale(task, sale);
	free(sale);
}

/* --- Routes --- */

/* Which state the sale is in by now, and what can be done from there. */
static void say_state(struct ledger_task *task, const char *id)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct reply *reply = &task->reply;
	struct buffer members;
	struct sale *sale = NULL;
	char detail[256];
	int r = ledger->ops->sale_get(ledger, 0, slice_of(id), &sale);

	if (r) {
		reply_problem(reply, r == LEDGER_NOT_FOUND ? PROBLEM_UNKNOWN_SALE : PROBLEM_SALE_STATE, NULL);
		return;
	}
	snprintf(detail, sizeof(detail), "The sale is %s. It can be %s.", sale_state_name(sale->state),
		 sale_state_allows(sale->state, sale->opened));
	buffer_init(&members, 64);
	buffer_printf(&members, ",\"state\":\"%s\"", sale_state_name(sale->state));
	reply_problem(reply, PROBLEM_SALE_STATE, &(struct problem_options){.detail = detail, .members = buffer_slice(&members)});
	buffer_deinit(&members);
	free(sale);
}

bool operator_say_times(struct reply *reply, const char *path, int r)
{
	static const char past[] = "%s is over. Give a later time, or null.";
	const char *name = r == SALE_CONTROL_PAST_OPENS ? "opens_at" : r == SALE_CONTROL_NO_OPENS ? "schedule" : "closes_at";
	char field[80];

	snprintf(field, sizeof(field), "%s%s", path, name);
	if (r == SALE_CONTROL_BAD_TIMES)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, field, "closes_at must be later than opens_at.");
	else if (r == SALE_CONTROL_PAST_OPENS || r == SALE_CONTROL_PAST_CLOSES)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, field, past, name);
	else if (r == SALE_CONTROL_NO_OPENS)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, field, "schedule needs opens_at: the clock must know when.");
	else
		return false;
	return true;
}

/* Refusals that are said the same whatever was asked for. */
static const struct {
	enum problem problem;
	const char *detail; /* NULL: the problem's own */
} refusals[] = {
	[SALE_CONTROL_KEY_REUSED] = {PROBLEM_KEY_REUSED, NULL},
	[SALE_CONTROL_NO_SALE] = {PROBLEM_UNKNOWN_SALE, NULL},
	[SALE_CONTROL_CONFLICT] = {PROBLEM_SALE_CHANGED, NULL},
	[SALE_CONTROL_HAS_ORDERS] = {PROBLEM_SALE_STATE, "The sale has orders, so it cannot be disarmed. It is as it was."},
	[SALE_CONTROL_NO_PROOF] =
		{PROBLEM_SALE_STATE,
		 "The journal cannot be read, so it cannot be said whether something was sold: the log says why. The sale is as it was."},
	[SALE_CONTROL_FROZEN] = {PROBLEM_SALE_STATE, "Once a sale is open only its name and closes_at can be changed."},
	[SALE_CONTROL_LOADED] = {PROBLEM_SALE_STATE, "While a sale is armed its limit_per_buyer, rate, schedule and announce cannot be changed. "
						     "Disarm it, change it and arm it again."},
	[SALE_CONTROL_NOT_IN_STOCK] = {PROBLEM_SALE_STATE, "The sale ended long ago."},
	[SALE_CONTROL_FULL] = {PROBLEM_OVERLOADED, NULL},
	[SALE_CONTROL_STOCK_AWAY] = {PROBLEM_STOCK_UNAVAILABLE, NULL},
};

void operator_say_control(struct ledger_task *task, const char *id, int r)
{
	struct reply *reply = &task->reply;

	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return;
	}
	if (operator_say_times(reply, "", r))
		return;
	switch (r) {
	case SALE_CONTROL_WRONG_STATE:
		say_state(task, id);
		return;
	case SALE_CONTROL_TOO_MANY:
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "units",
				"units must be so few that the lot is given at most %d in all, those that went back from it counted.",
				UNITS_MAX);
		return;
	case SALE_CONTROL_JOURNAL_AWAY:
		reply_change_refused(reply);
		return;
	case SALE_CONTROL_UNKNOWN:
		ledger_task_say_unknown(task);
		return;
	}
	ASSERT((size_t)r < sizeof(refusals) / sizeof(refusals[0]));
	ASSERT(refusals[r].problem != 0); /* those of one request alone are said there */
	reply_problem(reply, refusals[r].problem, &(struct problem_options){.detail = refusals[r].detail});
}

/*
 * What a lot of a sale that is made or changed lacks; beside: as operator_say_on_hand(). False: it
 * is something else.
 */
static bool say_lot_units(struct ledger_task *task, int r, const struct sale_lot *lot, const char *beside)
{
	if (r == SALE_CONTROL_NO_ITEM)
		reply_refuse(&task->reply, PROBLEM_UNKNOWN_ITEM, "There is no item %s. Make it with POST /v1/items.", lot->sku);
	else if (r == SALE_CONTROL_NOT_ENOUGH)
		operator_say_on_hand(task, lot->sku, beside, lot->allocated);
	else
		return false;
	return true;
}

void operator_sales_create(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = operator_sale_read_new(task->body, "", &task->reply);
	uint32_t lot = 0;
	int r;

	if (!sale)
		return;
	sale->created_at_ms = actor.now_ms;
	r = sale_control_create(operator_control_take(task), sale, &actor, &lot);
	operator_control_end(task);
	(void)operator_control_repeats(task, &r);
	if (r == SALE_CONTROL_DONE) {
		task->reply.status = 201;
		buffer_printf(&task->reply.headers, "Location: /v1/sales/%s\r\n", sale->id);
		operator_sales_answer(task, sale->id);
	} else if (r == SALE_CONTROL_EXISTS) {
		reply_refuse(&task->reply, PROBLEM_NAME_TAKEN, "There is a sale %s already.", sale->id);
	} else if (!say_lot_units(task, r, &sale->lots[lot], "")) {
		operator_say_control(task, sale->id, r);
	}
	free(sale);
}

void operator_sales_show(struct ledger_task *task)
{
	operator_sales_answer(task, task->names[0]);
}

void operator_sales_list(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct buffer *out = &task->reply.body;
	struct sale **sales;
	char last[16];
	size_t count = 0;
	int64_t after;
	int r;

	if (!gate_after_number(task->after, UUID_TAG_MAX, &after, &task->reply))
		return;
	sales = calloc((size_t)task->limit, sizeof(*sales));
	r = sales ? ledger->ops->sales(ledger, (uint32_t)after, INT64_MIN, sales, (size_t)task->limit, &count) : -ENOMEM;
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		free(sales);
		return;
	}
	buffer_append_literal(out, "{\"sales\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		render_ledger_sale(task, sales[i]);
	}
	snprintf(last, sizeof(last), "%u", count ? sales[count - 1]->number : 0);
	ledger_task_end_list(task, count, slice_of(last));
	for (size_t i = 0; i < count; i++)
		free(sales[i]);
	free(sales);
}

/* The lots of a draft: how many units each is to have. */
static void change_lots(struct ledger_task *task, json_t *lots)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = calloc(1, sizeof(*sale) + json_array_size(lots) * sizeof(sale->lots[0]));
	uint32_t lot;
	int r;

	if (!sale) {
		reply_problem(&task->reply, PROBLEM_OVERLOADED, NULL);
		return;
	}
	sale->lot_count = (uint32_t)json_array_size(lots);
	if (operator_sale_read_lots(lots, "", sale, 0, &task->reply) == 0) {
		r = sale_control_set_lots(operator_control_take(task), slice_of(task->names[0]), sale->lots, sale->lot_count,
					  &actor, &lot);
		operator_control_end(task);
		if (r == 0)
			operator_sales_answer(task, task->names[0]);
		else if (r == SALE_CONTROL_TOO_MANY_LOTS)
			reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "lots", "A sale has at most %d lots.", LOTS_MAX);
		else if (!say_lot_units(task, r, &sale->lots[lot], " beside those that the lot has"))
			operator_say_control(task, task->names[0], r);
	}
	free(sale);
}

void operator_sales_change(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale change = {0};
	unsigned given;
	json_t *lots;
	int r;

	if (operator_sale_read_change(task->body, &change, &given, &lots, &task->reply))
		return;
	if (lots) {
		change_lots(task, lots);
		return;
	}
	r = sale_control_update(operator_control_take(task), slice_of(task->names[0]), given, &change, &actor);
	operator_control_end(task);
	if (r)
		operator_say_control(task, task->names[0], r);
	else
		operator_sales_answer(task, task->names[0]);
}
