/*
 * Whether a ledger has what its journal has. One that was restored from a backup lacks orders, and epochs too, until a drain has read the journal again.
 */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"

/* Where the journal ended at some moment, for some sales. */
struct catch_up {
	uint32_t partitions;
	int64_t ends[JOURNAL_PARTITIONS_MAX]; /* 0: none of the sales is there */
};

/* 0, or negative: the journal does not say so now. Blocks as journal.ends. */
int catch_up_mark(struct catch_up *mark, struct journal *journal, const uint32_t *sales, size_t count) MUST_CHECK;
/* 1: the ledger has everything that lies before the mark; 0: not yet; or negative. */
int catch_up_reached(const struct catch_up *mark, struct ledger *ledger) MUST_CHECK;
