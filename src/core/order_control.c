#include "core/order_control.h"
#include "core/order_control_own.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"

int order_control_outcome_of(enum journal_end end)
{
	switch (end) {
	case JOURNAL_DURABLE:
		return ORDER_CONTROL_DONE;
	case JOURNAL_REFUSED:
		return ORDER_CONTROL_UNAVAILABLE;
	case JOURNAL_UNKNOWN:
		return ORDER_CONTROL_UNKNOWN;
	}
	assertion_failed("a known end", __FILE__, __LINE__, __func__);
}

int order_control_sale(const struct order_control *control, const struct ledger_order *order, struct sale **sale)
{
	int r;

	*sale = NULL;
	r = control->ledger->ops->sale_get(control->ledger, order->sale, SLICE_NULL, sale);
	return r > 0 ? error_origin(-EUCLEAN) : r;
}

bool order_control_is_current(const struct order_control *control, const struct ledger_order *order, const struct event *event)
{
	struct sale *sale;
	bool current = order_control_sale(control, order, &sale) == 0 && sale->epoch == event->epoch;

	free(sale);
	return current;
}

/*
 * The order first: once it does not have `from` any more, whatever took units from it is in the
 * ledger, with the row that says whose it was.
 */
int order_control_was_given_back(const struct order_control *control, const struct uuid *id, const struct order_give_back *wanted,
				 struct ledger_order *order)
{
	struct ledger_request done = {.id = event_request_done(&wanted->request), .body = wanted->request};
	int r = control->ledger->ops->order_get(control->ledger, id, order);

	if (r < 0)
		return r;
	if (r == LEDGER_NOT_FOUND || (order_is_live(order->state) && order->quantity >= wanted->from))
		return ORDER_CONTROL_UNKNOWN;
	r = control->ledger->ops->request_find(control->ledger, &done);
	if (r < 0)
		return r;
	return r == LEDGER_REPEATED ? ORDER_CONTROL_DONE : ORDER_CONTROL_REFUSED;
}

static struct event refund_of(const struct ledger_order *order, const struct ledger_actor *actor, const struct order_give_back *wanted)
{
	bool reduces = wanted->from && wanted->quantity < wanted->from;

	return (struct event){
		.kind = reduces ? EVENT_REDUCED : EVENT_REFUNDED,
		.sale = order->sale,
		.lot = order->lot,
		.quantity = wanted->from ? wanted->quantity : 0, /* a ledger behind a drain does not know how many it has */
		.left = reduces ? wanted->from - wanted->quantity : 0,
		.units_to = wanted->units_to == UNITS_TO_SALE ? UNITS_TO_WAREHOUSE : wanted->units_to,
		.id = order->id,
		.at_ms = actor->now_ms,
		.actor_kind = actor->kind,
		.actor = actor->name,
		.trace = actor->trace,
		.reason = actor->reason,
		.refund = wanted->refund,
		.request = wanted->request,
	};
}

int order_control_refund(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
			 const struct order_give_back *wanted)
{
	struct event event = refund_of(order, actor, wanted);
	int64_t started_ns = clock_mono_ns();
	enum journal_end end;
	struct sale *sale;
	bool no_stock;
	int r;

	if (order->state != ORDER_CONFIRMED || (wanted->from && order->quantity != wanted->from))
		return ORDER_CONTROL_REFUSED;
	r = order_control_sale(control, order, &sale);
	if (r < 0)
		return r;
	event.epoch = sale->epoch;
	free(sale);
	end = control->commit.append(control->commit.context, &event, started_ns, &no_stock);
	if (no_stock && order_control_is_current(control, order, &event))
		end = JOURNAL_DURABLE;
	r = order_control_outcome_of(end);
	if (r != ORDER_CONTROL_DONE)
		return r;
	if (wanted->from)
		return order_control_was_given_back(control, &order->id, wanted, order);
	order->state = ORDER_CANCELLED;
	order_control_changed(order, event.at_ms, actor);
	return r;
}

void order_control_changed(struct ledger_order *order, int64_t at_ms, const struct ledger_actor *actor)
{
	order->changed_at_ms = at_ms;
	order->actor_kind = actor->kind;
	snprintf(order->actor, sizeof(order->actor), "%.*s", (int)actor->name.size, actor->name.data);
	snprintf(order->reason, sizeof(order->reason), "%.*s", (int)actor->reason.size, actor->reason.size ? actor->reason.data : "");
}

/* What `order` was labelled with, as the ledger has it. False: it cannot say. */
static bool read_labels(const struct order_control *control, struct ledger_order *order)
{
	struct ledger_order row;

	if (control->ledger->ops->order_get(control->ledger, &order->id, &row) != LEDGER_DONE)
		return false;
	memcpy(order->reference, row.reference, sizeof(order->reference));
	memcpy(order->metadata, row.metadata, sizeof(order->metadata));
	return true;
}

