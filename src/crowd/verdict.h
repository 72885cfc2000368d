/*
 * The verdict: what the crowd was told, held against what the ledger has. The caller feeds every
 * order of the sale and asks at the end. The crowd knows no SQL; the ledger's own sums (P4 among
 * them) are the audit's, which the caller asks beside this.
 *
 *   P1  no lot has more units in live orders than it was given
 *   P2  every 202 has its order in the ledger, with the values that were told; what was told confirmed is confirmed
 *   P3  a key has one order; no buyer has more live units than the limit
 *   P5  nothing was left open; nobody was refused for an order that exists
 *
 * An order of ours that the ledger has and whose request was told nothing is no fault by itself
 * (the answer was lost), but the request was then left open, and that has been counted where the
 * crowd gave up on it.
 */
#pragma once

#include <stdint.h>
#include "base/error.h"
#include "crowd/book.h"

/* One order as the ledger has it; the texts are borrowed for the call. */
struct verdict_order {
	struct uuid id;
	struct slice sku, buyer, key;
	uint32_t quantity;
	enum order_state state;
	int64_t placed_at_ms, first_hold_expires_at_ms; /* hold 0: none */
};
struct verdict_lot {
	struct slice sku; /* borrowed until the verdict's deinit */
	int64_t units;    /* that it may have in live orders: allocated - withdrawn */
	int64_t live;     /* out */
};

struct verdict {
	struct book *book; /* borrowed */
	struct verdict_lot *lots;
	size_t lot_count;
	uint32_t limit_per_buyer;
	uint32_t *live; /* units, by the crowd's buyers */
	uint64_t orders, ours, foreign;
	uint64_t held, confirmed, cancelled, expired; /* ours */
	struct faults faults;                         /* what the ledger showed; what the answers showed is the book's */
};
/* 0 or -ENOMEM. */
int verdict_init(struct verdict *verdict, struct book *book, struct verdict_lot *lots, size_t lot_count,
		 uint32_t limit_per_buyer) MUST_CHECK;
void verdict_deinit(struct verdict *verdict); /* may be repeated */
void verdict_order(struct verdict *verdict, const struct verdict_order *order);
/* After the last order. */
void verdict_finish(struct verdict *verdict);
