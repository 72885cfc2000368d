#include "model/order.h"

enum order_move order_next(enum order_state state, enum order_action action, enum order_state *next)
{
	enum order_state from, to;

	switch (action) {
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
	*next = state;
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