static void ask(const struct ledger_order *order, int64_t unit_price, const struct ledger_actor *actor, struct slice key,
		struct stock_reserve *reserve)
{
	struct uuid_generator ids = {0};

	*reserve = (struct stock_reserve){
		.event =
			{
				.kind = EVENT_RESERVED,
				.sale = order->sale,
				.lot = order->lot,
				.quantity = order->quantity,
				.id = uuid_make(&ids, actor->now_ms, order->sale),
				.buyer = slice_of(order->buyer),
				.key = key,
				.labels = {slice_of(order->reference), slice_of(order->metadata)},
				.priced = true,
				.unit_price = unit_price,
				.actor_kind = actor->kind,
				.actor = actor->name,
				.trace = actor->trace,
				.reason = actor->reason,
			},
		.now_ns = clock_mono_ns(),
		.unlimited_rate = true,
	};
	reserve->event.at_ms = uuid_wall_ms(&reserve->event.id);
}

/*
 * What a confirm may be answered with: an order that is confirmed, and was born so. Another is one
 * that was refunded since, or that a buyer made under such a key before these were kept from
 * buyers.
 */
static bool is_late_confirm(const struct stock_reserve *reserve)
{
	return reserve->order.state == ORDER_CONFIRMED && reserve->order.first_hold_expires_at_ms == 0;
}

/*
 * One with this key was made before without the labels, when the ledger could not say them: they
 * count no more.
 */
static void reserve_late(const struct order_control *control, struct stock_reserve *reserve)
{
	control->stock->ops->reserve(control->stock, reserve, 1);
	if (reserve->outcome != STOCK_KEY_CONFLICT || labels_fingerprint(&reserve->event.labels) == 0)
		return;
	reserve->event.labels = (struct labels){SLICE_NULL, SLICE_NULL};
	control->stock->ops->reserve(control->stock, reserve, 1);
}

int order_control_confirm_late(const struct order_control *control, const struct ledger_order *order,
			       const struct ledger_actor *actor, const struct uuid *only, struct ledger_order *fresh)
{
	char key[KEY_MAX + 1], id[UUID_TEXT_SIZE];
	struct stock_reserve reserve;
	struct sale *sale;
	bool allowed, labels_known;
	int64_t unit_price;
	int r = order_control_sale(control, order, &sale);

	if (r < 0)
		return r;
	allowed = sale->late_confirm && order->state == ORDER_EXPIRED;
	unit_price = sale->price_minor;
	*fresh = *order;
	memcpy(fresh->currency, sale->currency, sizeof(fresh->currency));
	free(sale);
	if (!allowed)
		return ORDER_CONTROL_REFUSED;
	fresh->priced = true;
	fresh->unit_price = unit_price;
	labels_known = read_labels(control, fresh);
	uuid_format(&order->id, id);
	snprintf(key, sizeof(key), LATE_CONFIRM_KEY "%s", id);
	ask(fresh, unit_price, actor, slice_of(key), &reserve);
	reserve.replay_only = only != NULL;
	reserve_late(control, &reserve);
	switch (reserve.outcome) {
	case STOCK_DONE:
	case STOCK_REPLAY:
		break;
	case STOCK_OUTCOME_UNKNOWN:
		return ORDER_CONTROL_UNKNOWN;
	case STOCK_FENCED:
	case STOCK_FULL:
	case STOCK_UNAVAILABLE:
		return ORDER_CONTROL_STOCK_AWAY;
	case STOCK_KEY_CONFLICT: /* one with labels, which cannot be read now */
		return labels_known ? ORDER_CONTROL_REFUSED : ORDER_CONTROL_UNKNOWN;
	default:
		return ORDER_CONTROL_REFUSED;
	}
	fresh->id = reserve.order.id;
	fresh->state = reserve.order.state;
	fresh->quantity = reserve.order.quantity;
	fresh->first_quantity = reserve.order.first_quantity;
	fresh->hold_expires_at_ms = reserve.order.hold_expires_at_ms;
	order_control_changed(fresh, reserve.event.at_ms, actor);
	if (reserve.outcome == STOCK_REPLAY) /* it cannot say */
		order_control_forget_change(fresh);
	fresh->confirmed_at_ms = fresh->changed_at_ms;
	snprintf(fresh->trace, sizeof(fresh->trace), "%.*s", (int)actor->trace.size, actor->trace.data);
	if (!is_late_confirm(&reserve) || (only && !uuid_equal(&fresh->id, only)))
		return ORDER_CONTROL_REFUSED;
	if (reserve.outcome == STOCK_REPLAY)
		return reserve.order.durable ? ORDER_CONTROL_DONE : ORDER_CONTROL_UNKNOWN;
	return order_control_outcome_of(control->commit.append(control->commit.context, &reserve.event, reserve.now_ns, NULL));
}
