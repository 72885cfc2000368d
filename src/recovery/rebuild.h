/*
 * Building the stock of sales again from the ledger: of every live one at the start of a server
 * whose stock is its own, of those that a shared stock has forgotten at any time
 * (workers/rebuilder.h). The epoch of each sale rises first, so that nothing granted before can be
 * written after (rule 4; the ledger checks epochs itself where the journal is direct).
 *
 * Each sale is read by itself: its row, its lots' sums, its orders and withdrawals are of one
 * moment (ledger.sale_snapshot), and its orders are found by its number, never by a time. Times
 * come from whichever machine's clock was at hand, and a sale may be younger than its orders by
 * them. The cost is linear in the orders of the sales that live; those of others are not read.
 *
 * Before a sale is armed what was loaded is held against the sums that the ledger keeps of each
 * lot. Where they are not equal something is missing or too much, and what would be sold then
 * nobody can say: the sale stays fenced, is counted and said, and waits for a person
 * (docs/operations.md). The others are armed.
 */
#pragma once

#include "core/sale_catalog.h"
#include "port/ledger.h"
#include "port/stock.h"

struct rebuild_result {
	size_t sales, orders; /* brought back */
	size_t held;          /* sales that stay fenced: the ledger contradicts itself about them */
};

/*
 * Raises a sale's epoch above all that were before, and above `above` (sale->epoch: the new one),
 * and begins its stock. 0 or negative; -ESTALE: another process does the same.
 */
int rebuild_begin(struct ledger *ledger, struct stock *stock, struct sale *sale, uint32_t above) MUST_CHECK;
/*
 * Loads the orders and withdrawals of a sale that was begun, all of one moment, and holds them
 * against the ledger's sums. *snapshot, which is to be deinit()ed whatever comes, has what else is
 * of that moment; *orders: how many there were. 0; -EUCLEAN: orders and sums do not agree (logged);
 * -ESTALE: there is no such sale; or negative.
 */
int rebuild_load_sale(struct ledger *ledger, struct stock *stock, uint32_t number, struct ledger_snapshot *snapshot,
		      size_t *orders) MUST_CHECK;
/*
 * Whether it is the ledger's rows that keep a sale from being armed (-EUCLEAN, -ERANGE): trying
 * again does not help.
 */
bool rebuild_is_held(int code);
/*
 * Loads the orders of the table's sales, drafts left out, and arms them. Every one has been begun.
 * 0, or negative: the first that a sale came to; where that is held, the others have been armed and
 * counted all the same.
 */
int rebuild_load(struct ledger *ledger, struct stock *stock, const struct sale_table *table, struct rebuild_result *result) MUST_CHECK;

/*
 * All of both. live_since_ms: as in ledger.sales: sales that ended before then and have nothing
 * left are left out. 0, also where some sales are held (result->held), or negative.
 */
int rebuild_stock(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		  struct rebuild_result *result) MUST_CHECK;
