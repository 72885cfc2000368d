/*
 * The sale table as the ledger has it, for a server whose stock is there already: its own sales at
 * start, others' changes later. What the ledger says is kept in the stock too, for a server that
 * cannot ask the ledger: it recalls what is armed there.
 */
#pragma once

#include "core/sale_catalog.h"
#include "port/ledger.h"
#include "port/stock.h"

/*
 * Every live sale; the stock is told of its epoch first. live_since_ms: as in ledger.sales.
 * *change: where catalog_follow() goes on. 0 or negative.
 */
int catalog_load(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		 uint64_t *change) MUST_CHECK;
/*
 * What was changed since, by whomever. Sales that ended before live_since_ms stay out, where they
 * are not in already. *change moves on. 0 or negative.
 */
int catalog_follow(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		   uint64_t *change) MUST_CHECK;

/*
 * What the stock has kept of one sale, where it is newer than what is shown and may be sold from.
 * 0, what stock.recall said, or negative.
 */
int catalog_recall(struct stock *stock, struct sale_catalog *catalog, uint32_t number) MUST_CHECK;
/* Of all its sales; those that it cannot tell now are left out. 0 or negative. */
int catalog_recall_all(struct stock *stock, struct sale_catalog *catalog) MUST_CHECK;
