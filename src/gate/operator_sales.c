/* Sales by the operator's hand: make, list, change, move, add and withdraw units. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "core/brake.h"
#include "gate/body.h"
#include "gate/operator_sales.h"
#include "gate/render.h"

struct sale_control *operator_control(const struct ledger_task *task)
{
	return task->thread->gate->settings.control;
}

static void render_sale(struct ledger_task *task, const struct sale *sale)
{
	struct stock_lot_state lots[LOTS_MAX];

	render_operator_sale(sale, gate_lots(task->thread->gate, sale, lots) ? lots : NULL, &task->reply.body);
}

/*
 * An ended sale's units come to their item by way of the drain, behind all that is in the journal before them: how many are still to come,
 * and how long that takes at the pace that the drain has, or may have.
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
	sale->state = brake_state(task->thread->gate->settings.admission->stock, sale);
	render_sale(task, sale);
	if (sale->state == SALE_ENDED && task->thread->gate->settings.ledger_age)
		say_returning(task, sale);
}

static void answer_sale(struct ledger_task *task, const char *id)
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

/* --- Bodies --- */

struct terms {
	struct slice name, currency;
	int64_t amount, limit, hold, opens, closes, rate_requests, rate_seconds;
	bool late_confirm, schedule, announce;
	json_t *price, *rate;
};

enum {
	TERM_NAME,
	TERM_PRICE,
	TERM_LIMIT,
	TERM_RATE,
	TERM_HOLD,
	TERM_OPENS,
	TERM_CLOSES,
	TERM_LATE,
	TERM_SCHEDULE,
	TERM_ANNOUNCE,
	TERM_COUNT
};
static const unsigned term_fields[TERM_COUNT] = {
	SALE_FIELD_NAME,  SALE_FIELD_PRICE,  SALE_FIELD_LIMIT,        SALE_FIELD_RATE,     SALE_FIELD_HOLD,
	SALE_FIELD_OPENS, SALE_FIELD_CLOSES, SALE_FIELD_LATE_CONFIRM, SALE_FIELD_SCHEDULE, SALE_FIELD_ANNOUNCE,
};

static void term_table(struct terms *terms, struct body_field fields[TERM_COUNT])
{
	const struct body_field table[TERM_COUNT] = {
		[TERM_NAME] = {.name = "name",
			       .kind = BODY_TEXT,
			       .target = &terms->name,
			       .valid = name_valid,
			       .rule = "1 to 200 bytes of text without control characters"},
		[TERM_PRICE] = {.name = "price", .kind = BODY_OBJECT, .target = &terms->price},
		[TERM_LIMIT] = {.name = "limit_per_buyer", .kind = BODY_INTEGER, .target = &terms->limit, .min = 1, .max = LIMIT_MAX},
		[TERM_RATE] = {.name = "rate", .kind = BODY_OBJECT, .target = &terms->rate},
		[TERM_HOLD] = {.name = "hold_seconds", .kind = BODY_INTEGER, .target = &terms->hold, .min = 0, .max = HOLD_SECONDS_MAX},
		[TERM_OPENS] = {.name = "opens_at", .kind = BODY_TIME, .target = &terms->opens},
		[TERM_CLOSES] = {.name = "closes_at", .kind = BODY_TIME, .target = &terms->closes},
		[TERM_LATE] = {.name = "late_confirm", .kind = BODY_BOOLEAN, .target = &terms->late_confirm},
		[TERM_SCHEDULE] = {.name = "schedule", .kind = BODY_BOOLEAN, .target = &terms->schedule},
		[TERM_ANNOUNCE] = {.name = "announce", .kind = BODY_BOOLEAN, .target = &terms->announce},
	};

	memcpy(fields, table, sizeof(table));
}

static bool currency_valid(struct slice text)
{
	if (text.size != 3)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (text.data[i] < 'A' || text.data[i] > 'Z')
			return false;
	return true;
}

