#include "cli/operator/unseen_changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "cli/output.h"

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
	unseen->orders[unseen->count++] = one;
	unseen->left++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return uuid_compare(&((const struct unseen_order *)a)->id, &((const struct unseen_order *)b)->id);
}

void unseen_changes_see(struct unseen_changes *unseen, const json_t *change)
{
	const json_t *order = json_object_get(json_object_get(change, "data"), "order");
	struct unseen_order key, *found;
	int64_t at_ms;

	if (unseen->left == 0 || uuid_parse(slice_of(output_field_text(order, "id")), &key.id) < 0)
		return;
	found = bsearch(&key, unseen->orders, unseen->count, sizeof(*unseen->orders), compare);
	if (!found || found->seen || !read_time(output_field_text(change, "timestamp"), &at_ms) || at_ms < found->changed_ms)
		return;
	found->seen = true;
	unseen->left--;
}

bool unseen_changes_are_none(const struct unseen_changes *unseen)
{
	return !unseen->unknown && unseen->left == 0;
}

void unseen_changes_deinit(struct unseen_changes *unseen)
{
	free(unseen->orders);
	*unseen = (struct unseen_changes){0};
}
