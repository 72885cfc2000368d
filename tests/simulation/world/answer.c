/* What clients were answered, for the judge. */
#include <string.h>
#include "base/clock.h"
#include "simulation/world/asking.h"

enum { ORDERS_MAX = 16 };

int64_t answer_time(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	int64_t ms = 0;

	return text && clock_parse(text, strlen(text), &ms) == 0 ? ms : 0;
}

bool answer_read_order(json_t *object, struct history_order *order)
{
	const char *id = json_string_value(json_object_get(object, "id")), *sku = json_string_value(json_object_get(object, "sku")),
		   *state = json_string_value(json_object_get(object, "state")),
		   *buyer = json_string_value(json_object_get(object, "buyer")),
		   *payment = json_string_value(json_object_get(json_object_get(object, "payment"), "reference"));

	memset(order, 0, sizeof(*order));
	if (!id || !sku || !state || strlen(sku) < 4 || uuid_parse(slice_of(id), &order->id) < 0)
		return false;
	snprintf(order->state, sizeof(order->state), "%s", state);
	snprintf(order->buyer, sizeof(order->buyer), "%s", buyer ? buyer : "");
	snprintf(order->payment, sizeof(order->payment), "%s", payment ? payment : "");
	order->lot = (uint32_t)(sku[3] - '0');
	order->quantity = (uint32_t)json_integer_value(json_object_get(object, "quantity"));
	order->placed_at_ms = answer_time(object, "placed_at");
	order->hold_expires_at_ms = answer_time(object, "hold_expires_at");
	return true;
}

static uint32_t read_orders(json_t *root, struct history_order *orders)
{
	json_t *list = json_object_get(root, "orders"), *item;
	uint32_t count = 0;
	size_t i;

	if (!list)
		return answer_read_order(root, &orders[0]) ? 1 : 0;
	json_array_foreach(list, i, item) if (count < ORDERS_MAX && json_is_object(item) && answer_read_order(item, &orders[count]))
		count++;
	return count;
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211U;
	return hash;
}

void answer_tell_judge(struct asking *asking, uint32_t operation)
{
	const struct world_answer *answer = &asking->answer;
	struct history_order orders[ORDERS_MAX];
	struct history_answer told = {
		.status = answer->status, .code = answer->code, .replayed = answer->replayed, .body = hash_of(answer->body)};
	json_t *root = answer->body[0] == '{' ? json_loads(answer->body, 0, NULL) : NULL;

	if (root && answer->status < 300) {
		told.orders = orders;
		told.order_count = read_orders(root, orders);
		told.units = (uint32_t)json_integer_value(json_object_get(root, "units_withdrawn"));
		told.version = json_integer_value(json_object_get(root, "version"));
		told.state = json_string_value(json_object_get(root, "state"));
	}
	if (root && answer->status == 409) {
		const char *payer = json_string_value(json_object_get(root, "order"));

		told.paid = json_string_value(json_object_get(root, "payment"));
		if (payer && uuid_parse(slice_of(payer), &told.payer) < 0)
			world_breach(asking->world, "answer.id: order %s", payer);
	}
	history_time(asking->world->judge, scheduler_now_ns(asking->world->scheduler));
	history_answer(asking->world->judge, operation, &told);
	if (asking->op->kind == PLAN_BUY && told.order_count == 1 && answer->status < 300) {
		struct world_order *order = &asking->world->orders[asking->number];

		uuid_format(&orders[0].id, order->id);
		order->known = true;
	}
	json_decref(root);
}
