/*
 * Building the stock of every live sale again from the ledger, at start. The epoch of each sale rises first, so that nothing granted before can
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

/* live_since_ms: as in ledger.sales: sales that ended before then and have nothing left are left out. 0 or negative; -ERANGE: the ledger's orders break a promise (logged which sale). */
int rebuild_stock(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		  struct rebuild_result *result) MUST_CHECK;
