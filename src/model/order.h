/*
 * The life of an order: one transition function, used by the stock, the ledger and the audit alike.
 *
 *   held -> confirmed | cancelled | expired        confirmed -> cancelled (operator only: a refund)
 *
 * With hold time 0 an order is born confirmed. `cancelled` and `expired` are terminal and absorb
 * what comes late. A live order can give back some of its units, and stays what it is; who gives
 * back the last one cancels it.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"
#include "text/slice.h"

enum order_state { ORDER_HELD = 1, ORDER_CONFIRMED = 2, ORDER_CANCELLED = 3, ORDER_EXPIRED = 4 };

enum order_action {
	ORDER_CONFIRM = 1,
	ORDER_CANCEL = 2, /* of a held order: by the buyer or the operator */
	ORDER_REFUND = 3, /* of a confirmed order: by the operator alone */
	ORDER_EXPIRE = 4,
	ORDER_EXTEND = 5,
	ORDER_REDUCE = 6, /* of a held or confirmed order: some units, never the last, leave it; by the operator alone */
};

/* Where units go that leave an order. */
enum units_to {
	UNITS_TO_SALE = 0,      /* they are for sale again */
	UNITS_TO_WAREHOUSE = 1, /* they are withdrawn from the sale, and on hand */
	UNITS_GONE = 2,         /* they are withdrawn from the sale, and are not on hand either: lost, broken, kept */
};

enum order_move {
	ORDER_MOVED = 0,
	ORDER_ALREADY = 1,      /* the order is where the action leads: done before */
	ORDER_MOVE_REFUSED = 2, /* the state does not allow it */
};

/*
 * Whether `state` allows `action`, and the state after it (unchanged unless ORDER_MOVED). Unknown
 * values abort.
 */
enum order_move order_next(enum order_state state, enum order_action action, enum order_state *next) MUST_CHECK;
/* Live orders hold units: held and confirmed. */
bool order_is_live(enum order_state state);
const char *order_state_name(enum order_state state);              /* "held", … */
int order_state_parse(struct slice name, enum order_state *state); /* 0 or -EINVAL */
const char *order_units_to_name(enum units_to to);                 /* "sale", "warehouse", "gone" */
int order_units_to_parse(struct slice name, enum units_to *to);    /* 0 or -EINVAL */
