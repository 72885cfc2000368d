/*
 * What a batch does to each lot, added up, so that a lot's row is read once and written once a
 * batch. Private to apply.c and drain.c.
 */
#pragma once

#include "ledger/event_judge.h"
#include "ledger/sqlite/sqlite_ledger.h"

/* What this batch knows of a lot and has done to it. */
struct touched {
	uint32_t sale, lot;
	bool used, exists;
	uint32_t oldest; /* epoch of the sale that is not void: its own, or its barrier's */
	uint32_t barrier;
	int64_t item;
	int64_t held, confirmed, withdrawn; /* changes, not yet written */
};

/* Room for a batch of so many events. 0 or -ENOMEM. */
int sqlite_scratch_fit(struct apply_scratch **scratch, size_t events) MUST_CHECK;
/*
 * Forgets what it knows. by_barrier: events of older epochs than the sale's barrier are void, not
 * than its epoch.
 */
void sqlite_scratch_clear(struct apply_scratch *scratch, bool by_barrier);
/*
 * A barrier was met: what is known of the sale's lots is brought up to it, and their sums at it are
 * written down. 0 or negative.
 */
int sqlite_scratch_raise(struct apply_scratch *scratch, struct sqlite_connection *connection, uint32_t sale,
			 uint32_t barrier) MUST_CHECK;
/* The lot, read at its first touch. 0, LEDGER_NOT_FOUND, or negative. */
int sqlite_scratch_touch(struct apply_scratch *scratch, struct sqlite_connection *connection, uint32_t sale, uint32_t lot,
			 struct touched **touched) MUST_CHECK;
/* 0, LEDGER_CONSTRAINT (some event of the batch is bad), or negative. */
int sqlite_scratch_write(struct apply_scratch *scratch, struct sqlite_connection *connection) MUST_CHECK;
