#include "ledger/rules.h"

bool ledger_order_same(const struct order_row *row, const struct event *event)
{
	return row->sale == event->sale && row->lot == event->lot && row->first_quantity == event->quantity &&
	       slice_equal(slice_of(row->buyer), event->buyer);
}

/*
 * What an order has falls with each reduction: so what one leaves tells whether it was done. Of two
 * that were decided over the same units, where no stock was there to decide, the first is done, and
 * the other comes late, as to a terminal state.
 */
static int settle_reduced(const struct order_row *row, const struct event *event, enum order_state *next)
{
	*next = row->state;
	if (row->quantity <= event->left)
		return LEDGER_ALREADY;
	if (!order_is_live(row->state) || row->quantity < event->left + event->quantity)
		return LEDGER_WRONG_STATE;
	return row->quantity == event->left + event->quantity ? LEDGER_DONE : LEDGER_CONSTRAINT;
}

bool ledger_event_gives_back(enum event_kind kind)
{
	return kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_REDUCED;
}

int ledger_order_settle(const struct order_row *row, const struct event *event, enum order_state *next)
{
	static const enum order_action actions[] = {
		[EVENT_CONFIRMED] = ORDER_CONFIRM, [EVENT_CANCELLED] = ORDER_CANCEL, [EVENT_REFUNDED] = ORDER_REFUND,
		[EVENT_EXPIRED] = ORDER_EXPIRE,    [EVENT_EXTENDED] = ORDER_EXTEND,
	};
	enum order_move move;

	if (event->kind == EVENT_REDUCED)
		return settle_reduced(row, event, next);
	if (event->kind == EVENT_PAID) {
		*next = row->state;
		return row->state == ORDER_CONFIRMED ? LEDGER_DONE : LEDGER_WRONG_STATE;
	}
	move = order_next(row->state, actions[event->kind], next);
	if (move == ORDER_MOVED && ledger_event_gives_back(event->kind) && event->quantity && event->quantity != row->quantity)
		return LEDGER_WRONG_STATE;

	/* An extension never shortens: an older one that comes again, late, is done. */
	if (event->kind == EVENT_EXTENDED && move == ORDER_MOVED && row->hold_expires_at_ms >= event->hold_expires_at_ms)
		return LEDGER_ALREADY;
	if (move == ORDER_MOVED)
		return LEDGER_DONE;
	return move == ORDER_ALREADY ? LEDGER_ALREADY : LEDGER_WRONG_STATE;
}

struct ledger_request ledger_event_request(const struct event *event)
{
	struct ledger_request request = {.id = event->request, .body = event->request};

	if (event->kind == EVENT_WITHDRAWN && !uuid_is_null(&event->request)) {
		request.id = event->id;
		request.outcome = event->quantity;
	}
	if (ledger_event_gives_back(event->kind) && !uuid_is_null(&event->request))
		request.id = event_request_done(&event->request);
	return request;
}

enum movement_cause ledger_event_cause(enum event_kind kind)
{
	switch (kind) {
	case EVENT_RESERVED:
		return CAUSE_RESERVE;
	case EVENT_CONFIRMED:
		return CAUSE_CONFIRM;
	case EVENT_CANCELLED:
		return CAUSE_CANCEL;
	case EVENT_REFUNDED:
		return CAUSE_REFUND;
	case EVENT_EXPIRED:
		return CAUSE_EXPIRE;
	case EVENT_WITHDRAWN:
		return CAUSE_WITHDRAW;
	case EVENT_EXTENDED:
		return CAUSE_EXTEND;
	case EVENT_PAID:
		return CAUSE_PAY;
	case EVENT_REDUCED:
		return CAUSE_REDUCE;
	case EVENT_BARRIER:
		break;
	}
	assertion_failed("a kind of event that has a movement", __FILE__, __LINE__, __func__);
}

void ledger_movement_reserve(struct movement *movement, const struct event *event)
{
	if (event->hold_expires_at_ms)
		movement->held = event->quantity;
	else
		movement->confirmed = event->quantity;
	if (!ledger_event_by_buyer(event, event->buyer))
		movement->actor = event->actor;
}

void ledger_movement_settle(struct movement *movement, const struct order_row *row, enum order_state next)
{
	if (row->state == ORDER_HELD)
		movement->held = -(int64_t)row->quantity;
	else
		movement->confirmed = -(int64_t)row->quantity;
	if (next == ORDER_CONFIRMED)
		movement->confirmed = row->quantity;
}

void ledger_movement_give_back(struct movement *movement, const struct order_row *row, const struct event *event, uint32_t quantity)
{
	*(row->state == ORDER_HELD ? &movement->held : &movement->confirmed) = -(int64_t)quantity;
	movement->left = event->left;
	movement->refund = event->refund;
	if (event->units_to != UNITS_TO_SALE)
		movement->withdrawn = quantity;
	if (event->units_to == UNITS_TO_WAREHOUSE)
		movement->on_hand = quantity;
}

bool ledger_event_by_buyer(const struct event *event, struct slice buyer)
{
	if (event->actor_kind != ACTOR_UNSAID)
		return event->actor_kind == ACTOR_BUYER;
	return slice_equal(event->actor, buyer);
}

bool ledger_event_by_operator(const struct event *event, struct slice buyer)
{
	if (event->actor_kind != ACTOR_UNSAID)
		return event->actor_kind == ACTOR_OPERATOR;
	return event->actor.size != 0 && !slice_equal(event->actor, SLICE("clock")) && !slice_equal(event->actor, buyer);
}

void ledger_order_actor(struct ledger_order *order)
{
	if (order->actor[0]) {
		order->actor_kind = ACTOR_OPERATOR;
	} else if (!order->priced) {
		order->actor_kind = ACTOR_UNSAID;
	} else if (order->state == ORDER_EXPIRED) {
		order->actor_kind = ACTOR_CLOCK;
		memcpy(order->actor, "clock", sizeof("clock"));
	} else {
		order->actor_kind = ACTOR_BUYER;
		memcpy(order->actor, order->buyer, sizeof(order->buyer));
	}
}
