#include "ledger/event_judge.h"

bool event_settles(enum event_kind kind)
{
	switch (kind) {
	case EVENT_CONFIRMED:
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
	case EVENT_EXPIRED:
	case EVENT_EXTENDED:
	case EVENT_PAID:
	case EVENT_REDUCED:
		return true;
	case EVENT_RESERVED:
	case EVENT_WITHDRAWN:
	case EVENT_BARRIER:
		return false;
	}
	assertion_failed("a known kind of event", __FILE__, __LINE__, __func__);
}

bool event_is_there(const struct event *event, const struct event_facts *facts)
{
	enum order_state next;

	switch (event->kind) {
	case EVENT_RESERVED:
		return facts->order && ledger_order_same(facts->order, event);
	case EVENT_WITHDRAWN:
		return facts->has_movement;
	case EVENT_BARRIER:
		return facts->has_sale && event->epoch <= facts->barrier;
	case EVENT_PAID:
		return facts->order && facts->order->sale == event->sale && slice_equal(facts->paid, event->payment.reference);
	case EVENT_CONFIRMED:
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
	case EVENT_EXPIRED:
	case EVENT_EXTENDED:
	case EVENT_REDUCED:
		break;
	}
	return facts->order && facts->order->sale == event->sale && ledger_order_settle(facts->order, event, &next) == LEDGER_ALREADY;
}

static bool is_void(const struct event *event, const struct event_facts *facts)
{
	return facts->has_sale && event->epoch < facts->oldest;
}

/* Of an event whose order or lot is not there: it may be void, like what it follows. */
static int not_found(const struct event *event, const struct event_facts *facts)
{
	return is_void(event, facts) ? LEDGER_STALE_EPOCH : LEDGER_NOT_FOUND;
}

static void move(struct event_change *change, const struct event *event, uint32_t lot)
{
	change->moves = true;
	change->movement.cause = ledger_event_cause(event->kind);
	change->movement.at_ms = event->at_ms;
	change->movement.epoch = event->epoch;
	change->movement.sale = event->sale;
	change->movement.lot = lot;
}

static int judge_reserved(const struct event *event, const struct event_facts *facts, struct event_change *change)
{
	if (!facts->has_lot)
		return not_found(event, facts);
	if (facts->order || uuid_tag(&event->id) != event->sale)
		return LEDGER_CONSTRAINT; /* another order has this id; or one that nobody would find */
	if (is_void(event, facts))
		return LEDGER_STALE_EPOCH;
	change->state = event->hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED;
	change->hold_expires_at_ms = event->hold_expires_at_ms;
	change->movement.order = &event->id;
	ledger_movement_reserve(&change->movement, event);
	change->by = change->movement.actor;
	change->movement.reason = event->reason;
	move(change, event, event->lot);
	return LEDGER_DONE;
}

static void give_back(const struct event *event, const struct event_facts *facts, struct event_change *change)
{
	bool reduces = event->kind == EVENT_REDUCED;

	change->leaves = reduces ? event->quantity : 0;
	ledger_movement_give_back(&change->movement, facts->order, event, reduces ? event->quantity : facts->order->quantity);
	if (change->movement.on_hand)
		change->movement.item = facts->item;
}

static int judge_settlement(const struct event *event, const struct event_facts *facts, struct event_change *change)
{
	const struct order_row *order = facts->order;
	int outcome;

	if (!order || order->sale != event->sale || !facts->has_lot)
		return not_found(event, facts);
	if (is_void(event, facts))
		return LEDGER_STALE_EPOCH;
	outcome = ledger_order_settle(order, event, &change->state);
	if (outcome != LEDGER_DONE)
		return outcome;
	if (event->kind == EVENT_PAID && facts->paid.size)
		return LEDGER_WRONG_STATE; /* by another payment */
	change->hold_expires_at_ms = order->hold_expires_at_ms;
	change->pays = event->payment.reference.size > 0;
	change->logged = event->kind != EVENT_EXPIRED && ledger_event_by_operator(event, slice_of(order->buyer));
	if (change->logged)
		change->by = event->actor;
	change->movement.order = &event->id;
	change->movement.reason = event->reason;
	if (event->kind == EVENT_EXTENDED)
		change->hold_expires_at_ms = change->movement.hold_expires_at_ms = event->hold_expires_at_ms;
	else if (ledger_event_gives_back(event->kind))
		give_back(event, facts, change);
	else if (event->kind != EVENT_PAID)
		ledger_movement_settle(&change->movement, order, change->state);
	if (!ledger_event_by_buyer(event, slice_of(order->buyer)))
		change->movement.actor = event->actor;
	move(change, event, order->lot);
	return LEDGER_DONE;
}

static int judge_withdrawn(const struct event *event, const struct event_facts *facts, struct event_change *change)
{
	if (!facts->has_lot)
		return not_found(event, facts);
	if (is_void(event, facts))
		return LEDGER_STALE_EPOCH;
	change->movement.movement = &event->id;
	change->movement.item = facts->item;
	change->movement.on_hand = event->quantity;
	change->movement.withdrawn = event->quantity;
	change->movement.actor = event->actor;
	change->logged = ledger_event_by_operator(event, SLICE_NULL);
	move(change, event, event->lot);
	return LEDGER_DONE;
}

int event_judge(const struct event *event, const struct event_facts *facts, struct event_change *change)
{
	*change = (struct event_change){0};
	if (event_is_there(event, facts))
		return LEDGER_ALREADY;
	switch (event->kind) {
	case EVENT_RESERVED:
		return judge_reserved(event, facts, change);
	case EVENT_WITHDRAWN:
		return judge_withdrawn(event, facts, change);
	case EVENT_BARRIER:
		return facts->has_sale ? LEDGER_DONE : LEDGER_NOT_FOUND;
	case EVENT_CONFIRMED:
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
	case EVENT_EXPIRED:
	case EVENT_EXTENDED:
	case EVENT_PAID:
	case EVENT_REDUCED:
		return judge_settlement(event, facts, change);
	}
	assertion_failed("a known kind of event", __FILE__, __LINE__, __func__);
}

void ledger_lot_sums_add(struct lot_sums *sums, const struct movement *movement)
{
	sums->allocated += movement->allocated;
	sums->held += movement->held;
	sums->confirmed += movement->confirmed;
	sums->withdrawn += movement->withdrawn;
}

bool event_fits(const struct event *event, const struct lot_sums *after)
{
	if (event->kind == EVENT_RESERVED && event->buyer_units > event->limit_per_buyer)
		return false;
	return after->held >= 0 && after->confirmed >= 0 && after->withdrawn >= 0 &&
	       after->held + after->confirmed + after->withdrawn <= after->allocated;
}
