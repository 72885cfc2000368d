/*
 * The feed of what happened, over the rows of whichever database holds the ledger: each event has a
 * movement, and movements are numbered. From a movement's row, and its order's, the event is made
 * again. Private to the adapters.
 */
#pragma once

#include "ledger/rules.h"

/*
 * Which movements are events, in SQL: what an operator did to a draft's lots and to items is none.
 */
#define CHANGE_ROWS "(cause BETWEEN 5 AND 9 OR cause BETWEEN 11 AND 13 OR (cause = 4 AND movement_id IS NOT NULL))"

/* A movement, as far as its event needs it. */
struct change_row {
	int64_t number, at_ms, cause;
	uint32_t sale, lot;
	struct uuid id; /* the order's, or the movement's own */
	uint32_t withdrawn;
	uint32_t on_hand;         /* of an order's: how many of those that are withdrawn */
	uint32_t held, confirmed; /* units that leave a held, or a confirmed order, of one that gives back */
	uint32_t left;            /* what the order has after a reduction */
	uint32_t epoch;           /* 0: an older program's, which did not keep it */
	int64_t hold_expires_at_ms;
};

/* What a cursor knows of the row that it stands at: no other ledger's has the same. */
uint64_t change_row_mark(const struct change_row *row);
/*
 * Fills change->event from the row; change->order, change->actor (empty: the order's own buyer),
 * change->reason and change->refund are there. 0, or -EUCLEAN: it is no event, or its order is not
 * there.
 */
int change_row_read(const struct change_row *row, struct ledger_change *change) MUST_CHECK;
