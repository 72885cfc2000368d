/*
 * Items and sales, many at once: all of them or none, in one transaction of the ledger.
 *
 * What is there already as it is given stays as it is, so the same import again changes nothing:
 * an item of the same name (its units are its own since), a draft of the same terms and lots, a
 * sale that has left its draft (it has a life of its own since). What is there otherwise is
 * refused. That is looked at first; where somebody makes one of the same name meanwhile, the
 * transaction finds it, and nothing is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gate/body.h"
#include "gate/operator/routes.h"
#include "gate/operator/sale_terms.h"
#include "gate/operator/sales.h"
#include "gate/render.h"

enum { ITEMS_MAX = 5000, SALES_MAX = 1000, PATH_SIZE = 40 };

struct import {
	struct ledger_import order;
	struct ledger_item *items; /* that are to be made */
	struct sale **sales;
	size_t *item_places, *sale_places; /* of each of these, in the body */
	size_t items_there, sales_there;   /* that are left as they are */
	int64_t now_ms;
};

/* --- What there is to make --- */

/* A problem of one element of the body, which `field` names. 1. */
static int refuse(struct ledger_task *task, enum problem problem, const char *path, const char *detail)
{
	struct buffer members;

	buffer_init(&members, 256);
	buffer_append_literal(&members, ",\"field\":");
	buffer_append_json_string(&members, slice_of(path));
	reply_problem(&task->reply, problem, &(struct problem_options){.detail = detail, .members = buffer_slice(&members)});
	buffer_deinit(&members);
	return 1;
}

/* 0; 1: the reply says why not. */
static int read_item(struct ledger_task *task, struct import *import, json_t *body, size_t place)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_item *item = &import->items[import->order.item_count], known;
	char path[PATH_SIZE], before[PATH_SIZE + 1], detail[256];
	int r;

	snprintf(path, sizeof(path), "items[%zu]", place);
	snprintf(before, sizeof(before), "%s.", path);
	if (!json_is_object(body))
		return refuse(task, PROBLEM_INVALID_VALUE, path, "An item is an object with sku, name and on_hand.");
	if (operator_item_read(body, before, item, &task->reply))
		return 1;
	r = ledger->ops->item_get(ledger, slice_of(item->sku), &known);
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return 1;
	}
	if (r == LEDGER_NOT_FOUND) {
		import->item_places[import->order.item_count++] = place;
		return 0;
	}
	import->items_there++;
	if (strcmp(known.name, item->name) == 0)
		return 0;
	snprintf(detail, sizeof(detail), "There is an item %s already, of another name.", item->sku);
	return refuse(task, PROBLEM_NAME_TAKEN, path, detail);
}

static bool same_lots(const struct sale *one, const struct sale *other)
{
	if (one->lot_count != other->lot_count)
		return false;
	for (uint32_t i = 0; i < one->lot_count; i++) {
		int place = sale_find_lot(other, slice_of(one->lots[i].sku));

		if (place < 0 || other->lots[place].allocated != one->lots[i].allocated)
			return false;
	}
	return true;
}

static bool same_terms(const struct sale *one, const struct sale *other)
{
	return strcmp(one->name, other->name) == 0 && one->price_minor == other->price_minor &&
	       strcmp(one->currency, other->currency) == 0 && one->limit_per_buyer == other->limit_per_buyer &&
	       one->rate_requests == other->rate_requests && one->rate_seconds == other->rate_seconds &&
	       one->hold_seconds == other->hold_seconds && one->opens_at_ms == other->opens_at_ms &&
	       one->closes_at_ms == other->closes_at_ms && one->late_confirm == other->late_confirm &&
	       one->scheduled == other->scheduled && one->announced == other->announced;
}

static int read_sale(struct ledger_task *task, struct import *import, json_t *body, size_t place)
{
	struct ledger *ledger = ledger_task_ledger(task);
	char path[PATH_SIZE], before[PATH_SIZE + 1], detail[256];
	struct sale *sale, *known = NULL;
	bool same;
	int r;

	snprintf(path, sizeof(path), "sales[%zu]", place);
	snprintf(before, sizeof(before), "%s.", path);
	if (!json_is_object(body))
		return refuse(task, PROBLEM_INVALID_VALUE, path, "A sale is an object with id, name, price and lots.");
	sale = operator_sale_read_new(body, before, &task->reply);
	if (!sale)
		return 1;
	r = ledger->ops->sale_get(ledger, 0, slice_of(sale->id), &known);
	if (r == LEDGER_NOT_FOUND) {
		sale->created_at_ms = import->now_ms;
		import->sale_places[import->order.sale_count] = place;
		import->sales[import->order.sale_count++] = sale;
		return 0;
	}
	same = r == 0 && (known->state != SALE_DRAFT || (same_terms(sale, known) && same_lots(sale, known)));
	snprintf(detail, sizeof(detail), "There is a draft %s already, with other terms or lots.", sale->id);
	free(known);
	free(sale);
	import->sales_there++;
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return 1;
	}
	return same ? 0 : refuse(task, PROBLEM_NAME_TAKEN, path, detail);
}

