/*
 * The judge of events: what becomes of an event, given what is known of the rows that it is about.
 * Said once for everybody who applies events: both adapters, which read and write tables, and who
 * builds a stock again and applies the journal's tail in memory. Pure functions; nothing is
 * allocated.
 *
 * What becomes of an event is decided in this order:
 *
 *   1. Is it there already? Then that is the answer, whatever else holds: who drives an event again
 *      must never hear that it is not in the ledger when it is. A settlement is there when the
 *      order is where it leads (order_next() says ORDER_ALREADY). An extension is there when the
 *      order has its deadline; the stock lets nobody act on an order while an action on it is on
 *      its way, so an older one cannot come late. A payment is there when the order has it. A
 *      reduction is there when the order has no more than it leaves.
 *   2. Has its sale a newer epoch (for a log outside of the ledger: a barrier of one)? Then it is
 *      void, whatever its kind (rule 4), also if what it follows was void. A newer epoch than the
 *      ledger's is let through: a ledger that was restored from a backup meets such events, and the
 *      barrier that raised the epoch is behind them in the same log.
 *   3. Does its lot, its order exist, and does the order's state allow it? A terminal state absorbs
 *     what comes late.
 *
 * Behind it lie the tables' own constraints, the last line: event_fits() says them in C, for who
 * has no tables.
 */
#pragma once

#include "ledger/rules.h"

/* What is known of the rows that an event is about. */
struct event_facts {
	bool has_sale;
	bool has_lot; /* the event's lot (reserved, withdrawn), or the order's (event_settles()) */
	int64_t item; /* of the lot; only for withdrawn units' movement */
	uint32_t oldest; /* epoch of the sale that is not void: the sale's own, or for what comes out of a log the newest barrier met */
	uint32_t barrier;              /* the newest barrier of the sale; only for EVENT_BARRIER */
	const struct order_row *order; /* the row with the event's id; NULL: none */
	bool has_movement;             /* a movement with the event's id; only for EVENT_WITHDRAWN */
	struct slice paid;             /* reference of the order's payment; empty: none; only for EVENT_PAID */
};

/* What an event does that is LEDGER_DONE. */
struct event_change {
	enum order_state state;     /* of the order, after it: all but withdrawn and barrier */
	int64_t hold_expires_at_ms; /* likewise; 0: none */
	bool moves; /* it has a movement (an extension's changes no sum): of its lot's sums, and of its item's units on hand */
	struct movement movement; /* borrows from the event */
	bool logged;              /* it is an operator's: a row of the operator log */
	struct slice by;          /* the operator whose change of the order it is; empty: its buyer's, or the clock's */
	bool pays;                /* the event's payment is the order's */
	uint32_t leaves;          /* units that a reduction takes from the order */
};

/* A lot's units, as its row keeps them. */
struct lot_sums {
	int64_t allocated, held, confirmed, withdrawn;
};

/* Confirmed, cancelled, refunded, reduced, expired, extended, paid: it follows an order. */
bool event_settles(enum event_kind kind);
/* Whether it was applied before. */
bool event_is_there(const struct event *event, const struct event_facts *facts);
/*
 * LEDGER_DONE (*change says what it does), ALREADY, STALE_EPOCH (void), NOT_FOUND, WRONG_STATE (a
 * terminal state absorbed it), CONSTRAINT (an order's id has another order, or does not end in its
 * sale's number, by which it is found).
 */
int event_judge(const struct event *event, const struct event_facts *facts, struct event_change *change) MUST_CHECK;
/* The change in a lot's sums. */
void ledger_lot_sums_add(struct lot_sums *sums, const struct movement *movement);
/*
 * Whether the tables' constraints let the event in, whose change has left its lot with these sums:
 * P1 and P3, the last line.
 */
bool event_fits(const struct event *event, const struct lot_sums *after);
