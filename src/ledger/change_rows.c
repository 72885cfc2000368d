#include "ledger/change_rows.h"

#include "base/siphash.h"

uint64_t change_row_mark(const struct change_row *row)
{
	static const struct siphash_key key = {0}; /* no secret: it tells ledgers apart, not forgers */
	struct {
		int64_t number, at_ms;
		uint32_t sale, cause;
		struct uuid id;
	} known = {row->number, row->at_ms, row->sale, (uint32_t)row->cause, row->id};

	return siphash64(&key, &known, sizeof(known));
}

/* False: it is no event's. */
static bool kind_of(int64_t cause, enum event_kind *kind)
{
	switch ((enum movement_cause)cause) {
	case CAUSE_WITHDRAW:
		*kind = EVENT_WITHDRAWN;
		return true;
	case CAUSE_RESERVE:
		*kind = EVENT_RESERVED;
		return true;
	case CAUSE_CONFIRM:
		*kind = EVENT_CONFIRMED;
		return true;
	case CAUSE_CANCEL:
		*kind = EVENT_CANCELLED;
		return true;
	case CAUSE_REFUND:
		*kind = EVENT_REFUNDED;
		return true;
	case CAUSE_EXPIRE:
		*kind = EVENT_EXPIRED;
		return true;
	case CAUSE_EXTEND:
		*kind = EVENT_EXTENDED;
		return true;
	case CAUSE_PAY:
		*kind = EVENT_PAID;
		return true;
	case CAUSE_REDUCE:
		*kind = EVENT_REDUCED;
		return true;
	case CAUSE_RECEIVE:
	case CAUSE_ALLOCATE:
	case CAUSE_ADD:
	case CAUSE_ADJUST:
		break;
	}
	return false;
}

/* A movement has no actor's name where it was the order's own buyer; the clock's are its own. */
static enum actor_kind actor_kind_of(const struct ledger_change *change)
{
	if (change->event.kind == EVENT_EXPIRED)
		return ACTOR_CLOCK;
	if (change->actor[0] == '\0')
		return ACTOR_BUYER;
	if (change->event.kind == EVENT_WITHDRAWN && strcmp(change->actor, "clock") == 0)
		return ACTOR_CLOCK;
	return ACTOR_OPERATOR;
}

/* Where the units went is said by what the movement has made of them. */
static void read_given_back(const struct change_row *row, struct ledger_change *change)
{
	struct event *event = &change->event;

	event->quantity = row->held + row->confirmed;
	change->state = row->held ? ORDER_HELD : ORDER_CONFIRMED;
	event->left = event->kind == EVENT_REDUCED ? row->left : 0;
	event->refund = slice_of(change->refund);
	if (row->withdrawn)
		event->units_to = row->on_hand ? UNITS_TO_WAREHOUSE : UNITS_GONE;
}

int change_row_read(const struct change_row *row, struct ledger_change *change)
{
	struct event *event = &change->event;
	const struct ledger_order *order = &change->order;

	*event = (struct event){
		.sale = row->sale,
		.epoch = row->epoch ? row->epoch : order->epoch,
		.lot = row->lot,
		.id = row->id,
		.at_ms = row->at_ms,
	};
	change->at = (struct ledger_cursor){row->number, change_row_mark(row)};
	if (!kind_of(row->cause, &event->kind))
		return error_origin(-EUCLEAN);
	event->actor_kind = actor_kind_of(change);
	event->actor = slice_of(change->actor[0] ? change->actor : order->buyer);
	event->reason = slice_of(change->reason);
	if (event->kind == EVENT_WITHDRAWN) {
		event->quantity = row->withdrawn;
		return 0;
	}
	if (uuid_is_null(&order->id))
		return error_origin(-EUCLEAN);
	if (event->kind == EVENT_PAID || (event->kind == EVENT_CONFIRMED && order->paid_at_ms == row->at_ms))
		event->payment = payment_of_row(&order->payment);
	if (ledger_event_gives_back(event->kind))
		read_given_back(row, change);
	if (event->kind == EVENT_EXTENDED)
		event->hold_expires_at_ms = row->hold_expires_at_ms;
	if (event->kind != EVENT_RESERVED)
		return 0;
	event->quantity = order->first_quantity;
	event->buyer_units = change->buyer_units;
	event->limit_per_buyer = change->limit_per_buyer;
	event->hold_expires_at_ms = order->first_hold_expires_at_ms;
	event->buyer = slice_of(order->buyer);
	event->key = slice_of(order->key);
	event->labels = (struct labels){slice_of(order->reference), slice_of(order->metadata)};
	event->priced = order->priced;
	event->unit_price = order->unit_price;
	event->trace = slice_of(order->trace);
	return 0;
}
