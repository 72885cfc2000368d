/* The warehouse: items and their units on hand. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "gate/body.h"
#include "gate/ledger_task.h"
#include "gate/operator/routes.h"
#include "gate/operator/sales.h"
#include "gate/render.h"

static void answer_item(struct ledger_task *task, const char *sku)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_item item;
	int r = ledger->ops->item_get(ledger, slice_of(sku), &item);

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_UNKNOWN_ITEM, NULL);
	else
		render_item(&item, &task->reply.body);
}

int operator_item_read(const json_t *body, const char *path, struct ledger_item *item, struct reply *reply)
{
	struct slice sku, name;
	struct body_field fields[] = {
		{.name = "sku",
		 .kind = BODY_TEXT,
		 .target = &sku,
		 .required = true,
		 .valid = sale_sku_valid,
		 .rule = "1 to 64 letters, digits, '.', '_' or '-'"},
		{.name = "name",
		 .kind = BODY_TEXT,
		 .target = &name,
		 .required = true,
		 .valid = sale_name_valid,
		 .rule = "1 to 200 bytes of text without control characters"},
		{.name = "on_hand", .kind = BODY_INTEGER, .target = &item->on_hand, .required = true, .min = 0, .max = UNITS_MAX},
	};

	*item = (struct ledger_item){0};
	if (body_read(body, fields, 3, path, reply))
		return 1;
	memcpy(item->sku, sku.data, sku.size);
	memcpy(item->name, name.data, name.size);
	return 0;
}

void operator_on_hand_text(char text[static ON_HAND_TEXT_SIZE], const char *sku, int64_t on_hand, const char *beside, int64_t wanted)
{
	if (on_hand >= 0)
		snprintf(text, ON_HAND_TEXT_SIZE, "The item %s has %lld units on hand%s, and %lld were asked for.", sku,
			 (long long)on_hand, beside, (long long)wanted);
	else
		snprintf(text, ON_HAND_TEXT_SIZE, "The item %s does not have %lld units on hand%s.", sku, (long long)wanted, beside);
}

void operator_say_on_hand(struct ledger_task *task, const char *sku, const char *beside, int64_t wanted)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_item item;
	char text[ON_HAND_TEXT_SIZE];
	bool known = ledger->ops->item_get(ledger, slice_of(sku), &item) == 0;

	operator_on_hand_text(text, sku, known ? item.on_hand : -1, beside, wanted);
	reply_refuse(&task->reply, PROBLEM_NOT_ENOUGH_UNITS, "%s", text);
}

void operator_items_create(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct ledger_item item;
	int r;

	if (operator_item_read(task->body, "", &item, &task->reply))
		return;
	r = ledger->ops->item_create(ledger, &item, &actor);
	ledger_task_repeats(task, &r);
	if (ledger_task_refuses(task, r))
		return;
	if (r == LEDGER_EXISTS) {
		reply_refuse(&task->reply, PROBLEM_NAME_TAKEN,
			     "There is an item %s already. Units come in with POST /v1/items/%s/receive.", item.sku, item.sku);
		return;
	}
	task->reply.status = 201;
	buffer_printf(&task->reply.headers, "Location: /v1/items/%s\r\n", item.sku);
	answer_item(task, item.sku);
}

void operator_items_show(struct ledger_task *task)
{
	answer_item(task, task->names[0]);
}

void operator_items_list(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_item *items = calloc((size_t)task->limit, sizeof(*items));
	struct buffer *out = &task->reply.body;
	size_t count = 0;
	int r = items ? ledger->ops->items(ledger, slice_of(task->after), items, (size_t)task->limit, &count) : -ENOMEM;

	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
	} else {
		buffer_append_literal(out, "{\"items\":[");
		for (size_t i = 0; i < count; i++) {
			if (i)
				buffer_append_literal(out, ",");
			render_item(&items[i], out);
		}
		ledger_task_end_list(task, count, slice_of(count ? items[count - 1].sku : ""));
	}
	free(items);
}

/* units: what was to come, or below zero to go. */
static void say_item(struct ledger_task *task, int r, int64_t units)
{
	(void)ledger_task_repeats(task, &r);
	if (ledger_task_refuses(task, r))
		return;
	if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_UNKNOWN_ITEM, NULL);
	else if (r == LEDGER_NOT_ENOUGH)
		operator_say_on_hand(task, task->names[0], "", -units);
	else
		answer_item(task, task->names[0]);
}

void operator_items_receive(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct uuid movement = ledger_task_movement(task);
	int64_t units, on_hand;
	struct body_field fields[] = {
		{.name = "units", .kind = BODY_INTEGER, .target = &units, .required = true, .min = 1, .max = UNITS_MAX},
	};

	if (body_read(task->body, fields, 1, "", &task->reply) == 0)
		say_item(task, ledger->ops->item_receive(ledger, slice_of(task->names[0]), units, &movement, &actor, &on_hand), units);
}

/* A mistake is taken back, or a count put right: up or down, and never without saying why. */
void operator_items_adjust(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_actor actor = ledger_task_actor(task);
	struct uuid movement = ledger_task_movement(task);
	struct slice reason;
	int64_t units, on_hand;
	struct body_field fields[] = {
		{.name = "units", .kind = BODY_INTEGER, .target = &units, .required = true, .min = -UNITS_MAX, .max = UNITS_MAX},
		{.name = "reason",
		 .kind = BODY_TEXT,
		 .target = &reason,
		 .required = true,
		 .valid = sale_name_valid,
		 .rule = "1 to 200 bytes of text without control characters"},
	};

	if (body_read(task->body, fields, 2, "", &task->reply))
		return;
	if (units == 0)
		reply_bad_field(&task->reply, PROBLEM_INVALID_VALUE, "units", "units must not be 0: more, or below zero for fewer.");
	else
		say_item(task, ledger->ops->item_adjust(ledger, slice_of(task->names[0]), units, reason, &movement, &actor, &on_hand),
			 units);
}
