/*
 * Building the stock of sales again from the ledger: of every live one at the start of a server whose stock is its own, of those that a shared
 * stock has forgotten at any time (workers/rebuilder.h). The epoch of each sale rises first, so that nothing granted before can
 * be written after (rule 4; the ledger checks epochs itself where the journal is direct). Then one pass over the orders by rising id, from the
 * oldest live sale on, hands each order to its sale: the time is linear in the orders, and no index by sale is needed.
 */
#pragma once

#include "core/sale_catalog.h"
#include "port/ledger.h"
#include "port/stock.h"

struct rebuild_result {
	size_t sales, orders; /* brought back */
};

/* Ends a sale's reign: raises its epoch (sale->epoch: the new one) and begins its stock. 0 or negative; -ESTALE: another process does the same. */
int rebuild_begin(struct ledger *ledger, struct stock *stock, struct sale *sale) MUST_CHECK;
/* Loads the orders of the table's sales, drafts left out, and arms them. Every one has been begun. 0 or negative, as
 * rebuild_stock(); the sales that could be armed are, and are counted. */
int rebuild_load(struct ledger *ledger, struct stock *stock, const struct sale_table *table, struct rebuild_result *result) MUST_CHECK;

/* All of both. live_since_ms: as in ledger.sales: sales that ended before then and have nothing left are left out. 0 or negative; -ERANGE: the ledger's orders break a promise (logged which sale). */
int rebuild_stock(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		  struct rebuild_result *result) MUST_CHECK;