/* The objects inside; 0, or 1: refused. */
static int read_nested(struct terms *terms, struct reply *reply)
{
	struct body_field price[] = {
		{.name = "amount", .kind = BODY_INTEGER, .target = &terms->amount, .required = true, .min = 0, .max = 1000000000000},
		{.name = "currency",
		 .kind = BODY_TEXT,
		 .target = &terms->currency,
		 .required = true,
		 .valid = currency_valid,
		 .rule = "three capital letters (ISO 4217)"},
	};
	struct body_field rate[] = {
		{.name = "requests", .kind = BODY_INTEGER, .target = &terms->rate_requests, .required = true, .min = 1, .max = RATE_REQUESTS_MAX},
		{.name = "seconds", .kind = BODY_INTEGER, .target = &terms->rate_seconds, .required = true, .min = 1, .max = RATE_SECONDS_MAX},
	};

	if (terms->price && body_read(terms->price, price, 2, "price.", reply))
		return 1;
	return terms->rate ? body_read(terms->rate, rate, 2, "rate.", reply) : 0;
}

/* A rate may be null: no limit. That is not an object, so it is taken out before the fields are read. */
static bool take_null_rate(json_t *body)
{
	if (!json_is_null(json_object_get(body, "rate")))
		return false;
	json_object_del(body, "rate");
	return true;
}

static void apply_terms(struct sale *sale, const struct terms *terms)
{
	memcpy(sale->name, terms->name.data ? terms->name.data : "", terms->name.size);
	sale->price_minor = terms->amount;
	memcpy(sale->currency, terms->currency.data ? terms->currency.data : "", terms->currency.size);
	sale->limit_per_buyer = (uint32_t)terms->limit;
	sale->rate_requests = (uint32_t)terms->rate_requests;
	sale->rate_seconds = (uint32_t)terms->rate_seconds;
	sale->hold_seconds = (uint32_t)terms->hold;
	sale->opens_at_ms = terms->opens;
	sale->closes_at_ms = terms->closes;
	sale->late_confirm = terms->late_confirm;
	sale->scheduled = terms->schedule;
	sale->announced = terms->announce;
}

/* min: units that a lot must have. */
static int read_lots(json_t *array, struct sale *sale, int64_t min, struct reply *reply)
{
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		struct sale_lot *lot = &sale->lots[i];
		struct slice sku;
		struct body_field fields[] = {
			{.name = "sku", .kind = BODY_TEXT, .target = &sku, .required = true, .valid = sku_valid, .rule = "the SKU of an item"},
			{.name = "units", .kind = BODY_INTEGER, .target = &lot->allocated, .required = true, .min = min, .max = UNITS_MAX},
		};
		json_t *object = json_array_get(array, i);
		char path[24];

		snprintf(path, sizeof(path), "lots[%u].", i);
		if (!json_is_object(object)) {
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, "lots", "lots[%u] must be an object with sku and units.", i);
			return 1;
		}
		if (body_read(object, fields, 2, path, reply))
			return 1;
		if (sku.size && sale_find_lot(sale, sku) >= 0) {
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, "lots",
					"lots[%u].sku must be one that no other lot of the sale has.", i);
			return 1;
		}
		memcpy(lot->sku, sku.data, sku.size);
	}
	return 0;
}

/* The sale that the body describes, malloc'd; NULL: refused. */
static struct sale *read_new_sale(json_t *body, struct reply *reply)
{
	struct terms terms = {
		.limit = 1, .rate_requests = 3, .rate_seconds = 60, .hold = 120, .opens = SALE_NO_TIME, .closes = SALE_NO_TIME};
	bool no_rate = take_null_rate(body);
	struct body_field fields[TERM_COUNT + 2];
	json_t *lots = NULL;
	struct slice id;
	struct sale *sale;

