#include "cli/operator/unseen_changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "cli/output.h"
#include "model/order.h"

static bool read_time(const char *text, int64_t *ms)
{
	return text[0] && clock_parse(text, strlen(text), ms) == 0;
}

int unseen_changes_add(struct unseen_changes *unseen, const json_t *order)
{
	const char *placed_at = output_field_text(order, "placed_at"), *updated_at = output_field_text(order, "updated_at");
	struct unseen_order one = {0};
	int r;

	if (strcmp(placed_at, updated_at) == 0)
		return 0;
	if (unseen->since[0] == '\0' || strcmp(placed_at, unseen->since) < 0)
		snprintf(unseen->since, sizeof(unseen->since), "%s", placed_at);
	if (!read_time(updated_at, &one.changed_ms) || uuid_parse(slice_of(output_field_text(order, "id")), &one.id) < 0 ||
	    (unseen->count && uuid_compare(&unseen->orders[unseen->count - 1].id, &one.id) >= 0)) {
		unseen->unknown = true;
		return 0;
	}
	r = array_fit(&unseen->orders, &unseen->capacity, unseen->count + 1, sizeof(*unseen->orders));
	if (r)
		return r;
	one.units = output_field_integer(order, "quantity");
	one.cancelled = strcmp(output_field_text(order, "state"), order_state_name(ORDER_CANCELLED)) == 0;
	unseen->orders[unseen->count++] = one;
	unseen->left++;
	unseen->uncounted++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return uuid_compare(&((const struct unseen_order *)a)->id, &((const struct unseen_order *)b)->id);
}

/* The units that an order has after this event; 0: it does not say. */
static int64_t units_after(const json_t *event)
{
	const char *kind = output_field_text(event, "kind");

	if (strcmp(kind, "order.reserved") == 0)
		return output_field_integer(event, "quantity");
	return strcmp(kind, "order.reduced") == 0 ? output_field_integer(event, "left") : 0;
}

static void count(struct unseen_changes *unseen, struct unseen_order *order)
{
	unseen->uncounted -= !order->counted;
	order->counted = true;
}

void unseen_changes_see(struct unseen_changes *unseen, const json_t *change)
{
	const json_t *data = json_object_get(change, "data"), *order = json_object_get(data, "order");
	struct unseen_order key, *found;
	int64_t at_ms, units = units_after(json_object_get(data, "event"));

	if (unseen->left == 0 || uuid_parse(slice_of(output_field_text(order, "id")), &key.id) < 0)
		return;
	found = bsearch(&key, unseen->orders, unseen->count, sizeof(*unseen->orders), compare);
	if (!found || found->seen || !read_time(output_field_text(change, "timestamp"), &at_ms))
		return;
	if (at_ms >= found->changed_ms || (units && units == found->units))
		count(unseen, found);
	if (at_ms < found->changed_ms && (found->cancelled || !found->counted))
		return;
	found->seen = true;
	unseen->left--;
}

bool unseen_changes_are_none(const struct unseen_changes *unseen)
{
	return !unseen->unknown && unseen->left == 0;
}

int64_t unseen_changes_next_ms(const struct unseen_changes *unseen)
{
	int64_t next_ms = 0;

	if (unseen->unknown || unseen->uncounted)
		return 0;
	for (size_t i = 0; i < unseen->count; i++) {
		const struct unseen_order *order = &unseen->orders[i];

		if (!order->seen && (next_ms == 0 || order->changed_ms < next_ms))
			next_ms = order->changed_ms;
	}
	return next_ms;
}

void unseen_changes_deinit(struct unseen_changes *unseen)
{
	free(unseen->orders);
	*unseen = (struct unseen_changes){0};
}
