/* The writing of events, which apply() and drain() share. Private to them. */
#pragma once

#include "ledger/sqlite/apply_lots.h"

enum { APPLY_LOTS_MAX = 2 }; /* lots that an event may look at: its own, and the first of its sale */

/* An order that is granted, whose row waits for others. */
struct apply_grant {
	struct ledger_entry *entry;
	struct touched *lot;
	struct event_change change;
};

struct apply {
	struct sqlite_transaction transaction;
	struct apply_scratch *lots;
	struct apply_grant grants[SQLITE_ROWS];
	size_t grant_count;
	bool wrote;
	const struct ledger_drain *drain; /* NULL: apply() */
};

/*
 * In a transaction: all of it, at first in one piece. 0 or negative; LEDGER_STALE_POSITION where it
 * is a drain's.
 */
int sqlite_apply_batch(struct apply *apply, struct ledger_entry *entries, size_t count) MUST_CHECK;

/* --- drain.c --- */

/* In a transaction: moves the positions. 0, LEDGER_STALE_POSITION, or negative. */
int sqlite_drain_move(struct sqlite_connection *connection, const struct ledger_drain *drain) MUST_CHECK;

/* --- order_rows.c --- */

enum { ORDER_FOUND = 100 }; /* besides the outcomes of a ledger_entry */

/* ORDER_FOUND, 0 where there is none, or negative. */
int sqlite_order_find(struct sqlite_connection *connection, const struct event *event, struct order_row *row) MUST_CHECK;
/* What becomes of an order that is there. 0, LEDGER_CONSTRAINT, or negative. */
int sqlite_order_change(struct sqlite_connection *connection, const struct event *event, const struct event_change *change) MUST_CHECK;
/*
 * Units leave the order: fewer are in it, or some that have left it are not for sale again.
 * Likewise.
 */
int sqlite_order_take(struct sqlite_connection *connection, const struct event *event, const struct event_change *change) MUST_CHECK;
/* The order's row. 0, STEP_CONSTRAINT, or negative. */
int sqlite_order_insert(struct sqlite_connection *connection, const struct event *event) MUST_CHECK;
/*
 * The rows of SQLITE_ROWS orders, by one statement. *inserted: those that are there, all before the
 * first that breaks a constraint. 0 or negative.
 */
int sqlite_orders_insert(struct sqlite_connection *connection, const struct event *const *events, size_t *inserted) MUST_CHECK;