	term_table(&terms, fields);
	fields[TERM_NAME].required = fields[TERM_PRICE].required = true;
	fields[TERM_COUNT] = (struct body_field){.name = "id",
						 .kind = BODY_TEXT,
						 .target = &id,
						 .required = true,
						 .valid = sale_id_valid,
						 .rule = "1 to 64 of a-z, 0-9, '.', '_' or '-', beginning with a letter or digit"};
	fields[TERM_COUNT + 1] =
		(struct body_field){.name = "lots", .kind = BODY_ARRAY, .target = &lots, .required = true, .min = 1, .max = LOTS_MAX};
	if (body_read(body, fields, TERM_COUNT + 2, "", reply) || read_nested(&terms, reply))
		return NULL;
	if (no_rate)
		terms.rate_requests = terms.rate_seconds = 0;
	sale = calloc(1, sizeof(*sale) + json_array_size(lots) * sizeof(sale->lots[0]));
	if (!sale) {
		reply_problem(reply, PROBLEM_OVERLOADED, NULL);
		return NULL;
	}
	memcpy(sale->id, id.data, id.size);
	sale->lot_count = (uint32_t)json_array_size(lots);
	sale->ended_at_ms = SALE_NO_TIME;
	apply_terms(sale, &terms);
	if (read_lots(lots, sale, 1, reply)) {
		free(sale);
		return NULL;
	}
	return sale;
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
		 sale_state_allows(sale->state));
	buffer_init(&members, 64);
	buffer_printf(&members, ",\"state\":\"%s\"", sale_state_name(sale->state));
	reply_problem(reply, PROBLEM_SALE_STATE, &(struct problem_options){.detail = detail, .members = buffer_slice(&members)});
	buffer_deinit(&members);
	free(sale);
}

/* Times that cannot be meant. True: it was one of those. */
static bool say_times(struct reply *reply, int r)
{
	static const char past[] = "%s is over. Give a later time, or null.";

	if (r == SALE_CONTROL_BAD_TIMES)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "closes_at", "closes_at must be later than opens_at.");
	else if (r == SALE_CONTROL_PAST_OPENS)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "opens_at", past, "opens_at");
	else if (r == SALE_CONTROL_PAST_CLOSES)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "closes_at", past, "closes_at");
	else if (r == SALE_CONTROL_NO_OPENS)
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "schedule", "schedule needs opens_at: the clock must know when.");
	else
		return false;
	return true;
}

void operator_say_control(struct ledger_task *task, const char *id, int r)
{
	struct reply *reply = &task->reply;

	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return;
	}
	if (say_times(reply, r))
		return;
	switch (r) {
	case LEDGER_NOT_FOUND:
		reply_problem(reply, PROBLEM_UNKNOWN_SALE, NULL);
		return;
	case LEDGER_WRONG_STATE:
		say_state(task, id);
		return;
	case LEDGER_NOT_ENOUGH:
		reply_problem(reply, PROBLEM_NOT_ENOUGH_UNITS, NULL);
		return;
	case LEDGER_CONFLICT:
		reply_problem(reply, PROBLEM_SALE_CHANGED, NULL);
		return;
	case LEDGER_KEY_REUSED:
		reply_problem(reply, PROBLEM_KEY_REUSED, NULL);
		return;
	case SALE_CONTROL_FROZEN:
		reply_refuse(reply, PROBLEM_SALE_STATE, "Once a sale is open only its name and closes_at can be changed.");
		return;
	case SALE_CONTROL_LOADED:
		reply_refuse(reply, PROBLEM_SALE_STATE,
			     "While a sale is armed its limit_per_buyer, rate, schedule and announce cannot be changed. Disarm it, "
			     "change it and arm it again.");
		return;
	case SALE_CONTROL_NO_PROOF:
		reply_refuse(reply, PROBLEM_SALE_STATE,
			     "With a journal outside of the ledger a sale cannot be disarmed. Change its opens_at, or end it.");
		return;
	case LEDGER_HAS_ORDERS:
		reply_refuse(reply, PROBLEM_SALE_STATE, "The sale has orders, so it cannot be disarmed. It is as it was.");
		return;
	case SALE_CONTROL_FULL:
		reply_problem(reply, PROBLEM_OVERLOADED, NULL);
		return;
	case SALE_CONTROL_STOCK_AWAY:
		reply_problem(reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		return;
	case SALE_CONTROL_JOURNAL_AWAY:
		reply_change_refused(reply);
		return;
	case SALE_CONTROL_NOT_IN_STOCK:
		reply_refuse(reply, PROBLEM_SALE_STATE, "The sale ended long ago.");
		return;
	case SALE_CONTROL_UNKNOWN:
		ledger_task_say_unknown(task);
		return;
	}
	assertion_failed("an outcome of sale control", __FILE__, __LINE__, __func__);
}

