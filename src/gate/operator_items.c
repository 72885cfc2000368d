/* The warehouse: items and their units on hand. */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/body.h"
#include "gate/errand.h"
#include "gate/render.h"

static void answer_item(struct gate_errand *errand, const char *sku)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_item item;
	int r = ledger->ops->item_get(ledger, slice_of(sku), &item);

	if (r < 0)
		errand_refuse_fatal(errand, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&errand->reply, PROBLEM_UNKNOWN_ITEM, NULL);
	else
		render_item(&item, &errand->reply.body);
}

static void work_create(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_actor actor = errand_actor(errand);
	struct ledger_item item = {0};
	struct slice sku, name;
	struct body_field fields[] = {
		{.name = "sku", .kind = BODY_TEXT, .target = &sku, .required = true, .valid = sku_valid, .rule = "1 to 64 letters, digits, '.', '_' or '-'"},
		{.name = "name",
		 .kind = BODY_TEXT,
		 .target = &name,
		 .required = true,
		 .valid = name_valid,
		 .rule = "1 to 200 bytes of text without control characters"},
		{.name = "on_hand", .kind = BODY_INTEGER, .target = &item.on_hand, .required = true, .min = 0, .max = UNITS_MAX},
	};
	int r;

	if (body_read(errand->body, fields, 3, "", &errand->reply))
		return;
	memcpy(item.sku, sku.data, sku.size);
	memcpy(item.name, name.data, name.size);
	r = ledger->ops->item_create(ledger, &item, &actor);
	errand_repeats(errand, &r);
	if (r < 0) {
		errand_refuse_fatal(errand, r);
		return;
	}
	if (r == LEDGER_KEY_REUSED) {
		reply_problem(&errand->reply, PROBLEM_KEY_REUSED, NULL);
		return;
	}
	if (r == LEDGER_EXISTS) {
		reply_refuse(&errand->reply, PROBLEM_NAME_TAKEN,
			     "There is an item %s already. Units come in with POST /v1/items/%s/receive.", item.sku, item.sku);
		return;
	}
	errand->reply.status = 201;
	buffer_printf(&errand->reply.headers, "Location: /v1/items/%s\r\n", item.sku);
	answer_item(errand, item.sku);
}

void operator_items_create(struct gate_request *request)
{
	errand_start_with_body(request, work_create);
}

static void work_show(struct gate_errand *errand)
{
	answer_item(errand, errand->names[0]);
}

void operator_items_show(struct gate_request *request)
{
	errand_start(request, work_show);
}

static void work_list(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_item *items = calloc((size_t)errand->limit, sizeof(*items));
	struct buffer *out = &errand->reply.body;
	size_t count = 0;
	int r = items ? ledger->ops->items(ledger, slice_of(errand->after), items, (size_t)errand->limit, &count) : -ENOMEM;

	if (r < 0) {
		errand_refuse_fatal(errand, r);
	} else {
		buffer_append_literal(out, "{\"items\":[");
		for (size_t i = 0; i < count; i++) {
			if (i)
				buffer_append_literal(out, ",");
			render_item(&items[i], out);
		}
		errand_end_list(errand, count, slice_of(count ? items[count - 1].sku : ""));
	}
	free(items);
}

void operator_items_list(struct gate_request *request)
{
	errand_start_list(request, work_list);
}

static void say_item(struct gate_errand *errand, int r)
{
	(void)errand_repeats(errand, &r);
	if (r < 0)
		errand_refuse_fatal(errand, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&errand->reply, PROBLEM_UNKNOWN_ITEM, NULL);
	else if (r == LEDGER_KEY_REUSED)
		reply_problem(&errand->reply, PROBLEM_KEY_REUSED, NULL);
	else if (r == LEDGER_NOT_ENOUGH)
		reply_problem(&errand->reply, PROBLEM_NOT_ENOUGH_UNITS, NULL);
	else
		answer_item(errand, errand->names[0]);
}

static void work_receive(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_actor actor = errand_actor(errand);
	struct uuid movement = errand_movement(errand);
	int64_t units, on_hand;
	struct body_field fields[] = {
		{.name = "units", .kind = BODY_INTEGER, .target = &units, .required = true, .min = 1, .max = UNITS_MAX},
	};

	if (body_read(errand->body, fields, 1, "", &errand->reply) == 0)
		say_item(errand, ledger->ops->item_receive(ledger, slice_of(errand->names[0]), units, &movement, &actor, &on_hand));
}

void operator_items_receive(struct gate_request *request)
{
	errand_start_with_body(request, work_receive);
}

/* A mistake is taken back, or a count put right: up or down, and never without saying why. */
static void work_adjust(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_actor actor = errand_actor(errand);
	struct uuid movement = errand_movement(errand);
	struct slice reason;
	int64_t units, on_hand;
	struct body_field fields[] = {
		{.name = "units", .kind = BODY_INTEGER, .target = &units, .required = true, .min = -UNITS_MAX, .max = UNITS_MAX},
		{.name = "reason",
		 .kind = BODY_TEXT,
		 .target = &reason,
		 .required = true,
		 .valid = name_valid,
		 .rule = "1 to 200 bytes of text without control characters"},
	};

	if (body_read(errand->body, fields, 2, "", &errand->reply))
		return;
	if (units == 0)
		reply_bad_field(&errand->reply, PROBLEM_INVALID_VALUE, "units", "units must not be 0: more, or below zero for fewer.");
	else
		say_item(errand,
			 ledger->ops->item_adjust(ledger, slice_of(errand->names[0]), units, reason, &movement, &actor, &on_hand));
}

void operator_items_adjust(struct gate_request *request)
{
	errand_start_with_body(request, work_adjust);
}
