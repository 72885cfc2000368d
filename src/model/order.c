#include "model/order.h"

enum order_move order_next(enum order_state state, enum order_action action, enum order_state *next)
{
	enum order_state from, to;

	*next = state;
	switch (action) {
	case ORDER_REDUCE: /* from each state that has units to itself; that it was done before its state does not tell */
		return order_is_live(state) ? ORDER_MOVED : ORDER_MOVE_REFUSED;
	case ORDER_CONFIRM:
		from = ORDER_HELD;
		to = ORDER_CONFIRMED;
		break;
	case ORDER_CANCEL:
		from = ORDER_HELD;
		to = ORDER_CANCELLED;
		break;
	case ORDER_REFUND:
		from = ORDER_CONFIRMED;
		to = ORDER_CANCELLED;
		break;
	case ORDER_EXPIRE:
		from = ORDER_HELD;
		to = ORDER_EXPIRED;
		break;
	case ORDER_EXTEND:
		from = ORDER_HELD;
		to = ORDER_HELD;
		break;
	default:
		assertion_failed("a known action", __FILE__, __LINE__, __func__);
	}
	if (state == from) {
		*next = to;
		return ORDER_MOVED;
	}
	return state == to ? ORDER_ALREADY : ORDER_MOVE_REFUSED;
}

bool order_is_live(enum order_state state)
{
	return state == ORDER_HELD || state == ORDER_CONFIRMED;
}

static const char *const state_names[] = {
	[ORDER_HELD] = "held",
	[ORDER_CONFIRMED] = "confirmed",
	[ORDER_CANCELLED] = "cancelled",
	[ORDER_EXPIRED] = "expired",
};

const char *order_state_name(enum order_state state)
{
	ASSERT(state >= ORDER_HELD);
	ASSERT(state <= ORDER_EXPIRED);
	return state_names[state];
}

int order_state_parse(struct slice name, enum order_state *state)
{
	for (int i = ORDER_HELD; i <= ORDER_EXPIRED; i++)
		if (slice_equal(name, slice_of(state_names[i]))) {
			*state = (enum order_state)i;
			return 0;
		}
	return -EINVAL;
}

static const char *const units_to_names[] = {
	[UNITS_TO_SALE] = "sale",
	[UNITS_TO_WAREHOUSE] = "warehouse",
	[UNITS_GONE] = "gone",
};

const char *order_units_to_name(enum units_to to)
{
	ASSERT((size_t)to <= UNITS_GONE);
	return units_to_names[to];
}

int order_units_to_parse(struct slice name, enum units_to *to)
{
	for (int i = UNITS_TO_SALE; i <= UNITS_GONE; i++)
		if (slice_equal(name, slice_of(units_to_names[i]))) {
			*to = (enum units_to)i;
			return 0;
		}
	return -EINVAL;
}