/* What a lot of a sale that is made or changed lacks. False: it is something else. */
static bool say_lot_units(struct ledger_task *task, int r, const struct sale_lot *lot)
{
	if (r == LEDGER_NOT_FOUND)
		reply_refuse(&task->reply, PROBLEM_UNKNOWN_ITEM, "There is no item %s. Make it with POST /v1/items.", lot->sku);
	else if (r == LEDGER_NOT_ENOUGH)
		reply_refuse(&task->reply, PROBLEM_NOT_ENOUGH_UNITS, "The item %s does not have %lld units on hand.", lot->sku,
			     (long long)lot->allocated);
	else
		return false;
	return true;
}

static void work_create(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = read_new_sale(task->body, &task->reply);
	uint32_t lot = 0;
	int r;

	if (!sale)
		return;
	sale->created_at_ms = actor.now_ms;
	r = sale_control_create(operator_control(task), sale, &actor, &lot);
	(void)ledger_task_repeats(task, &r);
	if (r == LEDGER_DONE) {
		task->reply.status = 201;
		buffer_printf(&task->reply.headers, "Location: /v1/sales/%s\r\n", sale->id);
		answer_sale(task, sale->id);
	} else if (r == LEDGER_EXISTS) {
		reply_refuse(&task->reply, PROBLEM_NAME_TAKEN, "There is a sale %s already.", sale->id);
	} else if (!say_lot_units(task, r, &sale->lots[lot])) {
		operator_say_control(task, sale->id, r);
	}
	free(sale);
}

void operator_sales_create(struct gate_request *request)
{
	ledger_task_start_with_body(request, work_create);
}

static void work_show(struct ledger_task *task)
{
	answer_sale(task, task->names[0]);
}

void operator_sales_show(struct gate_request *request)
{
	ledger_task_start(request, work_show);
}

static void work_list(struct ledger_task *task)
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

void operator_sales_list(struct gate_request *request)
{
	ledger_task_start_list(request, work_list);
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
	if (read_lots(lots, sale, 0, &task->reply) == 0) {
		r = sale_control_set_lots(operator_control(task), slice_of(task->names[0]), sale->lots, sale->lot_count, &actor, &lot);
		if (r == 0)
			answer_sale(task, task->names[0]);
		else if (r == LEDGER_CONSTRAINT)
			reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "lots", "A sale has at most %d lots.", LOTS_MAX);
		else if (!say_lot_units(task, r, &sale->lots[lot]))
			operator_say_control(task, task->names[0], r == SALE_CONTROL_NO_SALE ? LEDGER_NOT_FOUND : r);
	}
	free(sale);
}

static void work_change(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct terms terms = {.opens = SALE_NO_TIME, .closes = SALE_NO_TIME};
	bool no_rate = take_null_rate(task->body);
	struct body_field fields[TERM_COUNT + 1];
	unsigned given = no_rate ? SALE_FIELD_RATE : 0;
	struct sale change = {0};
	json_t *lots = NULL;
	int r;

	term_table(&terms, fields);
	fields[TERM_COUNT] = (struct body_field){.name = "lots", .kind = BODY_ARRAY, .target = &lots, .min = 1, .max = LOTS_MAX};
	if (body_read(task->body, fields, TERM_COUNT + 1, "", &task->reply) || read_nested(&terms, &task->reply))
		return;
	for (int i = 0; i < TERM_COUNT; i++)
		if (fields[i].given)
			given |= term_fields[i];
	if (lots && given) {
		reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "lots", "lots must be changed in a request of their own.");
		return;
	}
	if (lots) {
		change_lots(task, lots);
		return;
	}
	apply_terms(&change, &terms);
	r = sale_control_update(operator_control(task), slice_of(task->names[0]), given, &change, &actor);
	if (r)
		operator_say_control(task, task->names[0], r);
	else
		answer_sale(task, task->names[0]);
}

void operator_sales_change(struct gate_request *request)
{
	ledger_task_start_with_body(request, work_change);
}

