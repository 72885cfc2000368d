/*
 * What the rows of a ledger in SQL mean, whichever database holds them: the numbers that stand in
 * its tables, and what an event may still do to an order. Pure functions. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

/* As in the table movement_causes. */
enum movement_cause {
	CAUSE_RECEIVE = 1,
	CAUSE_ALLOCATE = 2,
	CAUSE_ADD = 3,
	CAUSE_WITHDRAW = 4,
	CAUSE_RESERVE = 5,
	CAUSE_CONFIRM = 6,
	CAUSE_CANCEL = 7,
	CAUSE_REFUND = 8,
	CAUSE_EXPIRE = 9,
	CAUSE_ADJUST = 10,
	CAUSE_EXTEND = 11,
	CAUSE_PAY = 12, /* moves nothing either */
	CAUSE_REDUCE = 13,
};

struct movement {
	enum movement_cause cause;
	int64_t at_ms;
	int64_t item;                                           /* 0: none */
	uint32_t sale, lot;                                     /* sale 0: none */
	const struct uuid *order, *movement;                    /* NULL: none */
	int64_t on_hand, allocated, held, confirmed, withdrawn; /* changes */
	struct slice actor;                                     /* empty: the order's buyer */
	struct slice reason;                                    /* of an order's change; empty: it was not said */
	uint32_t epoch;                                         /* of an event; 0: it is none */
	int64_t hold_expires_at_ms;                             /* of an extension; else 0 */
	uint32_t left;                                          /* of a reduction: the order's units after it; else 0 */
	struct slice refund;                                    /* of what gives units back; empty: none */
};

/* An order as its row is, as far as applying an event needs it. */
struct order_row {
	uint32_t sale, lot, quantity, first_quantity; /* quantity: as it is now */
	enum order_state state;
	int64_t hold_expires_at_ms;
	char buyer[BUYER_MAX + 1];
};

/* Whether the row is what a reserved event made. */
bool ledger_order_same(const struct order_row *row, const struct event *event);
/*
 * What the order's row says of a settlement: LEDGER_DONE (it may go on: *next is the state after
 * it), ALREADY, WRONG_STATE.
 */
int ledger_order_settle(const struct order_row *row, const struct event *event, enum order_state *next) MUST_CHECK;

/*
 * The request of an operator that the event carries; its id is null where it carries none. One that
 * has no body, a confirm's, has its id in the place of the body's hash.
 */
struct ledger_request ledger_event_request(const struct event *event);
/* Cancelled, refunded, reduced: units leave an order, and somebody says where to. */
bool ledger_event_gives_back(enum event_kind kind);
/* The cause of an event's movement; a barrier has none. */
enum movement_cause ledger_event_cause(enum event_kind kind);
/*
 * Changes of the lot's balances by an order that is reserved, or goes from its row's state to
 * `next`.
 */
void ledger_movement_reserve(struct movement *movement, const struct event *event);
void ledger_movement_settle(struct movement *movement, const struct order_row *row, enum order_state next);
/* Changes by so many units that leave the order, and where they go: in its lot's item, too. */
void ledger_movement_give_back(struct movement *movement, const struct order_row *row, const struct event *event, uint32_t quantity);

/*
 * Who acted, as the event says. One that was written before events said it: the buyer is who has
 * its name, the clock who is called so, and everybody else an operator. What is an operator's gets
 * its row of the operator log.
 */
bool ledger_event_by_buyer(const struct event *event, struct slice buyer);
bool ledger_event_by_operator(const struct event *event, struct slice buyer);
/*
 * Who the newest change of an order was by, from its row: `actor` as it is there (empty: its buyer,
 * or the clock where it is expired; of an older program's order, which has no price, nobody knows),
 * which becomes the name.
 */
void ledger_order_actor(struct ledger_order *order);