static int read_all(struct ledger_task *task, struct import *import)
{
	json_t *items = NULL, *sales = NULL, *element;
	struct body_field fields[] = {
		{.name = "items", .kind = BODY_ARRAY, .target = &items, .min = 0, .max = ITEMS_MAX},
		{.name = "sales", .kind = BODY_ARRAY, .target = &sales, .min = 0, .max = SALES_MAX},
		{.name = "dry_run", .kind = BODY_BOOLEAN, .target = &import->order.dry_run},
	};
	size_t place;

	if (body_read(task->body, fields, 3, "", &task->reply))
		return 1;
	if (!items && !sales)
		return refuse(task, PROBLEM_INVALID_VALUE, "", "An import has items, sales, or both; this one has neither.");
	import->items = calloc(json_array_size(items) + 1, sizeof(*import->items));
	import->item_places = calloc(json_array_size(items) + 1, sizeof(*import->item_places));
	import->sales = calloc(json_array_size(sales) + 1, sizeof(struct sale *));
	import->sale_places = calloc(json_array_size(sales) + 1, sizeof(*import->sale_places));
	if (!import->items || !import->item_places || !import->sales || !import->sale_places) {
		reply_problem(&task->reply, PROBLEM_OVERLOADED, NULL);
		return 1;
	}
	json_array_foreach(items, place, element)
	{
		if (read_item(task, import, element, place))
			return 1;
	}
	json_array_foreach(sales, place, element)
	{
		if (read_sale(task, import, element, place))
			return 1;
	}
	import->order.items = import->items;
	import->order.sales = import->sales;
	return 0;
}

static void deinit(struct import *import)
{
	for (size_t i = 0; import->sales && i < import->order.sale_count; i++)
		free(import->sales[i]);
	free(import->items);
	free(import->item_places);
	free(import->sales);
	free(import->sale_places);
}

/* --- Making it --- */

/* Units of an item: the ledger's, or those that the import gives it; -1: the ledger cannot say. */
static int64_t units_on_hand(struct ledger *ledger, const struct ledger_import *order, const char *sku)
{
	struct ledger_item item = {.on_hand = -1};

	if (ledger->ops->item_get(ledger, slice_of(sku), &item) == LEDGER_NOT_FOUND)
		for (size_t i = 0; i < order->item_count; i++)
			if (slice_equal(slice_of(order->items[i].sku), slice_of(sku)))
				item.on_hand = order->items[i].on_hand;
	return item.on_hand;
}

/* Of these, what the sales before the refused one take. */
static int64_t units_taken(const struct ledger_import *order, const char *sku)
{
	int64_t taken = 0;

	for (size_t i = 0; i < order->at; i++) {
		int place = sale_find_lot(order->sales[i], slice_of(sku));

		taken += place < 0 ? 0 : order->sales[i]->lots[place].allocated;
	}
	return taken;
}

static void say_not_on_hand(struct ledger_task *task, const struct ledger_import *order, const char *path)
{
	const struct sale_lot *lot = &order->sales[order->at]->lots[order->lot];
	int64_t taken = units_taken(order, lot->sku), left = units_on_hand(ledger_task_ledger(task), order, lot->sku) - taken;
	const char *beside = taken ? " beside what earlier sales of the import take" : "";
	char detail[ON_HAND_TEXT_SIZE];

	operator_on_hand_text(detail, lot->sku, left, beside, lot->allocated);
	(void)refuse(task, PROBLEM_NOT_ENOUGH_UNITS, path, detail);
}

/* What the transaction refused, of which element. */
static void say(struct ledger_task *task, const struct import *import, int r)
{
	const struct ledger_import *order = &import->order;
	const struct sale *sale = order->in_sale ? order->sales[order->at] : NULL;
	char path[PATH_SIZE], before[PATH_SIZE + 1], lot[2 * PATH_SIZE], detail[256];

	if (r < 0 || r == SALE_CONTROL_KEY_REUSED) {
		operator_say_control(task, "", r);
		return;
	}
	snprintf(path, sizeof(path), "%s[%zu]", sale ? "sales" : "items",
		 sale ? import->sale_places[order->at] : import->item_places[order->at]);
	snprintf(before, sizeof(before), "%s.", path);
	if (operator_say_times(&task->reply, before, r))
		return;
	snprintf(lot, sizeof(lot), "%s.lots[%u]", path, order->lot);
	if (sale && r == SALE_CONTROL_NO_ITEM) {
		snprintf(detail, sizeof(detail), "There is no item %s.", sale->lots[order->lot].sku);
		(void)refuse(task, PROBLEM_UNKNOWN_ITEM, lot, detail);
	} else if (sale && r == SALE_CONTROL_NOT_ENOUGH) {
		say_not_on_hand(task, order, lot);
	} else {
		snprintf(detail, sizeof(detail), "%s is made by another request at this moment, or stands twice in this one.",
			 sale ? sale->id : order->items[order->at].sku);
		(void)refuse(task, PROBLEM_NAME_TAKEN, path, detail);
	}
}

static void render_counts(struct buffer *out, const char *name, size_t made, size_t there)
{
	render_name(out, name);
	buffer_append_literal(out, "{");
	render_int_member(out, "created", (int64_t)made);
	render_int_member(out, "unchanged", (int64_t)there);
	buffer_append_literal(out, "}");
}

void operator_imports(struct ledger_task *task)
{
	struct ledger_actor actor = ledger_task_actor(task);
	struct buffer *out = &task->reply.body;
	struct import import = {.now_ms = actor.now_ms};
	int r = 0;

	if (read_all(task, &import) == 0) {
		if (import.order.item_count + import.order.sale_count > 0) {
			r = sale_control_import(operator_control_take(task), &import.order, &actor);
			operator_control_end(task);
			(void)operator_control_repeats(task, &r);
		}
		if (r) {
			say(task, &import, r);
		} else {
			buffer_append_text(out, import.order.dry_run ? "{\"dry_run\":true" : "{\"dry_run\":false");
			render_counts(out, "items", import.order.item_count, import.items_there);
			render_counts(out, "sales", import.order.sale_count, import.sales_there);
			buffer_append_literal(out, "}");
		}
	}
	deinit(&import);
}