static void move(struct ledger_task *task, enum sale_action action)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int r = sale_control_move(operator_control(task), slice_of(task->names[0]), action, &actor);

	if (r != LEDGER_ALREADY)
		(void)ledger_task_repeats(task, &r);
	if (r && r != LEDGER_ALREADY)
		operator_say_control(task, task->names[0], r);
	else
		answer_sale(task, task->names[0]);
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
	render_operator_sale(sale, NULL, &task->reply.body);
	free(sale);
}

static void work_delete(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct sale *sale = NULL;
	int r = task->has_key ? ledger->ops->request_find(ledger, &task->request) : 0;

	if (r == 0)
		r = ledger->ops->sale_get(ledger, 0, slice_of(task->names[0]), &sale);
	if (sale)
		task->request.outcome = sale->number; /* who asks again knows its id alone, which is free by then */
	if (sale)
		r = sale_control_move(operator_control(task), slice_of(task->names[0]), SALE_DELETE, &actor);
	if (r == 0 || ledger_task_repeats(task, &r))
		answer_deleted(task, (uint32_t)(sale ? sale->number : task->request.outcome));
	else
		operator_say_control(task, task->names[0], r);
	free(sale);
}

static void work_arm(struct ledger_task *task)
{
	move(task, SALE_ARM);
}
static void work_disarm(struct ledger_task *task)
{
	move(task, SALE_DISARM);
}
static void work_open(struct ledger_task *task)
{
	move(task, SALE_START);
}
static void work_pause(struct ledger_task *task)
{
	move(task, SALE_PAUSE);
}
static void work_resume(struct ledger_task *task)
{
	move(task, SALE_RESUME);
}
static void work_end(struct ledger_task *task)
{
	move(task, SALE_END);
}

/* --- The brake: to the stock first. What the ledger has is not asked for, so that nothing that holds up the ledger holds it up. --- */

static void answer_from_catalog(struct ledger_task *task)
{
	const struct sale_table *table = sale_catalog_ref(task->thread->gate->settings.catalog);
	const struct sale_entry *entry = sale_table_find_number(table, task->sale_number);

	if (entry)
		render_sale(task, entry->sale);
	else
		reply_problem(&task->reply, PROBLEM_UNKNOWN_SALE, NULL);
	sale_table_unref(table);
}

static void work_stop(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);

	/* Where the stock cannot be told, other processes may still hear of it by the ledger. */
	if (sale_control_brake(operator_control(task), task->sale_number, true, &actor))
		task->further = work_pause;
	else
		answer_from_catalog(task);
}

static void work_go_on(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	int r = sale_control_brake(operator_control(task), task->sale_number, false, &actor);

	if (r)
		operator_say_control(task, task->names[0], r);
	else
		answer_from_catalog(task);
}

/* Of what is on sale now, or was until it was stopped; else by the ledger, whose rules say what can be moved. */
static void start_brake(struct gate_request *request, void (*work)(struct ledger_task *), void (*otherwise)(struct ledger_task *))
{
	const struct sale_entry *entry = sale_table_find(gate_sales(request->thread), request->parameters[0]);
	enum sale_phase phase = entry ? sale_phase(entry->sale, clock_wall_ms()) : SALE_PHASE_HIDDEN;
	bool brakes = phase == SALE_PHASE_OPEN || phase == SALE_PHASE_PAUSED;
	struct ledger_task *task = ledger_task_new(request, brakes ? work : otherwise);

	if (!task)
		return;
	if (brakes) {
		task->class = TASK_BRAKE;
		task->sale_number = entry->sale->number;
	}
	ledger_task_send(request, task);
}

void operator_sales_arm(struct gate_request *request)
{
	ledger_task_start(request, work_arm);
}
void operator_sales_disarm(struct gate_request *request)
{
	ledger_task_start(request, work_disarm);
}
void operator_sales_open(struct gate_request *request)
{
	ledger_task_start(request, work_open);
}
void operator_sales_pause(struct gate_request *request)
{
	start_brake(request, work_stop, work_pause);
}
void operator_sales_resume(struct gate_request *request)
{
	start_brake(request, work_go_on, work_resume);
}
void operator_sales_end(struct gate_request *request)
{
	ledger_task_start(request, work_end);
}

void operator_sales_delete(struct gate_request *request)
{
	ledger_task_start(request, work_delete);
}
