/* The writing of events, which apply() and drain() share. Private to them. */
#pragma once

#include "ledger/sqlite/apply_lots.h"

enum { APPLY_LOTS_MAX = 2 }; /* lots that an event may look at: its own, and the first of its sale */

struct apply {
	struct sqlite_transaction transaction;
	struct apply_scratch *lots;
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
